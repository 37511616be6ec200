package store

import (
	"context"
	"errors"
	"fmt"

	"portolan/engine"
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
	all := &verifier{Store: s}
	if err := e.Attach(ctx, all); err != nil || len(all.faults) > 0 {
		return v, errors.Join(append(all.faults, err)...)
	}
	if err := e.Check(ctx); err != nil {
		return v, err
	}
	v.Sequence, v.Inventories = all.seq, len(s.inventories)
	v.Stats, err = e.Stats()
	return v, err
}

// verifier loads a store and goes on after damage.
type verifier struct {
	*Store
	seq    uint64
	faults []error
}

func (v *verifier) fault(err error) (full bool) {
	if err != nil && len(v.faults) < maxFaults {
		v.faults = append(v.faults, err)
	}
	return len(v.faults) == maxFaults
}

// Load implements [engine.Journal].
func (v *verifier) Load(ctx context.Context, into *engine.Loader) (uint64, error) {
	err := v.fatal.do(func() error {
		seq, contents, err := v.contents()
		if err != nil {
			return err
		}
		v.fault(v.witness.check(seq))
		v.seq = seq
		p := progress{tell: v.opts.Progress}
		for i := range contents {
			p.total += contents[i].mark.Assets
		}
		for i := range contents {
			filling, err := into.Inventory(contents[i].mark)
			if err != nil {
				return err
			}
			if err := v.verify(ctx, contents[i].number, filling, &p); err != nil {
				return err
			}
		}
		return nil
	})
	return v.seq, err
}

// verify walks the assets of an inventory.
func (v *verifier) verify(ctx context.Context, number uint32, into *engine.Filling, p *progress) (err error) {
	pairs, err := v.pairs(number)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pairs.close()) }()
	for n := 0; ; n++ {
		if n%chunkAssets == 0 {
			if n > 0 {
				p.add(chunkAssets)
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
		if v.fault(err) {
			return errors.New("there may be more faults")
		}
	}
}
