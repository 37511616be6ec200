package index_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"portolan/index"
)

// assetsOf returns all assets of a snapshot by id.
func assetsOf(s *index.Snapshot) map[string]index.Asset {
	all := map[string]index.Asset{}
	for o := range s.View(index.Groups{}).Assets().From(0) {
		a, _ := s.Asset(o)
		all[a.ID] = a
	}
	return all
}

// wantSince holds what may differ between two snapshots against all their assets: each that differs is told
// of once, by its places in both, and nothing that is the same twice.
func wantSince(t *testing.T, what string, old, s *index.Snapshot) (told int) {
	t.Helper()
	was, is := assetsOf(old), assetsOf(s)
	seen := map[string]bool{}
	for d := range s.Since(old) {
		var a, b index.Asset
		if d.There {
			a, _ = old.Asset(d.Was)
		}
		if d.Here {
			b, _ = s.Asset(d.Is)
		}
		id := a.ID
		if d.Here {
			id = b.ID
		}
		if d.There && a.ID != id || seen[id] || !reflect.DeepEqual(a, was[id]) || !reflect.DeepEqual(b, is[id]) {
			t.Fatalf("%s: %q: %+v, %+v, %+v; seen %v", what, id, d, a, b, seen[id])
		}
		seen[id] = true
		told++
	}
	for id, a := range was {
		if b, here := is[id]; !seen[id] && (!here || !reflect.DeepEqual(a, b)) {
			t.Fatalf("%s: not told of %q: %+v, %+v", what, id, a, b)
		}
	}
	for id := range is {
		if _, there := was[id]; !there && !seen[id] {
			t.Fatalf("%s: not told that %q is new", what, id)
		}
	}
	return told
}

// TestSince: what differs between snapshots, near and far apart, in either direction, of one index and of
// two.
func TestSince(t *testing.T) {
	const assets = 2000
	x, y := whereIndex(t, assets), whereIndex(t, assets/2)
	rng := rand.New(rand.NewPCG(4, 4))
	held := []*index.Snapshot{x.Snapshot()}
	for round := range 150 {
		n := []int{0, 1, 3, 40}[round%4]
		if round == 100 { // all go, and some come back elsewhere
			for i := range assets {
				if o, ok := x.Find(fmt.Sprint("host-", i)); ok {
					x.Remove(o)
				}
			}
			x.Publish()
		}
		changeSome(t, x, rng, assets, n)
		s := x.Publish()
		last := held[len(held)-1]
		if told := wantSince(t, fmt.Sprint("round ", round), last, s); told > 64*n && round != 100 {
			t.Errorf("round %d: told of %d assets, of %d changes", round, told, n)
		}
		held = append(held, s)
		if round%10 == 9 {
			for _, old := range []*index.Snapshot{held[0], held[round/2], held[max(0, round-70)]} {
				wantSince(t, fmt.Sprint("far from round ", round), old, s)
				wantSince(t, fmt.Sprint("back from round ", round), s, old)
			}
			wantSince(t, fmt.Sprint("another index, round ", round), y.Snapshot(), s)
		}
	}
	if slices.Collect(x.Snapshot().Since(x.Snapshot())) != nil {
		t.Error("a snapshot differs from itself")
	}
	for range held[0].Since(y.Snapshot()) {
		break
	}
}
