package index

import "context"

// FlushAfter makes an index flush behind its writer after so many changes.
func FlushAfter(x *Index, changes int) { x.flushAfter = changes }

// ForgetRanked has the snapshot forget keys in other orders.
func ForgetRanked(s *Snapshot) { s.ranked.Store(nil) }

// Counted returns the view counted anew in a way of its own: by asset, by key, or by the assets that
// are not in it.
func Counted(ctx context.Context, v View, way string) (View, error) {
	s, set := v.snapshot, v.Assets()
	var err error
	c := View{snapshot: s, groups: []string{}, set: &set, counts: emptyCounts}
	switch rest := Subtract(Set{s.everyone}, set); {
	case set.Len() == 0:
	case way == "best":
		c.counts, err = s.countsIn(ctx, set)
	case way == "asset":
		c.counts, err = s.countByAsset(ctx, set)
	case way == "key":
		c.counts, err = s.countByKey(ctx, set)
	case rest.Len() == 0:
		c.counts = s.whole
	default:
		if c.counts, err = s.countByAsset(ctx, rest); err == nil {
			c.counts = s.whole.without(c.counts)
		}
	}
	return c, err
}

// ByOrdinal holds for ordinals.
func ByOrdinal(f func(Ordinal) bool) *Condition { return HasRow(func(r *Row) bool { return f(r.o) }) }

// Forgetful returns the snapshot without what is known of earlier ones.
func Forgetful(s *Snapshot) *Snapshot {
	c := &Snapshot{data: s.data}
	c.recalls, c.merges = new(recalls), new(merges)
	return c
}

// Recalled returns how much is remembered of earlier versions.
func Recalled(x *Index) int {
	if list := x.next.recalls.list.Load(); list != nil {
		return len(*list)
	}
	return 0
}

// IsFork says whether an index began as a fork.
func IsFork(x *Index) bool { return x.base > 0 }
