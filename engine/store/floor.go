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

// check says why nothing may be written, and whether the disk was asked just now. What cannot
// be asked is taken for enough.
func (f *floor) check() (asked bool, err error) {
	if asked = f.due(); asked {
		f.reason.Store(f.ask())
	}
	if reason := f.reason.Load(); reason != nil {
		err = *reason
	}
	return asked, err
}

// due says whether the disk is to be asked again, and counts as asking.
func (f *floor) due() bool {
	now, last := f.now().UnixNano(), f.asked.Load()
	return now-last >= int64(askAfter) && f.asked.CompareAndSwap(last, now)
}

// half says whether half of what is kept free is.
func (f *floor) half() bool {
	usage, err := f.fs.GetDiskUsage(f.path)
	return err != nil || f.isHalf(usage.AvailBytes)
}

// isHalf says whether so much free is half of what is kept free. Nothing never is.
func (f *floor) isHalf(free uint64) bool { return free >= f.least-f.least/2 }

// Write takes what is about to be written to the disk, if there is room for it.
func (f *floor) Write(p []byte) (int, error) {
	if err := f.checkNow(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// checkNow is check for when something was given up.
func (f *floor) checkNow() error {
	f.asked.Store(0)
	_, err := f.check()
	return err
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
