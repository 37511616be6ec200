package index

import (
	"cmp"
	"slices"
)

// flushing is what a flush works with.
type flushing struct {
	done     chan struct{} // closed when the flush behind the writer's back ends; nil: none runs
	batch    []change      // its changes
	sorted   []change      // scratch of sortByKey
	ordinals []Ordinal     // scratch of postings
}

// flush sorts all waiting changes into the postings, the tree and the counts.
func (x *Index) flush() {
	x.await()
	x.post(x.changes, x.next.ordinals)
	x.changes = x.changes[:0]
	x.freeLabels()
}

// flushBehind is flush on another goroutine: the writer goes on with assets and
// waits before it publishes. A flush writes to the tree, the counts and nothing
// else, and until await returns the writer touches neither.
func (x *Index) flushBehind() {
	x.await()
	f := &x.flushing
	f.batch, x.changes = x.changes, f.batch[:0]
	f.done = make(chan struct{})
	go func(done chan struct{}, universe int) {
		defer close(done)
		x.post(f.batch, universe)
	}(f.done, x.next.ordinals)
}

// await returns when no flush runs.
func (x *Index) await() {
	if x.flushing.done != nil {
		<-x.flushing.done
		x.flushing.done = nil
	}
}

// dropBuffers lets go of buffers that a large batch has left.
func (x *Index) dropBuffers() {
	if cap(x.changes) > keepChanges {
		x.changes = nil
	}
	if cap(x.flushing.sorted) > keepChanges || cap(x.flushing.batch) > keepChanges {
		x.flushing = flushing{}
	}
}

// post makes the changes, key by key: in that order, the counts of all groups
// that are written to next to each other lie in the processor's cache.
func (x *Index) post(changes []change, universe int) {
	if len(changes) == 0 {
		return
	}
	x.next.whole = x.next.whole.clone(x.epoch)
	x.next.posted += uint64(len(changes))
	changes, x.flushing.sorted = sortByKey(changes, x.flushing.sorted)
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].key() == changes[0].key() {
			n++
		}
		switch k := changes[0].key(); k {
		case membership:
			x.postMembers(changes[:n], universe)
		case labelling:
			x.postLabels(changes[:n], universe)
		default:
			x.postKey(k, changes[:n], universe)
		}
		changes = changes[n:]
	}
}

// postKey makes the changes of one key, which are in the order they came.
func (x *Index) postKey(k Key, changes []change, universe int) {
	for _, c := range changes {
		x.mutCounts(c.group).add(k, int32(c.what&1)*2-1, x.epoch)
	}
	changes = settle(changes)
	if len(changes) == 0 {
		return
	}
	old, _ := x.next.tree.Get(k)
	was := 0
	if old != nil {
		was = old.n
	}
	p := x.changed(old, changes, universe)
	x.next.whole.add(k, int32(p.n-was), x.epoch)
	switch {
	case p.n == 0:
		x.next.tree.Delete(k)
	case p != old:
		x.next.tree.Set(k, p)
	}
}

// postMembers makes the changes of which assets are in which groups, which are in
// the order they came. An asset that moves leaves one group and enters another.
func (x *Index) postMembers(changes []change, universe int) {
	all := make([]change, 0, len(changes))
	entering := areNew(changes)
	if entering { // they have the order that they are wanted in
		all = append(all, changes...)
	}
	changes = sortByGroup(changes)
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].group == changes[0].group {
			n++
		}
		settled := settle(changes[:n])
		if !entering {
			all = append(all, settled...)
		}
		if len(settled) > 0 {
			p := x.next.members.mut(changes[0].group, x.epoch)
			if *p = x.changed(*p, settled, universe); (*p).n == 0 {
				*p = nil
			}
		}
		changes = changes[n:]
	}
	if !entering {
		all = settleAll(all)
	}
	if len(all) > 0 {
		x.next.everyone = x.changed(x.next.everyone, all, universe)
	}
}

// areNew says whether the changes are assets that enter, each once, in ascending order, as
// where an index is filled.
func areNew(changes []change) bool {
	for i := range changes {
		if !changes[i].opens() || i > 0 && changes[i-1].asset >= changes[i].asset {
			return false
		}
	}
	return true
}

// sortByGroup returns the changes ordered by group, keeping the order of those of
// one group.
func sortByGroup(changes []change) []change {
	most := uint32(0)
	for i := range changes {
		most = max(most, changes[i].group)
	}
	if most == 0 {
		return changes
	}
	at := make([]int, most+2)
	for i := range changes {
		at[changes[i].group+1]++
	}
	for g := range most {
		at[g+1] += at[g]
	}
	sorted := make([]change, len(changes))
	for _, c := range changes {
		sorted[at[c.group]] = c
		at[c.group]++
	}
	return sorted
}

// settleAll is settle for changes of several groups: of an asset that leaves one
// and enters another, which come to nothing, neither is kept.
func settleAll(changes []change) []change {
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.asset, b.asset) })
	out := changes[:0]
	for i := 0; i < len(changes); i++ {
		if i+1 < len(changes) && changes[i+1].asset == changes[i].asset {
			i++
			continue
		}
		out = append(out, changes[i])
	}
	return out
}

// changed returns a posting, nil for an empty one, with the changes made in this
// epoch.
func (x *Index) changed(p *posting, changes []change, universe int) *posting {
	switch {
	case p == nil:
		p = &posting{epoch: x.epoch}
	case p.epoch <= x.base:
		p = p.detached(x.epoch)
	case p.epoch != x.epoch:
		p = p.clone(x.epoch)
	}
	p.apply(changes, universe, &x.flushing.ordinals)
	return p
}

// mutCounts returns a group's counts for changing in this epoch.
func (x *Index) mutCounts(group uint32) *counts {
	if c := x.next.groupCounts.at(group); c != nil && *c != nil && (*c).epoch == x.epoch {
		return *c
	}
	c := x.next.groupCounts.mut(group, x.epoch)
	if *c == nil {
		*c = &counts{epoch: x.epoch}
	} else {
		*c = (*c).clone(x.epoch)
	}
	return *c
}

// settle orders one key's changes by asset and keeps what they come to: an
// asset that opens and closes a key in turn ends as it began or as it last went.
func settle(changes []change) []change {
	byAsset := func(a, b change) int { return cmp.Compare(a.asset, b.asset) }
	if !slices.IsSortedFunc(changes, byAsset) {
		slices.SortStableFunc(changes, byAsset)
	}
	out := changes[:0]
	for i := 0; i < len(changes); {
		first := changes[i]
		for i++; i < len(changes) && changes[i].asset == first.asset; i++ {
		}
		if last := changes[i-1]; last.what == first.what {
			out = append(out, last)
		}
	}
	return out
}

// sortByKey sorts changes by key, keeping the order of equal keys: two passes
// of a radix sort over the 19 bits of a key. It returns the sorted slice and
// the other one.
func sortByKey(changes, other []change) (sorted, scratch []change) {
	if len(changes) < 256 {
		slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.key(), b.key()) })
		return changes, other
	}
	if cap(other) < len(changes) {
		other = make([]change, cap(changes))
	}
	other = other[:len(changes)]
	radixPass(changes, other, 1)
	radixPass(other, changes, 11)
	return changes, other
}

// radixPass moves the changes to dst ordered by ten bits of what from the shift on.
func radixPass(src, dst []change, shift uint) {
	var at [1 << 10]uint32
	for i := range src {
		at[src[i].what>>shift&(1<<10-1)]++
	}
	sum := uint32(0)
	for i, n := range at[:] {
		at[i] = sum
		sum += n
	}
	for _, c := range src {
		i := c.what >> shift & (1<<10 - 1)
		dst[at[i]] = c
		at[i]++
	}
}
