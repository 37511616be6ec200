package index

import (
	"iter"
	"slices"
)

// walkShare is the part of a set that is walked at most in place of making another one
// of it: a step that asks for one asset costs some eight times as much.
const walkShare = 8

// HoldersFrom yields the assets of the view that have the key open, as
// [View.Holders] has them, without the first rank. The caller will take so many rows:
// where those come early in a set that is not remembered, they are looked for one by
// one, and the set is not made.
func (v View) HoldersFrom(k Key, rank, rows int) iter.Seq[Ordinal] {
	all, n := v.snapshot.Holders(k), v.Count(k)
	if n == 0 || n == all.Len() || v.set == nil && len(v.groups) == 0 || v.snapshot.held.Load().find(v.counts, k) != nil {
		return v.Holders(k).From(rank)
	}
	walked, within := all, Set{} // within none: ask each asset for its group
	if v.set != nil || len(v.groups) == 1 || v.merged.assets.Load() != nil {
		if within = v.Assets(); within.Len() < all.Len() {
			walked, within = within, all
		}
	}
	// So many steps, if the assets are spread evenly.
	steps := (rank + rows) * walked.Len() / n
	if steps > walked.Len()/walkShare {
		return v.Holders(k).From(rank)
	}
	return func(yield func(Ordinal) bool) { v.walk(k, walked, within, steps, rank, yield) }
}

// walk yields the assets that are in both sets, without the first so many. Where they
// are not spread as evenly as the number of steps assumes, it gives up and has the set
// made.
func (v View) walk(k Key, walked, within Set, steps, rank int, yield func(Ordinal) bool) {
	var has func(Ordinal) bool
	if within.p == nil {
		has = v.inGroups()
	} else {
		is, done := within.p.member(steps)
		defer done()
		has = is
	}
	passed, left := 0, 4*steps+walkShare
	for o := range walked.From(0) {
		if left == 0 {
			break
		}
		left--
		if !has(o) {
			continue
		}
		if passed++; passed > rank && !yield(o) {
			return
		}
	}
	if left > 0 {
		return
	}
	for o := range v.Holders(k).From(max(rank, passed)) {
		if !yield(o) {
			return
		}
	}
}

// inGroups returns a function that says whether an asset is in one of the view's groups.
func (v View) inGroups() func(Ordinal) bool {
	var numbers []uint32
	for _, name := range v.groups {
		if g, ok := v.snapshot.groupNames.Get(name); ok {
			numbers = append(numbers, g)
		}
	}
	return func(o Ordinal) bool { return slices.Contains(numbers, v.snapshot.stateOf(o).group) }
}
