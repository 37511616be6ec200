package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"portolan/engine/journal"
)

// pipeline has the batches of an engine committed, group by group, and shown to readers
// in the order of their sequence numbers. A goroutine commits while there is anything to
// commit. While a group is being committed, others are applied and wait: they are the next
// group, and share its commit.
//
// With a time to lag it is the other way round: a batch is shown at once, and a timer has
// everything committed that waits.
type pipeline struct {
	journal journal.Log   // nil: a batch is shown at once; writers hold the engine's lock, others p's
	lag     time.Duration // how long a batch may be shown before it is committed
	tenants *tenants
	history history
	gaps    atomic.Pointer[gaps]  // numbers that are of no batch
	failure atomic.Pointer[error] // why no more is accepted
	shown   atomic.Uint64         // the last batch that readers see
	kept    atomic.Uint64         // the last batch that is committed
	loaded  atomic.Uint64         // the last batch that was there when a journal was attached
	showing atomic.Uint64         // odd while a batch is being shown, and another number after each

	mu      sync.Mutex // guards what follows
	seq     uint64     // of the last batch
	time    micros     // of it
	waiting []*batch
	size    int           // of those that wait, in bytes, with a time to lag
	since   [2]time.Time  // when the first came of those that are being committed, and of those that wait
	last    time.Time     // when something was committed
	due     bool          // the timer runs
	busy    bool          // what waits is being committed
	news    chan struct{} // closed when a batch is shown or kept, or fails; nil: nobody listens
}

// maxLagging is how many bytes of changes wait for the timer; more are committed at once.
const maxLagging = 64 << 20

// batch is one call on its way to readers. It belongs to the call until it is
// submitted, then to the pipeline.
type batch struct {
	journal.Batch
	parts []part // their inventories are frozen

	done chan struct{} // closed when it is committed and shown, or will not be
	err  error         // set before
}

// gaps are numbers of batches that were lost: in each, those between two that are not.
type gaps []struct{ after, before uint64 }

// lost says whether a number is of a batch that was lost.
func (g *gaps) lost(seq uint64) error {
	if g == nil {
		return nil
	}
	for _, gap := range *g {
		if seq > gap.after && seq < gap.before {
			return fmt.Errorf("%w: batch %d is not part of it: after %d, something was lost or a backup restored, and it went on at %d",
				ErrBehind, seq, gap.after, gap.before)
		}
	}
	return nil
}

// attach has everything committed to a journal, whose last batch it is told, from now on. No
// write is under way, but questions are, and calls of Sync.
func (p *pipeline) attach(j journal.Log, last journal.Point, lost gaps) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.journal, p.seq, p.time = j, last.Seq, last.Time
	p.gaps.Store(&lost)
	p.loaded.Store(last.Seq)
	p.shown.Store(last.Seq)
	p.kept.Store(last.Seq)
}

// attached returns the journal, for those that are no writers.
func (p *pipeline) attached() journal.Log {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.journal
}

// check says why no write, or no removal, is accepted.
func (p *pipeline) check(removal bool) error {
	if err := p.failure.Load(); err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, *err)
	}
	j := p.attached()
	if j == nil {
		return nil
	}
	err := j.Ready(removal)
	switch {
	case errors.Is(err, ErrReadOnly):
		p.fail(err)
		return fmt.Errorf("%w: %w", ErrReadOnly, *p.failure.Load())
	case err != nil:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

// fail accepts no more writes; the first cause stays.
func (p *pipeline) fail(err error) { p.failure.CompareAndSwap(nil, &err) }

// submit gives the batch its number. The inventories of its parts are locked, so the
// order of batches is one in which all of them were applied.
func (p *pipeline) submit(b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	p.time = max(p.time, b.Time) // the clock may have been set back
	b.Seq, b.Time = p.seq, p.time
	if p.journal == nil || p.lag > 0 {
		p.show(b)
		p.tell()
		b.parts = nil
	}
	if p.journal == nil {
		return
	}
	b.done = make(chan struct{})
	p.waiting = append(p.waiting, b)
	if len(p.waiting) == 1 {
		p.since[1] = time.Now()
	}
	if p.lag == 0 {
		p.begin()
	}
}

// begin has what waits committed, unless it is already. The lock is held.
func (p *pipeline) begin() {
	if !p.busy && len(p.waiting) > 0 {
		p.busy = true
		go p.commitAll()
	}
}

// wait returns when the batch is durable and readers see it, or neither will be; with a
// time to lag, when readers see it. Its context ends the wait only: see [ErrUnknown].
func (p *pipeline) wait(ctx context.Context, b *batch) error {
	switch {
	case p.journal == nil:
		return nil
	case p.lag > 0:
		return p.keepLater(ctx, b)
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return unknown(ctx, b.Seq)
	}
}

// unknown is the error of a batch that nobody waits for any more.
func unknown(ctx context.Context, seq uint64) error {
	return fmt.Errorf("%w: batch %d is on its way: %w", ErrUnknown, seq, context.Cause(ctx))
}

// keepLater has a batch that is shown committed by the timer, or now if too much waits. While
// the oldest that is not committed is older than what may be lost, it returns when the batch
// is: what is lost is then no more than what was acknowledged within that time.
func (p *pipeline) keepLater(ctx context.Context, b *batch) error {
	p.mu.Lock()
	p.size += b.size()
	oldest := p.since[0]
	if oldest.IsZero() {
		oldest = p.since[1]
	}
	tooMuch := p.size > maxLagging
	tooLate := !oldest.IsZero() && time.Since(oldest) > p.lag // commits take longer than may be lost
	if !p.due {
		p.due = true
		time.AfterFunc(p.lag/2, p.flush) // the rest is for the commit itself
	}
	p.mu.Unlock()
	if !tooMuch && !tooLate {
		return nil
	}
	p.flush()
	err := p.reach(ctx, &p.kept, b.Seq)
	if err != nil && ctx.Err() != nil {
		return unknown(ctx, b.Seq)
	}
	return err
}

// flush has everything committed that waits.
func (p *pipeline) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = false
	p.begin()
}

// commitAll commits what waits, group by group, until nothing does.
func (p *pipeline) commitAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) > 0 {
		group := p.waiting
		p.waiting, p.size = nil, 0
		p.since = [2]time.Time{p.since[1], {}}
		p.mu.Unlock()
		err := p.commit(group) // an error stays, and whoever asks hears of it
		for _, b := range group {
			b.err = err
			close(b.done)
		}
		p.mu.Lock()
		p.since[0] = time.Time{}
		if err == nil {
			p.last = time.Now()
		}
		p.tell()
	}
	p.busy = false
	p.tell()
}

// durability is how far what was accepted is kept.
func (p *pipeline) durability() Durability {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.journal == nil {
		return Durability{}
	}
	d := Durability{Pending: p.seq - p.kept.Load(), Oldest: p.since[0], Committed: p.last}
	if d.Oldest.IsZero() {
		d.Oldest = p.since[1]
	}
	return d
}

// rest returns when nothing is being committed. No write is under way.
func (p *pipeline) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.busy {
		news := p.listen()
		p.mu.Unlock()
		<-news
		p.mu.Lock()
	}
}

// latest returns when the last batch was made.
func (p *pipeline) latest() micros {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.time
}

// listen returns what is closed at the next news. The lock is held.
func (p *pipeline) listen() <-chan struct{} {
	if p.news == nil {
		p.news = make(chan struct{})
	}
	return p.news
}

// tell wakes those that wait for a batch. The lock is held.
func (p *pipeline) tell() {
	if p.news != nil {
		close(p.news)
		p.news = nil
	}
}

// wake is tell for those that have not the lock.
func (p *pipeline) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell()
}

// reach returns when at, which is shown or kept, has come to a batch that has its number.
func (p *pipeline) reach(ctx context.Context, at *atomic.Uint64, seq uint64) error {
	if err := p.gaps.Load().lost(seq); err != nil {
		return err
	}
	for at.Load() < seq {
		p.mu.Lock()
		last, failure := p.seq, p.failure.Load()
		news, there := p.listen(), at.Load() >= seq
		p.mu.Unlock()
		switch {
		case there:
			return nil
		case seq > last:
			return fmt.Errorf("%w: it has batches 1 to %d, not %d", ErrBehind, last, seq)
		case failure != nil:
			return fmt.Errorf("%w: %w", ErrReadOnly, *failure)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settle returns when everything that is shown is committed, as is any batch without a
// time to lag.
func (p *pipeline) settle(ctx context.Context) error {
	if p.attached() == nil || p.lag == 0 {
		return nil
	}
	seq := p.shown.Load()
	p.flush()
	return p.reach(ctx, &p.kept, seq)
}

// commit has a group committed and shows it, if it is not shown yet.
func (p *pipeline) commit(group []*batch) error {
	if err := p.failure.Load(); err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, *err)
	}
	batches := make([]journal.Batch, len(group))
	for i, b := range group {
		batches[i] = b.Batch
	}
	if err := p.journal.Commit(context.Background(), batches); err != nil {
		p.fail(err)
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	p.kept.Store(group[len(group)-1].Seq)
	if p.lag == 0 {
		for _, b := range group {
			p.show(b)
		}
	}
	return nil
}

// show makes a batch visible.
func (p *pipeline) show(b *batch) {
	p.showing.Add(1)
	defer p.showing.Add(1)
	p.tenants.show(b.parts)
	if gone := p.tenants.find(b.Gone); gone != nil {
		p.history.forget(gone)
		p.tenants.forget(b.Gone)
	}
	for i := range b.parts {
		b.parts[i].v.x.Show(b.parts[i].frozen)
	}
	p.history.add(b, p.kept.Load())
	p.shown.Store(b.Seq)
}

// finish freezes what a call has made of its parts' inventories, unlocks them and
// returns when that is durable and visible, and says so in the result, of which an error
// leaves nothing but, with ErrUnknown, the number. removed are the ids of the assets that it
// removed, of the first part.
func (e *Engine) finish(ctx context.Context, parts []part, removed []string, now micros, result *Result) error {
	p, b := &e.pipeline, &batch{parts: parts, Batch: journal.Batch{Time: now}}
	for i := range parts {
		v := parts[i].v
		parts[i].was, parts[i].frozen = v.x.Frozen(), v.x.Freeze()
		v.sortTouched()
	}
	if p.history.most > 0 {
		b.tell(removed)
	}
	if p.journal != nil {
		b.describe(removed)
	}
	for i := range parts {
		parts[i].v.touched = parts[i].v.touched[:0]
	}
	p.submit(b)
	unlock(parts)
	return e.settled(ctx, b, result)
}

// settled waits for a batch that was submitted, and says so in the result.
func (e *Engine) settled(ctx context.Context, b *batch, result *Result) error {
	p := &e.pipeline
	if err := p.wait(ctx, b); err != nil {
		*result = Result{}
		if errors.Is(err, ErrUnknown) {
			result.Sequence = b.Seq
		}
		return err
	}
	result.Sequence, result.Durable = b.Seq, p.journal != nil && p.kept.Load() >= b.Seq
	return nil
}

// describe says what there is to commit. The inventories of the parts are locked and frozen.
func (b *batch) describe(removed []string) {
	for i := range b.parts {
		p := &b.parts[i]
		b.Changed = p.v.appendChanges(b.Changed, p.name, p.category)
		b.Marks = append(b.Marks, journal.Mark{
			Project: p.name, Category: p.category,
			Version: p.frozen.Version(), Assets: p.frozen.Assets(), Receipt: p.project.receipts.newest(),
		})
	}
	for _, id := range removed {
		p := &b.parts[0]
		b.Changed = append(b.Changed, journal.Change{Project: p.name, Category: p.category, Asset: id})
	}
}

// tell says what the batch changed. The inventories of the parts are locked and frozen.
func (b *batch) tell(removed []string) {
	b.Told = []journal.Told{} // that nothing changed is known, too
	for i := range b.parts {
		p := &b.parts[i]
		for _, part := range p.v.w.recorder.record(p.was, p.frozen, p.v.touched, removed, b.Time) {
			b.Told = append(b.Told, journal.Told{Project: p.name, Category: p.category, Part: part})
		}
		removed = nil // they are of the first
	}
}

// size is about how many bytes a batch holds.
func (b *batch) size() int {
	n := len(b.Gone) + len(b.Changed)*int(unsafe.Sizeof(journal.Change{}))
	for i := range b.Changed {
		n += len(b.Changed[i].Asset) + len(b.Changed[i].State) + len(b.Changed[i].Times)
	}
	for i := range b.Told {
		n += len(b.Told[i].Data)
	}
	return n
}

// sortTouched has each asset that was touched since the last time once, in order.
func (v *inventory) sortTouched() {
	slices.SortFunc(v.touched, func(a, b touch) int { return cmp.Compare(a.o, b.o) })
	once := v.touched[:0]
	for _, t := range v.touched {
		if n := len(once); n > 0 && once[n-1].o == t.o {
			once[n-1].whole = once[n-1].whole || t.whole
			continue
		}
		once = append(once, t)
	}
	v.touched = once
}

// appendChanges appends the assets that were touched since the last time.
func (v *inventory) appendChanges(changes []journal.Change, project string, category Category) []journal.Change {
	var buf []byte // earlier changes keep the arrays it has had
	for _, t := range v.touched {
		o, whole := t.o, t.whole
		c := journal.Change{Project: project, Category: category, Asset: v.x.ID(o)}
		start := len(buf)
		if whole {
			buf = v.appendState(buf, o)
			c.State = buf[start:len(buf):len(buf)]
			start = len(buf)
		}
		buf = v.appendTimes(buf, o)
		c.Times = buf[start:len(buf):len(buf)]
		changes = append(changes, c)
	}
	return changes
}
