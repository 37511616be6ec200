package index

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
)

// maxFaults is how many faults Check reports; one is enough to distrust the
// snapshot, and the others are mostly the same again.
const maxFaults = 32

// Check recomputes the snapshot from its postings and reports every invariant
// that does not hold, joined, at most 32 of them:
//
//   - the keys of every asset are the postings that hold it, and no posting holds
//     an ordinal without an asset;
//   - a posting's number is that of its ordinals, above 0, in ascending order;
//   - the counts of the whole and of every group are those of the postings, with
//     their bits, their sums and their numbers of keys and assets;
//   - every asset's id is found in the dictionary, and nothing else is under it;
//   - the stripes' records and their dead bytes add up;
//   - every asset's group exists, and groups without assets do not;
//   - the set of all assets and those of the groups are the assets that are there.
//
// It costs a pass over the inventory and may run beside readers and the writer.
func (s *Snapshot) Check(ctx context.Context) error {
	c := checker{s: s, groups: make(map[uint32]*tallied), whole: new(counts)}
	c.records(ctx)
	c.columns()
	c.postings(ctx)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if c.assets != s.assets {
		c.fault("%d assets are there, the number is %d", c.assets, s.assets)
	}
	c.compare("whole", c.whole, s.whole)
	c.members("everyone", s.everyone, s.assets, func(Ordinal) bool { return true })
	c.groupCounts()
	return errors.Join(c.faults...)
}

type checker struct {
	s      *Snapshot
	assets int                 // found in stripes
	keys   int                 // in all their key lists
	whole  *counts             // recomputed
	groups map[uint32]*tallied // recomputed, by number
	faults []error
}

// tallied is a group as it is found.
type tallied struct {
	assets int
	counts counts
}

func (c *checker) fault(format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, fmt.Errorf(format, args...))
	}
}

// group returns what was found of a group so far.
func (c *checker) group(n uint32) *tallied {
	g := c.groups[n]
	if g == nil {
		g = new(tallied)
		c.groups[n] = g
	}
	return g
}

// records checks every asset's record and that its keys are in the postings.
func (c *checker) records(ctx context.Context) {
	var keys []Key
	for o := range c.s.ordinalsOfStripes() {
		if o%1024 == 0 && ctx.Err() != nil {
			return
		}
		c.assets++
		id, st := c.s.ident(o), c.s.stateOf(o)
		if found, ok := c.s.find(id.id, id.kind, hashID(id.id, id.kind)); !ok || found != o {
			c.fault("asset %q: dictionary has ordinal %d (found %t), want %d", id.idText(), found, ok, o)
		}
		if g := c.s.groups.at(st.group); g == nil || g.name == "" {
			c.fault("asset %q: no group %d", id.idText(), st.group)
			continue
		}
		c.group(st.group).assets++
		keys = appendKeys(keys[:0], c.s.listOf(&st))
		c.keys += len(keys)
		for i, k := range keys {
			if !k.Valid() || i > 0 && keys[i-1] >= k {
				c.fault("asset %q: key %v at %d is invalid or out of order", id.idText(), k, i)
			} else if p, ok := c.s.tree.Get(k); !ok || !p.contains(o) {
				c.fault("asset %q: has %v, but its posting does not hold it", id.idText(), k)
			}
		}
	}
}

// columns checks how the stripes keep their records.
func (c *checker) columns() {
	for n := range c.s.numStripes() {
		p := c.s.stripe(n)
		if p == nil {
			continue
		}
		for name, col := range map[string]*column{"idents": &p.idents, "states": &p.states} {
			used := 0
			for slot := range uint32(stripeSize) {
				if p.live>>slot&1 != 0 {
					used += col.size(slot)
				}
			}
			if dead := len(col.data) - used; dead != col.dead {
				c.fault("stripe %d: %s have %d dead bytes, the number is %d", n, name, dead, col.dead)
			}
			if col.dead > max(maxDead, len(col.data)/2) {
				c.fault("stripe %d: %d of %d bytes of %s are dead", n, col.dead, len(col.data), name)
			}
		}
	}
}

// postings checks every posting and counts it.
func (c *checker) postings(ctx context.Context) {
	n := 0
	c.s.tree.Scan(func(k Key, p *posting) bool {
		c.posting(k, p)
		n += p.n
		return ctx.Err() == nil
	})
	if n != c.keys && ctx.Err() == nil {
		c.fault("postings hold %d ordinals, assets have %d keys", n, c.keys)
	}
}

func (c *checker) posting(k Key, p *posting) {
	n := c.ordinals("posting "+k.String(), p, func(o Ordinal) bool {
		c.whole.add(k, 1, 0)
		c.group(c.s.stateOf(o).group).counts.add(k, 1, 0)
		return true
	})
	if n == 0 {
		c.fault("posting %v: it is empty", k)
	}
}

// members checks a set of assets that must be so many, all those that belong.
func (c *checker) members(name string, p *posting, want int, belongs func(Ordinal) bool) {
	if p == nil {
		p = new(posting)
	}
	if n := c.ordinals(name, p, belongs); n != want {
		c.fault("%s: it has %d assets, want %d", name, n, want)
	}
}

// ordinals checks that a posting's ordinals are in order, are those of assets that
// belong, and are as many as it says, which it returns.
func (c *checker) ordinals(name string, p *posting, belongs func(Ordinal) bool) int {
	n, last := 0, int64(-1)
	for o := range p.from(0) {
		if int64(o) <= last || !c.s.has(o) || !belongs(o) {
			c.fault("%s: ordinal %d is out of order, has no asset or does not belong", name, o)
			continue
		}
		last = int64(o)
		n++
	}
	if n != p.n {
		c.fault("%s: number is %d, but it has %d ordinals", name, p.n, n)
	}
	return n
}

func (c *checker) groupCounts() {
	c.s.groupNames.Scan(func(name string, n uint32) bool {
		want, have := c.groups[n], c.s.groups.at(n)
		if want == nil || have == nil || have.assets != want.assets || have.name != name {
			c.fault("group %q: is %+v, but %+v is found", name, have, want)
			return true
		}
		c.compare(fmt.Sprintf("group %q", name), &want.counts, c.s.countsOf(n))
		c.members(fmt.Sprintf("members of %q", name), c.s.membersOf(n).p, want.assets, func(o Ordinal) bool { return c.s.stateOf(o).group == n })
		return true
	})
	if named := c.s.groupNames.Len(); named != len(c.groups) {
		c.fault("%d groups have names, %d have assets", named, len(c.groups))
	}
}

// compare reports where the counts of a view differ from those recomputed.
func (c *checker) compare(view string, want, have *counts) {
	if want.opens != have.opens || want.keys != have.keys {
		c.fault("%s: has %d observations, %d keys, want %d, %d", view, have.opens, have.keys, want.opens, want.keys)
	}
	want.each(func(k Key, n uint32) {
		if have.of(k) != int(n) || !have.isOpen(k) {
			c.fault("%s: %v has count %d (open %t), want %d", view, k, have.of(k), have.isOpen(k), n)
		}
	})
	for t, tc := range have.types {
		if tc != nil {
			c.compareType(view, Type(t), tc)
		}
	}
}

// compareType checks the sums of a type's counts against its bits.
func (c *checker) compareType(view string, t Type, tc *typeCounts) {
	keys := 0
	for i, ch := range tc.chunks[:] {
		if ch == nil {
			continue
		}
		n := 0
		for _, open := range ch.open {
			n += bits.OnesCount64(open)
		}
		if n != int(ch.keys) {
			c.fault("%s: chunk %d of %v says %d keys, its bits %d", view, i, t, ch.keys, n)
		}
		keys += n
	}
	if keys != tc.keys {
		c.fault("%s: %v says %d keys, its chunks %d", view, t, tc.keys, keys)
	}
}
