package store

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DefaultMinFree is how many bytes a disk has left when writes are refused. The database
// needs some room to merge what it has.
const DefaultMinFree = 256 << 20

// floor says when too little of the disk is free. It is there so that the disk never is
// full, which would end the database.
type floor struct {
	fs     vfs.FS
	path   string
	least  uint64
	asked  atomic.Int64 // when the disk was last asked, in nanoseconds of the clock
	reason atomic.Pointer[error]
	now    func() time.Time
}

// askAfter is how long an answer of the disk is believed.
const askAfter = 200 * time.Millisecond

// check says why nothing may be written. What cannot be asked is taken for enough.
func (f *floor) check() error {
	now, last := f.now().UnixNano(), f.asked.Load()
	if now-last >= int64(askAfter) && f.asked.CompareAndSwap(last, now) {
		f.reason.Store(f.ask())
	}
	if err := f.reason.Load(); err != nil {
		return *err
	}
	return nil
}

// checkNow is check for when something was given up.
func (f *floor) checkNow() error {
	f.asked.Store(0)
	return f.check()
}

func (f *floor) ask() *error {
	usage, err := f.fs.GetDiskUsage(f.path)
	if err != nil || usage.AvailBytes >= f.least {
		return nil
	}
	err = fmt.Errorf("the disk of the data directory has %s free, of which %s are kept free", mebibytes(usage.AvailBytes), mebibytes(f.least))
	return &err
}

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }
