package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portolan/engine/journal"
	"portolan/index"
)

// keptCounts is what a journal keeps of counts in the course of time.
type keptCounts struct {
	keeper  journal.CountKeeper
	counted journal.Point
}

// keptCounts returns it, nil where none are kept, when readers see all batches that were counted.
func (e *Engine) keptCounts(ctx context.Context) (*keptCounts, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	keeper, ok := e.pipeline.history.past.(journal.CountKeeper)
	if !ok {
		return nil, nil
	}
	k := &keptCounts{keeper: keeper, counted: keeper.Counted()}
	if k.counted == (journal.Point{}) {
		return nil, nil
	}
	return k, e.pipeline.reach(ctx, &e.pipeline.shown, k.counted.Seq)
}

// begins returns since when counts of an inventory are kept, of all batches at that time or later, and since when
// by the hour.
func (k *keptCounts) begins(c *Changes) (since, hourly micros) {
	begins, hourly := k.keeper.CountsBegin(c.q.Project, c.q.Category)
	since = begins.Time + 1
	if begins == (journal.Point{}) {
		since = never
	}
	return since, max(hourly, since)
}

// cover says whether counts are kept from a full hour on, in steps of so long, up to when they are counted.
func (k *keptCounts) cover(c *Changes, start, step micros) bool {
	since, hourly := k.begins(c)
	if step%journal.Day != 0 || start%journal.Day != 0 {
		since = hourly
	}
	return step%journal.Hour == 0 && start%journal.Hour == 0 && since <= start && start < k.counted.Time
}

// errThinned is returned where counts went while they were read.
var errThinned = errors.New("counts are not kept any more")

// read calls f with what changed of counts in a view from a full hour on up to when they are counted, of keys that a filter
// may let through: of all enterprise projects together or of one, if that is what the view is and each is not asked for, else of
// each of them.
func (k *keptCounts) read(ctx context.Context, c *Changes, q journal.CountsQuery, view View, filter *index.Filter, f func(from micros, r *countReader) error) error {
	q.Project, q.Category, q.To = c.q.Project, c.q.Category, k.counted.Time
	q.Lo, q.Hi = bounds(filter)
	switch names := view.groups.Names(); {
	case q.Each:
	case view.IsAll():
		q.Section = 0
	case len(names) == 1:
		q.Section = sectionOf(names[0])
	default:
		q.Each = true
	}
	wanted := func(r *countReader) bool {
		return r.key >= q.Lo && r.key <= q.Hi && (r.all || view.Has(r.group))
	}
	since, hourly := k.begins(c)
	err := k.keeper.Counts(ctx, q, func(p *journal.Counts) error {
		r, err := readCounts(p.Data)
		for err == nil && r.next() {
			if wanted(&r) {
				err = f(p.From, &r)
			}
		}
		if err == nil {
			err = r.damage()
		}
		if err != nil {
			return fmt.Errorf("counts of %s: %w", time.UnixMicro(p.From).UTC().Format(time.RFC3339), err)
		}
		return nil
	})
	if s, h := k.begins(c); err == nil && (s != since || h != hourly) {
		return errThinned
	}
	return err
}

// bounds returns the first and the last key that a filter may let through.
func bounds(f *index.Filter) (lo, hi Key) {
	lo, hi = MakeKey(1, index.SCTP), MakeKey(index.MaxPort, index.UDP6)
	if f.Keys != nil {
		if first, last, some := f.Keys.Bounds(); some {
			lo, hi = first, last
		}
	}
	return lo, hi
}

// fromCounts reads the trend's steps from counts that are kept, as far as they are counted, if that is how it is to be
// read: where the log does not say more, or says the same in more time. The rest is left to the log.
func (t *trending) fromCounts(ctx context.Context, k *keptCounts) error {
	if k == nil {
		return nil
	}
	single := t.q.By == ByKey && (t.q.View.IsAll() || len(t.q.View.groups.Names()) == 1)
	logged := t.kept == (journal.Point{}) || t.kept.Time < t.start
	covered := k.cover(t.Changes, t.start, t.step)
	if !covered || logged && !single {
		if since, _ := k.begins(t.Changes); !logged && !covered && since <= t.start && t.start < k.counted.Time {
			return &FieldError{Field: "step", Value: t.q.Step.String(), Allowed: "whole hours, or whole days where it goes back further than hours are kept: single changes are not kept any more"}
		}
		return nil
	}
	if !single {
		t.resolution = time.Hour
		if t.step%journal.Day == 0 {
			t.resolution = 24 * time.Hour
		}
	}
	q := journal.CountsQuery{From: t.start, Days: t.step%journal.Day == 0, Each: t.q.By == ByEnterpriseProject}
	err := k.read(ctx, t.Changes, q, t.q.View, &t.filter, func(from micros, r *countReader) error {
		if t.points > maxTrendChanges {
			return t.tooMany()
		}
		if from != t.at.Time {
			t.flush()
			t.at.Time = from
		}
		switch {
		case !lets(&t.filter, r.key):
		case single:
			t.change(t.line(r.key, ""), r.counted)
		default:
			t.add(r.key, r.group, r.last)
		}
		return nil
	})
	if err != nil {
		return err // what is read may still go on: see the journal
	}
	t.flush()
	t.at = journal.Point{}
	t.since = k.counted.Time
	return nil
}

// older has an error that says since when changes are kept say it of counts, where those are older.
func (k *keptCounts) older(c *Changes, err error) error {
	var old *TooOldError
	if k == nil || !errors.As(err, &old) {
		return err
	}
	begins, _ := k.keeper.CountsBegin(c.q.Project, c.q.Category)
	if begins == (journal.Point{}) || begins.Time >= old.Time.UnixMicro() {
		return err
	}
	return tooOld(begins)
}
