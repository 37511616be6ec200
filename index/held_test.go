package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"portolan/index"
)

// heldKeys are open on one of so many assets.
var heldKeys = map[index.Key]int{
	index.MakeKey(22, index.TCP): 2, index.MakeKey(80, index.TCP): 20, index.MakeKey(443, index.TCP): 70,
	index.MakeKey(53, index.UDP): 300, index.MakeKey(9, index.SCTP): 4000,
}

func heldAsset(rng *rand.Rand, id string) index.Asset {
	a := index.Asset{ID: id, Group: fmt.Sprint("g", rng.IntN(3)), Note: []byte{byte(rng.IntN(256))}}
	for k, every := range heldKeys {
		if rng.IntN(every) == 0 {
			a.Keys = append(a.Keys, k)
		}
	}
	slices.Sort(a.Keys)
	return a
}

// TestHeldOverManyStripes: snapshots that are held stay as they were, to the last field of the
// last asset, while assets over many stripes are added, changed in every way and removed, and
// postings grow at their ends, are merged, become dense and sparse again.
func TestHeldOverManyStripes(t *testing.T) {
	for _, behind := range []int{1, 1000, 1 << 20} {
		rng := rand.New(rand.NewPCG(uint64(behind), 5))
		x, m, ids := index.New(), &model{map[string]index.Asset{}}, []string(nil)
		index.FlushAfter(x, behind)
		type held struct {
			s *index.Snapshot
			m *model
		}
		var all []held
		for round := range 8 {
			grow, change := 600, 400*(round%2) // every other time postings only grow at their ends
			if round == 0 {
				grow, change = 40_000, 0
			}
			if round == 5 { // most go, so that columns are packed and postings shrink
				for _, id := range ids[len(ids)/4:] {
					heldRemove(t, x, m, id)
				}
				ids = ids[:len(ids)/4]
			}
			for range grow {
				a := heldAsset(rng, fmt.Sprintf("host-%d-%d", round, len(ids)))
				if _, err := x.Add(&a); err != nil {
					t.Fatal(err)
				}
				ids, m.assets[a.ID] = append(ids, a.ID), a
			}
			for range change {
				heldChange(t, rng, x, m, ids[rng.IntN(len(ids))])
			}
			all = append(all, held{x.Publish(), m.clone()})
		}
		for n, h := range all {
			heldCompare(t, fmt.Sprintf("behind by %d, held since round %d", behind, n), h.s, h.m)
			if err := h.s.Check(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() {
			return
		}
	}
}

func heldRemove(t *testing.T, x *index.Index, m *model, id string) {
	t.Helper()
	if o, there := x.Find(id); there {
		x.Remove(o)
		delete(m.assets, id)
	}
}

// heldChange changes one thing of an asset, if it is there.
func heldChange(t *testing.T, rng *rand.Rand, x *index.Index, m *model, id string) {
	t.Helper()
	o, there := x.Find(id)
	if !there {
		return
	}
	a, b := m.assets[id], heldAsset(rng, id)
	switch rng.IntN(6) {
	case 0:
		a.Name = fmt.Sprint("name", rng.IntN(1000))
		x.SetName(o, a.Name)
	case 1:
		a.Address = fmt.Sprint("10.0.0.", rng.IntN(256))
		x.SetAddress(o, a.Address)
	case 2:
		a.Group = b.Group
		x.Put(o, a.Group, a.Note, a.Keys)
	case 3:
		a.Keys = b.Keys
		x.Put(o, a.Group, a.Note, a.Keys)
	case 4:
		a.Note = b.Note
		x.PutNote(o, a.Note)
	default:
		heldRemove(t, x, m, id)
		return
	}
	m.assets[id] = a
}

// heldCompare holds every asset, every posting and every count of a snapshot against the model.
func heldCompare(t *testing.T, what string, s *index.Snapshot, m *model) {
	t.Helper()
	if s.Assets() != len(m.assets) {
		t.Errorf("%s: %d assets, want %d", what, s.Assets(), len(m.assets))
	}
	want := map[index.Key]int{}
	for id, a := range m.assets {
		o, there := s.Find(id)
		got, _ := s.Asset(o)
		if !there || !same(got, a) {
			t.Fatalf("%s: %+v, want %+v", what, got, a)
		}
		for _, k := range a.Keys {
			want[k]++
		}
	}
	v := s.View(index.Groups{})
	for k := range heldKeys {
		listed := 0
		for o := range s.Holders(k).From(0) {
			listed++
			if a, there := s.Asset(o); !there || !slices.Contains(m.assets[a.ID].Keys, k) {
				t.Fatalf("%s: %v is listed with %v", what, a.ID, k)
			}
		}
		if listed != want[k] || v.Count(k) != want[k] {
			t.Errorf("%s: %v: %d listed, %d counted, want %d", what, k, listed, v.Count(k), want[k])
		}
	}
}
