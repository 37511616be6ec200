package index_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"portolan/index"
)

// everyNth holds for assets by the byte that they have for a name.
func everyNth(n int) *index.Condition {
	return index.HasRow(func(r *index.Row) bool { return int(r.Name()[0])%n == 0 })
}

// whereIndex has assets enough for several goroutines: popular keys, rare ones, and some assets
// with very many.
func whereIndex(t testing.TB, assets int) *index.Index {
	t.Helper()
	x, rng := index.New(), rand.New(rand.NewPCG(3, 4))
	for i := range assets {
		a := index.Asset{ID: fmt.Sprintf("host-%d", i), Name: string([]byte{byte(rng.IntN(250))}), Group: fmt.Sprint("g", i%3)}
		for _, port := range []uint16{22, 80, 443, 8080} {
			if rng.IntN(int(port%7)+2) == 0 {
				a.Keys = append(a.Keys, index.MakeKey(port, index.TCP))
			}
		}
		for range rng.IntN(3) {
			a.Keys = append(a.Keys, index.MakeKey(uint16(32768+rng.IntN(8000)), index.UDP))
		}
		if i%5000 == 7 {
			for p := 1; p < 60000; p += 1 + i%3 {
				a.Keys = append(a.Keys, index.MakeKey(uint16(p), index.TCP6))
			}
		}
		slices.Sort(a.Keys)
		a.Keys = slices.Compact(a.Keys)
		if _, err := x.Add(&a); err != nil {
			t.Fatal(err)
		}
	}
	x.Publish()
	return x
}

// TestWhereMany: many assets are looked at and counted by several goroutines as by one, in every
// way, at every density, from many goroutines at a time.
func TestWhereMany(t *testing.T) {
	const assets = 60_000
	s := whereIndex(t, assets).Snapshot()
	whole := s.View(index.Groups{})
	var readers sync.WaitGroup
	for _, every := range []int{1, 2, 3, 7, 50, 249} {
		readers.Go(func() {
			v, err := whole.Where(t.Context(), everyNth(every))
			if err != nil {
				t.Error(err)
				return
			}
			want := map[index.Key]int{}
			n := 0
			for o := range whole.Assets().From(0) {
				a, _ := s.Asset(o)
				if int(a.Name[0])%every != 0 {
					continue
				}
				n++
				for _, k := range a.Keys {
					want[k]++
				}
			}
			if v.Assets().Len() != n {
				t.Errorf("every %d: %d assets, want %d", every, v.Assets().Len(), n)
			}
			for _, way := range []string{"asset", "key", "rest"} {
				counted, err := index.Counted(t.Context(), v, way)
				if err != nil {
					t.Error(err)
				}
				total, rows := pageOf(counted, index.Filter{}, 0, index.MaxKeys, false)
				if total != len(want) || len(rows) != total {
					t.Errorf("every %d by %s: %d keys, want %d", every, way, total, len(want))
				}
				for _, r := range rows {
					if want[r.Key] != r.Count {
						t.Errorf("every %d by %s: %v %d, want %d", every, way, r.Key, r.Count, want[r.Key])
						break
					}
				}
			}
		})
	}
	readers.Wait()
}

// TestWhereEnds: a search ends with its context, and a condition that panics does so where it was
// asked.
func TestWhereEnds(t *testing.T) {
	whole := whereIndex(t, 40_000).Snapshot().View(index.Groups{})
	ctx, cancel := context.WithCancel(t.Context())
	seen := index.HasRow(func(*index.Row) bool { cancel(); return true })
	if _, err := whole.Where(ctx, seen); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := whole.Where(t.Context(), index.AllOf(seen, index.NoneOf(seen))); err != nil {
		t.Errorf("what was ended is remembered: %v", err)
	}
	defer func() {
		if p := recover(); p != "ouch" {
			t.Errorf("recovered %v", p)
		}
	}()
	_, _ = whole.Where(t.Context(), index.HasRow(func(*index.Row) bool { panic("ouch") }))
}

// TestWhereRemembered: the last conditions that were asked for are remembered, and no more.
func TestWhereRemembered(t *testing.T) {
	whole := whereIndex(t, 100).Snapshot().View(index.Groups{})
	calls := 0
	conditions := make([]*index.Condition, 20)
	for i := range conditions {
		conditions[i] = index.HasRow(func(*index.Row) bool { calls++; return true })
	}
	ask := func(c *index.Condition) (asked bool) {
		before := calls
		if _, err := whole.Where(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return calls > before
	}
	if !ask(conditions[0]) || ask(conditions[0]) {
		t.Error("a condition is not remembered")
	}
	for _, c := range conditions[1:] {
		ask(c)
	}
	if !ask(conditions[0]) {
		t.Error("everything is remembered")
	}
}

// TestFindPage: pages of a set are those of the whole set, made or not.
func TestFindPage(t *testing.T) {
	s := whereIndex(t, 60_000).Snapshot()
	open := func(port uint16) *index.Condition { return index.HasOpen(keysOf(port)) }
	in := func(names ...string) *index.Condition { return index.InGroup(index.GroupsOf(names)) }
	for name, c := range map[string]func() *index.Condition{
		"a and b":     func() *index.Condition { return index.AllOf(open(22), open(443)) },
		"a not b":     func() *index.Condition { return index.AllOf(open(80), index.NoneOf(open(22))) },
		"not b, a":    func() *index.Condition { return index.AllOf(index.NoneOf(open(80)), open(8080)) },
		"neither":     func() *index.Condition { return index.AllOf(index.NoneOf(open(80)), index.NoneOf(open(22))) },
		"a in group":  func() *index.Condition { return index.AllOf(in("g1"), open(22)) },
		"a in others": func() *index.Condition { return index.AllOf(open(22), index.NoneOf(in("g0", "g1"))) },
		"nothing":     func() *index.Condition { return index.AllOf(open(22), open(9)) },
		"all but":     func() *index.Condition { return index.AllOf(open(22), index.NoneOf(open(9))) },
		"none":        func() *index.Condition { return index.AllOf(open(22), index.NoneOf(open(22))) },
		"groups":      func() *index.Condition { return index.AllOf(in("g1"), in("g2")) },
		"three":       func() *index.Condition { return index.AllOf(open(22), open(80), index.NoneOf(in("g1"))) },
	} {
		for _, groups := range [][]string{nil, {"g1"}, {"g0", "g2"}, {}} {
			view := viewOf(s, groups)
			set, err := view.Find(t.Context(), c())
			if err != nil {
				t.Fatal(err)
			}
			whole := slices.Collect(set.From(0))
			for _, page := range [][2]int{{0, 10}, {0, 0}, {7, 100}, {4000, 500}, {len(whole), 5}, {len(whole) + 3, 1}, {1 << 62, 1 << 62}, {5, 1 << 62}} {
				total, got, err := view.FindPage(t.Context(), c(), page[0], page[1])
				from := min(page[0], len(whole))
				want := whole[from : from+min(page[1], len(whole)-from)]
				if err != nil || total != len(whole) || !slices.Equal(got, want) {
					t.Errorf("%s in %q, page %v: %d, %d assets, want %d, %d; %v", name, groups, page, total, len(got), len(whole), len(want), err)
				}
			}
		}
	}
}

// BenchmarkWhere is the counts of sets of several densities in 4 M assets, by each way of counting.
func BenchmarkWhere(b *testing.B) {
	s := benchIndex(b, 4_000_000).Snapshot()
	whole := s.View(index.Groups{})
	rng := rand.New(rand.NewPCG(5, 5))
	for _, density := range []float64{1e-5, 1e-3, 1e-2, 0.1, 0.2, 0.5, 0.9, 0.999} {
		pick := make([]bool, 4_000_000)
		for i := range pick {
			pick[i] = rng.Float64() < density
		}
		v, err := whole.Where(b.Context(), index.ByOrdinal(func(o index.Ordinal) bool { return pick[o] }))
		if err != nil {
			b.Fatal(err)
		}
		for _, way := range []string{"best", "asset", "key", "rest"} {
			if density < 0.01 && way == "rest" || density > 0.9 && way == "asset" {
				continue
			}
			b.Run(fmt.Sprintf("density=%g/by=%s", density, way), func(b *testing.B) {
				for b.Loop() {
					if _, err := index.Counted(b.Context(), v, way); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestWhereOfNothingOpen: groups whose assets have nothing open share their counts, but not what is
// found in them.
func TestWhereOfNothingOpen(t *testing.T) {
	x := index.New()
	for i, group := range []string{"a", "b", "b", "c"} {
		asset := index.Asset{ID: fmt.Sprint(i), Group: group}
		if group == "c" {
			asset.Keys = []index.Key{index.MakeKey(22, index.TCP)}
		}
		if _, err := x.Add(&asset); err != nil {
			t.Fatal(err)
		}
	}
	s := x.Publish()
	idle := index.HasRow(func(r *index.Row) bool { return len(r.Keys()) == 0 })
	for range 2 { // made, remembered
		for _, c := range []struct {
			groups []string
			want   int
		}{{[]string{"a"}, 1}, {[]string{"b"}, 2}, {[]string{"c"}, 0}, {[]string{"nobody"}, 0}, {[]string{}, 0}, {[]string{"a", "b"}, 3}, {nil, 3}} {
			set, err := viewOf(s, c.groups).Find(t.Context(), idle)
			if err != nil || set.Len() != c.want {
				t.Errorf("%q: %d assets, want %d; %v", c.groups, set.Len(), c.want, err)
			}
		}
	}
}
