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
// once per epoch, so a change costs some 600 bytes, and a view of three assets
// a few kilobytes.
//
//	counts ── types[TCP] ── chunks[port>>10] ─┬─ open[port>>6 & 15]: bit per port, set iff its count > 0
//	                                          └─ lines[port>>6 & 15]: 64 counts
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
	keys  int32                  // open keys in the chunk
	own   uint16                 // lines made in the chunk's epoch, one bit each
	epoch uint64
}

type countLine [64]uint32

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
	line, ch, word := c.line(k, epoch)
	bit := k.Port() & 63
	was := line[bit]
	line[bit] = was + uint32(n)
	c.opens += int(n)
	switch {
	case was == 0 && n > 0:
		ch.open[word] |= 1 << bit
		c.addKeys(k.Type(), ch, 1)
	case was != 0 && line[bit] == 0:
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

// line returns the line that holds the key's count for changing in the epoch,
// its chunk, and its place in the chunk.
func (c *counts) line(k Key, epoch uint64) (*countLine, *chunk, int) {
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
	word := int(p>>6) & (chunkWords - 1)
	if ch.own&(1<<word) == 0 {
		line := new(countLine)
		if old := ch.lines[word]; old != nil {
			*line = *old
		}
		ch.lines[word] = line
		ch.own |= 1 << word
	}
	return ch.lines[word], ch, word
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
	line := ch.lines[p>>6&(chunkWords-1)]
	if line == nil {
		return 0
	}
	return int(line[p&63])
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
					f(MakeKey(uint16(i<<10|w<<6|bit), Type(t)), ch.lines[w][bit])
				}
			}
		}
	}
}

// sumCounts returns the view of several groups together; an asset is in exactly
// one group, so counts add up.
func sumCounts(parts []*counts) *counts {
	sum := &counts{epoch: 1}
	for _, part := range parts {
		sum.opens += part.opens
		for t, tc := range part.types {
			if tc != nil {
				sum.addType(Type(t), tc)
			}
		}
	}
	return sum
}

func (c *counts) addType(t Type, part *typeCounts) {
	if c.types[t] == nil {
		c.types[t] = &typeCounts{epoch: 1}
	}
	tc := c.types[t]
	for i, from := range part.chunks[:] {
		if from == nil {
			continue
		}
		if tc.chunks[i] == nil {
			tc.chunks[i] = &chunk{epoch: 1}
		}
		n := int(tc.chunks[i].add(from))
		tc.keys += n
		c.keys += n
	}
}

// add adds the counts of another chunk and returns how many keys that opened.
func (c *chunk) add(from *chunk) (opened int32) {
	for w, line := range from.lines {
		if line == nil {
			continue
		}
		opened += int32(bits.OnesCount64(from.open[w] &^ c.open[w]))
		c.open[w] |= from.open[w]
		if c.lines[w] == nil {
			p := *line
			c.lines[w] = &p
			continue
		}
		to := c.lines[w]
		for i, n := range line {
			to[i] += n
		}
	}
	c.keys += opened
	return opened
}
