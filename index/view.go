package index

import (
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// Groups is a set of group names to ask a question of. The zero value stands
// for the whole inventory. It is immutable and may be copied.
type Groups struct {
	names []string
	hash  uint64
}

// GroupsOf returns the set of the names, which must be ordered, without
// repeats, and not changed afterwards; of no name it is the empty set.
func GroupsOf(names []string) Groups {
	if names == nil {
		names = []string{}
	}
	g := Groups{names: names}
	for _, name := range names {
		g.hash = (g.hash ^ xxhash.Sum64String(name)) * 0x9e3779b97f4a7c15
	}
	return g
}

// Names returns the names; nil stands for the whole inventory.
func (g Groups) Names() []string { return g.names }

// equal compares sets; sets made once and used often share their names.
func (g *Groups) equal(o *Groups) bool {
	if g.hash != o.hash || len(g.names) != len(o.names) {
		return false
	}
	if len(g.names) == 0 || &g.names[0] == &o.names[0] {
		return true
	}
	for i, name := range g.names {
		if name != o.names[i] {
			return false
		}
	}
	return true
}

// View is what a question is asked of: the whole inventory, one group or
// several, or the assets that meet a condition. It belongs to one snapshot.
type View struct {
	snapshot *Snapshot
	counts   *counts
	groups   []string    // nil: the whole
	merged   *mergedView // of several groups
	set      *Set        // of a condition; then there are no groups
	by       *findKey    // of that condition, in what are no assets of another
}

// View returns the view of the groups. Names that do not exist add nothing. The
// view of several groups is merged when it is first asked for and remembered.
func (s *Snapshot) View(groups Groups) View {
	v := View{snapshot: s, groups: groups.names}
	switch {
	case groups.names == nil:
		v.counts = s.whole
	case len(groups.names) == 0:
		v.counts = emptyCounts
	case len(groups.names) == 1:
		v.counts = s.countsNamed(groups.names[0])
	default:
		v.merged = s.mergedView(groups)
		v.counts = v.merged.counts
	}
	return v
}

func (s *Snapshot) countsNamed(name string) *counts {
	if g, ok := s.groupNames.Get(name); ok {
		return s.countsOf(g)
	}
	return emptyCounts
}

func (s *Snapshot) membersNamed(name string) Set {
	if g, ok := s.groupNames.Get(name); ok {
		return s.membersOf(g)
	}
	return Set{}
}

// mergedView is a list of the merged views of a snapshot, newest first, at most
// maxMerged long.
type mergedView struct {
	*merged
	assets atomic.Pointer[Set] // nil until it is asked for
	next   *mergedView
	length int
}

// maxMerged bounds the memory that views of several groups take on a snapshot.
const maxMerged = 16

func (s *Snapshot) mergedView(groups Groups) *mergedView {
	head := s.merged.Load()
	for m := head; m != nil; m = m.next {
		if m.groups.equal(&groups) {
			return m
		}
	}
	m := &mergedView{merged: s.merge(groups), length: 1}
	if head != nil && head.length < maxMerged {
		m.next, m.length = head, head.length+1
	}
	s.merged.CompareAndSwap(head, m) // losing to another reader loses a memory only
	return m
}

// Keys returns the number of keys open in the view.
func (v View) Keys() int { return v.counts.keys }

// Count returns how many assets of the view have the key open, 0 for a key that is none.
func (v View) Count(k Key) int {
	if !k.Valid() {
		return 0
	}
	return v.counts.of(k)
}

// Assets returns the assets of the view.
func (v View) Assets() Set {
	switch {
	case v.set != nil:
		return *v.set
	case v.groups == nil && v.snapshot.everyone.n > 0:
		return Set{v.snapshot.everyone}
	case len(v.groups) == 0:
		return Set{}
	case len(v.groups) == 1:
		return v.snapshot.membersNamed(v.groups[0])
	}
	if set := v.merged.assets.Load(); set != nil {
		return *set
	}
	parts := make([]Set, len(v.groups))
	for i, name := range v.groups {
		parts[i] = v.snapshot.membersNamed(name)
	}
	set := Unite(parts...)
	v.merged.assets.Store(&set)
	return set
}

// heldSet is a list of the sets of holders that a snapshot remembers, newest
// first, at most maxHeld long.
type heldSet struct {
	counts *counts // of the view
	key    Key
	set    Set
	next   *heldSet
	length int
}

// find returns the set of the key's holders in the view of the counts, nil if it is not
// remembered.
func (h *heldSet) find(c *counts, k Key) *heldSet {
	for ; h != nil; h = h.next {
		if h.counts == c && h.key == k {
			return h
		}
	}
	return nil
}

// A set is remembered where it costs more than heldFrom steps to make; maxHeld
// bounds the memory.
const (
	maxHeld  = 8
	heldFrom = 1 << 10
)

// Holders returns the assets of the view that have the key open. Where that takes
// more than looking them up, it is remembered, for the other pages of a list.
func (v View) Holders(k Key) Set {
	all, n := v.snapshot.Holders(k), v.Count(k)
	switch {
	case n == 0:
		return Set{}
	case n == all.Len():
		return all
	}
	assets := v.Assets()
	switch {
	case n == assets.Len():
		return assets
	case min(all.Len(), assets.Len()) < heldFrom:
		return Intersect(all, assets)
	}
	s := v.snapshot
	head := s.held.Load()
	if h := head.find(v.counts, k); h != nil {
		return h.set
	}
	h := &heldSet{counts: v.counts, key: k, set: Intersect(all, assets), length: 1}
	if head != nil && head.length < maxHeld {
		h.next, h.length = head, head.length+1
	}
	s.held.CompareAndSwap(head, h) // losing to another reader loses a memory only
	return h.set
}
