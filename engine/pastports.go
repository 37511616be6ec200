package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"portolan/engine/journal"
	"portolan/index"
)

// Past is an inventory as it was at a moment, as [Engine.SnapshotAt] has it, of which nothing is made before it is asked
// for. It may be used concurrently.
type Past struct {
	engine *Engine
	kept   *keptCounts
	now    *Changes // those since
	log    *changeLog
	head   Snapshot
}

// At returns a project's hosts or containers as they were at a moment. The error is that of [Engine.SnapshotAt].
func (e *Engine) At(ctx context.Context, project string, category Category, at Moment) (*Past, error) {
	if at.IsZero() {
		s, err := e.Snapshot(project, category)
		return &Past{engine: e, head: s}, err
	}
	kept, err := e.keptCounts(ctx) // before the state, which includes all that is counted
	if err != nil {
		return nil, err
	}
	c, log, err := e.changesAll(ctx, project, category)
	if err != nil {
		return nil, err
	}
	if err := c.moment(ctx, at, max(e.now().UnixMicro(), e.pipeline.latest())); err != nil {
		return nil, err
	}
	p := &Past{engine: e, kept: kept, now: c, log: log, head: c.s}
	p.head.s, p.head.past, p.head.sequence = nil, true, c.after.Sequence
	if p.head.policy.asksTimes() {
		return nil, &FieldError{Field: "as_of", Value: at.String(), Allowed: "now, as a rule of the policy asks for when assets were last seen, which is not kept of the past"}
	}
	return p, nil
}

// Head returns what is known of the state without making it: its policy, sequence number and data version. It has
// no assets.
func (p *Past) Head() Snapshot { return p.head }

// Snapshot returns the state, which takes as long as with [Engine.SnapshotAt].
func (p *Past) Snapshot(ctx context.Context) (s Snapshot, err error) {
	s = p.head
	if p.log != nil {
		s.s, err = p.engine.pasts.state(ctx, p.now, p.log)
	}
	return s, err
}

// Ports answers the query as it would have been answered at the moment. Where the journal keeps counts, and all that is
// asked for is counts, that takes as long as reading them back to then, and the changes of some hours; else the state
// is made.
func (p *Past) Ports(ctx context.Context, q PortQuery) (PortPage, error) {
	if p.log == nil || q.Where != nil || len(p.head.policy.profiles) > 0 || p.engine.pasts.knows(p.log, p.now) {
		return p.portsOfState(ctx, q)
	}
	plan, some, err := p.head.planPorts(ctx, &q)
	if err != nil || !some {
		return plan.page, err
	}
	added, err := p.counts(ctx, q.View)
	switch {
	case errors.Is(err, errNotCounted), errors.Is(err, errThinned), errors.Is(err, errUntold), errors.Is(err, ErrTooOld):
		return p.portsOfState(ctx, q)
	case err != nil:
		return PortPage{}, err
	}
	view, err := p.now.s.s.View(q.View.groups).Adding(added)
	if err != nil {
		return PortPage{}, fmt.Errorf("%w counts: %w", errDamaged, err)
	}
	plan.fill(&q, view, &p.head.policy.flat)
	return plan.page, nil
}

func (p *Past) portsOfState(ctx context.Context, q PortQuery) (PortPage, error) {
	s, err := p.Snapshot(ctx)
	if err != nil {
		return PortPage{}, err
	}
	return s.Ports(ctx, q)
}

// knows says whether a state of the past is remembered.
func (p *pasts) knows(log *changeLog, c *Changes) bool {
	wanted := Position{Sequence: c.after.Sequence + 1}
	return c.after.Sequence >= c.to || p.find(log, wanted).at == wanted
}

// errNotCounted says that counts are not kept that far back.
var errNotCounted = errors.New("counts are not kept of then")

// counts returns what is to be added to the counts of now in a view, by key, to have those of then.
func (p *Past) counts(ctx context.Context, view View) ([]int32, error) {
	added := make([]int32, index.KeyLimit)
	then := p.now.after
	next, some, err := p.now.firstAfter(ctx, then.Sequence)
	if err != nil || !some {
		return added, err
	}
	hour := next - (next%journal.Hour+journal.Hour)%journal.Hour
	if p.kept == nil || hour >= p.kept.counted.Time { // what changed since will do
		return added, p.now.addCounts(ctx, then, p.now.to, view, -1, added)
	}
	if !p.kept.cover(p.now, hour, journal.Hour) {
		return nil, errNotCounted
	}
	q := journal.CountsQuery{From: hour, Days: true}
	err = p.kept.read(ctx, p.now, q, view, new(index.Filter), func(_ micros, r *countReader) error {
		added[r.key] -= int32(r.last)
		return nil
	})
	if err != nil {
		return nil, err
	}
	counted, err := p.now.lastBefore(ctx, p.kept.counted.Time)
	if err != nil {
		return nil, err
	}
	if err := p.now.addCounts(ctx, counted, p.now.to, view, -1, added); err != nil {
		return nil, err
	}
	begun, err := p.now.lastBefore(ctx, hour)
	if err != nil {
		return nil, err
	}
	return added, p.now.addCounts(ctx, begun, then.Sequence, view, 1, added)
}

// firstAfter returns the time of the first batch after one that changed anything.
func (c *Changes) firstAfter(ctx context.Context, seq uint64) (at micros, some bool, err error) {
	if seq < min(c.begins.Seq, c.to) {
		past, err := c.past.Past(ctx, c.q.Project, c.q.Category, seq+1, 0, min(c.begins.Seq, c.to))
		if err != nil {
			return 0, false, err
		}
		if begins := c.past.Begins(c.q.Project, c.q.Category); begins.Seq > seq {
			return 0, false, tooOld(begins)
		}
		if len(past) > 0 {
			return past[0].Time, true, nil
		}
	}
	n := slices.IndexFunc(c.lists, func(l journal.Past) bool { return l.Seq > seq })
	if n < 0 {
		return 0, false, nil
	}
	return c.lists[n].Time, true, nil
}

// lastBefore returns the position after the last batch before a time. The error is a [*TooOldError] where not all is
// kept that came after.
func (c *Changes) lastBefore(ctx context.Context, at micros) (Position, error) {
	from := *c
	from.since, from.after = at, Position{}
	err := from.locate(ctx)
	return from.after, err
}

// maxCounted is how many changed assets are counted at most: where there are more, a state is made, which may be
// near, and which goes on where the context ended it.
const maxCounted = 1 << 21

// addCounts adds what changed of the counts in a view from a position to a batch, so many times.
func (c *Changes) addCounts(ctx context.Context, from Position, to uint64, view View, times int32, added []int32) error {
	part := *c
	part.after, part.to, part.since = from, min(to, c.to), never
	var fault error
	n := 0
	err := part.each(ctx, func(at journal.Point, _ uint32, a *changedAsset) bool {
		if at.Seq > part.to {
			return false
		}
		if n++; n > maxCounted {
			fault = errNotCounted
			return false
		}
		fault = a.deltas(func(k Key, group string, n int) {
			if view.Has(group) {
				added[k] += int32(n) * times
			}
		})
		return fault == nil
	})
	if err != nil {
		return err
	}
	return fault
}
