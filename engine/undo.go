package engine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"portolan/engine/journal"
	"portolan/index"
)

// back yields what batches changed before a position, the last part first, down to the batch after which the changes
// begin.
func (c *Changes) back(ctx context.Context, from Position) iter.Seq2[*journal.Past, error] {
	return func(yield func(*journal.Past, error) bool) {
		for i := range slices.Backward(c.lists) {
			switch p := &c.lists[i]; {
			case startOf(p).Compare(from) >= 0:
			case p.Seq <= c.after.Sequence || !yield(p, nil):
				return
			}
		}
		before, end := from, Position{Sequence: c.after.Sequence + 1}
		if kept := (Position{Sequence: c.begins.Seq + 1}); kept.Compare(before) < 0 {
			before = kept
		}
		for before.Compare(end) > 0 {
			if c.past == nil {
				yield(nil, tooOld(c.begins))
				return
			}
			list, err := c.past.Back(ctx, c.q.Project, c.q.Category, before.Sequence, before.Asset, c.after.Sequence)
			if begins := c.past.Begins(c.q.Project, c.q.Category); err == nil && begins.Seq > c.after.Sequence {
				err = tooOld(begins)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(list) == 0 {
				return
			}
			for i := range list {
				if !yield(&list[i], nil) {
					return
				}
			}
			before = startOf(&list[len(list)-1])
		}
	}
}

// startOf returns the position of the first asset of a part.
func startOf(p *journal.Past) Position { return Position{Sequence: p.Seq, Asset: p.First} }

// undoing takes back what batches have changed, from the last to the first.
type undoing struct {
	x      *index.Index
	assets map[string]*undone // by id, which are not taken back yet
	weight int                // of these: see undoAtOnce
	size   int                // how many were taken back
	list   changedAsset
	had    []Key
	keys   []Key
	note   []byte
	sample []micros
}

// undone is what an asset was before some batches, where that is not what it was after them.
type undone struct {
	gone       bool // it was not there
	whole      bool // it is all that it was; else only what differs
	group      string
	moved      bool   // the group says where it was
	names      []byte // nil: the same
	labels     []byte
	relabelled bool // the labels say which it had
	keys       []keyState
	settled    int // so many of the keys are in order
}

// keyState says whether a key was open.
type keyState struct {
	key  Key
	open bool
}

// undoAtOnce is how many keys and assets, of which one counts as eight, are taken back together.
const undoAtOnce = 1 << 20

// run takes back all changes before a position, and returns the one that the index is at then: with an error, of
// the context or the journal, one between. Where it could not be made what it was, it is at none, and from is returned.
func (u *undoing) run(ctx context.Context, c *Changes, from Position) (reached Position, err error) {
	reached = from
	for p, err := range c.back(ctx, from) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			if wrong := u.apply(); wrong != nil {
				return from, wrong
			}
			return reached, err
		}
		if err = u.take(p); err == nil && u.weight >= undoAtOnce {
			err = u.apply()
		}
		if err != nil {
			return from, err
		}
		reached = startOf(p)
	}
	if err := u.apply(); err != nil {
		return from, err
	}
	return Position{Sequence: c.after.Sequence + 1}, nil
}

// take takes back a part of a batch.
func (u *undoing) take(p *journal.Past) error {
	l, err := readList(p.Data)
	for err == nil {
		var more bool
		if more, err = l.next(&u.list); !more || err != nil {
			break
		}
		u.weight += len(u.list.keys) + 8
		err = u.asset(&u.list)
	}
	if err != nil {
		return fmt.Errorf("batch %d: %w", p.Seq, err)
	}
	return nil
}

// asset takes back what became of an asset.
func (u *undoing) asset(a *changedAsset) error {
	id, _, _, err := index.ParseNames(a.names)
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	was := u.assets[id]
	if was == nil {
		was = new(undone)
		u.assets[id] = was
	}
	switch {
	case a.what == assetAppeared:
		*was = undone{gone: true}
		return nil
	case a.what == assetForgotten:
		*was = undone{whole: true, group: a.group, moved: true, names: a.names, labels: a.labels, relabelled: true}
	case was.gone:
		return fmt.Errorf("%w changes: of asset %.100q before it appeared", errDamaged, id)
	}
	if a.moved {
		was.group, was.moved = a.left, true
	}
	if a.texts != nil {
		was.names = a.texts
	}
	if a.relabelled {
		was.labels, was.relabelled = a.labels, true
	}
	for i := range a.keys {
		k := &a.keys[i]
		was.keys = append(was.keys, keyState{k.key, k.kind == Closed || k.kind == Forgotten})
	}
	if len(was.keys) > 2*was.settled+64 {
		was.settle()
	}
	return nil
}

// settle has each key once, as it was first, in order.
func (w *undone) settle() {
	slices.SortStableFunc(w.keys, func(a, b keyState) int { return cmp.Compare(a.key, b.key) })
	once := w.keys[:0]
	for i, k := range w.keys {
		if i+1 == len(w.keys) || w.keys[i+1].key != k.key { // the last is of the first batch
			once = append(once, k)
		}
	}
	w.keys, w.settled = once, len(once)
}

// apply makes the index what it was.
func (u *undoing) apply() error {
	ids := make([]string, 0, len(u.assets))
	for id := range u.assets {
		ids = append(ids, id)
	}
	slices.Sort(ids) // so that those that come back always have the same places
	for _, id := range ids {
		if err := u.restore(id, u.assets[id]); err != nil {
			return err
		}
	}
	u.size += len(u.assets)
	u.assets, u.weight = map[string]*undone{}, 0
	return nil
}

// restore makes an asset what it was.
func (u *undoing) restore(id string, was *undone) error {
	x := u.x
	o, there := x.Find(id)
	switch {
	case was.gone && there:
		u.relabel(o, u.labelsOf(x.Note(o)), nil)
		x.Remove(o)
		return nil
	case was.gone:
		return nil
	case !there && !was.whole:
		return fmt.Errorf("%w changes: of asset %.100q, which is not there", errDamaged, id)
	}
	var name, address string
	var err error
	if was.names != nil {
		if _, address, name, err = index.ParseNames(was.names); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	was.settle()
	if !there {
		a := index.Asset{ID: id, Name: name, Address: address, Group: was.group, Keys: was.merge(nil, u.keys[:0]), Note: u.noteOf(never, was.labels)}
		u.keys = a.Keys
		if o, err = x.Add(&a); err == nil {
			u.relabel(o, nil, was.labels)
		}
		return err
	}
	if was.names != nil {
		x.SetName(o, name)
		x.SetAddress(o, address)
	}
	group := x.Group(o)
	if was.moved {
		group = was.group
	}
	u.had = u.had[:0]
	if !was.whole {
		u.had = x.Keys(o, u.had)
	}
	labels := u.labelsOf(x.Note(o))
	if was.relabelled {
		u.relabel(o, labels, was.labels)
		labels = was.labels
	}
	u.keys = was.merge(u.had, u.keys[:0])
	x.Put(o, group, u.noteOf(noteNewest(x.Note(o)), labels), u.keys)
	return nil
}

// merge appends the keys of an asset that had some, with those that differ as they were, in order, to dst.
func (w *undone) merge(had, dst []Key) []Key {
	for _, k := range w.keys {
		for len(had) > 0 && had[0] < k.key {
			dst, had = append(dst, had[0]), had[1:]
		}
		if len(had) > 0 && had[0] == k.key {
			had = had[1:]
		}
		if k.open {
			dst = append(dst, k.key)
		}
	}
	return append(dst, had...)
}

// labelsOf returns the set of labels of an asset with the note.
func (u *undoing) labelsOf(note []byte) []byte {
	if n, ok := noteLabels(note); ok {
		return u.x.Interned(n)
	}
	return nil
}

// noteOf returns a note that has labels, and no look. It is valid until the next call.
func (u *undoing) noteOf(newest micros, labels []byte) []byte {
	e := evidence{newest: max(newest, noteEpoch), name: never, address: never, home: never}
	if len(labels) > 0 {
		e.labels = labelTimes{set: u.x.Intern(labels), at: []micros{e.newest}}
	}
	u.note = e.appendNote(u.note[:0], &u.sample)
	return u.note
}

// relabel gives an asset the labels of a set in place of those that it had.
func (u *undoing) relabel(o index.Ordinal, had, set []byte) {
	if bytes.Equal(had, set) {
		return
	}
	for name, value := range labelsOf(had) {
		u.x.Unlabel(o, index.Label{Name: name, Value: value})
	}
	for name, value := range labelsOf(set) {
		u.x.Label(o, index.Label{Name: name, Value: value})
	}
}
