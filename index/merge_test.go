package index

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// sumOf returns a view's counts by key.
func sumOf(v View) map[Key]int {
	all := map[Key]int{}
	v.counts.each(func(k Key, n uint32) { all[k] = int(n) })
	return all
}

// checkMerged holds a merged view against the sum made anew.
func checkMerged(t rapid.TB, s *Snapshot, names []string) {
	t.Helper()
	v := s.View(GroupsOf(names))
	want := map[Key]int{}
	opens := 0
	for _, name := range names {
		for k, n := range sumOf(View{counts: s.countsNamed(name)}) {
			want[k] += n
			opens += n
		}
	}
	if got := sumOf(v); !maps.Equal(got, want) || v.counts.opens != opens || v.counts.keys != len(want) {
		t.Fatalf("version %d of %v: %v, %d keys, %d open, want %v, %d", s.version, names, got, v.counts.keys, v.counts.opens, want, opens)
	}
	for tt, tc := range v.counts.types {
		if tc != nil && tc.keys == 0 {
			t.Fatalf("type %d has no key and is there", tt)
		}
	}
}

// TestMergedViewsAreMended: whatever came between, and of whichever version it is asked, the
// merged view of a snapshot is the sum of its groups.
func TestMergedViewsAreMended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := New()
		groups := rapid.SampledFrom([]int{3, 700}).Draw(t, "groups")
		name := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("g%03d", rapid.IntRange(0, groups-1).Draw(t, "group")) })
		var views [][]string
		for range 3 {
			names := rapid.SliceOfNDistinct(name, 2, 40, rapid.ID).Filter(func(s []string) bool { return len(s) > 1 }).Draw(t, "view")
			slices.Sort(names)
			views = append(views, names)
		}
		var held []*Snapshot
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		ids := map[string]bool{}
		for range rapid.IntRange(1, 25).Draw(t, "publications") {
			for range rng.IntN(30) {
				id := fmt.Sprint(rng.IntN(60))
				keys := make([]Key, 0, 4)
				for range rng.IntN(4) {
					keys = append(keys, MakeKey([]uint16{1, 63, 64, 1023, 1024, 65535}[rng.IntN(6)], Types()[rng.IntN(numTypes)]))
				}
				slices.Sort(keys)
				keys = slices.Compact(keys)
				group := fmt.Sprintf("g%03d", rng.IntN(groups))
				o, known := x.Find(id)
				switch {
				case !known:
					if _, err := x.Add(&Asset{ID: id, Group: group, Keys: keys}); err != nil {
						t.Fatal(err)
					}
					ids[id] = true
				case rng.IntN(4) == 0:
					x.Remove(o)
				default:
					x.Put(o, group, nil, keys)
				}
			}
			held = append(held, x.Publish())
			for range rng.IntN(3) {
				checkMerged(t, held[rng.IntN(len(held))], views[rng.IntN(len(views))])
			}
		}
		for _, s := range held {
			checkMerged(t, s, views[0])
		}
	})
}

// TestMergedViewsBesideWriter: readers merge and mend while a writer publishes.
func TestMergedViewsBesideWriter(t *testing.T) {
	x := New()
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("g%03d", i))
		if _, err := x.Add(&Asset{ID: fmt.Sprint(i), Group: names[i], Keys: []Key{MakeKey(22, TCP)}}); err != nil {
			t.Fatal(err)
		}
	}
	x.Publish()
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					checkMerged(t, x.Snapshot(), names[10:200])
				}
			}
		})
	}
	for i := range 300 {
		x.Put(Ordinal(i%250), names[(i*7)%300], nil, []Key{MakeKey(uint16(1+i%70), TCP), MakeKey(uint16(100+i%70), UDP)})
		x.Publish()
	}
	close(done)
	readers.Wait()
}

// TestMergedViewsAreForgotten: what has changed too much is not held on to.
func TestMergedViewsAreForgotten(t *testing.T) {
	x := New()
	for i := range 4 {
		if _, err := x.Add(&Asset{ID: fmt.Sprint(i), Group: fmt.Sprint(i), Keys: everyOther(30000)}); err != nil {
			t.Fatal(err)
		}
	}
	x.Publish().View(GroupsOf([]string{"1", "2"}))
	known := func() int {
		if list := x.next.merges.list.Load(); list != nil {
			return len(*list)
		}
		return 0
	}
	for i, want := range []int{1, 1, 1, 0} {
		x.Put(0, "0", []byte{byte(i)}, everyOther(30000-29000*((i+1)%2)))
		if x.Publish(); known() != want {
			t.Errorf("after %d publications %d merged views are known, want %d", i+1, known(), want)
		}
	}
}

// BenchmarkMergedAfterPublish asks a view of 50,000 groups after each publication.
func BenchmarkMergedAfterPublish(b *testing.B) {
	x := New()
	const groups = 50_000
	names := make([]string, groups)
	for i := range names {
		names[i] = fmt.Sprintf("g%05d", i)
		for j := range 2 {
			keys := []Key{MakeKey(22, TCP), MakeKey(uint16(1000+i*7%30000), TCP), MakeKey(uint16(40000+i*11%20000), UDP)}
			if _, err := x.Add(&Asset{ID: fmt.Sprint(i, j), Group: names[i], Keys: keys}); err != nil {
				b.Fatal(err)
			}
		}
	}
	view := GroupsOf(names[:groups-1])
	x.Publish().View(view)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		x.Put(Ordinal(n%(2*groups)), names[n%(2*groups)/2], nil, []Key{MakeKey(22, TCP), MakeKey(uint16(1+n%60000), TCP)})
		x.Publish().View(view)
	}
}
