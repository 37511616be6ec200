package index

import (
	"math/bits"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// dict finds the ordinal of an asset's id: an open-addressing hash table of
// 4-byte slots, each an ordinal plus one below, and as many bits of the id's
// hash as are left above. A slot is a hint: whoever finds one compares the id
// in the page of the snapshot that is being read.
//
//	slot: | hash bits | ordinal+1 |   0 is an empty slot
//	                    ^ordBits
//
// Readers use the table while the writer adds to it, so slots are atomic, and a
// slot, once set, stays until the writer makes a new table: every snapshot
// finds all of its assets in the table it was published with. Slots of removed
// assets (and of ids that a reused ordinal has no more) match no id; they only
// count towards the load, and the next table leaves them out.
type dict struct {
	slots   []uint32
	ordBits uint8
	used    int // writer's: slots that are set
}

const (
	minDict = 64
	// maxLoad of the slots are used at most; a new table starts with
	// maxLoad/growth of them. At 6 bytes per asset on average the table is a
	// tenth of what an asset costs, and a search reads some 3 slots.
	maxLoad    = 0.85
	dictGrowth = 1.6
)

// hashID returns the hash of an id in its stored form.
func hashID(id []byte, kind idKind) uint64 {
	return xxhash.Sum64(id) + uint64(kind)*0x9e3779b97f4a7c15
}

// newDict returns a table for n assets with ordinals below limit, and as many more.
func newDict(n, limit int) *dict {
	size := max(minDict, int(float64(n)*dictGrowth/maxLoad))
	return &dict{
		slots:   make([]uint32, size),
		ordBits: uint8(bits.Len(uint(max(2*limit, minDict)))),
	}
}

// full says whether there is no room for one more, or not for such an ordinal.
func (d *dict) full(o Ordinal) bool {
	return float64(d.used+1) > maxLoad*float64(len(d.slots)) || bits.Len32(o+1) > int(d.ordBits)
}

// start returns the first slot to look at and the hash bits to look for.
func (d *dict) start(hash uint64) (slot uint64, tag uint32) {
	slot, _ = bits.Mul64(hash, uint64(len(d.slots)))
	return slot, uint32(hash) >> d.ordBits << d.ordBits
}

// insert adds an ordinal; the caller has seen that its id is not there and that
// the table is not full.
func (d *dict) insert(hash uint64, o Ordinal) {
	slot, tag := d.start(hash)
	for d.slots[slot] != 0 { // only the writer stores, so it may load plainly
		if slot++; slot == uint64(len(d.slots)) {
			slot = 0
		}
	}
	atomic.StoreUint32(&d.slots[slot], tag|(o+1))
	d.used++
}

// probe walks the slots that may hold the hash.
type probe struct {
	d    *dict
	slot uint64
	tag  uint32
}

func (d *dict) probe(hash uint64) probe {
	slot, tag := d.start(hash)
	return probe{d: d, slot: slot, tag: tag}
}

// next returns the next ordinal whose id may have the hash.
func (p *probe) next() (Ordinal, bool) {
	slots := p.d.slots
	for {
		s := atomic.LoadUint32(&slots[p.slot])
		if s == 0 {
			return 0, false
		}
		if p.slot++; p.slot == uint64(len(slots)) {
			p.slot = 0
		}
		if mask := uint32(1)<<p.d.ordBits - 1; s&^mask == p.tag {
			return s&mask - 1, true
		}
	}
}
