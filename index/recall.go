package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

// recall is what was found in one version of an index, with what is needed to find it in a later one
// at the cost of what has changed since.
type recall struct {
	key   any
	rows  *Snapshot // the version's assets, and nothing that follows from them
	value any
}

// recalls is what readers of an index have found, at most maxRecalled.
type recalls = latest[any, *recall]

// maxRecalled bounds the memory as [maxFound] does: there are sets, and counts with their sets.
const maxRecalled = 24

// enoughCopied is how many stripes may be copied between two versions, besides a share of all there
// are: with more, to look at all assets is hardly dearer, and the old ones are not worth their memory.
const enoughCopied = 1 << 10

func (r *recall) is(key any) bool { return r.key == key }

func (r *recall) keyOf() any { return r.key }

func (r *recall) madeOf() uint64 { return r.rows.version }

func (r *recall) staleIn(d *data) bool {
	return d.copied-r.rows.copied > enoughCopied+uint64(d.numStripes())/8
}

// recall returns what is known by a key of another version, and the assets that may not be as they are
// there, those that are gone included; nil for nothing.
func (s *Snapshot) recall(key any) (known *recall, changed Set) {
	known, found := s.recalls.find(key)
	if !found {
		return nil, Set{}
	}
	return known, s.changedSince(known.rows)
}

// Earlier returns what was kept under a key, which is comparable, with another snapshot of the index,
// mostly the one before; nil for nothing. With it come the assets that may not be here as they are
// there; those that are gone are among them.
func (s *Snapshot) Earlier(key any) (value any, changed Set) {
	known, changed := s.recall(key)
	if known == nil {
		return nil, Set{}
	}
	return known.value, changed
}

// Keep keeps a value for later snapshots, until there are many others or little is left as it is.
func (s *Snapshot) Keep(key, value any) { s.keep(key, value) }

func (s *Snapshot) keep(key, value any) {
	rows := &Snapshot{data: data{
		version: s.version, copied: s.copied, stripes: s.stripes, interned: s.interned, ordinals: s.ordinals,
	}}
	s.recalls.keep(&recall{key, rows, value}, maxRecalled)
}

// changedSince returns the assets that may not be as they are in another version. What versions share is
// passed over.
func (s *Snapshot) changedSince(old *Snapshot) Set {
	return setOfBitmap(roaring.FromDense(s.changedWords(old), false))
}

// changedWords is changedSince as the words of a bitmap.
func (s *Snapshot) changedWords(old *Snapshot) []uint64 {
	words := make([]uint64, max(s.numStripes(), old.numStripes()))
	is, was := s.stripes.root, old.stripes.root
	for i := range (len(words) + leafSize - 1) / leafSize {
		if i < len(is) && i < len(was) && is[i] == was[i] {
			continue
		}
		for n := i * leafSize; n < min((i+1)*leafSize, len(words)); n++ {
			words[n] = changedSlots(old.stripe(uint32(n)), s.stripe(uint32(n))) // a stripe has as many assets as a word bits
		}
	}
	return words
}

// changedSlots returns the slots, a bit each, of which two versions of a stripe may have different
// assets. Either may be nil.
func changedSlots(a, b *stripe) uint64 {
	switch {
	case a == b:
		return 0
	case a == nil:
		return b.live
	case b == nil:
		return a.live
	case a.epoch > b.epoch:
		a, b = b, a
	}
	if b.base <= a.epoch {
		return b.touched & (a.live | b.live)
	}
	return a.live | b.live
}

// findKey is what [View.Find] remembers a set by, countsKey what [View.Where] does counts by.
type (
	findKey struct {
		condition *Condition
		whole     bool
		groups    string
	}
	countsKey struct{ of any }
)

func (v View) findKey(c *Condition) findKey {
	return findKey{c, v.groups == nil, joinNames(v.groups)}
}

// joinNames returns the names as one text, of which there is no other list.
func joinNames(names []string) string {
	var text []byte
	for _, name := range names {
		text = append(binary.AppendUvarint(text, uint64(len(name))), name...)
	}
	return string(text)
}

// findAgain is find for a condition that was looked for in an earlier version: only what has changed
// is looked at.
func (f *finder) findAgain(c *Condition, v View) (Set, error) {
	within := v.Assets()
	if c.cost() != byRow || v.set != nil { // what does not look at each asset costs little
		return f.find(c, within)
	}
	key := v.findKey(c)
	var set Set
	known, changed := f.s.recall(key)
	if known != nil {
		some, err := f.find(c, Intersect(within, changed))
		if err != nil {
			return Set{}, err
		}
		set = Amend(known.value.(Set), changed, some) //nolint:forcetypeassert // by this key there are sets
	} else {
		var err error
		if set, err = f.find(c, within); err != nil {
			return Set{}, err
		}
	}
	f.s.keep(key, set)
	return set, nil
}

// countedSet is the counts of a set.
type countedSet struct {
	set    Set
	counts *counts
}

// countsAgain is countsIn for a set that may have been counted in an earlier version by the same key:
// then only what has changed is.
func (s *Snapshot) countsAgain(ctx context.Context, key any, set Set) (*counts, error) {
	known, changed := s.recall(countsKey{key})
	var sum *counts
	if known != nil {
		was := known.value.(countedSet) //nolint:forcetypeassert // by this key there are no others
		d := difference{was: known.rows, is: s, were: Intersect(was.set, changed), are: Intersect(set, changed)}
		if (d.were.Len()+d.are.Len())*keySteps <= min(min(set.Len(), s.assets-set.Len())*keySteps, s.assets) {
			if err := d.look(ctx); err != nil {
				return nil, err
			}
			sum = d.mend(was.counts)
		}
	}
	if sum == nil {
		var err error
		if sum, err = s.countsIn(ctx, set); err != nil {
			return nil, err
		}
	}
	s.keep(countsKey{key}, countedSet{set, sum})
	return sum, ctx.Err()
}

// difference is what assets of a set have in one version, and what those of the set had in an earlier
// one, of the assets that may have changed.
type difference struct {
	was, is   *Snapshot
	were, are Set
	keys      wide // of what was and is not any more, numbers that have passed 0
}

const lessOne = ^uint32(0)

// look looks at the assets.
func (d *difference) look(ctx context.Context) error {
	n := 0
	for o := range Unite(d.were, d.are).From(0) {
		if n++; n%lookEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var had, has []byte
		if d.were.Contains(o) {
			st := d.was.stateOf(o)
			had = d.was.listOf(&st)
		}
		if d.are.Contains(o) {
			st := d.is.stateOf(o)
			has = d.is.listOf(&st)
		}
		if !bytes.Equal(had, has) {
			d.keys.add(had, lessOne)
			d.keys.add(has, 1)
		}
	}
	return nil
}

// mends numbers the counts that were mended.
var mends atomic.Uint64

// mend returns the counts of the set, of those that it had.
func (d *difference) mend(c *counts) *counts {
	epoch := ^mends.Add(1) // of no version and no other counts, so that nothing shared is written to
	sum := c.clone(epoch)
	for t, ports := range d.keys {
		if ports == nil {
			continue
		}
		for port, n := range ports {
			if n != 0 {
				sum.add(MakeKey(uint16(port), Type(t)), int32(n), epoch)
			}
		}
	}
	return sum
}
