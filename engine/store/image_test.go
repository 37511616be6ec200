package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// openLogged opens an engine on a directory, and returns what was logged, too.
func openLogged(t *testing.T, path string) (durable, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	return openOn(t, path, &Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, nil), &log
}

// imaged makes a directory after so many batches of a history that has an image.
func imaged(t *testing.T, h history, batches int) (path, want string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "data")
	d := openOn(t, path, nil, nil)
	for n := range batches {
		must(t, h.step(t.Context(), d.Engine, n+1))
	}
	must(t, d.Close())
	return path, h.whole(t, uint64(batches))
}

// TestImage: an image is kept when the engine is closed, loaded when it is opened, gone with
// the next batch, and never needed.
func TestImage(t *testing.T) {
	h := history{4}
	path, want := imaged(t, h, 30)
	image := filepath.Join(path, imageName)
	there := func() bool { _, err := os.Stat(image); return err == nil }

	d, log := openLogged(t, path)
	if got := mustWhole(t, d.Engine); got != want || d.store.imaged != 30 || log.Len() > 0 {
		t.Errorf("loaded from an image of batch %d: %s\n%s", d.store.imaged, log, got)
	}
	version := func(d durable) uint64 {
		page, err := d.Ports(t.Context(), engine.PortQuery{Project: "p0"})
		must(t, err)
		return page.Version
	}
	before := version(d)
	must(t, d.Close())
	if strings.Contains(log.String(), "kept an image") || !there() {
		t.Errorf("nothing was written: the image is there: %t, log %s", there(), log)
	}
	d, _ = openLogged(t, path)
	if v := version(d); v != before { // the assets are in the order they were in
		t.Errorf("version %d, want %d", v, before)
	}
	must(t, h.step(t.Context(), d.Engine, 31))
	if there() {
		t.Error("an image that is outdated is there")
	}
	must(t, d.Close())
	must(t, os.Remove(image))
	write(t, "not finished", path, imageDraft)
	d, log = openLogged(t, path)
	if _, err := os.Stat(filepath.Join(path, imageDraft)); err == nil {
		t.Error("an image that was not finished is there")
	}
	if got := mustWhole(t, d.Engine); got != h.whole(t, 31) || d.store.imaged != 0 || log.Len() > 0 {
		t.Errorf("without an image: batch %d, log %s\n%s", d.store.imaged, log, got)
	}
	must(t, h.step(t.Context(), d.Engine, 32), d.Check(t.Context()), d.Close())
	if !there() {
		t.Error("no image was kept")
	}
	if _, err := Verify(t.Context(), path, nil); err != nil {
		t.Error(err)
	}
}

// TestOtherImages: an image that is cut, changed, or that of another time or directory, is
// passed over, and the log says so.
func TestOtherImages(t *testing.T) {
	h := history{4}
	path, want := imaged(t, h, 30)
	other, _ := imaged(t, history{5}, 30) // as many batches
	earlier, _ := imaged(t, h, 29)
	read := func(path string) []byte {
		data, err := os.ReadFile(filepath.Join(path, imageName))
		must(t, err)
		return data
	}
	whole := read(path)
	try := func(what string, image []byte) {
		t.Helper()
		spoilt := scratch(t)
		must(t, copyDirectory(spoilt, path))
		write(t, string(image), spoilt, imageName)
		d, log := openLogged(t, spoilt)
		if got := mustWhole(t, d.Engine); got != want || d.store.imaged != 0 || !strings.Contains(log.String(), "the image is passed over") {
			t.Errorf("%s: loaded from an image of batch %d, log %s\n%s", what, d.store.imaged, log, got)
		}
		must(t, d.Check(t.Context()), d.Close())
		if d, _ := openLogged(t, spoilt); d.store.imaged != 30 { // a new one was kept
			t.Errorf("%s: no image was kept after it", what)
		} else {
			must(t, d.Close())
		}
	}
	try("of another directory", read(other))
	try("of an earlier time", read(earlier))
	try("empty", nil)
	try("cut", whole[:len(whole)-1])
	try("longer", append(bytes.Clone(whole), 0))
	rng := rand.New(rand.NewPCG(1, 9))
	for range rounds(10) {
		at, bit := rng.IntN(len(whole)), byte(1)<<rng.IntN(8)
		flipped := bytes.Clone(whole)
		flipped[at] ^= bit
		try("flipped", flipped)
	}
}

// TestForgedImage: what says that it is right, and is none, is an error that changes
// nothing, and not a wrong count.
func TestForgedImage(t *testing.T) {
	h := history{4}
	path, want := imaged(t, h, 30)
	data, err := os.ReadFile(filepath.Join(path, imageName))
	must(t, err)
	for _, forged := range [][]byte{data[:len(data)/2], {}, []byte("image"), append(bytes.Clone(data), data...)} {
		s, err := Open(path, nil)
		must(t, err)
		r := imageRecord{seq: 30}
		must(t, r.write(s.dir, &s.floor, func(w io.Writer) error { _, err := w.Write(forged); return err }),
			s.db.Set(imageKey, appendRecord(nil, imageKey, r.append(nil)), nil), s.Close())
		d, log := openLogged(t, path)
		if got := mustWhole(t, d.Engine); got != want || d.store.imaged != 0 || !strings.Contains(log.String(), "not an image of an index") {
			t.Errorf("%d bytes: loaded from an image of batch %d, log %s\n%s", len(forged), d.store.imaged, log, got)
		}
		must(t, d.Close())
	}
}

// TestImageFails: what fails while an image is written or read is no reason not to answer.
func TestImageFails(t *testing.T) {
	h := history{4}
	const batches = 12
	for _, kinds := range [][]errorfs.OpKind{
		{errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpRename},
		{errorfs.OpOpen, errorfs.OpFileRead, errorfs.OpFileStat},
	} {
		failed := 0
		for n := int64(1); ; n++ {
			disk := vfs.NewMem()
			d := openOn(t, "data", &Options{fs: disk}, nil)
			for n := range batches {
				must(t, h.step(t.Context(), d.Engine, n+1))
			}
			faults := &fault{at: n, err: fs.ErrInvalid, kinds: kinds}
			image := &onlyImage{faults}
			must(t, d.Close())
			wrapped := &Options{fs: errorfs.Wrap(disk, image)}
			d = openOn(t, "data", wrapped, nil)
			must(t, h.step(t.Context(), d.Engine, batches+1), d.Close())
			d = openOn(t, "data", wrapped, nil)
			if got := mustWhole(t, d.Engine); got != h.whole(t, batches+1) {
				t.Errorf("operation %d: %s", n, got)
			}
			must(t, d.Check(t.Context()), d.Close())
			if faults.met.Load() == 0 {
				break
			}
			failed++
		}
		if t.Logf("%d operations failed", failed); failed == 0 {
			t.Error("nothing ever failed")
		}
	}
}

// onlyImage makes operations on images fail.
type onlyImage struct{ *fault }

func (o *onlyImage) MaybeError(op errorfs.Op) error {
	if !strings.Contains(op.Path, imageName) {
		return nil
	}
	return o.fault.MaybeError(op)
}

// TestOlderFormat: a directory of an older format is opened, and then is one of this: what
// is written to it from then on would be none of the older one. Looking changes nothing.
func TestOlderFormat(t *testing.T) {
	path := copyOf(t, filepath.Join("testdata", "format1", "closed", "data"))
	marker := func() string {
		text, err := os.ReadFile(filepath.Join(path, markerName))
		must(t, err)
		return string(text)
	}
	if _, err := Verify(t.Context(), path, nil); err != nil || !strings.Contains(marker(), "format: 1\n") {
		t.Errorf("%v, marker %s", err, marker())
	}
	must(t, openOn(t, path, nil, nil).Close())
	if !strings.Contains(marker(), fmt.Sprintf("format: %d\n", formatVersion)) {
		t.Errorf("marker %s", marker())
	}
}

// TestConformanceImaged is [TestConformanceRestarted] with images.
func TestConformanceImaged(t *testing.T) {
	if !enginetest.Full() || racing {
		t.Skip("opens some thousand stores, each of which takes 30 ms under the race detector: set PORTOLAN_FULL to run it without")
	}
	enginetest.Run(t, enginetest.Restarting(inMemory(t, false)))
}

// TestImageOfNothing: an engine without a batch keeps none, and one that has failed, neither.
func TestImageOfNothing(t *testing.T) {
	path := t.TempDir()
	must(t, openOn(t, path, nil, nil).Close())
	if _, err := os.Stat(filepath.Join(path, imageName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an image of nothing: %v", err)
	}
	d := openOn(t, path, nil, nil)
	must(t, history{1}.step(t.Context(), d.Engine, 1))
	d.store.mu.Lock()
	d.store.seq++ // the next batch is refused
	d.store.mu.Unlock()
	if err := (history{1}).step(t.Context(), d.Engine, 2); !errors.Is(err, engine.ErrReadOnly) {
		t.Errorf("a batch that was refused: %v", err)
	}
	must(t, d.Close())
	if _, err := os.Stat(filepath.Join(path, imageName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an image of what was refused: %v", err)
	}
}
