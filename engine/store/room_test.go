package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"portolan/engine"
)

// small is a disk of so many bytes, of which all files take some, and something else the rest.
type small struct {
	vfs.FS
	total uint64
	other atomic.Uint64
	least atomic.Uint64 // the least that was free when the disk was asked
}

func newSmall(disk vfs.FS) *small {
	s := &small{FS: disk, total: 1 << 30}
	s.least.Store(s.total)
	return s
}

func (s *small) GetDiskUsage(string) (vfs.DiskUsage, error) {
	u := vfs.DiskUsage{TotalBytes: s.total, AvailBytes: s.free()}
	s.least.Store(min(s.least.Load(), u.AvailBytes))
	return u, nil
}

func (s *small) free() uint64 {
	taken := s.other.Load() + s.size("data") + s.size("data/db")
	return s.total - min(taken, s.total)
}

func (s *small) size(dir string) (sum uint64) {
	names, _ := s.List(dir)
	for _, name := range names {
		if info, err := s.Stat(s.PathJoin(dir, name)); err == nil && !info.IsDir() {
			sum += uint64(info.Size())
		}
	}
	return sum
}

// tables returns how many bytes the tables of the database take.
func tables(t *testing.T, disk vfs.FS) (sum uint64) {
	t.Helper()
	names, err := disk.List("data/db")
	must(t, err)
	for _, name := range names {
		if info, err := disk.Stat("data/db/" + name); err == nil && strings.HasSuffix(name, ".sst") {
			sum += uint64(info.Size())
		}
	}
	return sum
}

// large applies so many reports that their log is larger than what is written regardless.
func large(t *testing.T, d durable, from int) {
	t.Helper()
	reports := make([]engine.Report, 10_000)
	rng := rand.NewChaCha8([32]byte{byte(from), byte(from >> 8)})
	for i := range reports {
		r := numbered(from + i)
		var name [120]byte
		_, _ = rng.Read(name[:]) // it never fails
		r.Asset, r.Name = fmt.Sprint("asset-", from+i), hex.EncodeToString(name[:])
		reports[i] = r
	}
	_, err := d.Apply(t.Context(), reports)
	must(t, err)
}

// TestStartWithoutRoom: where recovery would not leave the floor free, nothing is written:
// questions are answered and backups made, writes say why not, until there is room.
func TestStartWithoutRoom(t *testing.T) {
	const floor = 8 << 20
	disk := vfs.NewCrashableMem()
	d := openOn(t, "data", &Options{fs: disk}, nil)
	large(t, d, 1)
	want := mustWhole(t, d.Engine)
	cut := disk.CrashClone(vfs.CrashCloneCfg{})
	must(t, d.Close())

	crowd := newSmall(cut)
	stray, err := cut.Create("data/db/900001.sst", vfs.WriteCategoryUnspecified) // as a start before has left it
	must(t, err)
	_, err = stray.Write(make([]byte, 1<<20))
	must(t, err, stray.Close())
	taken := crowd.size("data") + crowd.size("data/db")
	crowd.other.Store(crowd.total - taken - floor - 1<<20) // a little more than the floor is free
	d = openOn(t, "data", &Options{fs: crowd, MinFree: floor}, nil)
	now := time.Now()
	d.store.floor.now = func() time.Time { return now }
	for range 3 {
		now = now.Add(askAfter)
		_, err := d.Apply(t.Context(), []engine.Report{numbered(1)})
		_, err2 := d.Remove(t.Context(), "p1", engine.Host, "a1")
		for _, err := range []error{err, err2, d.Writable(t.Context())} {
			if !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), "8 MiB are kept free, and what is in logs") {
				t.Fatalf("error %v", err)
			}
		}
	}
	if got := mustWhole(t, d.Engine); got != want || tables(t, cut) > 0 || crowd.least.Load() < floor {
		t.Errorf("%d bytes of tables, %d free; answers\n%s\nwant\n%s", tables(t, cut), crowd.least.Load(), got, want)
	}
	wantBackup(t, want, func(to *bytes.Buffer) error { return d.store.Backup(t.Context(), to) })
	must(t, d.Close())
	if tables(t, cut) > 0 {
		t.Error("closing has written tables")
	}

	d = openOn(t, "data", &Options{fs: crowd, MinFree: floor}, nil)
	crowd.other.Store(0)
	d.store.floor.now = func() time.Time { return now.Add(time.Hour) }
	result, err := d.Apply(t.Context(), []engine.Report{numbered(4)})
	if err != nil || result.Sequence <= 1 {
		t.Fatalf("with room again: %+v, %v", result, err)
	}
	want = mustWhole(t, d.Engine)
	must(t, d.Close())
	d = openOn(t, "data", &Options{fs: cut}, nil)
	wantKnown(t, d, 1, true)
	wantKnown(t, d, 2, false) // the power cut took the witness, too
	wantKnown(t, d, result.Sequence, true)
	if got := mustWhole(t, d.Engine); got != want {
		t.Errorf("opened again:\n%s\nwant\n%s", got, want)
	}
	must(t, d.Close())
}

// wantBackup unpacks a backup and holds its answers against what is wanted.
func wantBackup(t *testing.T, want string, backup func(to *bytes.Buffer) error) {
	t.Helper()
	var archive bytes.Buffer
	must(t, backup(&archive))
	path := filepath.Join(t.TempDir(), "data")
	_, err := Unpack(t.Context(), path, &archive, nil)
	must(t, err)
	if got, err := recovered(t, path); err != nil || got != want {
		t.Errorf("the backup:\n%s\n%v, want\n%s", got, err, want)
	}
}

// TestAwakeFails: a database that cannot be opened for writing, when there is room again, has
// ended: what was loaded is answered from, backed up and closed as ever, and the directory is
// as sound as it was.
func TestAwakeFails(t *testing.T) {
	const floor = 8 << 20
	disk := vfs.NewCrashableMem()
	d := openOn(t, "data", &Options{fs: disk}, nil)
	large(t, d, 1)
	want, plain := mustWhole(t, d.Engine), answers(t, d.Engine)
	cut := disk.CrashClone(vfs.CrashCloneCfg{})
	must(t, d.Close())

	for _, kind := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpRename} {
		again := cut.CrashClone(vfs.CrashCloneCfg{})
		var broken atomic.Bool
		crowd := newSmall(errorfs.Wrap(again, switched{&broken, kind}))
		crowd.other.Store(crowd.total - crowd.size("data") - crowd.size("data/db") - floor - 1<<20)
		d = openOn(t, "data", &Options{fs: crowd, MinFree: floor}, nil)
		broken.Store(true)
		crowd.other.Store(0)
		d.store.floor.now = func() time.Time { return time.Now().Add(time.Hour) }
		for range 2 {
			if _, err := d.Apply(t.Context(), []engine.Report{numbered(1)}); !errors.Is(err, engine.ErrReadOnly) {
				t.Fatalf("error %v, want %v", err, engine.ErrReadOnly)
			}
		}
		if err := d.store.Backup(t.Context(), new(bytes.Buffer)); err == nil {
			t.Error("a backup of a store that has ended")
		}
		if got := answers(t, d.Engine); got != plain { // the past is on the disk only
			t.Errorf("answers\n%s\nwant\n%s", got, plain)
		}
		wantBackup(t, plain, func(to *bytes.Buffer) error { return BackupOf(t.Context(), d.Engine, to, nil) })
		must(t, d.Engine.Close())
		if err := d.store.Close(); !errors.Is(err, engine.ErrReadOnly) {
			t.Errorf("closed: %v", err)
		}
		d = openOn(t, "data", &Options{fs: again.CrashClone(vfs.CrashCloneCfg{})}, nil)
		if got := mustWhole(t, d.Engine); got != want {
			t.Errorf("opened again:\n%s\nwant\n%s", got, want)
		}
		must(t, d.Close())
	}
}

// switched is a disk on which one kind of operation fails once it is broken.
type switched struct {
	broken *atomic.Bool
	kind   errorfs.OpKind
}

func (s switched) String() string { return "switched" }

// MaybeError implements [errorfs.Injector].
func (s switched) MaybeError(op errorfs.Op) error {
	if s.broken.Load() && op.Kind == s.kind {
		return syscall.EIO
	}
	return nil
}

// TestLittleRoom: with little in the logs, and less free than the floor, removals are taken;
// with less than half of it nothing is written at all.
func TestLittleRoom(t *testing.T) {
	const floor = 8 << 20
	disk := vfs.NewMem()
	crowd := newSmall(disk)
	d := openOn(t, "data", &Options{fs: crowd, MinFree: floor}, nil)
	_, err := d.Apply(t.Context(), []engine.Report{numbered(1), numbered(3)})
	must(t, err, d.Close())
	leave := func(free uint64) { crowd.other.Store(crowd.total - crowd.size("data") - crowd.size("data/db") - free) }

	leave(floor - 1<<20)
	d = openOn(t, "data", &Options{fs: crowd, MinFree: floor}, nil)
	if _, err := d.Apply(t.Context(), []engine.Report{numbered(5)}); !errors.Is(err, engine.ErrRefused) {
		t.Errorf("below the floor: %v", err)
	}
	_, err = d.Remove(t.Context(), "p1", engine.Host, "a1")
	must(t, err, d.Close())

	leave(floor/2 - 1<<20)
	d = openOn(t, "data", &Options{fs: crowd, MinFree: floor}, nil)
	before := crowd.free()
	if _, err := d.Remove(t.Context(), "p1", engine.Host, "a3"); !errors.Is(err, engine.ErrRefused) {
		t.Errorf("below half of the floor: %v", err)
	}
	if after := crowd.free(); after < before {
		t.Errorf("%d bytes were written", before-after)
	}
	if stats, err := d.Stats(); err != nil || stats.Assets != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	must(t, d.Close())
}

// TestLogsGivenUp: at the floor, logs that are kept to be used again go, and so does what can
// be written to tables; then there is room again, and the store goes on.
func TestLogsGivenUp(t *testing.T) {
	const floor = 8 << 20
	disk := vfs.NewCrashableMem()
	crowd := newSmall(disk)
	d := openOn(t, "data", &Options{fs: crowd, MinFree: floor}, nil)
	now := time.Now()
	d.store.floor.now = func() time.Time { return now }
	for n := range 3 {
		large(t, d, 1+n*10_000)
		must(t, d.store.db.Flush())
	}
	large(t, d, 40_000)
	crowd.other.Store(crowd.total - crowd.size("data") - crowd.size("data/db") - floor + 1)
	now = now.Add(askAfter)
	before := crowd.free()
	if before >= floor {
		t.Fatalf("%d bytes are free", before)
	}
	result, err := d.Apply(t.Context(), []engine.Report{numbered(1)})
	if after := crowd.free(); err != nil || after < before+2<<20 {
		t.Errorf("%v; %d bytes were free, then %d", err, before, after)
	}
	for n := range 4 { // logs are made where there is none to be used again
		large(t, d, 50_000+n*10_000)
		must(t, d.store.db.Flush())
	}
	want := mustWhole(t, d.Engine)
	cut := disk.CrashClone(vfs.CrashCloneCfg{})
	must(t, d.Close())
	again := openOn(t, "data", &Options{fs: cut}, nil)
	if got := mustWhole(t, again.Engine); got != want || again.store.Sequence() != result.Sequence+4 {
		t.Errorf("batch %d:\n%s\nwant\n%s", again.store.Sequence(), got, want)
	}
	must(t, again.Check(t.Context()), again.Close())
}

// TestFailedStarts: a start that fails for want of room leaves no more than it found, however
// often, and none of what it left is needed.
func TestFailedStarts(t *testing.T) {
	disk := vfs.NewCrashableMem()
	d := openOn(t, "data", &Options{fs: disk}, nil)
	large(t, d, 1)
	want := mustWhole(t, d.Engine)
	cut := disk.CrashClone(vfs.CrashCloneCfg{})
	must(t, d.Close())
	most := uint64(0)
	for n := range 6 {
		full := &noMore{}
		full.left.Store(int64(1000 * n * n))
		if s, err := Open("data", &Options{fs: errorfs.Wrap(cut, full), MinFree: 1}); err == nil {
			e, err := engine.Open(nil)
			must(t, err)
			_ = e.Attach(context.Background(), s)
			_ = e.Close()
			_ = s.Close()
		}
		cut = cut.CrashClone(vfs.CrashCloneCfg{}) // the lock of one that was halted stays
		left := tables(t, cut)
		if most = max(most, left); n > 0 && left > 2<<20 {
			t.Errorf("start %d has left %d bytes of tables", n, left)
		}
	}
	d = openOn(t, "data", &Options{fs: cut}, nil)
	if got := mustWhole(t, d.Engine); got != want {
		t.Errorf("after failed starts:\n%s\nwant\n%s", got, want)
	}
	must(t, d.Close())
}

// noMore is a disk that takes so many bytes more of tables.
type noMore struct{ left atomic.Int64 }

func (n *noMore) String() string { return "no more" }

// MaybeError implements [errorfs.Injector].
func (n *noMore) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst") && n.left.Add(-4096) < 0 {
		return syscall.ENOSPC
	}
	return nil
}

// TestSweep: tables that are not the database's go when it is opened.
func TestSweep(t *testing.T) {
	path, want := imaged(t, history{7}, 20)
	write(t, strings.Repeat("x", 1000), path, databaseName, "900001.sst")
	write(t, "mine", path, databaseName, "notes.sst.txt")
	if _, err := Verify(t.Context(), path, nil); err != nil || !strings.Contains(listing(t, path), "900001.sst") {
		t.Errorf("looking changes nothing: %v", err)
	}
	d := openOn(t, path, nil, nil)
	if got := mustWhole(t, d.Engine); got != want || strings.Contains(listing(t, path), "900001.sst") {
		t.Errorf("%s\n%s\nwant\n%s", listing(t, path), got, want)
	}
	must(t, d.Close())
}

// TestImageKeepsTheFloor: an image ends where the disk would be left with too little.
func TestImageKeepsTheFloor(t *testing.T) {
	const floor = 8 << 20
	disk := vfs.NewMem()
	crowd := newSmall(disk)
	d := openOn(t, "data", &Options{fs: crowd, MinFree: floor}, nil)
	large(t, d, 1)
	large(t, d, 20_000)
	must(t, d.store.db.Flush())
	crowd.other.Store(crowd.total - crowd.size("data") - crowd.size("data/db") - floor - 1<<20)
	crowd.least.Store(crowd.total)
	must(t, d.Engine.Close())
	const step = 1 << 18 // that are written at once
	if least := crowd.least.Load(); least < floor-step {
		t.Errorf("%d bytes were free", least)
	}
	for _, name := range []string{imageName, imageDraft} {
		if _, err := disk.Stat("data/" + name); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	must(t, d.store.Close())
}
