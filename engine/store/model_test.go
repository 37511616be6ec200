package store

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// mortal is an engine on a disk in memory, that ends well or in a power cut.
type mortal struct {
	durable
	open func(disk *vfs.MemFS) (durable, error)
	disk *vfs.MemFS
}

// Reopen implements [enginetest.Reopener].
func (m *mortal) Reopen(dice func(n int) int) (from uint64, err error) {
	switch dice(4) {
	case 0: // the power is cut
		cut := vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * dice(3), RNG: rand.New(rand.NewPCG(uint64(dice(1<<20)), 3))}
		disk := m.disk.CrashClone(cut)
		err = m.Close()
		m.disk = disk
	case 1: // the image is lost
		if err = m.Close(); err == nil {
			err = m.disk.RemoveAll(m.disk.PathJoin("data", imageName))
		}
	default:
		err = m.Close()
	}
	if err != nil {
		return 0, err
	}
	if m.durable, err = m.open(m.disk); err != nil {
		return 0, err
	}
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	return m.store.seq, nil
}

// TestModel makes random histories with engines that are opened again now and then: on what
// was kept when they were closed, without the image, or after a power cut.
func TestModel(t *testing.T) {
	if racing {
		t.Skip("Pebble checks itself under the race detector, and takes 30 ms to open")
	}
	enginetest.Model(t, func(opts *engine.Options) enginetest.Engine {
		m := &mortal{disk: vfs.NewCrashableMem()}
		m.open = func(disk *vfs.MemFS) (d durable, err error) {
			if d.store, err = Open("data", &Options{fs: disk}); err != nil {
				return d, err
			}
			if d.Engine, err = engine.Open(opts); err != nil {
				return d, err
			}
			err = d.Attach(context.Background(), d.store)
			return d, err
		}
		var err error
		m.durable, err = m.open(m.disk)
		must(t, err)
		return m
	})
}
