package engine

import "context"

// Inventory is a project's hosts or containers.
type Inventory struct {
	Project  string
	Category Category
}

// ChangedSince returns the inventories that a batch after one may have changed, in no order, and the last batch that
// was looked at: what came after that, it may tell of or not. It takes as long as there are such inventories; all are looked
// at where the batch is one that the engine was loaded with.
func (e *Engine) ChangedSince(after uint64) (list []Inventory, through uint64, err error) {
	if err := e.ended(); err != nil {
		return nil, 0, err
	}
	through = e.pipeline.shown.Load()
	if after >= e.pipeline.loaded.Load() {
		return e.pipeline.history.changedSince(after), through, nil
	}
	e.tenants.shown.Load().Scan(func(name string, p *project) bool {
		for c := range p.inventories {
			if v := p.inventories[c].Load(); v != nil && v.changes.changedAfter(after) {
				list = append(list, Inventory{name, Category(c)})
			}
		}
		return true
	})
	return list, through, nil
}

// changedAfter says whether a batch after one may have changed anything.
func (l *changeLog) changedAfter(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.newest, l.begins.Seq) > seq
}

// AwaitBatch returns when readers see a batch after one. The error is that of the context, or [ErrClosed].
func (e *Engine) AwaitBatch(ctx context.Context, after uint64) error {
	p := &e.pipeline
	for {
		if err := e.ready(ctx); err != nil {
			return err
		}
		p.mu.Lock()
		news := p.listen()
		p.mu.Unlock()
		if p.shown.Load() > after {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Known returns the position itself, or the end of the last batch before it that the engine has: what came after that
// one was lost, or a backup was restored. Readers who kept a position go on from there.
func (e *Engine) Known(p Position) Position {
	if last := e.pipeline.shown.Load(); p.Sequence > last {
		return After(last)
	}
	for _, gap := range *e.pipeline.lostNumbers() {
		if p.Sequence > gap.after && p.Sequence < gap.before {
			return After(gap.after)
		}
	}
	return p
}

// lostNumbers returns the numbers of batches that were lost.
func (p *pipeline) lostNumbers() *gaps {
	if g := p.gaps.Load(); g != nil {
		return g
	}
	return new(gaps)
}
