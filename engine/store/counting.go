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
	t.dirty, t.restarted = map[uint32]bool{}, map[uint32]bool{}
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
	to    int64           // of batches before that hour
	last  journal.Point   // the last batch that was there
	dirty map[uint32]bool // what is to be counted
	list  []content       // all that was there
}

// errRestarted is returned where counts of an inventory begin anew, or where it is not there any more.
var errRestarted = errors.New("counts begin anew")

// all counts. Inventories whose counts begin anew meanwhile are counted once more.
func (c *counting) all(ctx context.Context) {
	s := c.store
	start := time.Now()
	todo, err := c.dirty, errRestarted
	for errors.Is(err, errRestarted) {
		if err = c.count(ctx, todo); err == nil {
			todo, err = c.finish()
			maps.Copy(c.dirty, todo)
		}
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

// count counts what is not counted yet of some inventories, by the hour, and sums up the hours of days that are over, of all: what
// is of a day may have been counted earlier.
func (c *counting) count(ctx context.Context, todo map[uint32]bool) error {
	kept, _, _ := c.store.history.keptCounts()
	for i := range c.list {
		of := &c.list[i]
		err := ctx.Err()
		if err == nil && todo[of.number] {
			err = c.hoursOf(ctx, of, kept.counted)
		}
		if err == nil {
			err = c.daysOf(of, kept.daily, dayOf(c.to))
		}
		switch {
		case err == nil, errors.Is(err, errRestarted): // if it is there, it is one of those that are counted once more
		case ctx.Err() != nil || c.store.fatal.ended() != nil:
			return err
		default: // what is damaged is not counted, and the others are
			c.store.opts.Log.Warn("database: trends of a project begin anew", "project", of.mark.Project, "problem", err)
			if err := c.restart(of); err != nil {
				return err
			}
		}
	}
	return nil
}

// restart has the counts of an inventory begin after the last batch there was.
func (c *counting) restart(of *content) error {
	return c.store.apply(func(w *writer) error {
		if c.there(of) {
			w.restartCounts(of.number, c.last)
		}
		return nil
	})
}

// finish says that all is counted, and removes what is too old then. With errRestarted it is not: counts of some inventories,
// which it returns, began anew after they were counted.
func (c *counting) finish() (restarted map[uint32]bool, err error) {
	s := c.store
	var kept countsOf
	thin := false
	err = s.apply(func(w *writer) error {
		t := &s.history.tally
		if restarted = t.restarted; len(restarted) > 0 {
			t.restarted = map[uint32]bool{}
			return errRestarted
		}
		kept, _, _ = s.history.keptCounts()
		kept.counted = c.to
		if day := dayOf(c.to); day > kept.daily {
			kept.daily, thin = day, true
			kept.hourly = max(kept.hourly, min(day, hourOf(c.last.Time-s.opts.History.Microseconds())))
			kept.since = max(kept.since, min(day, dayOf(c.last.Time-s.opts.Trends.Microseconds())))
		}
		s.history.setCounted(kept, c.last.Seq) // who asks is told before it is gone
		w.set(countedKey, kept.append(nil))
		return nil
	})
	if err == nil && thin {
		err = c.thin(&kept)
	}
	return restarted, err
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
	if err := s.fatal.ended(); err != nil {
		return err
	}
	w := writer{store: s, batch: s.db.NewBatch()}
	if err := f(&w); err != nil {
		return errors.Join(err, w.batch.Close())
	}
	if w.err != nil {
		return errors.Join(w.err, w.batch.Close())
	}
	return s.fatal.do(func() error {
		if err := s.db.Apply(w.batch, pebble.NoSync); err != nil {
			return fmt.Errorf("write to database: %w", err)
		}
		return w.batch.Close()
	})
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
	if begins.Seq >= c.last.Seq {
		return nil
	}
	var at engine.Position
	err := s.past(project, category, func(it *pebble.Iterator, n uint32, kept journal.Point) error {
		if begins.Seq > kept.Seq {
			kept = begins // what is before is not looked at: it may be damaged
		}
		last, err := lastBefore(ctx, it, n, kept, from)
		at.Sequence = last.Seq + 1
		return err
	})
	if errors.Is(err, errNoInventory) {
		return errRestarted
	}
	if err != nil {
		return err
	}
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
	if err != nil {
		return 0, nil, err // what is stopped may still be at it
	}
	return day, counter.Parts(), nil
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
