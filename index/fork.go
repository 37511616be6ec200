package index

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

// Fork returns an index whose first state is that of the snapshot, with a writer of its own. It shares with the
// index that the snapshot is of what neither changes, and both may be written to at the same time. A fork costs
// what there are groups, labels and interned numbers, not the assets; a dense posting is copied as a whole when it
// is first changed. Numbers of interned bytes are those of the snapshot; the fork frees none of them.
func (s *Snapshot) Fork() *Index {
	x := &Index{base: s.epoch, epoch: s.epoch + 1, next: s.data, frozen: s, flushAfter: flushAfter}
	tree, names, numbers := *s.tree, *s.groupNames, *s.labels.numbers // a copy marks what it is made of
	x.next.tree, x.next.groupNames, x.next.labels.numbers = tree.Copy(), names.Copy(), numbers.Copy()
	x.next.merges, x.next.recalls = new(merges), new(recalls)

	x.groups = make(map[string]uint32, names.Len())
	names.Scan(func(name string, g uint32) bool {
		x.groups[name] = g
		return true
	})
	for g := range s.usedGroups() {
		if s.groups.at(g).name == "" {
			x.freeGroup = append(x.freeGroup, g)
		}
	}
	for n := range s.labels.used() {
		if s.labels.list.at(n).Name == "" {
			x.freeLabel = append(x.freeLabel, n)
		}
	}
	x.blobs = blobs{items: &x.next.interned, refs: slices.Repeat([]uint32{math.MaxUint32}, int(s.interned.slots()))}
	x.published.Store(s)
	return x
}

// detached is clone for a posting of the index that this one is a fork of: it writes nothing to it, not even how
// its containers are shared, and has no room in common with it.
func (p *posting) detached(epoch uint64) *posting {
	c := &posting{epoch: epoch, n: p.n}
	if p.dense != nil {
		c.dense = roaring.And(p.dense, p.dense)
		c.dense.SetCopyOnWrite(true)
		return c
	}
	c.blocks, c.own = append(make([]block, 0, len(p.blocks)+1), p.blocks...), true
	if n := len(c.blocks); n > 0 {
		c.blocks[n-1].data = slices.Clip(c.blocks[n-1].data)
	}
	return c
}

// detached returns a table that is no other index's.
func (t *table) detached(epoch uint64) *table {
	c := &table{slots: make([]uint32, len(t.slots)), ordBits: t.ordBits, epoch: epoch}
	for i := range t.slots {
		if c.slots[i] = atomic.LoadUint32(&t.slots[i]); c.slots[i] != 0 {
			c.used++
		}
	}
	return c
}
