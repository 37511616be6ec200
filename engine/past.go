package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

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
	p, err := e.At(ctx, project, category, at)
	if err != nil {
		if p != nil {
			return p.head, err
		}
		return Snapshot{}, err
	}
	return p.Snapshot(ctx)
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
		log := e.logOf(c)
		if showing%2 == 0 && p.showing.Load() == showing {
			return c, log, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
}

// logOf has the changes be those of their inventory's log, which it returns. Where there is no inventory there is none, but
// another project of the name may have had one.
func (e *Engine) logOf(c *Changes) *changeLog {
	if of := e.tenants.find(c.q.Project); of != nil {
		if v := of.inventories[c.q.Category].Load(); v != nil {
			c.first = v.changes.first
			c.begins, c.lists = v.changes.read(c.to)
			return &v.changes
		}
	}
	c.first = e.pipeline.history.goneAt(c.q.Project)
	return nil
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
)

// pasts are states of the past that were asked for.
type pasts struct {
	mu    sync.Mutex // guards what follows
	kept  []pastState
	turns map[*changeLog]*turn // of the inventories of which some are being made
	timer *time.Timer
	made  uint64 // ever
}

// turn is whose turn it is to make states of an inventory.
type turn struct {
	taken chan struct{} // who has it has put something in
	users int           // that have it or wait for it
}

// pastState is a state of an inventory without what came at a position or after it. That is the state after a
// batch if the position is the first of the next one; others are on the way there.
type pastState struct {
	log  *changeLog // whose
	at   Position
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

// find returns a state of an inventory at a position, or the nearest after it that there is.
func (p *pasts) find(log *changeLog, position Position) (found pastState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.kept {
		at := &p.kept[i]
		if at.log == log && at.at.Compare(position) >= 0 && (found.s == nil || at.at.Compare(found.at) < 0) {
			at.used = time.Now()
			found = *at
		}
	}
	return found
}

// take waits for the turn to make a state of an inventory, which is given back.
func (p *pasts) take(ctx context.Context, log *changeLog) (give func(), err error) {
	p.mu.Lock()
	t := p.turns[log]
	if t == nil {
		if p.turns == nil {
			p.turns = map[*changeLog]*turn{}
		}
		t = &turn{taken: make(chan struct{}, 1)}
		p.turns[log] = t
	}
	t.users++
	p.mu.Unlock()
	leave := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(p.turns, log)
		}
	}
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
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

// state returns the state after the batch that the changes begin after. One of an inventory is made at a time.
func (p *pasts) state(ctx context.Context, c *Changes, log *changeLog) (*index.Snapshot, error) {
	wanted := Position{Sequence: c.after.Sequence + 1}
	if known := p.find(log, wanted); known.s != nil && known.at == wanted {
		return known.s, nil
	}
	give, err := p.take(ctx, log)
	if err != nil {
		return nil, err
	}
	defer give()
	from := pastState{log: log, at: Position{Sequence: c.to + 1}, s: c.s.s}
	if known := p.find(log, wanted); known.s != nil && known.at.Compare(from.at) <= 0 {
		from = known
	}
	if from.at == wanted {
		return from.s, nil
	}
	u := undoing{x: from.s.Fork(), assets: map[string]*undone{}, size: from.size}
	u.x.Resume(p.version())
	reached, err := u.run(ctx, c, from.at)
	if reached != from.at {
		p.keep(pastState{log: log, at: reached, s: u.x.Freeze(), size: u.size})
	}
	if err != nil {
		return nil, err
	}
	return u.x.Frozen(), nil
}

// asksTimes says whether a rule of the policy asks for times or looks.
func (p *Policy) asksTimes() bool {
	return slices.ContainsFunc(p.rules, func(r Rule) bool { return r.Where != nil && r.Where.times })
}
