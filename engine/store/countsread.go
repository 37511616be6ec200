package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"portolan/engine"
	"portolan/engine/journal"
	"portolan/index"
)

// walk calls f with an iterator over the counts of an inventory, which nothing closes the database under.
func (s *Store) walk(inventory uint32, f func(it *pebble.Iterator) error) error {
	s.reading.RLock()
	defer s.reading.RUnlock()
	if s.history.ended() {
		return errClosed
	}
	if err := s.fatal.ended(); err != nil {
		return err
	}
	return s.fatal.do(func() (err error) {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendKey(nil, countsTag, inventory), UpperBound: beyond(countsTag, inventory)})
		if err != nil {
			return fmt.Errorf("read database: %w", err)
		}
		defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
		return f(it)
	})
}

// Counted implements [journal.CountKeeper].
func (s *Store) Counted() journal.Point {
	kept, seq, on := s.history.keptCounts()
	if !on {
		return journal.Point{}
	}
	return journal.Point{Seq: seq, Time: kept.counted}
}

// CountsBegin implements [journal.CountKeeper].
func (s *Store) CountsBegin(project string, category engine.Category) (begins journal.Point, hourly int64) {
	n, known, _ := s.history.find(project, category)
	if !known {
		return s.history.removed(project), 0
	}
	return s.history.countsBegin(n)
}

// Counts implements [journal.CountKeeper].
func (s *Store) Counts(ctx context.Context, q journal.CountsQuery, f func(*journal.Counts) error) error {
	n, known, _ := s.history.find(q.Project, q.Category)
	if !known {
		return nil
	}
	kept, _, _ := s.history.keptCounts()
	first, last := q.From, q.From // of the days
	if q.Days {
		first = -dayOf(-q.From)
		last = dayOf(min(q.To, kept.daily))
	}
	if last <= first {
		first, last = q.To, q.To
	}
	return s.walk(n, func(it *pebble.Iterator) error {
		r := countsReader{ctx: ctx, it: it, inventory: n, lo: q.Lo, hi: q.Hi, f: f}
		if err := r.read(ofHour, q.From, min(first, q.To)); err != nil {
			return err
		}
		if err := r.read(ofDay, first, last); err != nil {
			return err
		}
		return r.read(ofHour, last, q.To)
	})
}

// countsReader reads counts of an inventory.
type countsReader struct {
	ctx       context.Context // It lives as long as one call.
	it        *pebble.Iterator
	inventory uint32
	lo, hi    index.Key
	f         func(*journal.Counts) error
}

// severalParts is how many bytes a record may have at least that is not the last one of its hour.
const severalParts = 2 << 10

// read reads those of hours or of days from one time to another.
func (r *countsReader) read(kind byte, from, to int64) error {
	if from >= to {
		return nil
	}
	r.it.SetBounds(appendCountsKey(nil, r.inventory, kind, from, 0), appendCountsKey(nil, r.inventory, kind, to, 0))
	seen := int64(-1)
	for n, ok := 0, r.it.First(); ok; n++ {
		if n%256 == 0 && r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		key := r.it.Key()
		first := index.Key(binary.BigEndian.Uint32(key[len(key)-4:]))
		at := int64(binary.BigEndian.Uint32(key[keyBytes+1:])) * spanOf(kind)
		if at != seen && first < r.lo && len(r.it.Value()) >= severalParts { // the one that has it may be another
			seen = at
			ok = r.it.SeekLT(appendCountsKey(nil, r.inventory, kind, at, r.lo+1))
			continue
		}
		if seen = at; first > r.hi {
			ok = r.it.SeekGE(appendCountsKey(nil, r.inventory, kind, at+spanOf(kind), 0))
			continue
		}
		p, _, err := readCounts(key, r.it.Value())
		if err == nil {
			err = r.f(&p)
		}
		if err != nil {
			return err
		}
		ok = r.it.Next()
	}
	return nil
}
