package index

import (
	"iter"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// Set is a set of assets of one snapshot, by ordinal. It is immutable and as
// valid as its snapshot; the zero value is the empty set. Sets of different
// snapshots must not be mixed: an ordinal may name another asset there.
//
// Set algebra is the functions [Intersect], [Unite] and [Subtract].
type Set struct {
	p *posting // nil: empty
}

// setOf returns the set of the ordinals, which must be in ascending order and
// without repeats.
func setOf(ordinals []Ordinal) Set {
	if len(ordinals) == 0 {
		return Set{}
	}
	return Set{&posting{n: len(ordinals), blocks: appendBlocks(nil, ordinals)}}
}

func setOfBitmap(b *roaring.Bitmap) Set {
	n := int(b.GetCardinality())
	if n < minDense {
		return setOf(b.ToArray())
	}
	return Set{&posting{n: n, dense: b}}
}

// Len returns the number of assets.
func (s Set) Len() int {
	if s.p == nil {
		return 0
	}
	return s.p.n
}

// Contains says whether the asset is in the set.
func (s Set) Contains(o Ordinal) bool { return s.p != nil && s.p.contains(o) }

// From yields the assets in ascending order, without the first rank of them,
// which cost next to nothing.
func (s Set) From(rank int) iter.Seq[Ordinal] {
	if s.p == nil {
		return func(func(Ordinal) bool) {}
	}
	return s.p.from(max(rank, 0))
}

// Select returns the asset that so many others of the set are before; ok is false
// where there is none.
func (s Set) Select(rank int) (o Ordinal, ok bool) {
	if rank < 0 {
		return 0, false
	}
	for o := range s.From(rank) {
		return o, true
	}
	return 0, false
}

// Intersect returns the assets that are in both sets. It costs what the smaller
// one holds, or, of two that are dense, an AND of their bitmaps.
func Intersect(a, b Set) Set {
	switch {
	case a.p == nil || b.p == nil:
		return Set{}
	case a.p == b.p:
		return a
	case a.p.dense != nil && b.p.dense != nil:
		return setOfBitmap(roaring.And(a.p.dense, b.p.dense))
	case a.p.dense != nil || b.p.dense == nil && a.Len() > b.Len():
		a, b = b, a
	}
	return a.p.filter(b.p, true)
}

// Subtract returns the assets of a that are not in b.
func Subtract(a, b Set) Set {
	switch {
	case a.p == nil || b.p == nil:
		return a
	case a.p == b.p:
		return Set{}
	case a.p.dense == nil:
		return a.p.filter(b.p, false)
	}
	words := a.p.words(nil)
	if b.p.dense == nil {
		for o := range b.From(0) {
			if int(o>>6) < len(words) {
				words[o>>6] &^= 1 << (o & 63)
			}
		}
		return setOfBitmap(roaring.FromDense(words, false))
	}
	other := b.p.words(nil)
	for i := range min(len(words), len(other)) {
		words[i] &^= other[i]
	}
	return setOfBitmap(roaring.FromDense(words, false))
}

// Amend returns a set of which those that have changed are taken out, and some of them are put back.
func Amend(set, changed, back Set) Set {
	switch {
	case changed.p == nil || back.p == nil && !Meet(set, changed):
		return set
	case set.p == nil:
		return back
	case set.p.dense == nil:
		return Unite(Subtract(set, changed), back)
	}
	words := make([]uint64, max(set.p.wordLen(), changed.p.wordLen()))
	set.p.dense.WriteDenseTo(words)
	for o := range changed.From(0) {
		words[o>>6] &^= 1 << (o & 63)
	}
	for o := range back.From(0) {
		words[o>>6] |= 1 << (o & 63)
	}
	return setOfBitmap(roaring.FromDense(words, false))
}

// Unite returns the assets that are in any of the sets.
func Unite(sets ...Set) Set {
	total, length, only := 0, 0, Set{}
	for _, s := range sets {
		if s.p == nil {
			continue
		}
		only = s
		total += s.p.n
		length = max(length, s.p.wordLen())
	}
	switch {
	case only.Len() == total: // of the one that is not empty, or of none
		return only
	case total < length:
		return uniteSparse(sets, total)
	}
	words := make([]uint64, length)
	var room []uint64
	for _, s := range sets {
		switch {
		case s.p == nil:
		case s.p.dense != nil:
			room = s.p.words(room)
			for i, w := range room[:s.p.wordLen()] {
				words[i] |= w
			}
		default:
			for o := range s.From(0) {
				words[o>>6] |= 1 << (o & 63)
			}
		}
	}
	return setOfBitmap(roaring.FromDense(words, false))
}

// uniteSparse is Unite of few assets: fewer than there are words of a bitmap.
func uniteSparse(sets []Set, total int) Set {
	all := make([]Ordinal, 0, total)
	for _, s := range sets {
		all = slices.AppendSeq(all, s.From(0))
	}
	slices.Sort(all)
	return setOf(slices.Compact(all))
}

// wordLen is the number of 64-bit words that a bitmap of the posting, which is not
// empty, takes.
func (p *posting) wordLen() int {
	if p.dense != nil {
		return int(p.dense.DenseSize())
	}
	return int(p.blocks[len(p.blocks)-1].last>>6) + 1
}

// words returns a dense posting as a bitmap, in room if that is large enough. It
// reads the containers and nothing of how they are shared; see [posting].
func (p *posting) words(room []uint64) []uint64 {
	if n := p.wordLen(); cap(room) < n {
		room = make([]uint64, n)
	} else {
		room = room[:n]
		clear(room)
	}
	p.dense.WriteDenseTo(room)
	return room
}

// filter returns what of a sparse posting is in another one, or is not.
func (p *posting) filter(other *posting, in bool) Set {
	out := make([]Ordinal, 0, min(p.n, other.n))
	has, done := other.member(p.n)
	defer done()
	var scratch [blockMax]Ordinal
	for i := range p.blocks {
		for _, o := range p.blocks[i].appendTo(scratch[:0]) {
			if has(o) == in {
				out = append(out, o)
			}
		}
	}
	return setOf(out)
}

// bitmaps are for dense postings that very many ordinals are looked up in.
var bitmaps = sync.Pool{New: func() any { return new([]uint64) }}

// asBitmap says from which part of a bitmap's words on so many lookups are worth
// making it.
const asBitmap = 8

// member returns a function that says whether an ordinal is in the posting, for so
// many ordinals in ascending order, and one to call when they are done.
func (p *posting) member(lookups int) (has func(Ordinal) bool, done func()) {
	switch {
	case p.dense == nil:
		return p.walk(), func() {}
	case lookups < p.wordLen()/asBitmap:
		return p.dense.Contains, func() {}
	}
	room := bitmaps.Get().(*[]uint64) // the pool holds nothing else
	*room = p.words(*room)
	words := *room
	return func(o Ordinal) bool { return int(o>>6) < len(words) && words[o>>6]>>(o&63)&1 != 0 }, func() { bitmaps.Put(room) }
}

// walk is member for a sparse posting, which is walked along with the ordinals.
func (p *posting) walk() func(Ordinal) bool {
	var scratch [blockMax]Ordinal
	left, blocks := scratch[:0], p.blocks
	return func(o Ordinal) bool {
		for len(left) == 0 || left[len(left)-1] < o {
			for len(blocks) > 0 && blocks[0].last < o {
				blocks = blocks[1:]
			}
			if len(blocks) == 0 || blocks[0].first > o {
				return false
			}
			left, blocks = blocks[0].appendTo(scratch[:0]), blocks[1:]
		}
		i, found := slices.BinarySearch(left, o)
		left = left[i:]
		return found
	}
}
