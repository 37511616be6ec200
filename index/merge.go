package index

// merged is the sum of several groups' counts in one version of an index, with what is
// needed to make that of a later version of it: what has not changed since is shared, so the
// cost is that of the changes, not of the groups.
type merged struct {
	groups  Groups
	counts  *counts
	version uint64
	naming  uint64       // of the version
	posted  uint64       // likewise
	members groupSet     // the groups that there were
	parts   vec[*counts] // of all groups, in the version
}

// groupSet is a set of group numbers: bit n&63 of word n>>6 is group n.
type groupSet []uint64

func (g groupSet) has(n uint32) bool {
	return int(n>>6) < len(g) && g[n>>6]>>(n&63)&1 != 0
}

// merges is what readers of an index have merged, at most maxMerged.
type merges = latest[*Groups, *merged]

// enoughPosted is how many changes may lie between two versions of a merged view, besides a
// share of all there is: with more, making it anew is no dearer, and the old version of the
// counts that it holds on to is not worth its memory.
const enoughPosted = 1 << 16

func (m *merged) is(groups *Groups) bool { return m.groups.equal(groups) }

func (m *merged) keyOf() *Groups { return &m.groups }

func (m *merged) madeOf() uint64 { return m.version }

func (m *merged) staleIn(d *data) bool {
	return d.posted-m.posted > enoughPosted+uint64(d.whole.opens)/4
}

// merge returns the sum of the groups' counts: made of that of an earlier version where there
// is one.
func (s *Snapshot) merge(groups Groups) *merged {
	known, found := s.merges.find(&groups)
	switch {
	case !found || known.version > s.version:
		return s.mergeAnew(groups)
	case known.version == s.version:
		return known
	}
	m := &merged{
		groups: known.groups, counts: known.counts.clone(s.version), version: s.version, naming: s.naming, posted: s.posted,
		members: known.members, parts: s.groupCounts,
	}
	if known.naming != s.naming {
		m.members = s.groupSet(groups)
	}
	m.mend(known)
	s.merges.keep(m, maxMerged)
	return m
}

func (s *Snapshot) mergeAnew(groups Groups) *merged {
	m := &merged{
		groups: groups, version: s.version, naming: s.naming, posted: s.posted,
		members: s.groupSet(groups), parts: s.groupCounts,
	}
	var parts []*counts
	m.members.each(func(n uint32) { parts = append(parts, s.countsOf(n)) })
	m.counts = sumCounts(parts)
	s.merges.keep(m, maxMerged)
	return m
}

// groupSet returns those of the groups that there are.
func (d *data) groupSet(groups Groups) groupSet {
	var set groupSet
	for _, name := range groups.names {
		if n, ok := d.groupNames.Get(name); ok {
			for int(n>>6) >= len(set) {
				set = append(set, 0)
			}
			set[n>>6] |= 1 << (n & 63)
		}
	}
	return set
}

// each calls f with each number in ascending order.
func (g groupSet) each(f func(n uint32)) {
	for n := range uint32(len(g)) << 6 {
		if g.has(n) {
			f(n)
		}
	}
}

// mend makes the counts, which are those of an earlier version, the ones of m's. A leaf of
// groups that is the same in both is passed over.
func (m *merged) mend(old *merged) {
	for i := range max(len(m.parts.root), len(old.parts.root)) {
		if i < min(len(m.parts.root), len(old.parts.root)) && m.parts.root[i] == old.parts.root[i] && m.naming == old.naming {
			continue
		}
		for n := uint32(i) * leafSize; n < uint32(i+1)*leafSize; n++ {
			if was, is := old.part(n), m.part(n); was != is {
				m.counts.addDifference(was, is, m.version)
			}
		}
	}
}

// part returns the counts of a group, those of nothing for one that is no member.
func (m *merged) part(n uint32) *counts {
	if c := m.parts.at(n); c != nil && *c != nil && m.members.has(n) {
		return *c
	}
	return emptyCounts
}

// addDifference adds what a part of a sum is now and takes away what it was. The sum must be
// of the epoch. What versions share is passed over.
func (c *counts) addDifference(was, is *counts, epoch uint64) {
	for t := range was.types {
		a, b := was.types[t], is.types[t]
		if a == b {
			continue
		}
		if a == nil {
			a = emptyType
		}
		if b == nil {
			b = emptyType
		}
		for i := range a.chunks {
			c.addChunkDifference(a.chunks[i], b.chunks[i], Type(t), i, epoch)
		}
	}
}

var (
	emptyType  = new(typeCounts)
	emptyChunk = new(chunk)
)

func (c *counts) addChunkDifference(was, is *chunk, t Type, i int, epoch uint64) {
	if was == is {
		return
	}
	if was == nil {
		was = emptyChunk
	}
	if is == nil {
		is = emptyChunk
	}
	for w := range chunkWords {
		if was.lines[w] == is.lines[w] && was.highLine(w) == is.highLine(w) {
			continue
		}
		for bit := range uint32(64) {
			if d := int32(is.count(w, bit)) - int32(was.count(w, bit)); d != 0 {
				c.add(MakeKey(uint16(uint32(i)<<10|uint32(w)<<6|bit), t), d, epoch)
			}
		}
	}
}

// highLine returns what is above the low bits of a word's counts, nil for nothing.
func (c *chunk) highLine(word int) *[64]uint32 {
	if c.high == nil {
		return nil
	}
	return c.high.lines[word]
}

// count is at where the word's line may be missing.
func (c *chunk) count(word int, port uint32) uint32 {
	if c.lines[word] == nil {
		return 0
	}
	return c.at(word, port)
}
