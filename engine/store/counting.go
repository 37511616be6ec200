package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"portolan/engine"
	"portolan/engine/journal"
)

// counter runs what counts.
type counter struct {
	mu     sync.Mutex // guards what follows
	cancel context.CancelFunc
	done   chan struct{} // nil: nothing runs
	ended  bool
}

// countPast has counted what is past, if that is not under way. The lock is held.
func (s *Store) countPast() {
	kept, _, on := s.history.keptCounts()
	if !on || hourOf(s.time) <= kept.counted {
		return
	}
	c := &s.counter
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.done != nil {
		return
	}
	t := &s.history.tally
	run := counting{store: s, to: hourOf(s.time), last: journal.Point{Seq: s.last, Time: s.time}, dirty: t.dirty}
	t.dirty = map[uint32]bool{}
	for at, n := range s.inventories {
		run.list = append(run.list, content{number: n, mark: at})
	}
	slices.SortFunc(run.list, func(a, b content) int { return int(int64(a.number) - int64(b.number)) })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c.cancel, c.done = cancel, done
	go func() {
		defer close(done)
		defer cancel()
		run.all(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.done = nil
	}()
}

// end ends what runs, waits for it, and lets nothing run any more.
func (c *counter) end() {
	c.mu.Lock()
	c.ended = true
	done, cancel := c.done, c.cancel
	c.mu.Unlock()
	if done != nil {
		cancel()
		<-done
	}
}

// counting is the counting of what is past.
type counting struct {
	store *Store
	to    int64         // of batches before that hour
	last  journal.Point // the last batch that was there
	dirty map[uint32]bool
	list  []content
}

// errRestarted is returned where the counts of an inventory begin anew, or where it is not there any more.
var errRestarted = errors.New("its counts begin anew")

// all counts.
func (c *counting) all(ctx context.Context) {
	s := c.store
	start := time.Now()
	kept, _, _ := s.history.keptCounts()
	err := c.hours(ctx, kept.counted)
	if err == nil && dayOf(c.to) > kept.daily {
		err = c.days(ctx, &kept)
	}
	if err == nil {
		kept.counted = c.to
		err = s.apply(func(w *writer) error {
			s.history.setCounted(kept, c.last.Seq)
			w.set(countedKey, kept.append(nil))
			return nil
		})
	}
	switch {
	case err == nil:
		s.opts.Log.Debug("database: what changed was counted", "to", time.UnixMicro(c.to).UTC(), "inventories", len(c.dirty), "took", time.Since(start).Round(time.Millisecond))
		return
	case ctx.Err() == nil && s.fatal.ended() == nil:
		s.opts.Log.Warn("database: what changed cannot be counted", "problem", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.history.tally.dirty, c.dirty)
}

func (h *chronicle) setCounted(kept countsOf, seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.kept, h.tally.seq = kept, seq
}

// apply makes changes of a batch of the database. They need not be synced, as what is not there after a
// crash is counted again.
func (s *Store) apply(f func(w *writer) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	return s.fatal.do(func() error {
		w := writer{store: s, batch: s.db.NewBatch()}
		if err := f(&w); err != nil {
			return errors.Join(err, w.batch.Close())
		}
		if w.err != nil {
			return errors.Join(w.err, w.batch.Close())
		}
		if err := s.db.Apply(w.batch, pebble.NoSync); err != nil {
			return fmt.Errorf("write to database: %w", err)
		}
		return w.batch.Close()
	})
}

// hours counts what is not counted yet, by the hour.
func (c *counting) hours(ctx context.Context, from int64) error {
	for i := range c.list {
		if !c.dirty[c.list[i].number] {
			continue
		}
		err := c.hoursOf(ctx, &c.list[i], from)
		switch {
		case err == nil, errors.Is(err, errRestarted):
		case ctx.Err() != nil || c.store.fatal.ended() != nil:
			return err
		default: // what is damaged is not counted, and the others are
			c.store.opts.Log.Warn("database: trends of a project begin anew", "project", c.list[i].mark.Project, "problem", err)
			err = c.store.apply(func(w *writer) error {
				if !c.there(&c.list[i]) {
					return nil
				}
				w.restartCounts(c.list[i].number, c.last)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// there says whether an inventory is there. The store's lock is held.
func (c *counting) there(of *content) bool {
	n, known := c.store.inventories[place(of.mark.Project, of.mark.Category)]
	return known && n == of.number
}

// hoursOf counts what changed of one inventory. Batches after those that are counted leave it dirty.
func (c *counting) hoursOf(ctx context.Context, of *content, from int64) error {
	s, project, category := c.store, of.mark.Project, of.mark.Category
	begins, _ := s.history.countsBegin(of.number)
	seq, err := s.Before(ctx, project, category, from)
	if err != nil {
		return err
	}
	at := engine.Position{Sequence: max(seq, begins.Seq) + 1}
	var counter engine.Counter
	hour := int64(-1)
	for {
		list, err := s.Past(ctx, project, category, at.Sequence, at.Asset, c.last.Seq)
		if err != nil {
			return err
		}
		for i := range list {
			p := &list[i]
			if h := hourOf(p.Time); h != hour {
				if err := c.keep(of, begins, ofHour, hour, counter.Parts()); err != nil {
					return err
				}
				hour = h
			}
			if p.Time >= c.to {
				return c.stay(of)
			}
			if err := counter.Batch(p); err != nil {
				return err
			}
			at = engine.Position{Sequence: p.Seq, Asset: p.End}
		}
		if len(list) == 0 {
			return c.keep(of, begins, ofHour, hour, counter.Parts())
		}
	}
}

// stay has an inventory be counted again the next time.
func (c *counting) stay(of *content) error {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.store.history.tally.dirty[of.number] = true
	return nil
}

// keep writes counts, unless those of the inventory begin anew since it was looked where they do.
func (c *counting) keep(of *content, begins journal.Point, kind countsKind, at int64, parts []journal.Counts) error {
	if len(parts) == 0 {
		return nil
	}
	return c.store.apply(func(w *writer) error {
		if now, _ := w.store.history.countsBegin(of.number); now != begins || !c.there(of) {
			return errRestarted
		}
		for i := range parts {
			kind := kind
			if parts[i].Section > 0 {
				kind = kind.each()
			}
			w.key = appendCountsKey(w.key[:0], of.number, kind, at, parts[i].CountsPlace)
			w.payload = append(append(w.payload[:0], countsVersion), parts[i].Data...)
			w.set(w.key, w.payload)
		}
		return nil
	})
}

// days sums up the hours of whole days, and removes what is too old.
func (c *counting) days(ctx context.Context, kept *countsOf) error {
	s, to := c.store, dayOf(c.to)
	hourly, since := hourOf(max(c.last.Time-s.opts.History.Microseconds(), 0)), dayOf(max(c.last.Time-s.opts.Trends.Microseconds(), 0))
	for i := range c.list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.daysOf(&c.list[i], kept.daily, to); err != nil && !errors.Is(err, errRestarted) {
			if s.fatal.ended() != nil || errors.Is(err, errClosed) {
				return err
			}
			s.opts.Log.Warn("database: trends of a project cannot be summed up", "project", c.list[i].mark.Project, "problem", err)
			return err
		}
	}
	kept.daily = to
	// Who asks is told before it is gone, and reads the days.
	kept.hourly, kept.since = max(kept.hourly, min(hourly, to)), max(kept.since, min(since, to))
	if kept.hourly+kept.since > 0 {
		s.history.setHorizon(kept)
		return c.thin(kept)
	}
	return nil
}

// setHorizon says what there will be, of what is counted.
func (h *chronicle) setHorizon(kept *countsOf) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.kept.daily, h.tally.kept.hourly, h.tally.kept.since = kept.daily, kept.hourly, kept.since
}

// daysOf sums up the hours of whole days of an inventory.
func (c *counting) daysOf(of *content, from, to int64) error {
	begins, _ := c.store.history.countsBegin(of.number)
	for day := from; day < to; {
		next, parts, err := c.dayFrom(of.number, day, to)
		if err != nil || len(parts) == 0 {
			return err
		}
		if err := c.keep(of, begins, ofDay, next, parts); err != nil {
			return err
		}
		day = next + journal.Day
	}
	return nil
}

// dayFrom sums up the hours of the first day from one to another of which there are any.
func (c *counting) dayFrom(inventory uint32, from, to int64) (day int64, parts []journal.Counts, err error) {
	var counter engine.Counter
	day = -1
	err = c.store.walk(inventory, func(it *pebble.Iterator) error {
		for _, kind := range []countsKind{ofHour, ofEachHour} {
			begin := max(from, day)
			it.SetBounds(appendCountsKey(nil, inventory, kind, begin, journal.CountsPlace{}), appendCountsKey(nil, inventory, kind, to, journal.CountsPlace{}))
			for ok := it.First(); ok; ok = it.Next() {
				p, err := readCounts(it.Key(), it.Value())
				if err != nil {
					return err
				}
				if day >= 0 && p.From >= day+journal.Day {
					break
				}
				day = dayOf(p.From)
				if err := counter.Counts(p.Data); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return day, counter.Parts(), err
}

// thin removes what is too old: hours, of which days are left, and days.
func (c *counting) thin(kept *countsOf) error {
	for i := range c.list {
		n := c.list[i].number
		for kind, before := range map[countsKind]int64{ofHour: kept.hourly, ofEachHour: kept.hourly, ofDay: kept.since, ofEachDay: kept.since} {
			lo, hi := appendCountsKey(nil, n, kind, 0, journal.CountsPlace{}), appendCountsKey(nil, n, kind, before, journal.CountsPlace{})
			some := false
			err := c.store.walk(n, func(it *pebble.Iterator) error {
				it.SetBounds(lo, hi)
				some = it.First()
				return nil
			})
			if err == nil && some {
				err = c.store.apply(func(w *writer) error { return w.batch.DeleteRange(lo, hi, nil) })
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
