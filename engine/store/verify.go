package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"portolan/engine"
	"portolan/engine/journal"
)

// maxFaults is how many faults Verify reports.
const maxFaults = 32

// Verified is what a data directory holds that was found to be sound.
type Verified struct {
	Sequence    uint64 // of the last batch
	Inventories int
	Stats       engine.Stats
}

// Verify reads every block and every record of a data directory, makes the bitmaps anew
// and holds them against the assets. It changes nothing. No process may have the
// directory. The error names everything that is damaged, up to 32 faults, and where.
func Verify(ctx context.Context, path string, opts *Options) (v Verified, err error) {
	s, err := open(path, opts, true)
	if err != nil {
		return v, err
	}
	v, err = s.verify(ctx)
	if closed := s.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func (s *Store) verify(ctx context.Context) (v Verified, err error) {
	if err := s.fatal.do(func() error { return s.db.CheckLevels(nil) }); err != nil {
		return v, fmt.Errorf("check database: %w", err)
	}
	e, err := engine.Open(nil)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	j := &verifier{Store: s}
	if err := e.Attach(ctx, j); err != nil {
		return v, err
	}
	if err := e.Check(ctx); err != nil {
		return v, err
	}
	v.Sequence, v.Inventories = j.seq, len(s.inventories)
	v.Stats, err = e.Stats()
	return v, err
}

// verifier loads a store and goes on after damage.
type verifier struct {
	*Store
	seq uint64
}

// Load implements [journal.Log]. Its error has all faults.
func (v *verifier) Load(ctx context.Context, into journal.Loader) (seq uint64, err error) {
	v.seq, err = result(v.fatal, func() (uint64, error) {
		k, err := v.contents()
		if err != nil {
			return 0, err
		}
		w := walker{store: v.Store, progress: progress{tell: v.opts.Progress}}
		w.fault(v.witness.check(k.last.Seq, v.Store))
		for i := range k.list {
			w.progress.total += k.list[i].mark.Assets
		}
		for i := range k.list {
			filling, err := into.Inventory(k.list[i].mark)
			if err == nil {
				err = w.walk(ctx, k.list[i].number, filling)
			}
			if err != nil {
				return 0, errors.Join(append(w.faults, err)...)
			}
		}
		if err := w.past(ctx, k.last.Seq); err != nil {
			return 0, errors.Join(append(w.faults, err)...)
		}
		if err := w.counts(ctx, k.last.Time); err != nil {
			return 0, errors.Join(append(w.faults, err)...)
		}
		return max(k.last.Seq, k.lineage.base()), errors.Join(w.faults...)
	})
	return v.seq, err
}

// walker collects what is wrong with the assets of inventories.
type walker struct {
	store    *Store
	progress progress
	faults   []error
}

func (w *walker) fault(err error) (full bool) {
	if err != nil && len(w.faults) < maxFaults {
		w.faults = append(w.faults, err)
	}
	return len(w.faults) == maxFaults
}

// walk walks the assets of an inventory. The error is not about one of them.
func (w *walker) walk(ctx context.Context, number uint32, into journal.Filling) (err error) {
	pairs, err := w.store.pairs(number)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pairs.close()) }()
	for n := 0; ; n++ {
		if n%chunkAssets == 0 {
			if n > 0 {
				w.progress.add(chunkAssets)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		more, err := pairs.next()
		if !more {
			return err
		}
		if err == nil {
			err = into.Add(pairs.id, pairs.state, pairs.times)
		}
		if w.fault(err) {
			return errors.New("there may be more faults")
		}
	}
}

// past walks what is kept of the past of all inventories, up to the last batch. The error is not about one
// of them.
func (w *walker) past(ctx context.Context, last uint64) (err error) {
	it, err := w.store.db.NewIter(&pebble.IterOptions{LowerBound: []byte{historyTag}, UpperBound: []byte{historyTag + 1}})
	if err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
	var before journal.Past
	var inventory []byte
	for n, ok := 0, it.First(); ok; n, ok = n+1, it.Next() {
		if n%chunkAssets == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p, err := readPart(it.Key(), it.Value(), true)
		if err == nil {
			if !bytes.HasPrefix(it.Key(), inventory) || inventory == nil {
				inventory, before = bytes.Clone(it.Key()[:keyBytes]), journal.Past{}
			}
			err = follows(&p, &before, last)
			before = p
		}
		if err == nil {
			if err = engine.CheckPart(p.Part); err != nil {
				err = fmt.Errorf("%w at key %x: %w", errDamaged, it.Key(), err)
			}
		}
		if w.fault(err) {
			return errors.New("there may be more faults")
		}
	}
	return nil
}

// counts walks what is kept of counts, of hours up to the last batch. The error is not about some of them.
func (w *walker) counts(ctx context.Context, last int64) (err error) {
	it, err := w.store.db.NewIter(&pebble.IterOptions{LowerBound: []byte{countsTag}, UpperBound: []byte{countsTag + 1}})
	if err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
	for n, ok := 0, it.First(); ok; n, ok = n+1, it.Next() {
		if n%chunkAssets == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p, err := readCounts(it.Key(), it.Value())
		if err == nil {
			if err = engine.CheckCounts(p); err != nil {
				err = fmt.Errorf("%w at key %x: %w", errDamaged, it.Key(), err)
			}
		}
		if err == nil && p.From > last {
			err = fmt.Errorf("%w at key %x: counts of an hour that is to come", errDamaged, it.Key())
		}
		if w.fault(err) {
			return errors.New("there may be more faults")
		}
	}
	return nil
}

// follows says what is wrong with a part after the one before it.
func follows(p, before *journal.Past, last uint64) error {
	first := uint32(0)
	if p.Seq == before.Seq {
		first = before.End
	}
	switch {
	case p.Seq > last:
		return fmt.Errorf("%w: it tells of batch %d, after the last one, %d", errDamaged, p.Seq, last)
	case p.Time < before.Time && before.Seq > 0:
		return fmt.Errorf("%w: batch %d was made before batch %d", errDamaged, p.Seq, before.Seq)
	case p.First != first:
		return fmt.Errorf("%w: of batch %d, asset %d comes where %d was expected", errDamaged, p.Seq, p.First, first)
	}
	return nil
}
