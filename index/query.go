package index

import "math/bits"

// Filter says which keys a question is about; a key must meet every field. The
// zero value of a field is no restriction. Filters are comparable, and a
// snapshot remembers them, so a caller reuses its KeySets.
type Filter struct {
	Keys   *KeySet // the key is in the set
	Also   *KeySet // the key is in this one, too
	Digits Digits  // the port's decimal text contains the digits
	Port   uint16  // the key has the port
	Type   Type    // the key has the type
}

// numBuckets is how many stretches a filter's words are counted in, so that the
// page at an offset is found without counting from the start.
const numBuckets = 64

// A plan is a filter compiled against a view: the words of ports that can match,
// in order, and for each type that both have what is ANDed to make the match.
//
//	position 0..last-1 ──> word of 64 ports ──> per type: open & keys & also & digits
//
// Positions are all words, or those of a sparse list of digits, or one for an
// exact port. Sixteen of the first or two of the second make a bucket.
type plan struct {
	exact  digitWord   // bits 0: no exact port
	sparse []digitWord // nil: every word
	dense  *portBits   // nil: no restriction by digits
	types  [numTypes]Type
	counts [numTypes]*typeCounts
	keys   [numTypes]*portBits // nil: no restriction by keys
	also   [numTypes]*portBits // nil: no second one
	n      int                 // types in use
	shift  uint                // of a position to its bucket
}

// tally is the result of counting a plan: before[i] keys match before bucket i,
// total in all.
type tally struct {
	before [numBuckets]uint32
	total  uint32
}

var fullWords = func() (b portBits) {
	for i := range b {
		b[i] = ^uint64(0)
	}
	return b
}()

// compile returns the plan of a filter; it has no types where nothing can match.
func compile(c *counts, f *Filter) (p plan) {
	port := f.Port
	if exact, ok := f.Digits.exact(); ok && port == 0 {
		if port = exact; port == 0 {
			return p
		}
	}
	switch {
	case port == 0:
		p.dense, p.sparse = f.Digits.lookup()
		p.shift = 4
		if p.sparse != nil {
			p.shift = 1
		}
	case f.Digits.in(port):
		p.exact = digitWord{bits: 1 << (port & 63), word: port >> 6}
	default:
		return p
	}
	p.addTypes(c, f)
	return p
}

// addTypes takes in the types that the view has open and the filter allows.
func (p *plan) addTypes(c *counts, f *Filter) {
	for t := SCTP; t < typeLimit; t++ {
		if c.types[t] == nil || f.Type != AnyType && f.Type != t {
			continue
		}
		keys, also, some := f.sets(t)
		if !some {
			continue
		}
		p.types[p.n], p.counts[p.n], p.keys[p.n], p.also[p.n] = t, c.types[t], keys, also
		p.n++
	}
}

// sets returns what the filter's sets have of a type; of one restriction, it is the first.
// Some is false where nothing is left.
func (f *Filter) sets(t Type) (keys, also *portBits, some bool) {
	for _, set := range [...]*KeySet{f.Keys, f.Also} {
		switch {
		case set == nil:
		case set.bits[t] == nil:
			return nil, nil, false
		case keys == nil:
			keys = set.bits[t]
		default:
			also = set.bits[t]
		}
	}
	return keys, also, true
}

// count counts the plan's matches.
func (p *plan) count(t *tally) {
	var in [numBuckets]uint32
	for i := range p.n {
		if p.sparse != nil {
			p.countSparse(i, &in)
			continue
		}
		p.countDense(i, &in)
	}
	sum := uint32(0)
	for b, n := range in {
		t.before[b] = sum
		sum += n
	}
	t.total = sum
}

func (p *plan) countSparse(i int, in *[numBuckets]uint32) {
	tc, keys, also := p.counts[i], p.keys[i], p.also[i]
	if keys == nil {
		keys = &fullWords
	}
	if also == nil {
		also = &fullWords
	}
	for pos, e := range p.sparse {
		if ch := tc.chunks[e.word/chunkWords%numChunks]; ch != nil {
			m := ch.open[e.word%chunkWords] & keys[e.word%portWords] & also[e.word%portWords] & e.bits
			in[pos>>1%numBuckets] += uint32(bits.OnesCount64(m))
		}
	}
}

func (p *plan) countDense(i int, in *[numBuckets]uint32) {
	var masks [3]*portBits
	n := 0
	for _, mask := range [...]*portBits{p.dense, p.keys[i], p.also[i]} {
		if mask != nil {
			masks[n] = mask
			n++
		}
	}
	for b, ch := range p.counts[i].chunks[:] {
		switch {
		case ch == nil:
		case n == 0:
			in[b] += uint32(ch.keys)
		case n == 1:
			in[b] += countAnd(&ch.open, window(masks[0], b))
		case n == 2:
			in[b] += countAnd3(&ch.open, window(masks[0], b), window(masks[1], b))
		default:
			in[b] += countAnd4(&ch.open, window(masks[0], b), window(masks[1], b), window(masks[2], b))
		}
	}
}

// window returns the words of a chunk.
func window(b *portBits, chunk int) *[chunkWords]uint64 {
	return (*[chunkWords]uint64)(b[chunk*chunkWords:])
}

func countAnd(a, b *[chunkWords]uint64) uint32 {
	n := 0
	for i := range a {
		n += bits.OnesCount64(a[i] & b[i])
	}
	return uint32(n)
}

func countAnd3(a, b, c *[chunkWords]uint64) uint32 {
	n := 0
	for i := range a {
		n += bits.OnesCount64(a[i] & b[i] & c[i])
	}
	return uint32(n)
}

func countAnd4(a, b, c, d *[chunkWords]uint64) uint32 {
	n := 0
	for i := range a {
		n += bits.OnesCount64(a[i] & b[i] & c[i] & d[i])
	}
	return uint32(n)
}

// word returns the number of the word at a position and what matches in it, a
// mask per type in use, and their union.
func (p *plan) word(pos int, masks *[numTypes]uint64) (word int, union uint64) {
	word, digits := pos, ^uint64(0)
	switch {
	case p.exact.bits != 0:
		word, digits = int(p.exact.word), p.exact.bits
	case p.sparse != nil:
		word, digits = int(p.sparse[pos].word), p.sparse[pos].bits
	case p.dense != nil:
		digits = p.dense[pos]
	}
	for i := range p.n {
		m := uint64(0)
		if ch := p.counts[i].chunks[word/chunkWords%numChunks]; ch != nil {
			m = ch.open[word%chunkWords] & digits
			if keys := p.keys[i]; keys != nil {
				m &= keys[word%portWords]
			}
			if also := p.also[i]; also != nil {
				m &= also[word%portWords]
			}
		}
		masks[i] = m
		union |= m
	}
	return word, union
}

// Cursor walks the keys of a view that match a filter, ordered by port, then
// type, or in the exact reverse. It is a value for one goroutine:
//
//	c := view.Select(filter)
//	for c.Seek(offset, descending); c.Next(); {
//		use(c.Key(), c.Count())
//	}
type Cursor struct {
	plan  plan
	tally tally
	desc  bool
	left  int              // rows still to come
	pos   int              // position of the word being walked
	word  int              // its number
	masks [numTypes]uint64 // what matches in it and has not been passed
	any   uint64           // their union
	key   Key
	n     uint32
}

// Select finds the keys that match the filter. Seek comes next.
func (v View) Select(f Filter) (c Cursor) {
	c.plan = compile(v.counts, &f)
	switch {
	case c.plan.n == 0:
	case c.plan.exact.bits != 0:
		var masks [numTypes]uint64
		c.plan.word(0, &masks)
		c.tally.total = c.plan.matches(&masks, ^uint64(0))
	default:
		v.snapshot.memo.tally(memoKey{v.counts, f}, &c.plan, &c.tally)
	}
	return c
}

// Total returns the number of keys that match.
func (c *Cursor) Total() int { return int(c.tally.total) }

// Seek moves the cursor before the row at the offset, counted from 0 in the
// direction given. At or past the end there is nothing to come.
func (c *Cursor) Seek(offset int, descending bool) {
	c.left, c.desc = 0, descending
	if offset < 0 || offset >= c.Total() {
		return
	}
	c.left = c.Total() - offset
	rank := uint32(offset)
	if descending {
		rank = c.tally.total - 1 - rank
	}
	b := c.bucket(rank)
	rank -= c.tally.before[b]
	for c.pos = b << c.plan.shift; ; c.pos++ {
		c.word, c.any = c.plan.word(c.pos, &c.masks)
		n := c.plan.matches(&c.masks, ^uint64(0))
		if rank < n {
			break
		}
		rank -= n
	}
	c.skip(rank)
}

// bucket returns the last bucket with at most rank matches before it.
func (c *Cursor) bucket(rank uint32) int {
	b := 0
	if c.plan.exact.bits != 0 {
		return 0
	}
	for step := numBuckets / 2; step > 0; step /= 2 {
		if c.tally.before[b+step] <= rank {
			b += step
		}
	}
	return b
}

// matches counts the matches of all types within the ports of the mask.
func (p *plan) matches(masks *[numTypes]uint64, ports uint64) uint32 {
	n := 0
	for i := range p.n {
		n += bits.OnesCount64(masks[i] & ports)
	}
	return uint32(n)
}

// skip takes out of the word what lies before the match of that rank, counted
// by port, then type; for a descending walk, what lies behind it.
func (c *Cursor) skip(rank uint32) {
	port := 0
	for step := 32; step > 0; step /= 2 {
		if c.plan.matches(&c.masks, 1<<(port+step)-1) <= rank {
			port += step
		}
	}
	rank -= c.plan.matches(&c.masks, 1<<port-1)
	keep := ^uint64(0) << port
	if c.desc {
		keep = 2<<port - 1
	}
	c.any = 0
	for i, seen := 0, uint32(0); i < c.plan.n; i++ {
		m := c.masks[i] & keep
		if m>>port&1 != 0 {
			if !c.desc && seen < rank || c.desc && seen > rank {
				m &^= 1 << port
			}
			seen++
		}
		c.masks[i] = m
		c.any |= m
	}
}

// Next moves to the next row and says whether there is one.
func (c *Cursor) Next() bool {
	if c.left == 0 {
		return false
	}
	c.left--
	for c.any == 0 {
		if c.desc {
			c.pos--
		} else {
			c.pos++
		}
		c.word, c.any = c.plan.word(c.pos, &c.masks)
	}
	if c.desc {
		c.takeLast()
	} else {
		c.takeFirst()
	}
	return true
}

func (c *Cursor) takeFirst() {
	port := bits.TrailingZeros64(c.any)
	i := 0
	for c.masks[i]>>port&1 == 0 {
		i++
	}
	c.take(i, port)
	for i++; i < c.plan.n; i++ {
		if c.masks[i]>>port&1 != 0 {
			return
		}
	}
	c.any &^= 1 << port
}

func (c *Cursor) takeLast() {
	port := 63 - bits.LeadingZeros64(c.any)
	i := c.plan.n - 1
	for c.masks[i]>>port&1 == 0 {
		i--
	}
	c.take(i, port)
	for i--; i >= 0; i-- {
		if c.masks[i]>>port&1 != 0 {
			return
		}
	}
	c.any &^= 1 << port
}

// take makes the port of the i-th type the current row.
func (c *Cursor) take(i, port int) {
	c.masks[i] &^= 1 << port
	c.key = MakeKey(uint16(c.word<<6|port), c.plan.types[i])
	c.n = c.plan.counts[i].chunks[c.word/chunkWords%numChunks].at(c.word%chunkWords, uint32(port))
}

// Key returns the current row's key.
func (c *Cursor) Key() Key { return c.key }

// Count returns how many assets of the view have the current row's key open.
func (c *Cursor) Count() int { return int(c.n) }
