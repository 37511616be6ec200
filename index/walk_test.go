package index

import (
	"fmt"
	"slices"
	"testing"
)

// TestHoldersFrom: whichever way it takes, what is yielded is the set from a rank on.
func TestHoldersFrom(t *testing.T) {
	for name, group := range map[string]func(i int) int{
		"spread evenly":  func(i int) int { return i % 10 },
		"one at the end": func(i int) int { return i / 2000 },
	} {
		x := New()
		const assets = 20_000
		for i := range assets {
			a := Asset{ID: fmt.Sprint(i), Group: fmt.Sprintf("g%d", group(i))}
			for port, every := range map[uint16]int{22: 2, 80: 100, 443: 5000, 8080: 1} {
				if i%every == 0 || port == 22 && i%7 == 0 {
					a.Keys = append(a.Keys, MakeKey(port, TCP))
				}
			}
			slices.Sort(a.Keys)
			if _, err := x.Add(&a); err != nil {
				t.Fatal(err)
			}
		}
		s := x.Publish()
		made := 0
		for _, groups := range [][]string{nil, {}, {"g0"}, {"g9"}, {"g3", "g9"}, {"g0", "g1", "none"}, {"none"}} {
			for _, port := range []uint16{22, 80, 443, 8080, 9} {
				k := MakeKey(port, TCP)
				ask := Groups{}
				if groups != nil {
					ask = GroupsOf(groups)
				}
				want := slices.Collect(s.View(ask).Holders(k).From(0))
				for _, rank := range []int{0, 1, 7, len(want) / 2, max(len(want)-1, 0), len(want), len(want) + 3} {
					for _, rows := range []int{1, 10, assets} {
						s.merged.Store(nil)
						s.held.Store(nil)
						v := s.View(ask)
						var got []Ordinal
						for o := range v.HoldersFrom(k, rank, rows) {
							if got = append(got, o); len(got) == rows {
								break
							}
						}
						right := want[min(rank, len(want)):]
						if right = right[:min(rows, len(right))]; !slices.Equal(got, right) {
							t.Fatalf("%s: %v of %v from %d: %d assets, want %d", name, k, groups, rank, len(got), len(right))
						}
						if s.held.Load() != nil {
							made++
						}
					}
				}
			}
		}
		if made == 0 {
			t.Errorf("%s: no set was made", name)
		}
	}
}

// TestFirstPagesMakeNoSet: the first rows of a large set are found without it, until it
// is remembered.
func TestFirstPagesMakeNoSet(t *testing.T) {
	x := New()
	k := MakeKey(22, TCP)
	for i := range 16 * heldFrom {
		a := Asset{ID: fmt.Sprint(i), Group: fmt.Sprint(i % 8)}
		if i%3 > 0 {
			a.Keys = []Key{k}
		}
		if _, err := x.Add(&a); err != nil {
			t.Fatal(err)
		}
	}
	s := x.Publish()
	for _, groups := range [][]string{{"1"}, {"1", "2"}} {
		v := s.View(GroupsOf(groups))
		first := func(rank int) (o Ordinal) {
			for o = range v.HoldersFrom(k, rank, 10) {
				break
			}
			return o
		}
		o := first(0)
		if s.held.Load() != nil || v.merged != nil && v.merged.assets.Load() != nil {
			t.Errorf("%v: a set was made for the first page", groups)
		}
		first(v.Count(k) / 2)
		if s.held.Load() == nil {
			t.Errorf("%v: no set was made for a page in the middle", groups)
		}
		if first(0) != o {
			t.Errorf("%v: the set begins with another asset", groups)
		}
		s.held.Store(nil)
	}
}

// TestWalkGivesUp: a walk that has met some rows and then none for long goes on in the set
// where it was, from whichever rank it began.
func TestWalkGivesUp(t *testing.T) {
	const assets, early, late = 20_000, 50, 19_000
	x, k := New(), MakeKey(22, TCP)
	for i := range assets {
		a := Asset{ID: fmt.Sprint(i), Group: "g0"}
		if i%10 == 0 {
			if a.Keys = []Key{k}; i >= early && i < late {
				a.Group = "g1"
			}
		}
		if _, err := x.Add(&a); err != nil {
			t.Fatal(err)
		}
	}
	s := x.Publish()
	want := slices.Collect(s.View(GroupsOf([]string{"g0"})).Holders(k).From(0))
	gaveUp := 0
	for rank := range early/10 + 3 {
		for rows := 1; rank+rows < 14; rows++ {
			s.merged.Store(nil)
			s.held.Store(nil)
			var got []Ordinal
			for o := range s.View(GroupsOf([]string{"g0"})).HoldersFrom(k, rank, rows) {
				if got = append(got, o); len(got) == rows {
					break
				}
			}
			if !slices.Equal(got, want[rank:rank+rows]) {
				t.Fatalf("%d rows from %d: %v, want %v", rows, rank, got, want[rank:rank+rows])
			}
			if s.held.Load() != nil && rank > 0 && rank < early/10 {
				gaveUp++
			}
		}
	}
	if gaveUp == 0 {
		t.Error("no walk gave up")
	}
}
