package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"portolan/index"
)

// newest is the newest time of all reports about an inventory's assets, also of those that were
// removed since.
type newest struct {
	at     atomic.Int64 // 0: none
	unseen atomic.Bool  // assets came from an image, whose times nobody has looked at
	mu     sync.Mutex   // held while somebody does
}

// note takes a time in.
func (n *newest) note(at micros) {
	for {
		last := n.at.Load()
		if at <= last || n.at.CompareAndSwap(last, at) {
			return
		}
	}
}

// of returns it, after it has looked at all assets of the snapshot if nobody has.
func (n *newest) of(ctx context.Context, s *index.Snapshot) (micros, error) {
	if !n.unseen.Load() {
		return n.at.Load(), nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	w := walk{ctx: ctx}
	for o := range s.View(index.Groups{}).Assets().From(0) {
		if err := w.step(); err != nil {
			return 0, err
		}
		n.note(noteNewest(s.Note(o)))
	}
	n.unseen.Store(false)
	return n.at.Load(), nil
}

// NewestReports returns the newest time of the reports about each project's hosts and containers, in
// no order. After a start from an image the first call looks at every asset, some 0.1 µs each.
func (e *Engine) NewestReports(ctx context.Context) ([]time.Time, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	shown := e.tenants.shown.Load()
	all := make([]time.Time, 0, shown.Len())
	for _, name := range shown.Keys() {
		p, _ := shown.Get(name)
		var last micros
		for i := range p.inventories {
			v := p.inventories[i].Load()
			if v == nil {
				continue
			}
			at, err := v.newest.of(ctx, v.x.Snapshot())
			if err != nil {
				return nil, err
			}
			last = max(last, at)
		}
		if last > 0 {
			all = append(all, time.UnixMicro(last).UTC())
		}
	}
	return all, nil
}
