package index

import (
	"iter"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Ordinal is the dense number of an asset in its index. The ordinal of a
// removed asset is given to a later one; within a snapshot it names one asset.
type Ordinal = uint32

// A posting is dense, a roaring bitmap, when at least one asset in denseAt has
// the key open, and sparse, a list of deltas, when fewer than one in sparseAt
// have; between the two it stays what it is. A roaring container covers 65,536
// ordinals and costs some 80 bytes besides its 2 bytes per ordinal, a delta
// costs 1 or 2. Postings of fewer than minDense are always sparse, and those of
// more than maxSparse dense, because a sparse change copies all block headers.
const (
	denseAt   = 64
	sparseAt  = 256
	minDense  = 128
	maxSparse = 1 << 18
)

// The members of groups, and the holders of labels, are dense earlier: there are few such
// postings beside those of keys, and they are what lists are intersected with.
const (
	membersDenseAt  = 1024
	membersSparseAt = 4096
)

// posting is the set of ordinals of the assets that have a key open. It is
// immutable once it is published: the writer changes only postings of its epoch.
// Readers use no method of the bitmap that copies containers, because that
// writes to the flags by which roaring shares them.
type posting struct {
	epoch  uint64
	n      int
	dense  *roaring.Bitmap // nil while the posting is sparse
	blocks []block         // ascending and disjoint
	own    bool            // blocks is of this version alone
	one    [1]block        // what blocks is a slice of while there is just one
}

// change is one asset opening or closing one key while it is in a group. With
// membership for its key it is the asset entering or leaving the group.
type change struct {
	what  uint32 // key<<1 | 1 if it opens
	asset Ordinal
	group uint32
}

// membership is no key.
const membership Key = 0

func makeChange(k Key, o Ordinal, group uint32, opens bool) change {
	c := change{what: uint32(k) << 1, asset: o, group: group}
	if opens {
		c.what |= 1
	}
	return c
}

func (c change) key() Key    { return Key(c.what >> 1) }
func (c change) opens() bool { return c.what&1 != 0 }

// clone returns the posting for changing in the epoch.
func (p *posting) clone(epoch uint64) *posting {
	c := &posting{epoch: epoch, n: p.n}
	if p.dense != nil {
		c.dense = p.dense.Clone() // copy-on-write: shares the containers
		return c
	}
	if c.blocks = p.blocks; len(p.blocks) <= 1 {
		c.blocks, c.own = append(c.one[:0], p.blocks...), true
	}
	return c
}

// ownBlocks makes the blocks those of this version alone.
func (p *posting) ownBlocks() {
	if !p.own {
		p.blocks, p.own = append(make([]block, 0, len(p.blocks)+1), p.blocks...), true
	}
}

// apply makes the changes, all of one key, ordered by ordinal with at most one
// each, all of them real: nothing opens what is open or closes what is closed.
// universe is the number of ordinals in use.
func (p *posting) apply(changes []change, universe int, scratch *[]Ordinal) {
	opened := 0
	for _, c := range changes {
		opened += int(c.what & 1)
	}
	p.n += 2*opened - len(changes)
	switch {
	case p.dense != nil:
		p.applyDense(changes, scratch)
	case opened == len(changes) && (len(p.blocks) == 0 || p.blocks[len(p.blocks)-1].last < changes[0].asset):
		p.ownBlocks()
		for _, c := range changes {
			p.blocks = pushSparse(p.blocks, c.asset)
		}
	default:
		p.blocks, p.own = mergeSparse(p.blocks, changes, scratch), true
	}
	dense, sparse := denseAt, sparseAt
	if len(changes) > 0 && !changes[0].key().Valid() {
		dense, sparse = membersDenseAt, membersSparseAt
	}
	p.adapt(universe, dense, sparse)
}

func (p *posting) applyDense(changes []change, scratch *[]Ordinal) {
	opens, closes := (*scratch)[:0], 0
	for _, c := range changes {
		if c.opens() {
			opens = append(opens, c.asset)
		} else {
			closes++
		}
	}
	*scratch = opens
	p.dense.AddMany(opens)
	if closes == 0 {
		return
	}
	for _, c := range changes {
		if !c.opens() {
			p.dense.Remove(c.asset)
		}
	}
}

// adapt chooses the form that suits the posting's size: dense from one asset in so
// many on, sparse below another.
func (p *posting) adapt(universe, denseAt, sparseAt int) {
	switch {
	case p.dense == nil && (p.n >= minDense && p.n*denseAt >= universe || p.n > maxSparse):
		bitmap := roaring.New()
		bitmap.SetCopyOnWrite(true)
		for i := range p.blocks {
			bitmap.AddMany(p.blocks[i].appendTo(nil))
		}
		p.dense, p.blocks = bitmap, nil
	case p.dense != nil && (p.n < minDense/2 || p.n*sparseAt < universe) && p.n <= maxSparse/2:
		p.blocks, p.dense = appendBlocks(nil, p.dense.ToArray()), nil
	}
}

// contains says whether the asset has the key open.
func (p *posting) contains(o Ordinal) bool {
	if p.dense != nil {
		return p.dense.Contains(o)
	}
	i, found := slices.BinarySearchFunc(p.blocks, o, func(b block, o Ordinal) int {
		switch {
		case b.last < o:
			return -1
		case b.first > o:
			return 1
		}
		return 0
	})
	return found && p.blocks[i].contains(o)
}

// from yields the ordinals in ascending order, skipping the first rank of them.
func (p *posting) from(rank int) iter.Seq[Ordinal] {
	return func(yield func(Ordinal) bool) {
		switch {
		case rank >= p.n:
		case p.dense != nil:
			p.fromDense(rank, yield)
		default:
			p.fromSparse(rank, yield)
		}
	}
}

func (p *posting) fromDense(rank int, yield func(Ordinal) bool) {
	first, err := p.dense.Select(uint32(rank))
	if err != nil {
		return // rank is below the cardinality
	}
	it := p.dense.Iterator()
	it.AdvanceIfNeeded(first)
	for it.HasNext() && yield(it.Next()) {
	}
}

func (p *posting) fromSparse(rank int, yield func(Ordinal) bool) {
	var scratch [blockMax]Ordinal
	for i := range p.blocks {
		if n := int(p.blocks[i].n); rank >= n {
			rank -= n
			continue
		}
		for _, o := range p.blocks[i].appendTo(scratch[:0])[rank:] {
			if !yield(o) {
				return
			}
		}
		rank = 0
	}
}
