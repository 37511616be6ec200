package index

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// checkedIndex returns an index that has all there is to check: dense and sparse
// postings, several groups, shared key lists, long notes and idents, and free
// ordinals, groups and numbers.
func checkedIndex(t *testing.T) *Index {
	t.Helper()
	x := New()
	keys := []Key{MakeKey(22, TCP), MakeKey(53, UDP), MakeKey(80, TCP), MakeKey(443, TCP), MakeKey(1024, TCP), MakeKey(65535, UDP6)}
	for i := range 300 {
		a := Asset{ID: fmt.Sprintf("h%d", i), Group: fmt.Sprint(i % 3), Keys: keys}
		switch {
		case i%50 == 1:
			a.Name, a.Note, a.Keys = strings.Repeat("n", 1000), make([]byte, 300), keys[:i/50]
		case i == 0:
			a.Group = "gone"
		case i < 100:
			a.Note = []byte(fmt.Sprint(i % 2))
		}
		o, err := x.Add(&a)
		if err != nil {
			t.Fatal(err)
		}
		_, labels := envOf(a.Note)
		for _, l := range append(labels, Label{"env", "gone"}) {
			x.Label(o, l)
		}
		x.Unlabel(o, Label{"env", "gone"})
	}
	for _, i := range []int{0, 51, 200} {
		o, _ := x.Find(fmt.Sprintf("h%d", i))
		x.Remove(o)
	}
	x.Publish()
	if err := x.Check(t.Context(), envOf); err != nil {
		t.Fatal(err)
	}
	if p, _ := x.next.tree.Get(keys[0]); p.dense == nil || x.next.everyone.dense == nil {
		t.Fatal("no posting is dense")
	}
	if len(x.free) != 3 || len(x.freeGroup) != 1 || len(x.blobs.free) == 0 {
		t.Fatalf("free: %v, %v, %v", x.free, x.freeGroup, x.blobs.free)
	}
	return x
}

// envOf is the label that a short note tells of.
func envOf(note []byte) (refs []uint32, labels []Label) {
	if len(note) == 1 {
		labels = append(labels, Label{"env", string(note)})
	}
	return nil, labels
}

func noRefs([]byte) ([]uint32, []Label) { return nil, nil }

// breaks are ways to break an invariant of a snapshot. Each changes a structure
// of its own index, so it may do so in place.
var breaks = map[string]func(s *Snapshot){
	"an asset too few":           func(s *Snapshot) { s.assets++ },
	"an asset that is not alive": func(s *Snapshot) { s.stripe(0).live &^= 2 },
	"an id that is not found": func(s *Snapshot) {
		t := s.dict.tables[0]
		clear(t.slots)
	},
	"an id under another ordinal": func(s *Snapshot) {
		off := &s.stripe(0).idents.off
		off[2], off[3] = off[3], off[2]
	},
	"a group that is not there":     func(s *Snapshot) { s.groups.at(2).name = "" },
	"a group of another name":       func(s *Snapshot) { s.groups.at(2).name = "other" },
	"a group with an asset more":    func(s *Snapshot) { s.groups.at(2).assets++ },
	"a group that no asset has":     func(s *Snapshot) { s.groupNames.Set("none", 77) },
	"a group that nobody finds":     func(s *Snapshot) { s.groupNames.Delete("1") },
	"keys that are another asset's": func(s *Snapshot) { off := &s.stripe(0).states.off; off[1], off[4] = off[4], off[1] },
	"keys out of order": func(s *Snapshot) {
		for _, item := range s.interned.root[0].items {
			if len(item) > 8 && len(item) < 40 {
				item[2], item[3] = 0, 0
			}
		}
	},
	"a key twice": func(s *Snapshot) {
		for _, item := range s.interned.root[0].items {
			if len(item) > 8 && len(item) < 40 { // the second of the ports of TCP
				item[3] = 0
			}
		}
	},
	"a posting without an asset": func(s *Snapshot) {
		p, _ := s.tree.Get(MakeKey(22, TCP))
		p.dense.Remove(5)
		p.n--
	},
	"a posting with an asset more": func(s *Snapshot) {
		p, _ := s.tree.Get(MakeKey(65535, UDP6))
		p.dense.Add(1)
		p.n++
	},
	"a posting with an asset that is none": func(s *Snapshot) {
		p, _ := s.tree.Get(MakeKey(22, TCP))
		p.dense.Add(9999)
		p.n++
	},
	"a posting with a wrong number": func(s *Snapshot) { p, _ := s.tree.Get(MakeKey(22, TCP)); p.n++ },
	"a posting that is not there":   func(s *Snapshot) { s.tree.Delete(MakeKey(22, TCP)) },
	"a posting of nothing":          func(s *Snapshot) { s.tree.Set(MakeKey(9, TCP), new(posting)) },
	"a posting out of order": func(s *Snapshot) {
		p, _ := s.tree.Get(MakeKey(22, TCP))
		p.blocks, p.dense = slices.Repeat(appendBlocks(nil, p.dense.ToArray()[:p.n/2]), 2), nil
	},
	"a count of the whole":                func(s *Snapshot) { s.whole.types[TCP].chunks[0].lines[0][22]++ },
	"a count of a group":                  func(s *Snapshot) { s.countsOf(2).types[TCP].chunks[0].lines[0][22]-- },
	"a bit of a key that nobody has open": func(s *Snapshot) { s.whole.types[TCP].chunks[0].open[0] |= 1 << 9 },
	"no bit of a key that is open":        func(s *Snapshot) { s.whole.types[TCP].chunks[0].open[0] &^= 1 << 22 },
	"a number of keys of a chunk":         func(s *Snapshot) { s.whole.types[TCP].chunks[0].keys++ },
	"a number of keys of a type":          func(s *Snapshot) { s.whole.types[TCP].keys++ },
	"a number of keys":                    func(s *Snapshot) { s.whole.keys++ },
	"a number of observations":            func(s *Snapshot) { s.whole.opens++ },
	"counts of a group that are not there": func(s *Snapshot) {
		*s.groupCounts.at(2) = nil
	},
	"members without an asset": func(s *Snapshot) {
		*s.members.at(2) = setOf(slices.Collect(s.membersOf(2).From(1))).p
	},
	"members of another group": func(s *Snapshot) { *s.members.at(2) = *s.members.at(1) },
	"everyone without an asset": func(s *Snapshot) {
		s.everyone = setOf(slices.Collect(Set{s.everyone}.From(1))).p
	},
	"a key that its asset does not list": func(s *Snapshot) {
		k := MakeKey(65535, UDP6)
		p, _ := s.tree.Get(k)
		p.dense.Add(1)
		p.n++
		for _, c := range []*counts{s.whole, s.countsOf(s.stateOf(1).group)} {
			c.types[UDP6].chunks[63].lines[15][63]++
			c.opens++
		}
	},
	"a number of dead bytes":  func(s *Snapshot) { s.stripe(0).idents.dead++ },
	"dead bytes of no record": func(s *Snapshot) { p := s.stripe(1); p.states.data = append(p.states.data, 0) },
	"many dead bytes": func(s *Snapshot) {
		c := &s.stripe(1).states
		c.dead += maxDead + len(c.data)
		c.data = append(c.data, make([]byte, maxDead+len(c.data))...)
	},
	"everyone with an asset that is none": func(s *Snapshot) { s.everyone.dense.Add(9999); s.everyone.n++ },
}

// TestCheckFinds breaks each invariant of a snapshot and wants to hear of it.
func TestCheckFinds(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(breaks)) {
		t.Run(name, func(t *testing.T) {
			s := checkedIndex(t).Snapshot()
			breaks[name](s)
			if err := s.Check(t.Context()); err == nil {
				t.Error("nothing is found")
			}
		})
	}
}

// writerBreaks are ways to break an invariant of what only the writer knows.
var writerBreaks = map[string]func(x *Index){
	"a change that waits":               func(x *Index) { x.changes = append(x.changes, change{}) },
	"a reference too many":              func(x *Index) { x.blobs.refs[used(x)]++ },
	"a reference too few":               func(x *Index) { x.blobs.refs[used(x)]-- },
	"a number in use that is free":      func(x *Index) { x.blobs.free = append(x.blobs.free, used(x)) },
	"a free number that is not listed":  func(x *Index) { x.blobs.free = nil },
	"a number that is free twice":       func(x *Index) { x.blobs.free = append(x.blobs.free, x.blobs.free[0]) },
	"a free number beyond all":          func(x *Index) { x.blobs.free = append(x.blobs.free, uint32(len(x.blobs.refs))) },
	"a free number with bytes":          func(x *Index) { *x.next.interned.at(x.blobs.free[0]) = []byte("left") },
	"bytes that nobody finds":           func(x *Index) { clear(x.blobs.ids) },
	"a free ordinal that is not listed": func(x *Index) { x.free = x.free[1:] },
	"an ordinal in use that is free":    func(x *Index) { x.free = append(x.free, 7) },
	"an ordinal that is free twice":     func(x *Index) { x.free = append(x.free, x.free[0]) },
	"a group in use that is free":       func(x *Index) { x.freeGroup = append(x.freeGroup, x.groups["1"]) },
	"a group that readers do not find":  func(x *Index) { x.groups["none"] = 3 },
	"a group beyond all":                func(x *Index) { x.groups["1"] = uint32(len(x.groups) + len(x.freeGroup)) },
	"a group under another number":      func(x *Index) { x.groups["1"] = x.groups["2"] },
	"a number of assets of a label":     func(x *Index) { x.next.labels.list.at(env(x, 0)).assets++ },
	"a label under another number":      func(x *Index) { x.frozen.labels.numbers.Set(Label{"env", "0"}.key(), env(x, 1)) },
	"a label that is not found":         func(x *Index) { x.frozen.labels.numbers.Delete(Label{"env", "0"}.key()) },
	"holders of another label":          func(x *Index) { *x.next.labels.holders.at(env(x, 0)) = x.next.labels.holdersOf(env(x, 1)).p },
	"holders with one too many":         func(x *Index) { p := x.next.labels.holdersOf(env(x, 0)).p; p.blocks = pushSparse(p.blocks, 250); p.n++ },
	"no holders":                        func(x *Index) { *x.next.labels.holders.at(env(x, 0)) = nil },
	"a label in use that is free":       func(x *Index) { x.freeLabel = append(x.freeLabel, env(x, 0)) },
	"a free label with a name":          func(x *Index) { x.next.labels.list.at(x.freeLabel[0]).Name = "left" },
	"a free group with a name":          func(x *Index) { x.next.groups.at(x.freeGroup[0]).name = "left" },
}

// env returns the number of a label.
func env(x *Index, value int) uint32 {
	n, _ := x.next.labels.numbers.Get(Label{"env", fmt.Sprint(value)}.key())
	return n
}

// used returns an interned number that assets refer to.
func used(x *Index) uint32 {
	return uint32(slices.IndexFunc(x.blobs.refs, func(n uint32) bool { return n > 0 }))
}

// TestWriterCheckFinds does the same for what only the writer knows.
func TestWriterCheckFinds(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(writerBreaks)) {
		t.Run(name, func(t *testing.T) {
			x := checkedIndex(t)
			writerBreaks[name](x)
			if err := x.Check(t.Context(), envOf); err == nil {
				t.Error("nothing is found")
			}
		})
	}
	x := checkedIndex(t)
	if err := x.Check(t.Context(), noRefs); err == nil {
		t.Error("labels that no note tells of are not found")
	}
	if err := x.Check(t.Context(), func(note []byte) ([]uint32, []Label) {
		_, labels := envOf(note)
		return make([]uint32, len(note)/300), labels
	}); err == nil {
		t.Error("references of notes are not counted")
	}
	if err := x.Check(t.Context(), func(note []byte) ([]uint32, []Label) {
		_, labels := envOf(note)
		return slices.Repeat([]uint32{uint32(len(x.blobs.refs))}, len(note)/300), labels
	}); err == nil {
		t.Error("references of notes to nothing are not found")
	}
}

// TestCheckStops: a check ends with its context and says so.
func TestCheckStops(t *testing.T) {
	x := checkedIndex(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Snapshot().Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("snapshot: %v", err)
	}
	if err := x.Check(ctx, envOf); !errors.Is(err, context.Canceled) {
		t.Errorf("writer: %v", err)
	}
}

// TestCheckSaysLittle: a snapshot that is broken all over is described in a few faults.
func TestCheckSaysLittle(t *testing.T) {
	s := checkedIndex(t).Snapshot()
	s.tree.Clear()
	if err := s.Check(t.Context()); err == nil || strings.Count(err.Error(), "\n") >= maxFaults {
		t.Errorf("got %v", err)
	}
}
