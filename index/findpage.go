package index

import "context"

// Of pages that begin so early, of a set that is another's assets that are, or are not, in a third, the
// set need not be made: the others tell how many there are, and the first of them are walked to. That
// gives up after walkMost steps.
const (
	earlyPage = 1 << 12
	walkMost  = 1 << 16
)

// FindPage returns how many assets of the view meet a condition, and those of them from the offset on, at
// most so many, none for a limit of 0. They are those of [View.Find], which is what it takes where the
// answer does not come cheaper.
func (v View) FindPage(ctx context.Context, c *Condition, offset, limit int) (total int, page []Ordinal, err error) {
	if limit > 0 && offset <= earlyPage && limit <= earlyPage && v.found(c) == nil && v.set == nil && v.groups == nil {
		if a, b, in, ok := v.snapshot.pair(c); ok {
			if total, page, ok = firstOf(a, b, in, offset, limit); ok {
				return total, page, ctx.Err()
			}
		}
	}
	set, err := v.Find(ctx, c)
	if err != nil {
		return 0, nil, err
	}
	page = make([]Ordinal, 0, min(max(0, set.Len()-offset), limit))
	for o := range set.From(offset) {
		if len(page) == limit {
			break
		}
		page = append(page, o)
	}
	return set.Len(), page, nil
}

// found returns what is remembered of a condition, nil for nothing.
func (v View) found(c *Condition) *found {
	for f := v.snapshot.found.Load(); f != nil; f = f.next {
		if f.condition == c && f.of.same(&v) {
			return f
		}
	}
	return nil
}

// pair returns two sets that there are, of which the condition holds for the assets of the first that are
// in the second, or are not.
func (s *Snapshot) pair(c *Condition) (a, b Set, in, ok bool) {
	if c.kind != byAll || len(c.parts) != 2 {
		return a, b, false, false
	}
	first, second, in := c.parts[0], c.parts[1], true
	if first.kind == byNone {
		first, second = second, first
	}
	if second.kind == byNone {
		second, in = second.parts[0], false
	}
	if a, ok = s.single(first); ok {
		b, ok = s.single(second)
	}
	return a, b, in, ok
}

// single returns the set of a condition that is one of the snapshot's own.
func (s *Snapshot) single(c *Condition) (set Set, ok bool) {
	switch {
	case c.kind == byGroup && len(c.groups.names) == 1:
		return s.membersNamed(c.groups.names[0]), true
	case c.kind != byKeys:
		return Set{}, false
	}
	keys := View{snapshot: s, counts: s.whole}.Select(Filter{Keys: c.keys})
	if keys.Total() > 1 {
		return Set{}, false
	}
	if keys.Seek(0, false); keys.Next() {
		set = s.Holders(keys.Key())
	}
	return set, true
}

// firstOf returns how many assets of one set are in another, or are not, and a page of them. It is false
// where that takes too many steps.
func firstOf(a, b Set, in bool, offset, limit int) (total int, page []Ordinal, ok bool) {
	if a.p == nil || a.p.dense == nil || b.p == nil || b.p.dense == nil {
		return 0, nil, false // then the set is small, or one that there is
	}
	total = int(a.p.dense.AndCardinality(b.p.dense))
	if !in {
		total = a.Len() - total
	}
	limit = min(limit, max(0, total-offset))
	page = make([]Ordinal, 0, limit)
	if limit == 0 {
		return total, page, true
	}
	steps := 0
	for o := range a.From(0) {
		if steps++; steps > walkMost {
			return 0, nil, false
		}
		if b.Contains(o) != in {
			continue
		}
		if offset > 0 {
			offset--
			continue
		}
		if page = append(page, o); len(page) == limit {
			break
		}
	}
	return total, page, true
}
