package index

import "math/bits"

// A chunk covers 1024 ports of one type: 16 words of 64 ports.
const (
	chunkWords = 16
	numChunks  = portWords / chunkWords
)

// counts has for every key how many assets of a view have it open. It is what
// pages of answers are served from. Everything in it is shared between versions until
// written: the one writer copies a chunk, and in it a line of 64 counts, at most
// once per epoch, so a change costs some 350 bytes, and a view of three assets
// a few kilobytes. Most counts of a group are small, so a byte has the low bits of each
// and what is above is there where a line needs it.
//
//	counts ── types[TCP] ── chunks[port>>10] ─┬─ open[port>>6 & 15]: bit per port, set iff its count > 0
//	                                          └─ lines[port>>6 & 15]: 64 counts ─┬─ low: count & 255
//	                                                                             └─ high: count >> 8
type counts struct {
	epoch uint64
	types [typeLimit]*typeCounts // nil: no key of the type is open
	keys  int                    // open keys: counts above 0
	opens int                    // sum of the counts
}

type typeCounts struct {
	epoch  uint64
	keys   int
	chunks [numChunks]*chunk // nil: all counts are 0
}

type chunk struct {
	open  [chunkWords]uint64
	lines [chunkWords]*countLine // nil: all counts are 0
	high  *highLines             // nil: all counts are below 256
	keys  int32                  // open keys in the chunk
	own   uint16                 // lines made in the chunk's epoch, one bit each
	epoch uint64
}

// countLine has the low bits of 64 counts: one line of the processor's cache.
type countLine [64]uint8

const lowBits = 8

// highLines has what is above the low bits.
type highLines struct {
	epoch uint64
	own   uint16                  // lines made in the epoch, one bit each
	lines [chunkWords]*[64]uint32 // nil: all are 0
}

// at returns the count of a port, of which the last six bits are taken. The word's line
// must be there.
func (c *chunk) at(word int, port uint32) uint32 {
	n := uint32(c.lines[word][port&63])
	if c.high == nil || c.high.lines[word] == nil {
		return n
	}
	return n | c.high.lines[word][port&63]<<lowBits
}

// emptyCounts is the view of nothing.
var emptyCounts = new(counts)

// clone returns the counts for changing in the epoch.
func (c *counts) clone(epoch uint64) *counts {
	if c.epoch == epoch {
		return c
	}
	n := *c
	n.epoch = epoch
	return &n
}

// add adds n, which may be negative, to the count of a key. The counts must be
// of the epoch.
func (c *counts) add(k Key, n int32, epoch uint64) {
	ch := c.chunk(k, epoch)
	word, bit := int(k.Port()>>6)&(chunkWords-1), k.Port()&63
	was, is := ch.addTo(word, uint32(bit), n, epoch)
	c.opens += int(n)
	switch {
	case was == 0 && is != 0:
		ch.open[word] |= 1 << bit
		c.addKeys(k.Type(), ch, 1)
	case was != 0 && is == 0:
		ch.open[word] &^= 1 << bit
		c.addKeys(k.Type(), ch, -1)
		c.prune(k, ch, word)
	}
}

func (c *counts) addKeys(t Type, ch *chunk, n int) {
	ch.keys += int32(n)
	c.types[t].keys += n
	c.keys += n
}

// prune lets go of what a count that came to 0 left empty.
func (c *counts) prune(k Key, ch *chunk, word int) {
	if ch.open[word] == 0 {
		ch.lines[word] = nil
		ch.own &^= 1 << word
	}
	if ch.keys == 0 {
		c.types[k.Type()].chunks[k.Port()>>10] = nil
	}
	if c.types[k.Type()].keys == 0 {
		c.types[k.Type()] = nil
	}
}

// chunk returns the chunk that holds the key's count for changing in the epoch.
func (c *counts) chunk(k Key, epoch uint64) *chunk {
	t, p := k.Type(), k.Port()
	tc := c.types[t]
	if tc == nil || tc.epoch != epoch {
		tc = tc.clone(epoch)
		c.types[t] = tc
	}
	ch := tc.chunks[p>>10]
	if ch == nil || ch.epoch != epoch {
		ch = ch.clone(epoch)
		tc.chunks[p>>10] = ch
	}
	return ch
}

// addTo adds n, which may be negative, to a count and returns what it was and is. The
// chunk must be of the epoch.
func (c *chunk) addTo(word int, bit uint32, n int32, epoch uint64) (was, is uint32) {
	if c.own&(1<<word) == 0 {
		line := new(countLine)
		if old := c.lines[word]; old != nil {
			*line = *old
		}
		c.lines[word] = line
		c.own |= 1 << word
	}
	was = c.at(word, bit)
	is = was + uint32(n)
	c.lines[word][bit] = uint8(is)
	if was>>lowBits != is>>lowBits {
		c.mutHigh(word, epoch)[bit] = is >> lowBits
	}
	return was, is
}

// mutHigh returns what is above the low bits of a line for changing in the epoch.
func (c *chunk) mutHigh(word int, epoch uint64) *[64]uint32 {
	if c.high == nil || c.high.epoch != epoch {
		high := new(highLines)
		if c.high != nil {
			*high = *c.high
		}
		high.epoch, high.own = epoch, 0
		c.high = high
	}
	if c.high.own&(1<<word) == 0 {
		line := new([64]uint32)
		if old := c.high.lines[word]; old != nil {
			*line = *old
		}
		c.high.lines[word] = line
		c.high.own |= 1 << word
	}
	return c.high.lines[word]
}

func (t *typeCounts) clone(epoch uint64) *typeCounts {
	n := new(typeCounts)
	if t != nil {
		*n = *t
	}
	n.epoch = epoch
	return n
}

func (c *chunk) clone(epoch uint64) *chunk {
	n := new(chunk)
	if c != nil {
		*n = *c
	}
	n.epoch, n.own = epoch, 0
	return n
}

// of returns the count of a key.
func (c *counts) of(k Key) int {
	tc := c.types[k.Type()]
	if tc == nil {
		return 0
	}
	p := k.Port()
	ch := tc.chunks[p>>10]
	if ch == nil {
		return 0
	}
	word := int(p>>6) & (chunkWords - 1)
	if ch.lines[word] == nil {
		return 0
	}
	return int(ch.at(word, uint32(p)))
}

// isOpen says whether the count of a key is above 0.
func (c *counts) isOpen(k Key) bool {
	tc := c.types[k.Type()]
	if tc == nil {
		return false
	}
	p := k.Port()
	ch := tc.chunks[p>>10]
	return ch != nil && ch.open[p>>6&(chunkWords-1)]>>(p&63)&1 != 0
}

// each calls f for every open key of the view, by type, then port.
func (c *counts) each(f func(k Key, n uint32)) {
	for t, tc := range c.types {
		if tc == nil {
			continue
		}
		for i, ch := range tc.chunks[:] {
			if ch == nil {
				continue
			}
			for w, open := range ch.open {
				for ; open != 0; open &= open - 1 {
					bit := bits.TrailingZeros64(open)
					f(MakeKey(uint16(i<<10|w<<6|bit), Type(t)), ch.at(w, uint32(bit)))
				}
			}
		}
	}
}

// sumCounts returns the view of several groups together; an asset is in exactly
// one group, so counts add up.
func sumCounts(parts []*counts) *counts {
	sum := new(counts)
	for _, part := range parts {
		sum.opens += part.opens
	}
	for t := range sum.types {
		if tc := sumType(parts, Type(t)); tc != nil {
			sum.types[t] = tc
			sum.keys += tc.keys
		}
	}
	return sum
}

// sumType returns the sum of one type, nil where nothing is open.
func sumType(parts []*counts, t Type) (sum *typeCounts) {
	chunks := make([]*chunk, 0, len(parts))
	for i := range numChunks {
		chunks = chunks[:0]
		for _, part := range parts {
			if tc := part.types[t]; tc != nil && tc.chunks[i] != nil {
				chunks = append(chunks, tc.chunks[i])
			}
		}
		if len(chunks) == 0 {
			continue
		}
		if sum == nil {
			sum = new(typeCounts)
		}
		sum.chunks[i] = sumChunks(chunks)
		sum.keys += int(sum.chunks[i].keys)
	}
	return sum
}

func sumChunks(parts []*chunk) *chunk {
	sum := new(chunk)
	var wide [chunkWords][64]uint32
	for _, part := range parts {
		part.addOnto(sum, &wide)
	}
	sum.fill(&wide)
	return sum
}

// addOnto adds the chunk's counts to a sum of several and what it has open to the chunk
// that is to be made of it.
func (c *chunk) addOnto(to *chunk, sum *[chunkWords][64]uint32) {
	for w, line := range c.lines {
		if line == nil {
			continue
		}
		to.open[w] |= c.open[w]
		for i, n := range line {
			sum[w][i] += uint32(n)
		}
		if c.high == nil || c.high.lines[w] == nil {
			continue
		}
		for i, n := range c.high.lines[w] {
			sum[w][i] += n << lowBits
		}
	}
}

// fill sets the chunk's counts, of which it knows what is open.
func (c *chunk) fill(wide *[chunkWords][64]uint32) {
	for w, open := range c.open {
		if open == 0 {
			continue
		}
		c.keys += int32(bits.OnesCount64(open))
		c.lines[w] = new(countLine)
		above := uint32(0)
		for i, n := range wide[w] {
			c.lines[w][i] = uint8(n)
			above |= n
		}
		if above>>lowBits == 0 {
			continue
		}
		high := c.mutHigh(w, c.epoch)
		for i, n := range wide[w] {
			high[i] = n >> lowBits
		}
	}
}
