package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Check is [Snapshot.Check] of the state last frozen, and looks besides at what
// only the writer knows of it: no change waits; every interned number has as many
// references as there are, and is free if and only if it has none; free ordinals
// and groups are those that nobody has; the holders of a label are the assets that have it. What the
// notes refer to is told by refs, which returns the interned numbers of a note and its asset's labels.
//
// The writer's lock is held, and everything was frozen.
func (x *Index) Check(ctx context.Context, refs func(note []byte) ([]uint32, []Label)) error {
	s := x.frozen
	c := &writerCheck{checker: checker{s: s}, x: x, refs: make([]uint32, len(x.blobs.refs)), labels: make(map[uint32]int)}
	if len(x.changes) > 0 || x.flushing.done != nil {
		c.fault("%d changes wait", len(x.changes))
	}
	for o := range s.ordinalsOfStripes() {
		if o%1024 == 0 && ctx.Err() != nil {
			return fmt.Errorf("check: %w", ctx.Err())
		}
		c.asset(o, refs)
	}
	if x.base == 0 { // a fork frees neither
		c.blobs()
		c.freeOrdinals()
	}
	c.freeGroups()
	c.labelled()
	return errors.Join(append([]error{s.Check(ctx)}, c.faults...)...)
}

// writerCheck is a check of what the writer knows.
type writerCheck struct {
	checker
	x      *Index
	refs   []uint32       // found, by number
	labels map[uint32]int // assets found, by number
}

// asset counts the references of an asset.
func (c *writerCheck) asset(o Ordinal, refs func(note []byte) ([]uint32, []Label)) {
	if rec := c.s.stripe(o / stripeSize).idents.record(o % stripeSize); rec[0] == bigRecord {
		n, _ := uvarint32(rec[1:])
		c.refer(o, n)
	}
	st := c.s.stateOf(o)
	if st.keysBig {
		c.refer(o, st.keysBlob)
	}
	if st.noteBig {
		c.refer(o, st.noteBlob)
	}
	interned, labels := refs(c.s.noteOf(&st))
	for _, n := range interned {
		c.refer(o, n)
	}
	for _, l := range labels {
		n, ok := c.s.labels.numbers.Get(l.key())
		if !ok || !c.s.labels.holdersOf(n).Contains(o) {
			c.fault("ordinal %d: has the label %q, whose number %d (%t) does not hold it", o, l.key(), n, ok)
		}
		c.labels[n]++
	}
}

// labelled holds the labels found against those that there are.
func (c *writerCheck) labelled() {
	d := &c.s.labels
	free := c.once("label", c.x.freeLabel, d.numbers.Len()+len(c.x.freeLabel))
	d.numbers.Scan(func(key string, n uint32) bool {
		at := d.list.at(n)
		if at == nil || at.key() != key || at.assets != c.labels[n] || int(n) >= len(free) || free[n] {
			c.fault("label %q: number %d is %+v, but %d assets are found", key, n, at, c.labels[n])
			return true
		}
		c.members(fmt.Sprintf("holders of %q", key), d.holdersOf(n).p, at.assets, func(Ordinal) bool { return true })
		return true
	})
	for n, free := range free {
		if at := d.list.at(uint32(n)); free && (at != nil && *at != labelled{} || d.holdersOf(uint32(n)).Len() > 0) {
			c.fault("label number %d: is free, but is %+v", n, at)
		}
	}
}

func (c *writerCheck) refer(o Ordinal, n uint32) {
	if int(n) >= len(c.refs) {
		c.fault("ordinal %d: refers to number %d, of which there are %d", o, n, len(c.refs))
		return
	}
	c.refs[n]++
}

// blobs holds the references found against those counted.
func (c *writerCheck) blobs() {
	b := &c.x.blobs
	free := c.once("interned number", b.free, len(b.refs))
	for n, want := range c.refs {
		if b.refs[n] != want || free[n] != (want == 0) {
			c.fault("interned number %d: %d references, free %t, but %d are found", n, b.refs[n], free[n], want)
			continue
		}
		data := *b.items.at(uint32(n))
		if id, taken := b.ids[xxhash.Sum64(data)]; want > 0 && (!taken || id != uint32(n) && bytes.Equal(*b.items.at(id), data)) {
			c.fault("interned number %d: its bytes lead to %d (%t)", n, id, taken)
		}
		if want == 0 && data != nil {
			c.fault("interned number %d: is free and has %d bytes", n, len(data))
		}
	}
}

// once says which numbers below a limit are listed, each of which may be so once.
func (c *writerCheck) once(what string, list []uint32, limit int) []bool {
	listed := make([]bool, limit)
	for _, n := range list {
		if int(n) >= limit || listed[n] {
			c.fault("%s %d: is free twice, or beyond all", what, n)
			continue
		}
		listed[n] = true
	}
	return listed
}

func (c *writerCheck) freeOrdinals() {
	for o, free := range c.once("ordinal", c.x.free, c.s.ordinals) {
		if free == c.s.has(Ordinal(o)) {
			c.fault("ordinal %d: free %t, has an asset %t", o, free, free)
		}
	}
}

func (c *writerCheck) freeGroups() {
	limit := len(c.x.groups) + len(c.x.freeGroup)
	free := c.once("group", c.x.freeGroup, limit)
	for name, n := range c.x.groups {
		if g, ok := c.s.groupNames.Get(name); !ok || g != n || int(n) >= limit || free[n] {
			c.fault("group %q: has number %d, readers find %d (%t)", name, n, g, ok)
		}
	}
	for n, free := range free {
		if g := c.s.groups.at(uint32(n)); free && (g == nil || *g != group{}) {
			c.fault("group number %d: is free, but is %+v", n, g)
		}
	}
}
