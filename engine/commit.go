package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pipeline has the batches of an engine committed, group by group, and shown to readers
// in the order of their sequence numbers. While a group is being committed, others are
// applied and wait: they are the next group, and share its commit.
type pipeline struct {
	journal Journal // nil: a batch is shown at once
	tenants *tenants
	failure atomic.Pointer[error] // why no more is accepted

	mu      sync.Mutex // guards what follows
	seq     uint64     // of the last batch
	waiting []*batch
	led     bool // somebody is committing
}

// batch is one call on its way to readers. It belongs to the call until it is
// submitted, then to whoever leads.
type batch struct {
	Batch
	parts []part // their inventories are frozen

	wake chan struct{} // says that it is finished, or that it is to lead
	done bool          // finished; the pipeline's lock guards it
	err  error
}

// check says why no write is accepted.
func (p *pipeline) check() error {
	if err := p.failure.Load(); err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, *err)
	}
	if p.journal != nil {
		if err := p.journal.Ready(); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
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
	b.Seq = p.seq
	if p.journal == nil {
		p.show(b)
		b.done = true
		return
	}
	b.wake = make(chan struct{}, 1)
	p.waiting = append(p.waiting, b)
}

// wait returns when the batch is durable and readers see it, or neither will be. Of
// those that wait one leads: it commits everything that waits.
func (p *pipeline) wait(ctx context.Context, b *batch) error {
	p.mu.Lock()
	if !b.done && p.led {
		p.mu.Unlock()
		<-b.wake
		p.mu.Lock()
	}
	if b.done {
		p.mu.Unlock()
		return b.err
	}
	p.led = true
	group := p.waiting
	p.waiting = nil
	p.mu.Unlock()

	err := p.commit(context.WithoutCancel(ctx), group)

	p.mu.Lock()
	defer p.mu.Unlock()
	for _, other := range group {
		other.done, other.err = true, err
		other.wake <- struct{}{}
	}
	if p.led = len(p.waiting) > 0; p.led {
		p.waiting[0].wake <- struct{}{}
	}
	return b.err
}

// commit has a group committed and shows it. The caller leads.
func (p *pipeline) commit(ctx context.Context, group []*batch) error {
	if err := p.failure.Load(); err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, *err)
	}
	batches := make([]Batch, len(group))
	for i, b := range group {
		batches[i] = b.Batch
	}
	if err := p.journal.Commit(ctx, batches); err != nil {
		p.fail(err)
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	for _, b := range group {
		p.show(b)
	}
	return nil
}

// show makes a batch visible.
func (p *pipeline) show(b *batch) {
	p.tenants.show(b.parts)
	for i := range b.parts {
		b.parts[i].v.x.Show(b.parts[i].frozen)
	}
}

// finish freezes what a call has made of its parts' inventories, unlocks them and
// returns when that is durable and visible. removed are the ids of the assets that it
// removed, of the first part.
func (e *Engine) finish(ctx context.Context, parts []part, removed []string) error {
	b := &batch{parts: parts}
	for i := range parts {
		parts[i].frozen = parts[i].v.x.Freeze()
	}
	if e.pipeline.journal != nil {
		b.describe(removed)
	}
	e.pipeline.submit(b)
	unlock(parts)
	return e.pipeline.wait(ctx, b)
}

// describe says what there is to commit. The inventories of the parts are locked and
// frozen.
func (b *batch) describe(removed []string) {
	for i := range b.parts {
		p := &b.parts[i]
		for j := range p.reports {
			r := p.reports[j]
			r.Seen = time.UnixMicro(p.times[j]).UTC()
			b.Records = append(b.Records, Record{Report: r})
		}
		b.Changed = p.v.appendChanges(b.Changed, p.name, p.category)
		b.Marks = append(b.Marks, Mark{
			Project: p.name, Category: p.category,
			Version: p.frozen.Version(), Assets: p.frozen.Assets(), Receipt: p.project.receipts.newest(),
		})
	}
	for _, id := range removed {
		p := &b.parts[0]
		b.Records = append(b.Records, Record{Report{Project: p.name, Category: p.category, Asset: id}, true})
		b.Changed = append(b.Changed, Change{Project: p.name, Category: p.category, Asset: id})
	}
}

// appendChanges appends the assets that were touched since the last time.
func (v *inventory) appendChanges(changes []Change, project string, category Category) []Change {
	slices.SortFunc(v.touched, func(a, b touch) int { return cmp.Compare(a.o, b.o) })
	var buf []byte // earlier changes keep the arrays it has had
	for i := 0; i < len(v.touched); {
		o, whole := v.touched[i].o, false
		for ; i < len(v.touched) && v.touched[i].o == o; i++ {
			whole = whole || v.touched[i].whole
		}
		c := Change{Project: project, Category: category, Asset: v.x.ID(o)}
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
	v.touched = v.touched[:0]
	return changes
}
