package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"portolan/engine"
	"portolan/engine/journal"
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
		r := countsReader{ctx: ctx, it: it, inventory: n, q: &q, f: f}
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
	q         *journal.CountsQuery
	f         func(*journal.Counts) error
}

// severalParts is how many bytes a record has at least that is not the last one of its hour.
const severalParts = 4 << 10

// read reads those of hours or of days from one time to another.
func (r *countsReader) read(kind countsKind, from, to int64) error {
	if from >= to {
		return nil
	}
	begin, end := journal.CountsPlace{Section: r.q.Section, First: r.q.Lo}, journal.CountsPlace{Section: r.q.Section, First: r.q.Hi}
	if r.q.Each {
		begin, end = journal.CountsPlace{}, journal.CountsPlace{Section: math.MaxUint16, First: math.MaxUint32}
	}
	if r.q.Each || r.q.Section > 0 {
		kind = kind.each()
	}
	r.it.SetBounds(r.key(kind, from, journal.CountsPlace{}), r.key(kind, to, journal.CountsPlace{}))
	seen := int64(-1)
	for n, ok := 0, r.it.First(); ok; n++ {
		if n%256 == 0 && r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		key := r.it.Key()
		if len(key) != countsBytes {
			return fmt.Errorf("%w at key %x: the key is of no counts", errDamaged, key)
		}
		place := countsPlace(key)
		if at := int64(binary.BigEndian.Uint32(key[keyBytes+1:])) * kind.span(); at != seen {
			seen = at
			if less(place, begin) && len(r.it.Value()) >= severalParts {
				// Where they begin, another part may be, which begins there or before.
				ok = r.it.SeekLT(r.key(kind, at, journal.CountsPlace{Section: begin.Section, First: begin.First + 1}))
				continue
			}
		}
		if less(end, place) {
			ok = r.it.SeekGE(r.key(kind, seen+kind.span(), journal.CountsPlace{}))
			continue
		}
		p, err := readCounts(key, r.it.Value())
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

func (r *countsReader) key(kind countsKind, at int64, place journal.CountsPlace) []byte {
	return appendCountsKey(nil, r.inventory, kind, at, place)
}

func less(a, b journal.CountsPlace) bool {
	return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.First, b.First)) < 0
}
