package index

import (
	"math"
	"math/bits"
	"slices"
)

// By is what the keys of a [Ranking] are ordered by.
type By uint8

// The orders. Keys that are equal in one come by port, then type.
const (
	ByPort  By = iota // by port, then type: the order of keys
	ByCount           // by how many assets have the key open
	ByClass           // by which of the classes the key is in
)

// Classes are disjoint sets of keys in an order of their own. A key in none comes behind all.
// They are immutable, and told apart by where they lie: a caller reuses its classes.
type Classes struct{ sets []*KeySet }

// ClassesOf returns the classes of the sets, which are not to be changed.
func ClassesOf(sets ...*KeySet) *Classes { return &Classes{sets} }

// TypeClasses are the types in the order of their names.
var TypeClasses = func() *Classes {
	c := new(Classes)
	for _, t := range Types() {
		var b KeySetBuilder
		b.AddRange(Range{Type: t, Lo: 1, Hi: MaxPort})
		c.sets = append(c.sets, b.Build())
	}
	return c
}()

func (c *Classes) of(k Key) int {
	for i, set := range c.sets {
		if set.Contains(k) {
			return i
		}
	}
	return len(c.sets)
}

// Ranking asks for the keys of a view that match a filter and whose counts lie within bounds,
// in an order. Rankings are comparable, and a snapshot remembers them.
type Ranking struct {
	Filter  Filter
	By      By
	Classes *Classes // of ByClass
	// Descending has what is greatest first; what is equal still comes by port, then type. By
	// port it is the exact reverse.
	Descending bool
	// Min and Max bound the counts, both included. A Max of 0 is no bound.
	Min, Max int
}

// Bounded says whether the ranking bounds counts.
func (r *Ranking) Bounded() bool { return r.Min > 1 || r.Max > 0 } // no count is 0

// lets says whether a count lies within the bounds.
func (r *Ranking) lets(n uint32) bool {
	return int64(n) >= int64(r.Min) && (r.Max <= 0 || int64(n) <= int64(r.Max))
}

// The first keys by count are found without sorting all. So many are remembered at least, as
// many at most are asked for that way.
const (
	leastTop = 64
	mostTop  = 1024
)

// ranked is a list of the rankings that a snapshot remembers, newest first, at most maxRanked
// long.
type ranked struct {
	counts  *counts // of the view
	ranking Ranking
	keys    []Key // the first ones, or all
	total   int
	next    *ranked
	length  int
}

// maxRanked bounds the memory: a ranking takes 1.5 MB at most, where all keys are open.
const maxRanked = 8

func (h *ranked) find(c *counts, r *Ranking, upTo int) *ranked {
	for ; h != nil; h = h.next {
		if h.counts == c && h.ranking == *r && len(h.keys) >= min(upTo, h.total) {
			return h
		}
	}
	return nil
}

// Rank returns how many keys the ranking has and at least the first upTo of them, all if there
// are fewer. They must not be changed. A list is made when it is first asked for, and remembered.
func (v View) Rank(r *Ranking, upTo int) (keys []Key, total int) {
	s := v.snapshot
	head := s.ranked.Load()
	if h := head.find(v.counts, r, upTo); h != nil {
		return h.keys, h.total
	}
	h := &ranked{counts: v.counts, ranking: *r, length: 1}
	if r.By == ByCount && !r.Bounded() && upTo <= mostTop {
		h.keys, h.total = v.first(r, max(upTo, leastTop))
	} else {
		h.keys = v.rank(r)
		h.total = len(h.keys)
	}
	if head != nil && head.length < maxRanked {
		h.next, h.length = head, head.length+1
	}
	s.ranked.CompareAndSwap(head, h) // losing to another reader loses a memory only
	return h.keys, h.total
}

// rank returns all keys of a ranking.
func (v View) rank(r *Ranking) (keys []Key) {
	switch r.By {
	case ByCount:
		return v.rankByCount(r)
	case ByClass:
		parts := make([][]Key, len(r.Classes.sets)+1)
		v.rows(r, false, func(k Key) {
			class := r.Classes.of(k)
			parts[class] = append(parts[class], k)
		})
		if r.Descending {
			slices.Reverse(parts)
		}
		return slices.Concat(parts...)
	default:
		v.rows(r, r.Descending, func(k Key) { keys = append(keys, k) })
		return keys
	}
}

// rows calls f for every key of a ranking in the order of keys, or the reverse.
func (v View) rows(r *Ranking, descending bool, f func(Key)) {
	c := v.Select(r.Filter)
	for c.Seek(0, descending); c.Next(); {
		if r.lets(c.n) {
			f(c.key)
		}
	}
}

// A place is a key with its count, such that what comes first in a ranking by count is least.
type place uint64

// placer makes places.
type placer struct{ flip uint32 } // what counts are XORed with

func newPlacer(r *Ranking) placer {
	if r.Descending {
		return placer{math.MaxUint32}
	}
	return placer{}
}

func (p placer) of(n uint32, k Key) place { return place(n^p.flip)<<32 | place(k) }

func (p place) key() Key { return Key(p & math.MaxUint32) }

func keysOf(places []place) []Key {
	keys := make([]Key, len(places))
	for i, p := range places {
		keys[i] = p.key()
	}
	return keys
}

func (v View) rankByCount(r *Ranking) []Key {
	p := compile(v.counts, &r.Filter)
	by, places := newPlacer(r), []place(nil)
	for i := range p.n {
		p.lines(i, func(l *matchedLine) {
			for m := l.match; m != 0; m &= m - 1 {
				bit := bits.TrailingZeros64(m)
				if n := l.count(bit); r.lets(n) {
					places = append(places, by.of(n, l.key(bit)))
				}
			}
		})
	}
	slices.Sort(places)
	return keysOf(places)
}

// first returns the first keys of a ranking by count without bounds, at most so many, and how
// many there are.
func (v View) first(r *Ranking, most int) ([]Key, int) {
	c := v.Select(r.Filter)
	top := topPlaces{placer: newPlacer(r), heap: make([]place, 0, min(most, c.Total()))}
	if cap(top.heap) > 0 {
		for i := range c.plan.n {
			c.plan.lines(i, top.offer)
		}
	}
	slices.Sort(top.heap)
	return keysOf(top.heap), c.Total()
}

// topPlaces are the least places of those that were offered, a heap with the greatest on top.
type topPlaces struct {
	placer
	heap []place
}

// offer offers the keys of a line.
func (t *topPlaces) offer(l *matchedLine) {
	m := l.match
	for ; m != 0 && len(t.heap) < cap(t.heap); m &= m - 1 {
		bit := bits.TrailingZeros64(m)
		t.heap = append(t.heap, t.of(l.count(bit), l.key(bit)))
		if len(t.heap) == cap(t.heap) {
			slices.Sort(t.heap)
			slices.Reverse(t.heap) // which is a heap
		}
	}
	if m != 0 {
		m = t.near(m, l.high)
	}
	for ; m != 0; m &= m - 1 {
		bit := bits.TrailingZeros64(m)
		if p := t.of(l.count(bit), l.key(bit)); p < t.heap[0] {
			t.replace(p)
		}
	}
}

// near returns those of the ports whose counts are not ruled out by what is above their low bits:
// few, once the heap has seen some.
func (t *topPlaces) near(m uint64, high *[64]uint32) (left uint64) {
	flip, most := t.flip>>lowBits, uint32(t.heap[0]>>(32+lowBits))
	if high == nil { // all are 0
		if flip <= most {
			return m
		}
		return 0
	}
	if leastOf(high, flip) > most {
		return 0
	}
	for ; m != 0; m &= m - 1 {
		bit := bits.TrailingZeros64(m)
		if high[bit&63]^flip <= most {
			left |= 1 << bit
		}
	}
	return left
}

// leastOf returns what none is less than, when XORed: the bits that all have. A quarter of the
// time that looking at each takes.
func leastOf(high *[64]uint32, flip uint32) uint32 {
	a, b, c, d := uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32)
	for i := 0; i < len(high); i += 4 {
		a &= high[i] ^ flip
		b &= high[i+1] ^ flip
		c &= high[i+2] ^ flip
		d &= high[i+3] ^ flip
	}
	return a & b & c & d
}

// replace puts a place where the greatest was.
func (t *topPlaces) replace(p place) {
	h, at := t.heap, 0
	for {
		child := 2*at + 1
		if child >= len(h) {
			break
		}
		if right := child + 1; right < len(h) && h[right] > h[child] {
			child = right
		}
		if h[child] <= p {
			break
		}
		h[at] = h[child]
		at = child
	}
	h[at] = p
}

// matchedLine is a word of ports of one type with their counts.
type matchedLine struct {
	match uint64 // the ports that match
	low   *countLine
	high  *[64]uint32 // nil: all counts are below 256
	first Key         // of the word
}

func (l *matchedLine) key(bit int) Key { return l.first + Key(bit)<<3 }

func (l *matchedLine) count(bit int) uint32 {
	n := uint32(l.low[bit&63])
	if l.high != nil {
		n |= l.high[bit&63] << lowBits
	}
	return n
}

// lines calls f for every word in which ports of the i-th type in use match. The line is f's
// until it returns.
func (p *plan) lines(i int, f func(*matchedLine)) {
	l := matchedLine{}
	word := func(word int, digits uint64) {
		ch := p.counts[i].chunks[word/chunkWords%numChunks]
		if ch == nil {
			return
		}
		w := word % chunkWords
		l.match = ch.open[w] & digits
		if keys := p.keys[i]; keys != nil {
			l.match &= keys[word%portWords]
		}
		if also := p.also[i]; also != nil {
			l.match &= also[word%portWords]
		}
		if l.match == 0 {
			return
		}
		l.low, l.high, l.first = ch.lines[w], nil, MakeKey(uint16(word<<6), p.types[i])
		if ch.high != nil {
			l.high = ch.high.lines[w]
		}
		f(&l)
	}
	switch {
	case p.exact.bits != 0:
		word(int(p.exact.word), p.exact.bits)
	case p.sparse != nil:
		for _, e := range p.sparse {
			word(int(e.word), e.bits)
		}
	case p.dense != nil:
		for w, digits := range p.dense {
			word(w, digits)
		}
	default:
		for w := range portWords {
			word(w, ^uint64(0))
		}
	}
}
