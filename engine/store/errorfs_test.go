package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// TestEveryOperationFails makes the n-th operation on the disk that may fail in a way fail,
// for n from 1 until none fails any more. What was acknowledged is there afterwards, and of
// what was not, each batch is there as a whole or not at all.
func TestEveryOperationFails(t *testing.T) {
	step := 1
	if racing || !enginetest.Full() {
		step = 7
	}
	writes := []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpFileWriteAt}
	for name, c := range map[string]struct {
		err   error
		kinds []errorfs.OpKind
	}{
		"a disk that fails":           {syscall.EIO, writes},
		"a disk that fails to sync":   {syscall.EIO, []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}},
		"a disk that is full":         {syscall.ENOSPC, append(writes, errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpMkdirAll)},
		"names that are not taken":    {syscall.EIO, []errorfs.OpKind{errorfs.OpCreate, errorfs.OpRename, errorfs.OpLink, errorfs.OpMkdirAll, errorfs.OpRemove}},
		"a disk that cannot be read":  {syscall.EIO, []errorfs.OpKind{errorfs.OpOpen, errorfs.OpOpenDir, errorfs.OpFileRead, errorfs.OpFileReadAt, errorfs.OpList, errorfs.OpStat}},
		"a disk that fails from then": {syscall.EIO, nil}, // whatever is done
	} {
		t.Run(name, func(t *testing.T) {
			failed := 0
			for n := 1; ; n += step {
				disk := vfs.NewCrashableMem()
				faults := &fault{at: int64(n), err: c.err, kinds: c.kinds}
				least, most := faults.live(t, disk)
				if faults.met.Load() == 0 {
					break
				}
				failed++
				h := history{11}
				h.checkRecovered(t, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, uint64(n)))}), least, most)
			}
			if t.Logf("%d operations failed", failed); failed == 0 {
				t.Error("nothing ever failed")
			}
		})
	}
}

// fault makes one operation fail, or, without kinds, everything from one on.
type fault struct {
	at    int64
	err   error
	kinds []errorfs.OpKind

	seen, met atomic.Int64
}

func (f *fault) String() string { return "fault" }

// MaybeError implements [errorfs.Injector].
func (f *fault) MaybeError(op errorfs.Op) error {
	if f.kinds == nil {
		if op.Kind == errorfs.OpFileClose || f.seen.Add(1) < f.at {
			return nil
		}
		f.met.Add(1)
		return f.err
	}
	for _, kind := range f.kinds {
		if op.Kind == kind && f.seen.Add(1) == f.at {
			f.met.Add(1)
			return f.err
		}
	}
	return nil
}

// live opens a store twice and writes, and returns how many batches were acknowledged and
// begun. Every error must be one: there may be no panic, and nothing may hang.
func (f *fault) live(t *testing.T, disk vfs.FS) (acknowledged, begun uint64) {
	t.Helper()
	h := history{11}
	fs := errorfs.Wrap(disk, f)
	for range 2 {
		s, err := Open("data", &Options{fs: fs})
		if err != nil {
			return acknowledged, begun
		}
		e, err := engine.Open(nil)
		must(t, err)
		if err := e.Attach(context.Background(), s); err != nil {
			_ = s.Close() // it may fail, too
			return acknowledged, begun
		}
		for range 15 {
			begun = acknowledged + 1
			if err := h.step(t.Context(), e, int(begun)); err != nil {
				if !errors.Is(err, engine.ErrReadOnly) && !errors.Is(err, engine.ErrRefused) {
					t.Errorf("operation %d: error %v", f.at, err)
				}
				// Questions are answered from what was acknowledged.
				if got, want := answers(t, e), h.after(t, acknowledged); got != want {
					t.Errorf("operation %d: after %d batches:\n%s\nwant\n%s", f.at, acknowledged, got, want)
				}
				must(t, e.Close())
				_ = s.Close()
				return acknowledged, begun
			}
			acknowledged = begun
		}
		must(t, e.Close())
		if err := s.Close(); err != nil {
			return acknowledged, begun
		}
	}
	return acknowledged, begun
}
