package engine

import (
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
	x      *index.Index
	newest newest // of the reports about its assets

	mu      sync.Mutex       // guards writing to x and the fields below
	scopes  map[uint32]Scope // by ref, of the scopes of looks those that were asked for: see scopeOf
	logged  bool             // whether touched is kept
	touched []touch          // since the last freeze, in the order they came; by ordinal, each once, while that is told
	w       *work            // nil while nobody writes

	changes changeLog
}

// touch is one change to an asset.
type touch struct {
	o     index.Ordinal
	whole bool // more than its times
}

// works are shared by all inventories: most of the time nobody writes to most of them.
var works = sync.Pool{New: func() any { return new(work) }}

// lock begins writing.
func (v *inventory) lock() {
	v.mu.Lock()
	v.w = works.Get().(*work)
}

// unlock ends writing.
func (v *inventory) unlock() {
	v.w.forget()
	works.Put(v.w)
	v.w = nil
	v.mu.Unlock()
}

// work is memory for writing to an inventory. Nothing in it outlives that but its size.
type work struct {
	places         []index.Place
	entries, other []entry

	// of one asset
	old, now evidence
	looks    looks
	labels   labelRegisters
	set      []byte // of labels
	cover    cover
	fates    fates
	openings []opening
	scoped   []scopedReport
	effects  []effects
	sorted   []index.Key // the keys of a report that are not in order
	had      []index.Key // open before
	keys     []index.Key // open after
	note     []byte
	scope    []byte
	sample   []micros
	recorder recorder
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

// create adds the asset that the report is the only one about.
func (v *inventory) create(r *Report, at micros) error {
	w := v.w
	e := &w.now
	*e = evidence{newest: at, name: never, address: never, home: never, looks: e.looks[:0], own: e.own[:0], labels: labelTimes{at: e.labels.at[:0]}}
	a := index.Asset{ID: r.Asset, Name: r.Name, Address: r.Address, Group: DefaultEnterpriseProject, Keys: w.order(r.Open)}
	if r.Name != "" {
		e.name = at
	}
	if r.Address != "" {
		e.address = at
	}
	if r.EnterpriseProject != "" {
		e.home, a.Group = at, r.EnterpriseProject
	}
	if !r.Scope.IsNone() {
		e.looks = append(e.looks, look{r.Scope, at, v.intern(r.Scope)})
	}
	if !r.Scope.IsAll() {
		for _, k := range a.Keys {
			own := at
			if r.Scope.Contains(k) {
				own = never
			}
			e.own = append(e.own, own)
		}
	}
	w.begin()
	if len(r.Labels) > 0 {
		w.old.labels.at = w.old.labels.at[:0]
		v.giveLabels(r.Labels, at)
		v.settleLabels()
	}
	w.note = e.appendNote(w.note[:0], &w.sample)
	a.Note = w.note
	o, err := v.x.Add(&a)
	if err == nil {
		v.relabel(o)
	}
	v.touch(o, true)
	return err
}

// touch notes that an asset has changed.
func (v *inventory) touch(o index.Ordinal, whole bool) {
	if v.logged {
		v.touched = append(v.touched, touch{o, whole})
	}
}

// replaces says whether a report is a full one that is newer than all that is known, where
// that is one full look as new as anything: then what is open is what it found.
func (v *inventory) replaces(note []byte, r *Report, at micros) bool {
	return r.Scope.IsAll() && at > noteNewest(note) && noteLooks(note) == oneFullLook
}

// replace applies such a report. It says whether an answer changed.
func (v *inventory) replace(o index.Ordinal, r *Report, at micros, note []byte) (changed bool) {
	w := v.w
	w.old.decodeNote(note, -1)
	t := v.texts(o, true)
	did := t.give(&t.name, nameText, r.Name, at) | t.give(&t.address, addressText, r.Address, at) | t.give(&t.home, homeText, r.EnterpriseProject, at) | v.giveLabels(r.Labels, at)
	w.now.newest, w.now.own = at, w.now.own[:0]
	w.now.looks = append(w.now.looks[:0], look{ScopeAll(), at, refAll})
	w.now.name, w.now.address, w.now.home = t.name.at, t.address.at, t.home.at
	relabelled := v.settleLabels() // also by one that it did not have, of which only the time is kept
	w.note = w.now.appendNote(w.note[:0], &w.sample)
	v.relabel(o)
	changed = t.setTexts()
	changed = v.x.Put(o, cmp.Or(t.home.given, v.x.Group(o)), w.note, w.order(r.Open)) || changed
	v.touch(o, changed || relabelled)
	return changed || did&didChange != 0
}

// scopeOf returns the scope of a look. The index has it as bytes; it is decoded when it is
// first asked for, as a scope may have tens of thousands of ranges, and a report one port. The
// lock is held.
func (v *inventory) scopeOf(ref uint32) Scope {
	if ref == refAll {
		return ScopeAll()
	}
	s, ok := v.scopes[ref]
	if !ok {
		s = decodeScope(v.x.Interned(ref - 1))
		v.scopes[ref] = s
	}
	return s
}

// intern returns the ref of a scope that is not none and counts a reference.
func (v *inventory) intern(s Scope) uint32 {
	if s.IsAll() {
		return refAll
	}
	v.w.scope = appendScope(v.w.scope[:0], s.parts())
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
	err := v.x.Check(ctx, func(note []byte) (numbers []uint32, labels []index.Label) {
		e.decodeNote(note, -1)
		if !e.labels.none() {
			numbers = append(numbers, e.labels.set)
			for _, r := range appendRegisters(nil, v.x.Interned(e.labels.set), &e.labels) {
				if len(r.value) > 0 {
					labels = append(labels, index.Label{Name: string(r.name), Value: string(r.value)})
				}
			}
		}
		for _, l := range e.looks {
			if l.ref != refAll {
				numbers = append(numbers, l.ref-1)
				used[l.ref] = true
			}
		}
		return numbers, labels
	})
	for ref, s := range v.scopes {
		switch {
		case !used[ref]:
			err = errors.Join(err, fmt.Errorf("scope %d is remembered, but no look is at it", ref))
		case !slices.Equal(s.parts(), decodeScope(v.x.Interned(ref-1)).parts()):
			err = errors.Join(err, fmt.Errorf("scope %d is remembered as %v, which is not what the index has", ref, s))
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
	v.w.old.decodeNote(v.x.Note(o), -1)
	for _, l := range v.w.old.looks {
		v.release(l.ref)
	}
	if l := &v.w.old.labels; !l.none() {
		v.unlabel(o, appendRegisters(nil, v.x.Interned(l.set), l))
		v.x.Release(l.set)
	}
	v.x.Remove(o)
	return true
}
