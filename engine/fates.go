package engine

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sort"

	"portolan/index"
)

// manyScoped is from how many reports with a scope on the keys of an asset are decided by a
// tree: below, each key is held against each of them. Tests set it.
var manyScoped = 5

// decideKeys sets the open keys, and their own times, to those after the reports.
func (v *inventory) decideKeys() {
	w := v.w
	w.keys, w.now.own = w.keys[:0], w.now.own[:0]
	w.coverBy(w.old.looks, len(w.openings)+min(len(w.scoped), 1)*len(w.had))
	if len(w.scoped) >= manyScoped {
		w.decideByTree()
		return
	}
	if !slices.IsSortedFunc(w.openings, compareOpenings) {
		slices.SortFunc(w.openings, compareOpenings)
	}
	if len(w.scoped) == 0 {
		w.decideFound()
	} else {
		w.decideEach()
	}
}

func compareOpenings(a, b opening) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.n, b.n))
}

// decideFound is decideKeys where no report has a scope: other keys than those that were
// found open stay as they are.
func (w *work) decideFound() {
	i := 0
	for rest := w.openings; len(rest) > 0; {
		k := rest[0].key
		from := i
		i = skip(w.had, i, k)
		w.keep(from, i)
		f := w.fateOf(k, i)
		if f.open {
			i++
		}
		for ; len(rest) > 0 && rest[0].key == k; rest = rest[1:] {
			w.find(&f, &rest[0])
		}
		w.settleKey(k, &f)
	}
	w.keep(i, len(w.had))
}

// skip returns the first i from the given one on that is not below v in an ordered list. It
// takes steps that double, so what is skipped costs its logarithm.
func skip[T cmp.Ordered](list []T, i int, v T) int {
	step := 1
	for i+step <= len(list) && list[i+step-1] < v {
		i += step
		step *= 2
	}
	for ; step > 0; step /= 2 {
		if i+step <= len(list) && list[i+step-1] < v {
			i += step
		}
	}
	return i
}

// keep keeps some of the keys that were open, and their own times.
func (w *work) keep(from, to int) {
	w.keys = append(w.keys, w.had[from:to]...)
	if len(w.old.own) > 0 {
		w.now.own = append(w.now.own, w.old.own[from:to]...)
		return
	}
	for range to - from {
		w.now.own = append(w.now.own, never)
	}
}

// fateOf returns what was known of a key; if it was open, it is the i-th of those that were.
func (w *work) fateOf(k index.Key, i int) fate {
	f := fate{cover: w.cover.at(k), since: never}
	if i < len(w.had) && w.had[i] == k {
		f.open, f.since = true, max(f.cover, w.old.ownOf(i))
	}
	return f
}

func (w *work) find(f *fate, o *opening) {
	opened, moved := f.find(o.at)
	if opened {
		w.effects[o.n] |= didChange
	}
	if moved {
		w.effects[o.n] |= didMove
	}
}

func (w *work) settleKey(k index.Key, f *fate) {
	if f.open {
		w.keys, w.now.own = append(w.keys, k), append(w.now.own, f.own())
	}
}

// decideEach is decideKeys for a few reports with a scope. Keys that lie outside all of them,
// and were not found open, stay as they are.
func (w *work) decideEach() {
	lo, hi := w.scopedKeys()
	i, rest := 0, w.openings
	for {
		next := lo
		if len(rest) > 0 {
			next = min(next, rest[0].key)
		}
		from := i
		i = skip(w.had, i, next)
		w.keep(from, i)
		k := noKey
		switch {
		case lo == noKey || i == len(w.had):
		case w.had[i] > hi: // the scopes hold no more of them
			lo = noKey
			continue
		default:
			k = w.had[i]
		}
		if len(rest) > 0 {
			k = min(k, rest[0].key)
		}
		if k == noKey {
			break
		}
		f := w.fateOf(k, i)
		if f.open {
			i++
		}
		for s := range w.scoped {
			by := &w.scoped[s]
			for ; len(rest) > 0 && rest[0].key == k && rest[0].n <= by.n; rest = rest[1:] {
				w.find(&f, &rest[0])
			}
			if by.scope.Contains(k) && f.look(by.at) {
				w.effects[by.n] |= didChange
			}
		}
		for ; len(rest) > 0 && rest[0].key == k; rest = rest[1:] {
			w.find(&f, &rest[0])
		}
		w.settleKey(k, &f)
	}
	w.keep(i, len(w.had))
}

// noKey is above every key.
const noKey = index.Key(math.MaxUint32)

// scopedKeys returns keys between which all lie that the reports' scopes hold.
func (w *work) scopedKeys() (lo, hi index.Key) {
	lo = noKey
	for i := range w.scoped {
		if w.scoped[i].scope.IsAll() {
			return 0, noKey
		}
		for _, r := range w.scoped[i].scope.parts() {
			lo, hi = min(lo, index.MakeKey(r.Lo, r.Type)), max(hi, index.MakeKey(r.Hi, r.Type))
		}
	}
	return lo, hi
}

// fates are what is known of many keys of an asset: a tree over them, by type, then port,
// in which a range of ports is a few nodes. A node's cover is the newest look at all keys
// below it that no node above it knows of; its least is the oldest time since which a key
// below it is open. So a look takes the logarithm of the keys, and that of each it closes.
//
//	              1
//	      2               3
//	  4       5       6       7
//	22/tcp  80/tcp  443/tcp  53/udp      leaves
type fates struct {
	at    []uint32 // where the keys are, in order: type<<16 | port
	cover []micros // by node
	least []micros // by node; shut where no key below is open
	first int      // the first leaf; a power of two
}

const shut micros = math.MaxInt64

func placeOf(k index.Key) uint32   { return uint32(k.Type())<<16 | uint32(k.Port()) }
func keyAt(place uint32) index.Key { return index.MakeKey(uint16(place), index.Type(place>>16)) }
func (t *fates) leaf(k index.Key) int {
	i, _ := slices.BinarySearch(t.at, placeOf(k))
	return t.first + i
}

// reset begins with keys that none is known of.
func (t *fates) reset(had []index.Key, openings []opening) {
	t.at = t.at[:0]
	for _, k := range had {
		t.at = append(t.at, placeOf(k))
	}
	for i := range openings {
		t.at = append(t.at, placeOf(openings[i].key))
	}
	slices.Sort(t.at)
	t.at = slices.Compact(t.at)
	t.first = 1 << bits.Len(uint(max(len(t.at), 1)-1))
	t.cover = slices.Grow(t.cover[:0], 2*t.first)[:2*t.first]
	t.least = slices.Grow(t.least[:0], 2*t.first)[:2*t.first]
	for i := range t.cover {
		t.cover[i], t.least[i] = never, shut
	}
}

// build makes the nodes above the leaves.
func (t *fates) build() {
	for i := t.first - 1; i > 0; i-- {
		t.least[i] = min(t.least[2*i], t.least[2*i+1])
	}
}

// of returns what is known of a leaf's key.
func (t *fates) of(leaf int) fate {
	f := fate{open: t.least[leaf] != shut, since: t.least[leaf], cover: never}
	for i := leaf; i > 0; i /= 2 {
		f.cover = max(f.cover, t.cover[i])
	}
	return f
}

// setSince notes since when a leaf's key is open.
func (t *fates) setSince(leaf int, since micros) {
	t.least[leaf] = since
	for i := leaf / 2; i > 0; i /= 2 {
		least := min(t.least[2*i], t.least[2*i+1])
		if least == t.least[i] {
			return
		}
		t.least[i] = least
	}
}

// look is a look at the scope and says whether it closed a key.
func (t *fates) look(s Scope, at micros) (closed bool) {
	if s.IsAll() {
		return t.lookBelow(1, at)
	}
	i := 0
	for ranges := s.parts(); len(ranges) > 0 && i < len(t.at); {
		r := ranges[0]
		i = skip(t.at, i, uint32(r.Type)<<16|uint32(r.Lo))
		if i == len(t.at) {
			break
		}
		if end := uint32(r.Type)<<16 | uint32(r.Hi); t.at[i] <= end {
			from := i
			i = skip(t.at, i, end+1)
			closed = t.lookAt(t.first+from, t.first+i, at) || closed
		}
		ranges = ranges[1:]
		if i < len(t.at) {
			k := keyAt(t.at[i])
			ranges = ranges[skipBefore(ranges, 0, index.Range{Type: k.Type(), Lo: k.Port(), Hi: k.Port()}):]
		}
	}
	return closed
}

// lookAt is a look at the leaves from one on, before another.
func (t *fates) lookAt(from, to int, at micros) (closed bool) {
	l, r := from, to
	for ; l < r; l, r = l/2, r/2 {
		if l&1 == 1 {
			closed = t.lookBelow(l, at) || closed
			l++
		}
		if r&1 == 1 {
			r--
			closed = t.lookBelow(r, at) || closed
		}
	}
	return closed
}

// lookBelow is a look at all leaves below a node.
func (t *fates) lookBelow(node int, at micros) (closed bool) {
	t.cover[node] = max(t.cover[node], at)
	if closed = t.least[node] < at; closed {
		t.close(node, at)
		for i := node / 2; i > 0; i /= 2 {
			t.least[i] = min(t.least[2*i], t.least[2*i+1])
		}
	}
	return closed
}

// close closes what is open below a node since before the time.
func (t *fates) close(node int, at micros) {
	switch {
	case t.least[node] >= at:
	case node >= t.first:
		t.least[node] = shut
	default:
		t.close(2*node, at)
		t.close(2*node+1, at)
		t.least[node] = min(t.least[2*node], t.least[2*node+1])
	}
}

// decideByTree is decideKeys for many reports with a scope.
func (w *work) decideByTree() {
	t := &w.fates
	t.reset(w.had, w.openings)
	w.recallFates()
	rest := w.openings // in the order of their reports
	for s := range w.scoped {
		by := &w.scoped[s]
		for ; len(rest) > 0 && rest[0].n <= by.n; rest = rest[1:] {
			w.findInTree(&rest[0])
		}
		if t.look(by.scope, by.at) {
			w.effects[by.n] |= didChange
		}
	}
	for i := range rest {
		w.findInTree(&rest[i])
	}
	for i := range t.at {
		f := t.of(t.first + i)
		w.settleKey(keyAt(t.at[i]), &f)
	}
	w.sortKeys()
}

// recallFates fills the tree with what was known.
func (w *work) recallFates() {
	t := &w.fates
	for i, place := range t.at {
		t.cover[t.first+i] = w.cover.at(keyAt(place))
	}
	for i, k := range w.had {
		leaf := t.leaf(k)
		t.least[leaf] = max(t.cover[leaf], w.old.ownOf(i))
	}
	t.build()
}

func (w *work) findInTree(o *opening) {
	leaf := w.fates.leaf(o.key)
	f := w.fates.of(leaf)
	since := f.since
	if w.find(&f, o); f.open && f.since != since {
		w.fates.setSince(leaf, f.since)
	}
}

// sortKeys puts the keys, which are in order by type, into that of keys.
func (w *work) sortKeys() {
	if slices.IsSorted(w.keys) {
		return
	}
	sort.Sort(keysAndTimes{w.keys, w.now.own})
}

// keysAndTimes are keys, and as many times, to be sorted by key.
type keysAndTimes struct {
	keys []index.Key
	own  []micros
}

func (s keysAndTimes) Len() int           { return len(s.keys) }
func (s keysAndTimes) Less(i, j int) bool { return s.keys[i] < s.keys[j] }
func (s keysAndTimes) Swap(i, j int) {
	s.keys[i], s.keys[j] = s.keys[j], s.keys[i]
	s.own[i], s.own[j] = s.own[j], s.own[i]
}
