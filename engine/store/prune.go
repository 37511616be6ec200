package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"portolan/engine/journal"
)

const (
	// pruneAfter is how far apart looks for what is too old are, in the time of batches.
	pruneAfter = time.Minute
	// pruneLooks is how many inventories are looked at at once, of which nobody knows how old their oldest is.
	pruneLooks = 256
	// pruneSlack is which part of what is kept may be older: so much goes at once.
	pruneSlack = 64
)

// prune removes what of the past is too old, or too much. The lock is held.
func (s *Store) prune() error {
	if !s.counts() {
		if err := s.dropCounts(); err != nil {
			return err
		}
	}
	if !s.keeps() {
		return s.dropHistory()
	}
	if s.history.pruned > 0 && s.time-s.history.pruned < pruneAfter.Microseconds() {
		return nil
	}
	s.history.pruned = s.time
	return s.fatal.do(func() error {
		c := cutter{writer: writer{store: s, batch: s.db.NewBatch()}}
		before := s.time - s.opts.History.Microseconds()
		if kept, _, on := s.history.keptCounts(); on { // what is not counted yet stays
			before = min(before, kept.counted)
		}
		if err := c.tooOld(before); err != nil {
			return err
		}
		c.forgetGone(s.time - s.opts.History.Microseconds())
		if total, err := s.db.EstimateDiskUsage([]byte{historyTag}, []byte{historyTag + 1}); err != nil {
			return fmt.Errorf("read database: %w", err)
		} else if total > s.opts.HistoryBytes {
			if err := c.tooMuch(s.opts.HistoryBytes); err != nil {
				return err
			}
		}
		return c.apply()
	})
}

// dropHistory removes all of the past. The lock is held.
func (s *Store) dropHistory() error {
	if s.history.none {
		return nil
	}
	s.history.none = true
	return s.fatal.do(func() error {
		for _, tag := range []byte{beginsTag, historyTag} {
			if err := s.db.DeleteRange([]byte{tag}, []byte{tag + 1}, pebble.NoSync); err != nil {
				return fmt.Errorf("write to database: %w", err)
			}
		}
		return nil
	})
}

// cutter has the past of inventories begin later.
type cutter struct {
	writer
	cuts int
}

// apply makes the cuts.
func (c *cutter) apply() error {
	if c.err != nil || c.cuts == 0 {
		return cmp.Or(c.err, c.batch.Close())
	}
	if err := c.store.db.Apply(c.batch, pebble.Sync); err != nil {
		return fmt.Errorf("write to database: %w", err)
	}
	return c.batch.Close()
}

// forgetGone lets go of when single projects were removed before a time: new ones of any name begin
// after the last of those.
func (c *cutter) forgetGone(before int64) {
	old, last := c.store.history.removedBefore(before)
	if len(old) == 0 {
		return
	}
	for _, project := range old {
		c.remove(goneKey(project))
	}
	c.gone("", last)
	c.cuts++
}

// cut has the past of an inventory begin after a batch.
func (c *cutter) cut(inventory uint32, at journal.Point) {
	if at != c.begins(inventory) {
		if kept, _, on := c.store.history.keptCounts(); on && at.Time >= kept.counted { // it was not counted
			c.restartCounts(inventory, at)
		}
		c.begin(inventory, at)
		c.cuts++
	}
}

// begins returns after which batch the past of an inventory is kept.
func (c *cutter) begins(inventory uint32) journal.Point {
	at, _ := c.store.history.of(inventory)
	return at
}

// iterator returns one over what is kept of an inventory.
func (c *cutter) iterator(inventory uint32) (*pebble.Iterator, error) {
	it, err := c.store.db.NewIter(&pebble.IterOptions{
		LowerBound: appendHistoryKey(nil, inventory, c.begins(inventory).Seq+1, 0), UpperBound: beyond(historyTag, inventory),
	})
	if err != nil {
		return nil, fmt.Errorf("read database: %w", err)
	}
	return it, nil
}

// tooOld cuts what is before a time.
func (c *cutter) tooOld(before int64) error {
	looks, h := 0, &c.store.history
	for _, n := range c.store.inventories {
		oldest, known := h.oldest[n]
		if known && oldest >= before-c.store.opts.History.Microseconds()/pruneSlack {
			continue
		}
		if looks++; !known && looks > pruneLooks {
			continue
		}
		if err := c.tooOldIn(n, before); err != nil {
			return err
		}
	}
	return nil
}

// tooOldIn is tooOld of one inventory.
func (c *cutter) tooOldIn(n uint32, before int64) error {
	it, err := c.iterator(n)
	if err != nil {
		return err
	}
	at, err := lastBefore(context.Background(), it, n, c.begins(n), before)
	if err == nil && it.SeekGE(appendHistoryKey(nil, n, at.Seq+1, 0)) {
		var p journal.Past
		if p, err = readPart(it.Key(), it.Value(), false); err == nil {
			defer func() { c.store.history.oldest[n] = p.Time }() // after the cut, which forgets it
		}
	}
	if closed := it.Close(); err == nil {
		err = closed
	}
	if err == nil {
		c.cut(n, at)
	}
	return err
}

// PastUsage returns about how many bytes of the disk what batches changed takes, and how many counts in the course of
// time do, of what is in tables.
func (s *Store) PastUsage() (history, counts uint64, err error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	if s.history.ended() {
		return 0, 0, errClosed
	}
	if err := s.fatal.ended(); err != nil {
		return 0, 0, err
	}
	for tag, bytes := range map[byte]*uint64{historyTag: &history, countsTag: &counts} {
		*bytes, err = result(s.fatal, func() (uint64, error) { return s.db.EstimateDiskUsage([]byte{tag}, []byte{tag + 1}) })
		if err != nil {
			return 0, 0, fmt.Errorf("read database: %w", err)
		}
	}
	return history, counts, nil
}

// usage is how many bytes of the disk the past of an inventory takes about, up to a batch.
type usage struct {
	inventory uint32
	bytes     uint64
}

func (c *cutter) usage(inventory uint32, to []byte) (uint64, error) {
	from := appendHistoryKey(nil, inventory, c.begins(inventory).Seq+1, 0)
	bytes, err := c.store.db.EstimateDiskUsage(from, to)
	if err != nil {
		return 0, fmt.Errorf("read database: %w", err)
	}
	return bytes, nil
}

// tooMuch cuts so much that what is left takes no more than so many bytes: of those that have the most.
func (c *cutter) tooMuch(most uint64) error {
	var all []usage
	total := uint64(0)
	for _, n := range c.store.inventories {
		bytes, err := c.usage(n, beyond(historyTag, n))
		if err != nil {
			return err
		}
		all = append(all, usage{n, bytes})
		total += bytes
	}
	slices.SortFunc(all, func(a, b usage) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, u := range all {
		if total <= most || u.bytes == 0 {
			return nil
		}
		freed, err := c.shorten(u, total-most+most/16)
		if err != nil {
			return err
		}
		total -= freed
	}
	return nil
}

// shorten cuts the oldest of an inventory, about so many bytes, or all that there is.
func (c *cutter) shorten(u usage, bytes uint64) (freed uint64, err error) {
	it, err := c.iterator(u.inventory)
	if err != nil {
		return 0, err
	}
	defer func() { err = cmp.Or(err, it.Close()) }()
	if !it.Last() {
		return 0, it.Error()
	}
	newest, err := readPart(it.Key(), it.Value(), false)
	if err != nil {
		return 0, err
	}
	lo, hi := c.begins(u.inventory).Seq, newest.Seq // up to hi it is enough, or all
	for lo+1 < hi {
		mid := lo + (hi-lo)/2
		to, err := c.usage(u.inventory, appendHistoryKey(nil, u.inventory, mid+1, 0))
		if err != nil {
			return 0, err
		}
		if to >= bytes {
			hi = mid
		} else {
			lo = mid
		}
	}
	if freed, err = c.usage(u.inventory, appendHistoryKey(nil, u.inventory, hi+1, 0)); err != nil {
		return 0, err
	}
	if !it.SeekLT(appendHistoryKey(nil, u.inventory, hi+1, 0)) {
		return 0, it.Error() // nothing is that old
	}
	last, err := readPart(it.Key(), it.Value(), false)
	if err == nil {
		c.cut(u.inventory, last.Point)
	}
	return freed, err
}

const (
	// historyWorth is how many bytes of the past are worth giving up for room.
	historyWorth = 1 << 20
	// giveUpAfter is how far apart it is given up: the room comes a little later.
	giveUpAfter = 10 * time.Second
)

// giveUpHistory gives up the older half of the past where the disk has no room for writes. It says whether it
// did, and waits a moment for the room.
func (s *Store) giveUpHistory() bool {
	if !s.mu.TryLock() { // a commit has it, which may take as long as the disk does
		return false
	}
	defer s.mu.Unlock()
	if s.closed || s.resting != nil || !s.keeps() || s.floor.now().Sub(s.history.given) < giveUpAfter {
		return false
	}
	s.history.given = s.floor.now()
	free, err := s.opts.fs.GetDiskUsage(s.dir.path)
	if err != nil {
		return false
	}
	given := uint64(0)
	err = s.fatal.do(func() error {
		total, err := s.db.EstimateDiskUsage([]byte{historyTag}, []byte{historyTag + 1})
		if err != nil || total < historyWorth {
			return err
		}
		c := cutter{writer: writer{store: s, batch: s.db.NewBatch()}}
		if err := cmp.Or(c.tooMuch(total/2), c.apply()); err != nil {
			return err
		}
		given = total / 2
		if err := s.db.Flush(); err != nil {
			return fmt.Errorf("write to database: %w", err)
		}
		// Tables that have other records, too, are written anew without what was cut.
		return s.db.Compact(context.Background(), []byte{historyTag}, []byte{historyTag + 1}, false)
	})
	if err != nil {
		s.opts.Log.Warn("disk: the past cannot be given up for room", "problem", err)
	}
	if given == 0 {
		return false
	}
	s.opts.Log.Warn("disk: the older half of what is kept of the past was given up for room", "bytes", given)
	for range 20 {
		if now, err := s.opts.fs.GetDiskUsage(s.dir.path); err != nil || now.AvailBytes >= free.AvailBytes+given/2 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return true
}
