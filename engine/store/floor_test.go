package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
)

// TestFreeSpaceFloor: writes are refused while too little is free, with nothing changed,
// and taken again when there is more. Questions are answered all the time.
func TestFreeSpaceFloor(t *testing.T) {
	disk := vfs.NewMem()
	d := openOn(t, "data", &Options{fs: disk}, nil)
	now := time.Now()
	d.store.floor.now = func() time.Time { return now }
	free := func(bytes uint64) {
		disk.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40, AvailBytes: bytes})
		now = now.Add(askAfter)
	}
	h := history{5}
	free(DefaultMinFree)
	must(t, h.step(t.Context(), d.Engine, 1))
	free(DefaultMinFree - 1)
	for range 3 {
		_, err := d.Apply(t.Context(), []engine.Report{numbered(9)})
		if !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), "255 MiB free, of which 256 MiB are kept free") {
			t.Fatalf("error %v, want %v", err, engine.ErrRefused)
		}
	}
	free(DefaultMinFree/2 - 1)
	if n, err := d.Remove(t.Context(), "p1", engine.Host, "a1"); n.Removed != 0 || !errors.Is(err, engine.ErrRefused) {
		t.Fatalf("removed %d, %v", n.Removed, err)
	}
	if got, want := answers(t, d.Engine), h.after(t, 1); got != want {
		t.Errorf("after refusals:\n%s\nwant\n%s", got, want)
	}
	free(DefaultMinFree)
	must(t, h.step(t.Context(), d.Engine, 2))
	must(t, d.Check(t.Context()), d.Close())
	again := openOn(t, "data", &Options{fs: disk, MinFree: DefaultMinFree * 2}, nil)
	if got, want := answers(t, again.Engine), h.after(t, 2); got != want {
		t.Errorf("opened again:\n%s\nwant\n%s", got, want)
	}
	again.store.floor.now = func() time.Time { return now.Add(time.Hour) }
	if err := again.store.Ready(false); err == nil || !strings.Contains(err.Error(), "512 MiB are kept") {
		t.Errorf("with another floor: %v", err)
	}
	must(t, again.Close())
}

// TestSmallestFloor: where all that is kept free is a byte, a disk that has none takes nothing, also no removal.
func TestSmallestFloor(t *testing.T) {
	disk := vfs.NewMem()
	free := func(bytes uint64) { disk.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40, AvailBytes: bytes}) }
	free(1 << 30)
	d := openOn(t, "data", &Options{fs: disk, MinFree: 1}, nil)
	_, err := d.Apply(t.Context(), []engine.Report{numbered(1)})
	must(t, err)
	for range 2 {
		free(0)
		d.store.floor.asked.Store(0)
		if n, err := d.Remove(t.Context(), "p1", engine.Host, "a1"); n.Removed != 0 || !errors.Is(err, engine.ErrRefused) {
			t.Fatalf("removed %d, %v", n.Removed, err)
		}
		must(t, d.Close())
		d = openOn(t, "data", &Options{fs: disk, MinFree: 1}, nil)
	}
	free(1)
	d.store.floor.asked.Store(0)
	_, err = d.Remove(t.Context(), "p1", engine.Host, "a1")
	must(t, err, d.Close())
}

// crowded is a disk whose free space follows from whether there is an image.
type crowded struct{ vfs.FS }

func (c crowded) GetDiskUsage(string) (vfs.DiskUsage, error) {
	free := uint64(DefaultMinFree)
	if _, err := c.Stat("data/" + imageName); err == nil {
		free--
	}
	return vfs.DiskUsage{TotalBytes: 1 << 40, AvailBytes: free}, nil
}

// TestImageOnAFullDisk: an image is never why a write is refused.
func TestImageOnAFullDisk(t *testing.T) {
	h, disk := history{5}, vfs.NewMem()
	d := openOn(t, "data", &Options{fs: crowded{disk}}, nil)
	must(t, h.step(t.Context(), d.Engine, 1), d.Close())
	if _, err := disk.Stat("data/" + imageName); err == nil {
		t.Error("an image was kept for which there is no room")
	}
	d = openOn(t, "data", &Options{fs: disk}, nil) // when there was more
	must(t, h.step(t.Context(), d.Engine, 2), d.Close())
	if _, err := disk.Stat("data/" + imageName); err != nil {
		t.Fatal(err)
	}
	d = openOn(t, "data", &Options{fs: crowded{disk}}, nil)
	must(t, h.step(t.Context(), d.Engine, 3), d.Check(t.Context()), d.Close())
}
