package index

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

// TestUvarint32: every length of varint is read back, those at its edges, too.
func TestUvarint32(t *testing.T) {
	for shift := range 32 {
		for _, v := range []uint32{1<<shift - 1, 1 << shift, 1<<shift + 1, math.MaxUint32 >> shift} {
			data := binary.AppendUvarint(nil, uint64(v))
			if got, n := uvarint32(append(data, 0xff)); got != v || n != len(data) {
				t.Errorf("%d in %d bytes is read as %d in %d", v, len(data), got, n)
			}
		}
	}
}

// TestSparseBlocks: ordinals in order fill one block after the other, each with little
// room to spare, and a full one with none.
func TestSparseBlocks(t *testing.T) {
	var blocks []block
	grown := 0
	for i := range uint32(1000) {
		var room, size int
		last := len(blocks) - 1
		if last >= 0 {
			room, size = cap(blocks[last].data)-len(blocks[last].data), len(blocks[last].data)
		}
		blocks = pushSparse(blocks, i*300) // a distance takes two bytes
		if len(blocks)-1 != last {
			continue // a new block
		}
		switch now := cap(blocks[last].data) - size; {
		case room >= binary.MaxVarintLen32 && now != room:
			t.Fatalf("ordinal %d: it grew though there was room for %d bytes", i, room)
		case room < binary.MaxVarintLen32 && now != size/4+8:
			t.Fatalf("ordinal %d: room for %d bytes behind %d", i, now, size)
		case room < binary.MaxVarintLen32:
			grown++
		}
	}
	for i, b := range blocks {
		if want := uint32(min(blockMax, 1000-i*blockMax)); b.n != want {
			t.Errorf("block %d has %d ordinals, want %d", i, b.n, want)
		}
		if full := i < len(blocks)-1; full && cap(b.data) > len(b.data)+len(b.data)/8 {
			t.Errorf("block %d is full and has room for %d bytes more", i, cap(b.data)-len(b.data))
		}
	}
	if len(blocks) != 4 || grown > 4*16 {
		t.Errorf("%d blocks grew %d times", len(blocks), grown)
	}
}

// TestMergeRewritesOneBlock: a change in the middle makes one block new and shares the
// others.
func TestMergeRewritesOneBlock(t *testing.T) {
	var blocks []block
	for i := range uint32(10 * blockMax) {
		blocks = pushSparse(blocks, i*3)
	}
	var scratch []Ordinal
	for at := range blocks {
		o := blocks[at].first + 1
		got := mergeSparse(blocks, []change{makeChange(MakeKey(1, TCP), o, 0, true)}, &scratch)
		all := make([]Ordinal, 0, 10*blockMax+1)
		for i := range got {
			all = got[i].appendTo(all)
		}
		if !slices.IsSorted(all) || len(all) != 10*blockMax+1 || !slices.Contains(all, o) {
			t.Fatalf("block %d: %d ordinals", at, len(all))
		}
		for i, b := range blocks {
			j := i
			if i > at {
				j += len(got) - len(blocks)
			}
			if shared := &got[j].data[0] == &b.data[0]; shared != (i != at) {
				t.Errorf("a change in block %d: block %d is shared: %t", at, i, shared)
			}
		}
	}
	// Of several changes in two blocks, and none where there is nothing to change.
	changes := []change{makeChange(MakeKey(1, TCP), blocks[2].first, 0, false), makeChange(MakeKey(1, TCP), blocks[2].last, 0, false), makeChange(MakeKey(1, TCP), blocks[7].first+1, 0, true)}
	got := mergeSparse(blocks, changes, &scratch)
	shared := 0
	for i := range got {
		if slices.ContainsFunc(blocks, func(b block) bool { return &b.data[0] == &got[i].data[0] }) {
			shared++
		}
	}
	if shared != 8 {
		t.Errorf("%d blocks are shared, want 8", shared)
	}
}

// TestMembersAreDenseEarlier: the members of a group become a bitmap when a key that so
// many assets have open does not.
func TestMembersAreDenseEarlier(t *testing.T) {
	x := New()
	const assets, few = 20_000, minDense
	k := MakeKey(22, TCP)
	for i := range assets {
		a := Asset{ID: string(binary.BigEndian.AppendUint32(nil, uint32(i))), Group: "many"}
		if i%(assets/few) == 0 && i/(assets/few) < few {
			a.Group, a.Keys = "few", []Key{k}
		}
		if _, err := x.Add(&a); err != nil {
			t.Fatal(err)
		}
	}
	s := x.Publish()
	if p, _ := s.tree.Get(k); p.n != few || p.dense != nil {
		t.Errorf("a key of %d of %d assets is dense", p.n, assets)
	}
	if p := s.membersNamed("few").p; p.n != few || p.dense == nil {
		t.Errorf("a group of %d of %d assets is sparse", p.n, assets)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
