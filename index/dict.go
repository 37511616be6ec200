package index

import (
	"math"
	"math/bits"
	"slices"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// dict finds the ordinal of an asset's id. It is one table while there are few
// assets and numShards of them later, by the first bits of the id's hash.
//
// A table that is full is made anew, larger. The shards begin with sizes spread
// evenly, in the logarithm, over one step of growth, and keep that spread: so a
// dictionary grows a shard at a time, and no call pays for all of it.
//
// A dict is a value: a version that is published is not changed but for slots
// that are added to its tables.
type dict struct {
	tables []*table
	epoch  uint64 // in which tables was made
}

// table is an open-addressing hash table of 4-byte slots, each an ordinal plus
// one below, and as many bits of the id's hash as are left above. A slot is a
// hint: whoever finds one compares the id in the stripe of the snapshot that is
// being read.
//
//	slot: | hash bits | ordinal+1 |   0 is an empty slot
//	                    ^ordBits
//
// Readers use the table while the writer adds to it, so slots are atomic, and a
// slot, once set, stays until the writer makes a new table: every snapshot
// finds all of its assets in the tables it was published with. Slots of removed
// assets (and of ids that a reused ordinal has no more) match no id; they only
// count towards the load, and the next table leaves them out.
type table struct {
	slots   []uint32
	ordBits uint8
	epoch   uint64 // in which it was made
	used    int    // writer's: slots that are set
}

const (
	minTable = 16
	// maxLoad of the slots are used at most; a new table starts with
	// maxLoad/growth of them. At 6 bytes per asset on average the tables are a
	// tenth of what an asset costs, and a search reads some 3 slots. The growth is
	// below 2, so that a table is full before its ordinals need another bit.
	maxLoad    = 0.85
	dictGrowth = 1.9

	shardBits = 8
	numShards = 1 << shardBits
	// shardFrom is the number of assets from which on there are shards: one table
	// of so many is made in milliseconds.
	shardFrom = 1 << 15
)

// hashID returns the hash of an id in its stored form.
func hashID(id []byte, kind idKind) uint64 {
	return xxhash.Sum64(id) + uint64(kind)*0x9e3779b97f4a7c15
}

// newTable returns a table for n assets with ordinals below limit, and as many
// more as the growth says.
func newTable(n int, growth float64, limit int, epoch uint64) *table {
	size := max(minTable, int(float64(n)*growth/maxLoad))
	return &table{
		slots:   make([]uint32, size),
		ordBits: uint8(bits.Len(uint(max(2*limit, minTable)))),
		epoch:   epoch,
	}
}

// entry is an ordinal and the hash of its id.
type entry struct {
	hash uint64
	o    Ordinal
}

// newDict returns a dictionary of the entries with room for n assets in all, and
// more, with ordinals below limit.
func newDict(entries []entry, n, limit int, epoch uint64) dict {
	d := dict{make([]*table, 1), epoch}
	if n >= shardFrom {
		d.tables = make([]*table, numShards)
	}
	parts := make([][]entry, len(d.tables))
	for _, e := range entries {
		i := d.shard(e.hash)
		parts[i] = append(parts[i], e)
	}
	for i, part := range parts {
		growth := math.Pow(dictGrowth, float64(i+1)/float64(len(parts)))
		d.tables[i] = newTable(max(n/len(parts), len(part))+1, growth, limit, epoch)
		for _, e := range part {
			d.tables[i].insert(e.hash, e.o)
		}
	}
	return d
}

// slots is how many slots all tables have.
func (d *dict) slots() int {
	n := 0
	for _, t := range d.tables {
		n += len(t.slots)
	}
	return n
}

// shard returns the number of the table for a hash.
func (d *dict) shard(hash uint64) int {
	if len(d.tables) == 1 {
		return 0
	}
	return int(hash >> (64 - shardBits))
}

// full says whether there is no room for one more, or not for such an ordinal.
func (t *table) full(o Ordinal) bool {
	return float64(t.used+1) > maxLoad*float64(len(t.slots)) || bits.Len32(o+1) > int(t.ordBits)
}

// start returns the first slot to look at and the hash bits to look for. The bits
// that chose the shard are the same in all of it.
func (t *table) start(hash uint64) (slot uint64, tag uint32) {
	slot, _ = bits.Mul64(hash<<shardBits, uint64(len(t.slots)))
	return slot, uint32(hash) >> t.ordBits << t.ordBits
}

// insert adds an ordinal, once; the caller has seen that the table is not full.
func (t *table) insert(hash uint64, o Ordinal) {
	slot, tag := t.start(hash)
	for t.slots[slot] != 0 { // only the writer stores, so it may load plainly
		if t.slots[slot] == tag|(o+1) {
			return
		}
		if slot++; slot == uint64(len(t.slots)) {
			slot = 0
		}
	}
	atomic.StoreUint32(&t.slots[slot], tag|(o+1))
	t.used++
}

// probe walks the slots that may hold the hash.
type probe struct {
	t    *table
	slot uint64
	tag  uint32
}

func (d *dict) probe(hash uint64) probe {
	t := d.tables[d.shard(hash)]
	slot, tag := t.start(hash)
	return probe{t: t, slot: slot, tag: tag}
}

// next returns the next ordinal whose id may have the hash.
func (p *probe) next() (Ordinal, bool) {
	slots := p.t.slots
	for {
		s := atomic.LoadUint32(&slots[p.slot])
		if s == 0 {
			return 0, false
		}
		if p.slot++; p.slot == uint64(len(slots)) {
			p.slot = 0
		}
		if mask := uint32(1)<<p.t.ordBits - 1; s&^mask == p.tag {
			return s&mask - 1, true
		}
	}
}

// addToDict notes the ordinal of an id with the hash, which is not there yet.
func (x *Index) addToDict(hash uint64, o Ordinal) {
	d := &x.next.dict
	i := d.shard(hash)
	if d.tables[i].epoch <= x.base {
		x.setTable(i, d.tables[i].detached(x.epoch))
	}
	if d.tables[i].full(o) {
		x.growDict(i)
		i = d.shard(hash)
	}
	d.tables[i].insert(hash, o)
}

// growDict makes a table anew that is full, or, if it has become too large to be
// the only one, all of them.
func (x *Index) growDict(i int) {
	d := &x.next.dict
	if len(d.tables) == 1 && x.next.assets >= shardFrom {
		x.next.dict = x.next.rebuildDict(x.next.assets+1, x.epoch)
		return
	}
	full := d.tables[i]
	live := make([]entry, 0, full.used)
	for _, s := range full.slots {
		o := s&(uint32(1)<<full.ordBits-1) - 1
		if s == 0 || !x.next.has(o) {
			continue
		}
		if hash := x.next.hashOf(o); d.shard(hash) == i { // else it has another owner now
			live = append(live, entry{hash, o})
		}
	}
	larger := newTable(len(live)+1, dictGrowth, x.next.ordinals, x.epoch)
	for _, e := range live {
		larger.insert(e.hash, e.o)
	}
	x.setTable(i, larger)
}

// setTable replaces a table of the dictionary.
func (x *Index) setTable(i int, t *table) {
	d := &x.next.dict
	if d.epoch != x.epoch {
		d.tables, d.epoch = slices.Clone(d.tables), x.epoch
	}
	d.tables[i] = t
}
