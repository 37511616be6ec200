package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"portolan/index"
)

// inventory is the assets of one project and category. Readers use the index's
// snapshot and never the lock.
type inventory struct {
	x *index.Index

	mu      sync.Mutex       // guards writing to x and the fields below
	scopes  map[uint32]Scope // scopes of looks, by ref
	logged  bool             // whether touched is kept
	touched []touch          // since the last freeze, in the order they came
	w       work
}

// touch is one change to an asset.
type touch struct {
	o     index.Ordinal
	whole bool // more than its times
}

// work is what applying one report needs, reused by the next one.
type work struct {
	old, now evidence
	cover    cover
	open     []index.Key // the report's, in order, without repeats
	sorted   []index.Key // what open is a slice of where the report's are not in order
	had      []index.Key // open before
	keys     []index.Key // open after
	note     []byte
	scope    []byte
	rescoped bool // the scopes of the asset's looks are others than before
}

func newInventory(logged bool) *inventory {
	return &inventory{x: index.New(), scopes: make(map[uint32]Scope), logged: logged}
}

// checkRoom says whether the inventory may take the assets that are new in the
// reports. The lock is held.
func (v *inventory) checkRoom(reports []Report, limit int) error {
	have := v.x.Assets()
	if have+len(reports) <= limit {
		return nil
	}
	added := make(map[string]struct{})
	for i := range reports {
		if _, known := v.x.Find(reports[i].Asset); !known {
			added[reports[i].Asset] = struct{}{}
		}
	}
	if have+len(added) > limit {
		return fmt.Errorf("%w: %d assets and %d new ones are more than %d", ErrFull, have, len(added), limit)
	}
	return nil
}

// reserve makes room where the reports are the first.
func (v *inventory) reserve(reports int) {
	if v.x.Assets() == 0 {
		v.x.Reserve(reports)
	}
}

// effect is what became of a report.
type effect uint8

const (
	applied effect = iota
	unchanged
	stale
)

// apply applies one valid report at its time. The lock is held.
func (v *inventory) apply(r *Report, at micros) (effect, error) {
	w := &v.w
	w.open, w.rescoped = w.order(r.Open), false
	o, ok := v.x.Find(r.Asset)
	if !ok {
		return applied, v.create(r, at)
	}
	note := v.x.Note(o)
	newest := noteNewest(note)
	if r.Scope.IsAll() && at > newest && note[0]&3 == oneFullLook {
		if v.replace(o, r, at, note) {
			return applied, nil
		}
		return unchanged, nil
	}
	changed, looked := v.merge(o, r, at, note)
	switch {
	case changed:
		return applied, nil
	case at < newest && !looked && v.w.old.sameTimes(&v.w.now):
		return stale, nil
	}
	return unchanged, nil
}

// order returns the keys in order without repeats: themselves if they are, else
// a copy that is valid until the next call.
func (w *work) order(keys []index.Key) []index.Key {
	for i := 1; i < len(keys); i++ {
		if keys[i-1] >= keys[i] {
			w.sorted = append(w.sorted[:0], keys...)
			slices.Sort(w.sorted)
			w.sorted = slices.Compact(w.sorted)
			return w.sorted
		}
	}
	return keys
}

// create adds the asset that the report is the first about.
func (v *inventory) create(r *Report, at micros) error {
	w := &v.w
	e := &w.now
	*e = evidence{newest: at, name: never, address: never, home: never, looks: e.looks[:0], own: e.own[:0]}
	a := index.Asset{ID: r.Asset, Name: r.Name, Address: r.Address, Group: DefaultEnterpriseProject, Keys: w.open}
	if r.Name != "" {
		e.name = at
	}
	if r.Address != "" {
		e.address = at
	}
	if r.EnterpriseProject != "" {
		e.home, a.Group = at, r.EnterpriseProject
	}
	v.addLook(e, r.Scope, at)
	if !r.Scope.IsAll() {
		for _, k := range w.open {
			e.own = append(e.own, ownTime(at, r.Scope.Contains(k)))
		}
	}
	w.note = e.appendNote(w.note[:0])
	a.Note = w.note
	o, err := v.x.Add(&a)
	v.touch(o, true)
	return err
}

// touch notes that an asset has changed.
func (v *inventory) touch(o index.Ordinal, whole bool) {
	if v.logged {
		v.touched = append(v.touched, touch{o, whole})
	}
}

// put stores what a report has made of an asset, which had the note.
func (v *inventory) put(o index.Ordinal, home string, note []byte, keys []index.Key, relabelled bool) (changed bool) {
	w := &v.w
	w.note = w.now.appendNote(w.note[:0])
	later := !bytes.Equal(note, w.note) // the index may write over it
	changed = v.x.Put(o, home, w.note, keys) || relabelled
	if whole := changed || w.rescoped; whole || later {
		v.touch(o, whole)
	}
	return changed
}

// ownTime is the own time of a key found open by a report at the time.
func ownTime(at micros, looked bool) micros {
	if looked {
		return never
	}
	return at
}

// replace is merge for a full report newer than all that is known, where that
// is one full look as new as anything: what is open is what it found.
func (v *inventory) replace(o index.Ordinal, r *Report, at micros, note []byte) (changed bool) {
	w := &v.w
	w.now.decodeNote(note, 0)
	w.now.newest = at
	w.now.looks[0].time = at
	home, relabelled := v.register(o, r, at, &w.now)
	return v.put(o, home, note, w.open, relabelled)
}

// merge applies a report to an asset by the rule of the package comment. looked
// says that its look is remembered.
func (v *inventory) merge(o index.Ordinal, r *Report, at micros, note []byte) (changed, looked bool) {
	w := &v.w
	w.had = v.x.Keys(o, w.had[:0])
	w.old.decodeNote(note, len(w.had))
	w.now.newest = max(w.old.newest, at)
	w.now.name, w.now.address, w.now.home = w.old.name, w.old.address, w.old.home
	w.now.looks = append(w.now.looks[:0], w.old.looks...)
	v.mergeKeys(r, at)
	looked = v.addLook(&w.now, r.Scope, at)
	v.dropOwn()
	home, relabelled := v.register(o, r, at, &w.now)
	return v.put(o, home, note, w.keys, relabelled), looked
}

// mergeKeys sets the open keys and their own times to those after the report.
func (v *inventory) mergeKeys(r *Report, at micros) {
	w := &v.w
	w.keys, w.now.own = w.keys[:0], w.now.own[:0]
	v.coverBy(w.old.looks, len(w.had)+len(w.open))
	i, j := 0, 0
	for i < len(w.had) || j < len(w.open) {
		found := j < len(w.open) && (i == len(w.had) || w.open[j] <= w.had[i])
		had := i < len(w.had) && (!found || w.open[j] == w.had[i])
		k, own := index.Key(0), never
		if found {
			k = w.open[j]
			j++
		}
		if had {
			k, own = w.had[i], w.old.ownOf(i)
			i++
		}
		if open, own := v.decide(k, r.Scope, at, own, had, found); open {
			w.keys = append(w.keys, k)
			w.now.own = append(w.now.own, own)
		}
	}
}

// decide says whether a key is open after a report at the time, and its own
// time, from whether it was open and whether the report found it open.
func (v *inventory) decide(k index.Key, s Scope, at, own micros, had, found bool) (open bool, newOwn micros) {
	cover := v.w.cover.at(k)
	looked := s.Contains(k)
	switch {
	case found && at < cover:
		return had, own
	case found:
		return true, max(own, ownTime(at, looked))
	case looked && max(cover, own) < at:
		return false, never
	}
	return true, own
}

// coverBy makes the cover of looks for so many keys.
func (v *inventory) coverBy(looks []look, keys int) {
	c := &v.w.cover
	c.reset()
	for _, l := range looks {
		c.add(v.scopeOf(l.ref), l.time)
	}
	c.prepare(keys)
}

// dropOwn drops the own times that are no newer than a look at their key.
func (v *inventory) dropOwn() {
	w := &v.w
	if !w.now.hasOwn() {
		return
	}
	v.coverBy(w.now.looks, len(w.keys))
	for i, t := range w.now.own {
		if t != never && t <= w.cover.at(w.keys[i]) {
			w.now.own[i] = never
		}
	}
}

// addLook adds a look, lets go of those that lie inside one as new, and keeps
// their number within maxLooks. It says whether the look told anything new.
func (v *inventory) addLook(e *evidence, s Scope, at micros) bool {
	if s.IsNone() {
		return false
	}
	for _, l := range e.looks {
		if l.time >= at && v.scopeOf(l.ref).Covers(s) {
			return false
		}
	}
	kept, again := e.looks[:0], false
	for _, l := range e.looks {
		switch old := v.scopeOf(l.ref); {
		case l.time > at || !s.Covers(old):
			kept = append(kept, l)
		case old.Covers(s): // the same once more; it keeps its place
			kept, again = append(kept, look{l.ref, at}), true
		default:
			v.release(l.ref)
			v.w.rescoped = true
		}
	}
	if e.looks = kept; !again {
		e.looks = append(e.looks, look{v.intern(s), at})
		v.w.rescoped = true
	}
	for len(e.looks) > maxLooks {
		v.mergeNearest(e)
	}
	return true
}

// mergeNearest makes the two looks that are nearest in time one, at the older
// time; of pairs equally near it takes the oldest. Merging the two oldest would
// keep the oldest time for ever.
func (v *inventory) mergeNearest(e *evidence) {
	slices.SortStableFunc(e.looks, func(a, b look) int { return cmp.Compare(a.time, b.time) })
	at := 1
	for i := range e.looks[1:] {
		if e.looks[i+1].time-e.looks[i].time < e.looks[at].time-e.looks[at-1].time {
			at = i + 1
		}
	}
	older, newer := e.looks[at-1], e.looks[at]
	both := v.scopeOf(older.ref).Union(v.scopeOf(newer.ref))
	e.looks = slices.Delete(e.looks, at-1, at+1)
	v.release(older.ref)
	v.release(newer.ref)
	v.addLook(e, both, older.time)
}

// register keeps the newest name, address and enterprise project given, at equal
// times the greater text. It returns the enterprise project, which Put stores.
func (v *inventory) register(o index.Ordinal, r *Report, at micros, e *evidence) (home string, changed bool) {
	if wins(r.Name, at, &e.name, func() string { name, _ := v.x.Labels(o); return name }) {
		changed = v.x.SetName(o, r.Name)
	}
	if wins(r.Address, at, &e.address, func() string { _, address := v.x.Labels(o); return address }) {
		changed = v.x.SetAddress(o, r.Address) || changed
	}
	home = v.x.Group(o)
	if wins(r.EnterpriseProject, at, &e.home, func() string { return home }) {
		home = r.EnterpriseProject
	}
	return home, changed
}

// wins says whether a value given at a time replaces the one that was given
// last, and moves the register's time on.
func wins(value string, at micros, last *micros, current func() string) bool {
	if value == "" || at < *last {
		return false
	}
	if at == *last {
		return value > current()
	}
	*last = at
	return true
}

// scopeOf returns the scope of a look.
func (v *inventory) scopeOf(ref uint32) Scope {
	if ref == refAll {
		return ScopeAll()
	}
	return v.scopes[ref]
}

// intern returns the ref of a scope that is not none and counts a reference.
func (v *inventory) intern(s Scope) uint32 {
	if s.IsAll() {
		return refAll
	}
	v.w.scope = appendScope(v.w.scope[:0], s.Ranges())
	ref := v.x.Intern(v.w.scope) + 1
	v.scopes[ref] = s
	return ref
}

// release takes back a look's reference to its scope.
func (v *inventory) release(ref uint32) {
	if ref != refAll && v.x.Release(ref-1) {
		delete(v.scopes, ref)
	}
}

// check reports what is wrong with the inventory.
func (v *inventory) check(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var e evidence
	used := make(map[uint32]bool)
	err := v.x.Check(ctx, func(note []byte) []uint32 {
		e.decodeNote(note, -1)
		var numbers []uint32
		for _, l := range e.looks {
			if l.ref != refAll {
				numbers = append(numbers, l.ref-1)
				used[l.ref] = true
			}
		}
		return numbers
	})
	for ref := range v.scopes {
		if !used[ref] {
			err = errors.Join(err, fmt.Errorf("scope %d is remembered, but no look is at it", ref))
		}
	}
	return err
}

// remove forgets an asset, if it is one of those, and says whether it was. The lock is held.
func (v *inventory) remove(id string, which func(*inventory, index.Ordinal) bool) bool {
	o, ok := v.x.Find(id)
	if !ok || !which(v, o) {
		return false
	}
	v.w.had = v.x.Keys(o, v.w.had[:0])
	v.w.old.decodeNote(v.x.Note(o), len(v.w.had))
	for _, l := range v.w.old.looks {
		v.release(l.ref)
	}
	v.x.Remove(o)
	return true
}
