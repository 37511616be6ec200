package engine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"portolan/engine/journal"
	"portolan/index"
)

// Moment is one in the past of an inventory: after a batch, or at a time, which is after the last batch that was
// made then or before. One of them is given; the zero Moment is now.
type Moment struct {
	Sequence uint64
	Time     time.Time
}

// IsZero says whether the moment is now.
func (m Moment) IsZero() bool { return m == Moment{} }

// SnapshotAt returns the state of a project's hosts or containers as it was at a moment, as readers saw it then:
// which assets there were, their enterprise projects, texts, labels and open ports. It is held against the policy
// of now. What reports tell of times and looks is not kept of the past: such a state has no [Asset].LastSeen
// and no [OpenPort].Seen, and what asks for them is refused.
//
// It is made of the newest state by taking back what has changed since, and shares with it what has not. That takes about
// 1 µs for each port of an asset that changed, and some milliseconds among a million assets; the last few that were
// asked for are remembered for a minute. Where the context ends first, a state between is, and whoever asks again
// goes on from there.
//
// The error is [ErrNoProject], a [*TooOldError], [ErrNoChanges], [ErrBehind] for a batch that is to come, or
// a [*FieldError] for a time that is.
func (e *Engine) SnapshotAt(ctx context.Context, project string, category Category, at Moment) (Snapshot, error) {
	if at.IsZero() {
		return e.Snapshot(project, category)
	}
	c, log, err := e.changesAll(ctx, project, category)
	if err != nil {
		return Snapshot{}, err
	}
	if err := c.moment(ctx, at, max(e.now().UnixMicro(), e.pipeline.latest())); err != nil {
		return Snapshot{}, err
	}
	s := c.s
	s.past, s.sequence = true, c.after.Sequence
	if s.policy.asksTimes() {
		return Snapshot{}, &FieldError{Field: "as_of", Value: at.String(), Allowed: "now, as a rule of the policy asks for when assets were last seen, which is not kept of the past"}
	}
	if log == nil {
		return s, nil
	}
	s.s, err = e.pasts.state(ctx, c, log)
	return s, err
}

// String returns the moment as [Engine.SnapshotAt] was given it.
func (m Moment) String() string {
	if m.Sequence > 0 {
		return strconv.FormatUint(m.Sequence, 10)
	}
	return m.Time.Format(time.RFC3339Nano)
}

// changesAll returns all that changed of an inventory up to its newest state, exactly, and its log, nil where
// there never was anything.
func (e *Engine) changesAll(ctx context.Context, project string, category Category) (*Changes, *changeLog, error) {
	if err := e.ready(ctx); err != nil {
		return nil, nil, err
	}
	p := &e.pipeline
	if p.history.most < 0 {
		return nil, nil, ErrNoChanges
	}
	for {
		showing := p.showing.Load()
		s, err := e.Snapshot(project, category)
		if err != nil {
			return nil, nil, err
		}
		c := &Changes{s: s, q: ChangeQuery{Project: project, Category: category}, past: p.history.past, to: s.sequence, since: never, until: math.MaxInt64}
		var log *changeLog
		if of := e.tenants.find(project); of != nil {
			if v := of.inventories[category].Load(); v != nil {
				log, c.first = &v.changes, v.changes.first
				c.begins, c.lists = log.read(c.to)
			}
		}
		if showing%2 == 0 && p.showing.Load() == showing {
			return c, log, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
}

// moment has the changes be those since a moment, which is not after now.
func (c *Changes) moment(ctx context.Context, at Moment, now micros) error {
	switch {
	case at.Sequence > 0 && !at.Time.IsZero():
		return &FieldError{Field: "as_of", Value: at.Time.Format(time.RFC3339Nano), Allowed: "a batch or a time, not both"}
	case at.Sequence > c.s.sequence:
		return fmt.Errorf("%w: it has batches 1 to %d, not %d", ErrBehind, c.s.sequence, at.Sequence)
	case !at.Time.IsZero() && at.Time.UnixMicro() > now:
		return &FieldError{Field: "as_of", Value: at.Time.Format(time.RFC3339Nano), Allowed: "a time that is past"}
	case at.Sequence > 0:
		if err := c.s.gaps.lost(at.Sequence); err != nil {
			return err
		}
		c.after = After(at.Sequence)
	default:
		c.since = at.Time.UnixMicro() + 1
	}
	return c.locate(ctx)
}

const (
	// maxPasts is how many states of the past are remembered, and pastsFor how long: of those besides the last,
	// that were made by taking back no more than maxTakenBack assets, each of which may take a kilobyte.
	maxPasts     = 4
	maxTakenBack = 1 << 18
	pastsFor     = time.Minute
	// undoAtOnce is how many assets are taken back together.
	undoAtOnce = 1 << 16
)

// pasts are states of the past that were asked for.
type pasts struct {
	turn chan struct{} // who makes one has put something in

	mu    sync.Mutex // guards what follows
	kept  []pastState
	timer *time.Timer
	made  uint64 // ever
}

// pastState is the state of an inventory after a batch.
type pastState struct {
	log  *changeLog // whose
	seq  uint64
	s    *index.Snapshot
	size int // how many assets were taken back for it
	used time.Time
}

// version returns a data version that no other state has.
func (p *pasts) version() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made++
	return 1<<63 + p.made
}

// find returns the state after a batch, or one after a later batch, the nearest that there is.
func (p *pasts) find(log *changeLog, seq uint64) (found pastState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.kept {
		at := &p.kept[i]
		if at.log == log && at.seq >= seq && (found.s == nil || at.seq < found.seq) {
			at.used = time.Now()
			found = *at
		}
	}
	return found
}

// keep remembers a state.
func (p *pasts) keep(made pastState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(p.kept, func(a, b pastState) int { return a.used.Compare(b.used) })
	size := made.size
	for i := range p.kept {
		size += p.kept[i].size
	}
	for len(p.kept) > 0 && (len(p.kept) >= maxPasts || size > maxTakenBack) {
		size -= p.kept[0].size
		p.kept = slices.Delete(p.kept, 0, 1)
	}
	made.used = time.Now()
	p.kept = append(p.kept, made)
	if p.timer == nil {
		p.timer = time.AfterFunc(pastsFor, p.forget)
	}
}

// forget lets go of what nobody has asked for of late.
func (p *pasts) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.DeleteFunc(p.kept, func(at pastState) bool { return time.Since(at.used) >= pastsFor })
	p.timer = nil
	if len(p.kept) > 0 {
		p.timer = time.AfterFunc(pastsFor/4, p.forget)
	}
}

// end lets go of all.
func (p *pasts) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = nil
	if p.timer != nil {
		p.timer.Stop()
	}
}

// state returns the state after the batch that the changes begin after. One is made at a time.
func (p *pasts) state(ctx context.Context, c *Changes, log *changeLog) (*index.Snapshot, error) {
	seq := c.after.Sequence
	if known := p.find(log, seq); known.s != nil && known.seq == seq {
		return known.s, nil
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	from := pastState{log: log, seq: c.to, s: c.s.s}
	if known := p.find(log, seq); known.s != nil && known.seq <= c.to {
		from = known
	}
	if from.seq == seq {
		return from.s, nil
	}
	u := undoing{x: from.s.Fork(), assets: map[string]*undone{}, size: from.size}
	u.x.Resume(p.version())
	reached, err := u.run(ctx, c, from.seq)
	if reached < from.seq {
		p.keep(pastState{log: log, seq: reached, s: u.x.Freeze(), size: u.size})
	}
	if err != nil {
		return nil, err
	}
	return u.x.Frozen(), nil
}

// back yields what batches changed, the last part first, from a batch down to the one after which the changes
// begin.
func (c *Changes) back(ctx context.Context, from uint64) iter.Seq2[*journal.Past, error] {
	return func(yield func(*journal.Past, error) bool) {
		for i := range slices.Backward(c.lists) {
			switch p := &c.lists[i]; {
			case p.Seq > from:
			case p.Seq <= c.after.Sequence || !yield(p, nil):
				return
			}
		}
		before := Position{Sequence: min(from, c.begins.Seq) + 1}
		for before.Sequence > c.after.Sequence+1 || before.Asset > 0 {
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
			before = Position{Sequence: list[len(list)-1].Seq, Asset: list[len(list)-1].First}
		}
	}
}

// undoing takes back what batches have changed, from the last to the first.
type undoing struct {
	x      *index.Index
	assets map[string]*undone // by id, which are not taken back yet
	size   int                // how many were
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

// run takes back all changes from a batch on, and returns after which one the state is that the index has then: with an
// error, between two that were asked for, or where it was. An index that could not be made what it was is none.
func (u *undoing) run(ctx context.Context, c *Changes, from uint64) (reached uint64, err error) {
	reached = from
	last := uint64(math.MaxUint64)
	for p, err := range c.back(ctx, from) {
		if err != nil {
			return reached, err
		}
		over := ctx.Err()
		if p.Seq != last && (over != nil || len(u.assets) >= undoAtOnce) {
			if err := u.apply(); err != nil {
				return from, err
			}
			reached = p.Seq
		}
		if over != nil {
			return reached, over
		}
		last = p.Seq
		if err := u.take(p); err != nil {
			return reached, err
		}
	}
	if err := u.apply(); err != nil {
		return from, err
	}
	return c.after.Sequence, nil
}

// take takes back a part of a batch.
func (u *undoing) take(p *journal.Past) error {
	l, err := readList(p.Data)
	for err == nil {
		var more bool
		if more, err = l.next(&u.list); !more || err != nil {
			break
		}
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
	clear(u.assets)
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

// asksTimes says whether a rule of the policy asks for times or looks.
func (p *Policy) asksTimes() bool {
	return slices.ContainsFunc(p.rules, func(r Rule) bool { return r.Where != nil && r.Where.times })
}
