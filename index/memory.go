package index

import (
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2"
)

// Memory is how many bytes a snapshot holds, by part. It leaves out what the
// allocator rounds up to and what only the writer needs. Snapshots share what did
// not change, so the sum over two of them counts most of it twice.
type Memory struct {
	Dictionary uint64 // ids to ordinals
	Assets     uint64 // who the assets are, their notes and keys
	Postings   uint64 // the assets of each key and group
	Counts     uint64 // how many assets have each key, in all and by group
	Interned   uint64 // records that assets share or that are long
}

// Total returns the sum of the parts.
func (m Memory) Total() uint64 {
	return m.Dictionary + m.Assets + m.Postings + m.Counts + m.Interned
}

// Add adds the bytes of o.
func (m *Memory) Add(o Memory) {
	m.Dictionary += o.Dictionary
	m.Assets += o.Assets
	m.Postings += o.Postings
	m.Counts += o.Counts
	m.Interned += o.Interned
}

// Memory measures the snapshot. It walks all of it but the assets' records: some
// milliseconds among millions of assets.
func (s *Snapshot) Memory() Memory {
	m := Memory{Dictionary: 4 * uint64(s.dict.slots()), Assets: s.stripes.bytes(), Interned: s.interned.bytes()}
	for n := range s.numStripes() {
		if p := s.stripe(n); p != nil {
			m.Assets += uint64(unsafe.Sizeof(*p)) + uint64(cap(p.idents.data)+cap(p.states.data))
		}
	}
	for i := range s.interned.slots() {
		m.Interned += uint64(cap(*s.interned.at(i)))
	}
	s.tree.Scan(func(_ Key, p *posting) bool {
		m.Postings += treeEntry + p.bytes()
		return true
	})
	m.Postings += s.everyone.bytes() + s.members.bytes() + s.labels.bytes()
	for i := range s.members.slots() {
		if p := *s.members.at(i); p != nil {
			m.Postings += p.bytes()
		}
	}
	m.Counts = s.whole.bytes() + s.groupCounts.bytes()
	for i := range s.groupCounts.slots() {
		if c := *s.groupCounts.at(i); c != nil {
			m.Counts += c.bytes()
		}
	}
	return m
}

// bytes is what the labels and the postings of their holders take.
func (l *labels) bytes() uint64 {
	n := l.list.bytes() + l.holders.bytes()
	for i := range l.holders.slots() {
		if p := *l.holders.at(i); p != nil {
			n += p.bytes()
		}
	}
	for i := range l.list.slots() { // and in the directory
		name := l.list.at(i)
		n += 2*uint64(len(name.Name)+len(name.Value)) + treeEntry
	}
	return n
}

// treeEntry is what the directory pays for a posting: a key and a pointer, in nodes
// that are two thirds full.
const treeEntry = (4 + 8) * 3 / 2

// slots is how many items the vec has room for.
func (v *vec[T]) slots() uint32 {
	if len(v.root) == 0 {
		return 0
	}
	return uint32((len(v.root)-1)*leafSize + len(v.root[len(v.root)-1].items))
}

// bytes is what the vec takes, without what its items point to.
func (v *vec[T]) bytes() uint64 {
	var item T
	n := uint64(cap(v.root)) * 8
	for _, l := range v.root {
		n += uint64(unsafe.Sizeof(*l)) + uint64(len(l.items))*uint64(unsafe.Sizeof(item))
	}
	return n
}

// bytes is what the posting takes.
func (p *posting) bytes() uint64 {
	n := uint64(unsafe.Sizeof(*p))
	if p.dense != nil {
		return n + bitmapBytes(p.dense)
	}
	if !p.isOne() {
		n += uint64(cap(p.blocks)) * uint64(unsafe.Sizeof(block{}))
	}
	for i := range p.blocks {
		n += uint64(cap(p.blocks[i].data))
	}
	return n
}

// isOne says whether the posting's blocks are the one that it has room for itself.
func (p *posting) isOne() bool { return cap(p.blocks) > 0 && &p.blocks[:1][0] == &p.one[0] }

// bitmapBytes is what a bitmap takes: its containers, and for each of them a slice's
// header, its key, its flag and a pair of words in the list of containers.
func bitmapBytes(b *roaring.Bitmap) uint64 {
	const perContainer = 24 + 2 + 1 + 16
	st := b.Stats()
	return uint64(unsafe.Sizeof(*b)) + st.Containers*perContainer + st.ArrayContainerBytes + st.BitmapContainerBytes + st.RunContainerBytes
}

// bytes is what the counts take.
func (c *counts) bytes() uint64 {
	n := uint64(unsafe.Sizeof(*c))
	for _, tc := range c.types {
		if tc == nil {
			continue
		}
		n += uint64(unsafe.Sizeof(*tc))
		for _, ch := range tc.chunks[:] {
			if ch == nil {
				continue
			}
			n += ch.bytes()
		}
	}
	return n
}

// bytes is what the chunk takes.
func (c *chunk) bytes() uint64 {
	n := uint64(unsafe.Sizeof(*c))
	for _, line := range c.lines {
		if line != nil {
			n += uint64(unsafe.Sizeof(*line))
		}
	}
	if c.high == nil {
		return n
	}
	n += uint64(unsafe.Sizeof(*c.high))
	for _, line := range c.high.lines {
		if line != nil {
			n += uint64(unsafe.Sizeof(*line))
		}
	}
	return n
}
