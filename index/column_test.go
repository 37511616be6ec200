package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// fill puts a record of so many bytes into each of the first slots.
func fill(c *column, slots uint32, size int) (live uint64) {
	for slot := range slots {
		c.put(slot, bytes.Repeat([]byte{byte(slot)}, size), live)
		live |= 1 << slot
	}
	return live
}

// TestColumn: whatever is put and dropped, every record comes back, the dead bytes are
// counted, and there are not too many of them.
func TestColumn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var c column
	var live uint64
	want := map[uint32][]byte{}
	most, packed := 0, 0
	for range 20_000 {
		slot := uint32(rng.IntN(stripeSize))
		before := c.dead
		if live>>slot&1 != 0 && rng.IntN(4) == 0 {
			c.drop(slot)
			live &^= 1 << slot
			delete(want, slot)
		} else {
			// Mostly short ones, and some at the edges of a length's bytes and of all.
			rec := make([]byte, []int{rng.IntN(20), 127, 128, rng.IntN(maxRecord), maxRecord}[rng.IntN(5)])
			for i := range rec {
				rec[i] = byte(rng.Uint32())
			}
			c.put(slot, rec, live)
			live |= 1 << slot
			want[slot] = rec
		}
		if c.dead < before {
			packed++
		}
		used := 0
		for slot, rec := range want {
			if !bytes.Equal(c.record(slot), rec) {
				t.Fatalf("slot %d has %d bytes, want %d", slot, len(c.record(slot)), len(rec))
			}
			used += c.size(slot)
		}
		if c.dead != len(c.data)-used {
			t.Fatalf("%d bytes are dead, the number is %d", len(c.data)-used, c.dead)
		}
		most = max(most, len(c.data))
	}
	if most > 1<<16 || packed < 10 {
		t.Errorf("at most %d bytes, packed %d times", most, packed)
	}
}

// TestColumnPacks: a column is packed when more of it is dead than there may be, and
// before it grows beyond what offsets address; else what moves goes to the end.
func TestColumnPacks(t *testing.T) {
	for _, c := range []struct {
		records, size, dead int
		packs               bool
	}{
		{10, 200, maxDead, false},     // 2,020 bytes
		{10, 200, maxDead + 1, true},  // more than half of them, too
		{12, 200, 1212, false},        // half of 2,424
		{12, 200, 1213, true},         //
		{11, 200, maxDead + 1, false}, // less than half of 2,222
	} {
		var col column
		live := fill(&col, uint32(c.records), c.size)
		col.dead = c.dead // as if so much had moved
		before := len(col.data)
		col.put(63, []byte("new"), live)
		if packs := col.dead == 0; packs != c.packs {
			t.Errorf("%d of %d bytes dead: packed %t", c.dead, before, packs)
		}
	}
}

// TestColumnIsFull: 64 of the longest records fit while one of them moves.
func TestColumnIsFull(t *testing.T) {
	var c column
	live := fill(&c, stripeSize, maxRecord)
	for round := range 10 {
		for slot := range uint32(stripeSize) {
			rec := bytes.Repeat([]byte{byte(round)}, maxRecord-1-round%2)
			c.put(slot, rec, live)
			if !bytes.Equal(c.record(slot), rec) || len(c.data) > 1<<16 {
				t.Fatalf("round %d, slot %d: %d bytes in all", round, slot, len(c.data))
			}
		}
	}
}

// TestColumnGrows: room is made for an eighth more than is needed, so that filling a
// column copies it some thirty times and not at every record.
func TestColumnGrows(t *testing.T) {
	var c column
	var live uint64
	grown := 0
	for slot := range uint32(stripeSize) {
		size, room := len(c.data), cap(c.data)-len(c.data)
		c.put(slot, make([]byte, 100), live)
		live |= 1 << slot
		switch grew := cap(c.data) - size; {
		case room >= 102 && grew != room:
			t.Fatalf("slot %d: it grew though there was room for %d", slot, room)
		case room < 102 && grew != 102+size/8:
			t.Fatalf("slot %d: room for %d beyond %d", slot, grew, size)
		case room < 102:
			grown++
		}
	}
	if grown > 30 {
		t.Errorf("it grew %d times", grown)
	}
}

// TestColumnCopies: a copy for changing is packed where more than an eighth is dead,
// has the room that is asked for, and shares nothing.
func TestColumnCopies(t *testing.T) {
	for dropped, packs := range []bool{false, false, true} { // of eight equal records
		var c column
		live := fill(&c, 8, 100)
		for slot := range uint32(dropped) {
			c.drop(slot)
			live &^= 1 << slot
		}
		n := c.copied(live, 50)
		want := len(c.data)
		if packs {
			want -= c.dead
		}
		if len(n.data) != want || cap(n.data) != want+50 || n.dead != len(n.data)-101*(8-dropped) {
			t.Errorf("%d dropped: %d bytes, %d dead, room for %d", dropped, len(n.data), n.dead, cap(n.data)-len(n.data))
		}
		n.record(3)[0]++
		if c.record(3)[0] == n.record(3)[0] {
			t.Error("a copy shares its bytes")
		}
	}
}

// TestColumnTrims: room of more than a sixteenth is given back.
func TestColumnTrims(t *testing.T) {
	for room, trims := range map[int]bool{0: false, 10: false, 11: true} {
		c := column{data: make([]byte, 160, 160+room)}
		c.trim()
		if trimmed := room > 0 && cap(c.data) < 160+room; trimmed != trims || len(c.data) != 160 {
			t.Errorf("room for %d: trimmed %t", room, trimmed)
		}
	}
}

// TestStripesAreTrimmed: the columns of a stripe that has become full have no room to
// spare, and those of one that is being filled do.
func TestStripesAreTrimmed(t *testing.T) {
	x := New()
	for i := range 3 * stripeSize {
		if _, err := x.Add(&Asset{ID: fmt.Sprintf("asset-%06d", i), Group: "0", Keys: everyOther(1 + i%3)}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint32(3) {
		p := x.next.stripe(n)
		for name, c := range map[string]*column{"idents": &p.idents, "states": &p.states} {
			if room := cap(c.data) - len(c.data); room > len(c.data)/16 {
				t.Errorf("stripe %d: room for %d behind %d bytes of %s", n, room, len(c.data), name)
			}
		}
	}
	if x.stripeHint != [2]int{len(x.next.stripe(2).idents.data), len(x.next.stripe(2).states.data)} {
		t.Errorf("the next stripe expects %v bytes", x.stripeHint)
	}
	x.Publish()
	full, part := x.next.stripe(0).clone(99), *x.next.stripe(1)
	part.live &^= 1
	if full.room() != 0 || part.room() == 0 {
		t.Errorf("a full stripe has room for %d bytes, another for %d", full.room(), part.room())
	}
}

// TestRemovePacks: a stripe gives back the bytes of removed assets when they are the
// most of it.
func TestRemovePacks(t *testing.T) {
	x := New()
	for i := range stripeSize {
		if _, err := x.Add(&Asset{ID: fmt.Sprintf("asset-%06d", i), Name: "name", Group: "0", Keys: everyOther(3)}); err != nil {
			t.Fatal(err)
		}
	}
	p := x.mutStripe(0)
	for slot := range uint32(stripeSize - 1) {
		p.remove(slot)
		left := int(stripeSize - 1 - slot)
		for name, c := range map[string]*column{"idents": &p.idents, "states": &p.states} {
			if each := c.size(stripeSize - 1); len(c.data)-c.dead != left*each || c.dead > len(c.data)/2 {
				t.Fatalf("%d are left: %d of %d bytes of %s are dead", left, c.dead, len(c.data), name)
			}
			if left == stripeSize/2 && c.dead == 0 {
				t.Errorf("%s were packed though half is alive", name)
			}
		}
	}
}
