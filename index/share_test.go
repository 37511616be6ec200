package index

import (
	"context"
	"fmt"
	"testing"
)

// TestSharing: a key list is kept once for all who have it from its fourth sighting
// on, which are counted from the fourth asset on; one that is seen now and then, or
// is shorter than a reference to it, is not.
func TestSharing(t *testing.T) {
	x := New()
	common := []Key{MakeKey(1, TCP), MakeKey(2, TCP), MakeKey(3, TCP), MakeKey(4, TCP), MakeKey(5, TCP), MakeKey(6, TCP)}
	for i := range minSightings { // as long as nothing is forgotten
		if _, err := x.Add(&Asset{ID: fmt.Sprint("common-", i), Group: "0", Keys: common}); err != nil {
			t.Fatal(err)
		}
	}
	if len(x.blobs.refs) != 1 || x.blobs.refs[0] != minSightings-shareAfter-(shareAfter-1) {
		t.Errorf("references to shared lists: %v", x.blobs.refs)
	}
	for i := range 20 {
		for j, keys := range [][]Key{common[:2], {MakeKey(uint16(i+1), UDP), MakeKey(uint16(i+2000), UDP), MakeKey(uint16(i+40000), UDP), MakeKey(uint16(i+50000), UDP)}} {
			if _, err := x.Add(&Asset{ID: fmt.Sprint("other-", i, j), Group: "0", Keys: keys}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(x.blobs.refs) != 1 {
		t.Errorf("references to shared lists, then: %v", x.blobs.refs)
	}
}

// TestSightings: as many lists are remembered as there are assets, within bounds,
// and what takes a list's place makes it be forgotten.
func TestSightings(t *testing.T) {
	for assets, size := range map[int]int{
		0: 0, shareAfter - 1: 0, shareAfter: minSightings, minSightings: minSightings, minSightings + 1: 2 * minSightings,
		maxSightings: maxSightings, 1 << 20: maxSightings,
	} {
		var s sightings
		for range 20 { // it doubles at most once a sighting
			s.common(1<<40, assets)
		}
		if len(s.recent) != size {
			t.Errorf("%d assets: %d are remembered, want %d", assets, len(s.recent), size)
		}
	}
	var s sightings
	const one, sameSlot, otherSlot = uint64(1<<40 | 3), uint64(2<<40 | 3), uint64(1<<40 | 4)
	for i, hash := range []uint64{one, one, one, otherSlot, one, one, sameSlot, one, one, one, one} {
		want := i == 4 || i == 5 || i == 10
		if s.common(hash, minSightings) != want {
			t.Errorf("sighting %d: common is %t", i, !want)
		}
	}
}

// asking is a context that counts how often it is asked.
type asking struct {
	context.Context
	asked int
}

func (a *asking) Err() error {
	a.asked++
	return a.Context.Err()
}

// TestCheckAsksNowAndThen: a check looks at its context every 1024 assets and at
// each posting.
func TestCheckAsksNowAndThen(t *testing.T) {
	x := New()
	for i := range 3000 {
		if _, err := x.Add(&Asset{ID: fmt.Sprint(i), Group: "0", Keys: []Key{MakeKey(1, TCP), MakeKey(2, TCP)}}); err != nil {
			t.Fatal(err)
		}
	}
	x.Publish()
	ctx := &asking{Context: t.Context()}
	if err := x.Snapshot().Check(ctx); err != nil || ctx.asked != 3+2+1 {
		t.Errorf("snapshot: %v, asked %d times, want 6", err, ctx.asked)
	}
	ctx = &asking{Context: t.Context()}
	if err := x.Check(ctx, noRefs); err != nil || ctx.asked != 3+6 {
		t.Errorf("writer: %v, asked %d times, want 9", err, ctx.asked)
	}
}

// TestBuffersAreDropped: what a large batch has needed is let go of, what a small
// one needs is kept for the next.
func TestBuffersAreDropped(t *testing.T) {
	batch := func(x *Index, from, assets int) {
		t.Helper()
		for i := range assets {
			if _, err := x.Add(&Asset{ID: fmt.Sprint(from + i), Group: "0", Keys: []Key{MakeKey(1, TCP)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	x := New()
	batch(x, 0, 300)
	x.Publish()
	if cap(x.changes) == 0 || cap(x.flushing.sorted) == 0 {
		t.Error("the buffers of a small batch are gone")
	}
	x.flushAfter = keepChanges + 100
	batch(x, 1000, keepChanges) // two changes each: one flush behind, and one on publishing
	if x.Publish(); cap(x.changes) > keepChanges || cap(x.flushing.sorted) > keepChanges || cap(x.flushing.batch) > keepChanges {
		t.Errorf("after a large batch: room for %d, %d and %d changes", cap(x.changes), cap(x.flushing.sorted), cap(x.flushing.batch))
	}
	if err := x.Check(t.Context(), noRefs); err != nil {
		t.Error(err)
	}
}

// TestGiveBack: what removed assets have left is let go of, and not before.
func TestGiveBack(t *testing.T) {
	const assets = 3000
	x := New()
	for i := range assets {
		if _, err := x.Add(&Asset{ID: fmt.Sprint(i), Group: fmt.Sprint(i % 7), Note: make([]byte, 300), Keys: []Key{MakeKey(1, TCP)}}); err != nil {
			t.Fatal(err)
		}
	}
	version := x.Publish().Version()
	full, held := x.next.dict.slots(), x.Snapshot()
	remove := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			o, ok := x.Find(fmt.Sprint(i))
			if !ok {
				t.Fatalf("%d is not there", i)
			}
			x.Remove(o)
		}
		version++
		if s := x.Publish(); s.Version() != version {
			t.Errorf("version %d, want %d", s.Version(), version)
		}
		if err := x.Check(t.Context(), noRefs); err != nil {
			t.Fatal(err)
		}
	}
	stay := full/shrinkAt + 1
	if full%shrinkAt == 0 {
		stay--
	}
	remove(0, assets-stay)
	if n := x.next.dict.slots(); n != full {
		t.Errorf("with an asset for %d slots: %d slots of %d", shrinkAt, n, full)
	}
	if p := x.next.stripe(3); p != nil {
		t.Error("a stripe without assets is kept")
	}
	remove(assets-stay, assets-stay+1)
	if n := x.next.dict.slots(); n > 4*stay {
		t.Errorf("with fewer assets: %d slots for %d", n, stay-1)
	}
	remove(assets-stay+1, assets)
	if x.next.ordinals != 0 || x.free != nil || x.freeGroup != nil || len(x.blobs.refs) != 0 || x.next.dict.slots() != minTable {
		t.Errorf("without assets: %d ordinals, %d free, %d groups, %d numbers, %d slots", x.next.ordinals, len(x.free), len(x.freeGroup), len(x.blobs.refs), x.next.dict.slots())
	}
	if len(x.next.stripes.root)+len(x.next.groups.root)+len(x.next.interned.root) != 0 {
		t.Error("arrays of nothing are kept")
	}
	number := x.Intern([]byte("kept"))
	if _, err := x.Add(&Asset{ID: "last", Group: "0"}); err != nil {
		t.Fatal(err)
	}
	x.Publish()
	o, _ := x.Find("last")
	x.Remove(o)
	if x.Publish(); len(x.blobs.refs) != 1 || string(*x.next.interned.at(number)) != "kept" {
		t.Error("what is referred to is gone with the last asset")
	}
	if x.Release(number); len(x.blobs.free) != 1 {
		t.Error("a released number is not free")
	}
	if err := held.Check(t.Context()); err != nil || held.Assets() != assets {
		t.Errorf("a snapshot from before: %d assets, %v", held.Assets(), err)
	}
}
