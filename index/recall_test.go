package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"portolan/index"
)

// TestRecall: what is found and counted in one version after another, whatever has changed between,
// is what would be found in it alone; and only what has changed is looked at.
func TestRecall(t *testing.T) {
	const assets = 40_000
	x := whereIndex(t, assets)
	rng := rand.New(rand.NewPCG(9, 9))
	var looks atomic.Int64
	conditions := map[string]func(looks *atomic.Int64) *index.Condition{
		"half": func(n *atomic.Int64) *index.Condition {
			return index.ByOrdinal(func(o index.Ordinal) bool { n.Add(1); return o%2 == 0 })
		},
		"name": func(n *atomic.Int64) *index.Condition {
			return index.HasRow(func(r *index.Row) bool { n.Add(1); return len(r.Name()) > 0 && r.Name()[0]%5 == 0 })
		},
		"few": func(n *atomic.Int64) *index.Condition {
			return index.HasRow(func(r *index.Row) bool { n.Add(1); return len(r.Keys()) > 100 })
		},
		"both": func(n *atomic.Int64) *index.Condition {
			return index.AllOf(index.HasOpen(keysOf(22, 443)), index.HasRow(func(r *index.Row) bool { n.Add(1); return len(r.Keys())%2 == 0 }))
		},
	}
	kept := map[string]*index.Condition{}
	for name, condition := range conditions {
		kept[name] = condition(&looks)
	}
	groups := [][]string{nil, {"g1"}, {"g0", "g2"}}
	held := x.Snapshot()
	for round := range 60 {
		changeSome(t, x, rng, assets, []int{1, 30, 300, 5000}[round%4])
		s := x.Publish()
		if round%7 == 3 { // a reader may ask an old version, too
			s, held = held, s
		}
		if round == 30 {
			if n := s.Assets(); n == 0 {
				t.Fatal("nothing is left")
			}
		}
		for name, anew := range conditions {
			for _, g := range groups {
				before := looks.Load()
				got, err := viewOf(s, g).Where(t.Context(), kept[name])
				if err != nil {
					t.Fatal(err)
				}
				few := round%4 == 0 && round%7 != 3 && round%7 != 4 && round > 0
				if few && looks.Load()-before > assets/10 {
					t.Errorf("round %d: %s of %q: %d looks at one change", round, name, g, looks.Load()-before)
				}
				var ignored atomic.Int64
				want, err := viewOf(index.Forgetful(s), g).Where(t.Context(), anew(&ignored))
				if err != nil {
					t.Fatal(err)
				}
				sameViews(t, fmt.Sprintf("round %d: %s of %q", round, name, g), got, want)
			}
		}
	}
	if x.Publish(); index.Recalled(x) == 0 {
		t.Error("nothing is remembered")
	}
	for i := range assets { // all of them
		setKeys(t, x, fmt.Sprintf("host-%d", i), 1)
	}
	if x.Publish(); index.Recalled(x) != 0 {
		t.Error("what is of no use is remembered")
	}
}

func keysOf(ports ...uint16) *index.KeySet {
	var b index.KeySetBuilder
	for _, p := range ports {
		b.AddRange(index.Range{Type: index.TCP, Lo: p, Hi: p})
	}
	return b.Build()
}

// changeSome changes some assets: what they have, what they are called, where they are, and whether
// they are there.
func changeSome(t *testing.T, x *index.Index, rng *rand.Rand, assets, n int) {
	t.Helper()
	for range n {
		id := fmt.Sprintf("host-%d", rng.IntN(assets))
		o, there := x.Find(id)
		switch what := rng.IntN(10); {
		case !there:
			a := index.Asset{ID: id, Name: string([]byte{byte(rng.IntN(250))}), Group: fmt.Sprint("g", rng.IntN(4)), Keys: []index.Key{index.MakeKey(80, index.TCP)}}
			if _, err := x.Add(&a); err != nil {
				t.Fatal(err)
			}
		case what == 0:
			x.Remove(o)
		case what < 3:
			x.SetName(o, string([]byte{byte(rng.IntN(250))}))
		case what < 5:
			x.Put(o, fmt.Sprint("g", rng.IntN(4)), nil, x.Keys(o, nil))
		default:
			setKeys(t, x, id, uint16(20+rng.IntN(60)))
		}
	}
}

func setKeys(t *testing.T, x *index.Index, id string, port uint16) {
	t.Helper()
	o, ok := x.Find(id)
	if !ok {
		return
	}
	keys := x.Keys(o, nil)
	if len(keys) > 3 { // some close
		keys = slices.Delete(keys, 1, 3)
	}
	keys = append(keys, index.MakeKey(port, index.TCP), index.MakeKey(port+uint16(len(keys)), index.SCTP))
	slices.Sort(keys)
	x.Put(o, x.Group(o), nil, slices.Compact(keys))
}

// sameViews holds two views of the same assets against each other.
func sameViews(t *testing.T, what string, got, want index.View) {
	t.Helper()
	if !slices.Equal(slices.Collect(got.Assets().From(0)), slices.Collect(want.Assets().From(0))) {
		t.Fatalf("%s: %d assets, want %d", what, got.Assets().Len(), want.Assets().Len())
	}
	total, rows := pageOf(got, index.Filter{}, 0, index.MaxKeys, false)
	wantTotal, wantRows := pageOf(want, index.Filter{}, 0, index.MaxKeys, false)
	if total != wantTotal || !slices.Equal(rows, wantRows) {
		t.Fatalf("%s: %d keys, want %d", what, total, wantTotal)
	}
}

// BenchmarkRecall is a set of half of 4 M assets and its counts, asked for after a batch: with what is
// known of the version before, and without.
func BenchmarkRecall(b *testing.B) {
	const assets = 4_000_000
	x := benchIndex(b, assets)
	c := index.HasRow(func(r *index.Row) bool { keys := r.Keys(); return len(keys) > 0 && keys[0].Port()%2 == 0 })
	rng := rand.New(rand.NewPCG(7, 7))
	for _, batch := range []int{1, 1000, 10_000} {
		for _, known := range []bool{false, true} {
			b.Run(fmt.Sprintf("batch=%d/known=%v", batch, known), func(b *testing.B) {
				if _, err := x.Snapshot().View(index.Groups{}).Where(b.Context(), c); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					b.StopTimer()
					for range batch {
						o := index.Ordinal(rng.IntN(assets))
						x.Put(o, x.Group(o), nil, []index.Key{index.MakeKey(uint16(1+rng.IntN(50)), index.TCP)})
					}
					s := x.Publish()
					if !known {
						s = index.Forgetful(s)
					}
					b.StartTimer()
					if _, err := s.View(index.Groups{}).Where(b.Context(), c); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
