package engine

import (
	"cmp"
	"math/bits"
	"slices"

	"portolan/index"
)

// cover tells when keys were last looked at. Looks are added, then it is
// prepared, then it is asked about keys in their order, each at most once.
//
// For few keys it asks every look. For many it works out once, type by type,
// stretches of ports whose newest look is the same, and walks along them:
//
//	looks     [1......100]@3      [80....200]@5
//	stretches [1...79]@3  [80.............200]@5
type cover struct {
	all   micros // newest look at every key
	looks []scopeTime

	prepared  bool
	edges     []uint64 // where ranges of looks begin and end: see prepare
	stretches []stretch
	next      [8]int // by type, the stretch to look at next
}

// scopeTime is a look at a scope that is neither all nor none.
type scopeTime struct {
	scope Scope
	time  micros
}

// stretch is ports of one type whose newest look is at the time.
type stretch struct {
	end  uint32 // type<<16 | last port
	time micros
}

func (c *cover) reset() {
	c.all, c.looks, c.prepared = never, c.looks[:0], false
}

// coverBy makes the cover of looks for so many keys.
func (w *work) coverBy(list []look, keys int) {
	w.cover.reset()
	for _, l := range list {
		w.cover.add(l.scope, l.time)
	}
	w.cover.prepare(keys)
}

func (c *cover) add(s Scope, at micros) {
	if s.IsAll() {
		c.all = max(c.all, at)
		return
	}
	c.looks = append(c.looks, scopeTime{s, at})
}

// prepare is called when all looks are added, with how many keys will be asked.
func (c *cover) prepare(keys int) {
	ranges := 0
	for _, l := range c.looks {
		ranges += len(l.scope.parts())
	}
	const perKey = 8 // looks that are asked about a key in the time that a range takes to prepare
	if keys*len(c.looks) <= ranges*perKey || len(c.looks) > maxLooks {
		return
	}
	c.prepared = true
	slices.SortFunc(c.looks, func(a, b scopeTime) int { return cmp.Compare(b.time, a.time) })
	c.edges = c.edges[:0]
	for rank, l := range c.looks { // the newest first; a rank fits in six bits
		for _, r := range l.scope.parts() {
			first := uint64(r.Type)<<16 | uint64(r.Lo)
			c.edges = append(c.edges, first<<6|uint64(rank), (first+uint64(r.Hi-r.Lo)+1)<<6|uint64(rank))
		}
	}
	slices.Sort(c.edges)
	c.stretch()
}

// stretch makes the stretches of the edges. At each edge the look it belongs to
// begins or ends to hold; those that hold are a bit each, the newest the lowest.
func (c *cover) stretch() {
	c.stretches = c.stretches[:0]
	holding := uint64(0)
	for _, e := range c.edges {
		if end := uint32(e>>6) - 1; len(c.stretches) == 0 || c.stretches[len(c.stretches)-1].end != end {
			at := never
			if holding != 0 {
				at = c.looks[bits.TrailingZeros64(holding)].time
			}
			c.stretches = append(c.stretches, stretch{end, at})
		}
		holding ^= 1 << (e & 63)
	}
	at := 0
	for t := range c.next {
		for at < len(c.stretches) && c.stretches[at].end>>16 < uint32(t) {
			at++
		}
		c.next[t] = at
	}
}

// at returns when the key was last looked at.
func (c *cover) at(k index.Key) micros {
	t := c.all
	if !c.prepared {
		for _, l := range c.looks {
			if l.time > t && l.scope.Contains(k) {
				t = l.time
			}
		}
		return t
	}
	place := uint32(k.Type())<<16 | uint32(k.Port())
	i := c.next[k.Type()]
	for i < len(c.stretches) && c.stretches[i].end < place {
		i++
	}
	c.next[k.Type()] = i
	if i < len(c.stretches) {
		t = max(t, c.stretches[i].time)
	}
	return t
}
