package index

import (
	"context"
	"sync/atomic"
)

// OpenIn returns those of the keys that assets of the view have open that are in a set, too. It reads
// who has each of the keys, or counts what those assets have, which is kept for later snapshots: as is
// what the set is there, comparable. The error is that of the context.
func (v View) OpenIn(ctx context.Context, keys *KeySet, set Set, as any) (*KeySet, error) {
	var open KeySetBuilder
	c := v.Select(Filter{Keys: keys})
	if c.Total() > oneByOne {
		counts, err := v.countIn(ctx, set, as)
		if err != nil {
			return nil, err
		}
		counts.each(func(k Key, _ uint32) {
			if keys.Contains(k) {
				open.addKey(k)
			}
		})
		return open.Build(), nil
	}
	for c.Seek(0, false); c.Next(); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if Meet(v.Holders(c.Key()), set) {
			open.addKey(c.Key())
		}
	}
	return open.Build(), nil
}

// openKey is what [View.OpenIn] keeps counts by.
type openKey struct{ as, in any }

// countIn counts what assets of the view have open that are in a set, too.
func (v View) countIn(ctx context.Context, set Set, as any) (*counts, error) {
	both := Intersect(v.Assets(), set)
	switch {
	case v.by != nil:
		return v.snapshot.countsAgain(ctx, openKey{as, *v.by}, both)
	case v.set != nil:
		return v.snapshot.countsIn(ctx, both)
	}
	return v.snapshot.countsAgain(ctx, openKey{as, v.findKey(nil)}, both)
}

// oneByOne is how many keys are looked at one by one.
const oneByOne = 64

func (b *KeySetBuilder) addKey(k Key) { b.AddRange(Range{k.Type(), k.Port(), k.Port()}) }

// Meet says whether two sets have an asset in common.
func Meet(a, b Set) bool {
	if a.p == nil || b.p == nil {
		return false
	}
	if a.p.dense != nil && b.p.dense != nil {
		return a.p.dense.Intersects(b.p.dense)
	}
	if a.p.dense != nil || b.p.dense == nil && a.Len() > b.Len() {
		a, b = b, a
	}
	has, done := b.p.member(a.Len())
	defer done()
	for o := range a.From(0) {
		if has(o) {
			return true
		}
	}
	return false
}

// SearchIn returns those of a set that meet a condition; nothing is remembered. The error is that of
// the context.
func (s *Snapshot) SearchIn(ctx context.Context, c *Condition, within Set) (Set, error) {
	search := finder{s: s, ctx: ctx}
	return search.find(c, within)
}

// Identity is the same for views of a snapshot that have the same counts, comparable.
func (v View) Identity() any { return v.counts }

// kept is a list of what users of a snapshot remember with it, newest first, at most maxKept long.
type kept struct {
	key, value any
	next       *kept
	length     int
}

const maxKept = 4

// keeping is what a snapshot remembers for those who use it.
type keeping struct{ list atomic.Pointer[kept] }

// Recall returns what was remembered with the snapshot under the key, which is comparable; nil for
// nothing.
func (s *Snapshot) Recall(key any) any {
	for k := s.keeping.list.Load(); k != nil; k = k.next {
		if k.key == key {
			return k.value
		}
	}
	return nil
}

// Remember remembers a value, for as long as the snapshot lives and there is not too much else. Of
// several who remember at a time some may lose.
func (s *Snapshot) Remember(key, value any) {
	head := s.keeping.list.Load()
	k := &kept{key: key, value: value, length: 1}
	if head != nil && head.length < maxKept {
		k.next, k.length = head, head.length+1
	}
	s.keeping.list.CompareAndSwap(head, k)
}
