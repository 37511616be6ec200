package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"portolan/engine"
)

// backupOf returns a backup of so many batches of a history, and what they answer.
func backupOf(t *testing.T, h history, batches int) (backup []byte, want string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	d := openOn(t, path, nil, nil)
	for n := range batches {
		if n == batches/2 { // so that there are tables
			must(t, d.Close())
			d = openOn(t, path, nil, nil)
		}
		must(t, h.step(t.Context(), d.Engine, n+1))
	}
	var out bytes.Buffer
	must(t, d.store.Backup(t.Context(), &out), d.Close())
	return out.Bytes(), h.whole(t, uint64(batches))
}

// TestBackupBesideWriters: a backup that is made while others write is what there was after
// some batch that was committed while it was made, and the store is none the worse.
func TestBackupBesideWriters(t *testing.T) {
	for seed := range uint64(rounds(4)) {
		h := history{seed}
		path := filepath.Join(t.TempDir(), "data")
		d := openOn(t, path, nil, nil)
		var acknowledged atomic.Uint64
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			for n := 1; ctx.Err() == nil; n++ {
				if err := h.step(context.Background(), d.Engine, n); err != nil {
					done <- err
					return
				}
				acknowledged.Store(uint64(n))
			}
			done <- nil
		}()
		for range 3 {
			least := acknowledged.Load()
			var out bytes.Buffer
			must(t, d.store.Backup(t.Context(), &out))
			most := acknowledged.Load() + 1 // one may be committed and not acknowledged yet
			copied, err := Unpack(t.Context(), filepath.Join(t.TempDir(), "copy"), &out, nil)
			must(t, err)
			if copied.Sequence < least || copied.Sequence > most {
				t.Errorf("a backup ends with batch %d, of %d to %d", copied.Sequence, least, most)
			}
		}
		var out bytes.Buffer
		must(t, d.store.Backup(t.Context(), &out))
		stop()
		must(t, <-done, d.Close())
		to := filepath.Join(t.TempDir(), "copy")
		copied, err := Unpack(t.Context(), to, &out, nil)
		must(t, err)
		if got, err := recovered(t, to); err != nil || got != h.whole(t, copied.Sequence) {
			t.Errorf("seed %d, after %d batches: %v\n%s", seed, copied.Sequence, err, got)
		}
		if got, err := recovered(t, path); err != nil || got != h.whole(t, acknowledged.Load()) {
			t.Errorf("seed %d, where the backups were made: %v", seed, err)
		}
		if _, err := os.Stat(filepath.Join(path, checkpointName)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("something was left behind: %v", err)
		}
	}
}

// TestUnpackByHand: an archive is a data directory for any tar, but only when it is whole.
func TestUnpackByHand(t *testing.T) {
	backup, want := backupOf(t, history{5}, 40)
	path := t.TempDir()
	for in := tar.NewReader(bytes.NewReader(backup)); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if _, err := os.Stat(filepath.Join(path, markerName)); err == nil {
			if _, err := Open(path, nil); !errors.Is(err, ErrIncomplete) {
				t.Fatalf("opened before %s: %v", header.Name, err)
			}
		}
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(path, header.Name)), 0o700))
		data, err := io.ReadAll(in)
		must(t, err)
		write(t, string(data), path, header.Name)
	}
	if got, err := recovered(t, path); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

// TestSpoiltArchives: an archive that is cut, or in which a bit was turned round or blocks
// are not where they were, gives an error and leaves nothing, or the same answers.
func TestSpoiltArchives(t *testing.T) {
	backup, want := backupOf(t, history{6}, 40)
	rng := rand.New(rand.NewPCG(4, 4))
	try := func(what string, at int, archive []byte) (whole bool) {
		t.Helper()
		path := scratch(t)
		_, err := Unpack(t.Context(), path, bytes.NewReader(archive), nil)
		if err != nil {
			if _, statErr := os.Stat(path); !errors.Is(statErr, os.ErrNotExist) {
				t.Errorf("%s at %d of %d: %v, but the directory is there", what, at, len(backup), err)
			}
			return false
		}
		if got, err := recovered(t, path); err != nil || got != want {
			t.Errorf("%s at %d of %d: taken, but %v\n%s", what, at, len(backup), err, got)
		}
		return true
	}
	if !try("nothing", 0, backup) {
		t.Fatal("a whole archive was refused")
	}
	const padding = 2 * 512 // the end of an archive, the second half of which Go's reader does not insist on
	for range rounds(40) {
		at := rng.IntN(len(backup) - padding)
		if try("cut", at, backup[:at]) {
			t.Errorf("cut at %d of %d: taken", at, len(backup))
		}
	}
	refused := 0
	for range rounds(60) {
		at, bit := rng.IntN(len(backup)), byte(1)<<rng.IntN(8)
		backup[at] ^= bit
		if !try("flipped", at, backup) {
			refused++
		}
		backup[at] ^= bit
	}
	const block = 512 // of a tar archive
	blocks := len(backup)/block - 2
	for range rounds(40) {
		from, to := rng.IntN(blocks)*block, rng.IntN(blocks)*block
		spoilt := slices.Concat(backup[:to], backup[from:from+block], backup[to:])
		try("a block too many", to, spoilt)
		try("a block for another", to, slices.Delete(spoilt, to+block, to+2*block))
		try("a block too few", to, slices.Concat(backup[:to], backup[to+block:]))
	}
	if t.Logf("%d of %d flips were found", refused, rounds(60)); refused == 0 {
		t.Error("no flip was ever found")
	}
}

// entry is one of an archive.
type entry struct {
	name, text string
	kind       byte // 0 is a file
}

func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.text)), Mode: 0o600, Typeflag: tar.TypeReg}
		if e.kind != 0 {
			h.Typeflag, h.Size, h.Linkname = e.kind, 0, e.text
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if e.kind == 0 {
			if _, err := io.WriteString(w, e.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestForeignArchives: an archive that is none of ours is refused by what is wrong with it,
// and nothing of it is ever outside of the directory, or left in it.
func TestForeignArchives(t *testing.T) {
	begin, end := entry{name: markerName, text: markerText(copying)}, entry{name: markerName, text: markerText(ready)}
	for name, c := range map[string]struct {
		entries []entry
		want    error
		says    string
	}{
		"nothing":           {nil, ErrForeign, "does not begin with a PORTOLAN"},
		"another's":         {[]entry{{name: "etc/passwd", text: "x"}}, ErrForeign, "does not begin with a PORTOLAN"},
		"another's marker":  {[]entry{{name: markerName, text: "PG_VERSION"}}, ErrForeign, "does not say so"},
		"from the future":   {[]entry{{name: markerName, text: "Portolan data directory\nformat: 9\nstate: being copied\n"}}, ErrNewer, "format 9"},
		"whole too early":   {[]entry{end, end}, ErrForeign, `"ready"`},
		"never whole":       {[]entry{begin, begin}, ErrIncomplete, `"being copied"`},
		"cut":               {[]entry{begin, {name: "db/a", text: "x"}}, ErrIncomplete, "ends before its last PORTOLAN"},
		"more than that":    {[]entry{begin, end, {name: "db/a", text: "x"}}, ErrForeign, `"db/a"`},
		"a way up":          {[]entry{begin, {name: "db/../../a", text: "x"}, end}, ErrForeign, `"db/../../a"`},
		"a hidden way up":   {[]entry{begin, {name: "db/..", text: "x"}, end}, ErrForeign, `"db/.."`},
		"an absolute path":  {[]entry{begin, {name: "/tmp/a", text: "x"}, end}, ErrForeign, `"/tmp/a"`},
		"a file beside":     {[]entry{begin, {name: "a", text: "x"}, end}, ErrForeign, `"a"`},
		"a symbolic link":   {[]entry{begin, {name: "db/a", text: "/etc/passwd", kind: tar.TypeSymlink}, end}, ErrForeign, `"db/a"`},
		"a hard link":       {[]entry{begin, {name: "db/a", text: "/etc/passwd", kind: tar.TypeLink}, end}, ErrForeign, `"db/a"`},
		"a directory":       {[]entry{begin, {name: "db/a/", kind: tar.TypeDir}, end}, ErrForeign, `"db/a/"`},
		"a file twice":      {[]entry{begin, {name: "db/a", text: "x"}, {name: "db/a", text: "y"}, end}, ErrForeign, `"db/a" twice`},
		"without a db":      {[]entry{begin, {name: witnessName, text: "x"}, end}, nil, "does not exist"},
		"with another's db": {[]entry{begin, {name: "db/MANIFEST-000001", text: "x"}, {name: "db/CURRENT", text: "MANIFEST-000001\n"}, end}, nil, "open database"},
	} {
		for _, made := range []bool{false, true} {
			above := t.TempDir()
			path := filepath.Join(above, "data")
			if made {
				must(t, os.Mkdir(path, 0o700))
			}
			before := listing(t, above)
			_, err := Unpack(t.Context(), path, bytes.NewReader(archiveOf(t, c.entries...)), nil)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v, want %v that says %s", name, err, c.want, c.says)
			}
			if after := listing(t, above); after != before {
				t.Errorf("%s: was\n%s\nis\n%s", name, before, after)
			}
		}
	}
}

// TestUnpackWhere: what is restored goes where nothing is.
func TestUnpackWhere(t *testing.T) {
	backup, _ := backupOf(t, history{6}, 10)
	full, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	someData(t, full)
	write(t, "hello", file)
	for path, says := range map[string]string{full: `in it: what is restored needs an empty directory`, file: "data directory: "} {
		before := listing(t, path)
		if _, err := Unpack(t.Context(), path, bytes.NewReader(backup), nil); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
		if listing(t, path) != before {
			t.Errorf("%s is another one than it was", path)
		}
	}
	path := filepath.Join(t.TempDir(), "data")
	if _, err := Unpack(t.Context(), path, bytes.NewReader(backup), &Options{MinFree: 1 << 60}); !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), "are kept free") {
		t.Errorf("on a disk that is nearly full: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Unpack(ctx, path, bytes.NewReader(backup), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

// TestRestore makes a directory of another, which no process may have.
func TestRestore(t *testing.T) {
	h := history{9}
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "new", "to")
	d := openOn(t, from, nil, nil)
	for n := range 30 {
		must(t, h.step(t.Context(), d.Engine, n+1))
	}
	if _, err := Restore(t.Context(), from, to, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("from a directory in use: %v", err)
	}
	must(t, d.Close())
	copied, err := Restore(t.Context(), from, to, nil)
	if err != nil || copied.Sequence != 30 || copied.Assets == 0 || copied.Inventories != 2 || copied.Bytes == 0 {
		t.Errorf("%+v, %v", copied, err)
	}
	for _, path := range []string{from, to} {
		if got, err := recovered(t, path); err != nil || got != h.whole(t, 30) {
			t.Errorf("%s: %v\n%s", path, err, got)
		}
	}
	if _, err := Restore(t.Context(), from, to, nil); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("over another: %v", err)
	}
	if _, err := Restore(t.Context(), filepath.Join(from, "nothing"), filepath.Join(to, "x"), nil); !errors.Is(err, ErrIncomplete) {
		t.Errorf("of nothing: %v", err)
	}
	write(t, string(appendWitness(nil, 31, 0)), from, witnessName)
	if _, err := Restore(t.Context(), from, filepath.Join(t.TempDir(), "x"), nil); !errors.Is(err, ErrLost) {
		t.Errorf("of a directory that has lost something: %v", err)
	}
}

// TestBackups: one is made at a time, one that nobody takes ends with its context, and one
// that was cut off leaves nothing for the next process.
func TestBackups(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := openOn(t, path, nil, nil)
	must(t, history{1}.step(t.Context(), d.Engine, 1))
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	made := make(chan error, 1)
	go func() { made <- d.store.Backup(ctx, w) }()
	_, err := r.Read(make([]byte, 1))
	must(t, err)
	if err := d.store.Backup(t.Context(), io.Discard); !errors.Is(err, ErrBackup) {
		t.Errorf("a second one: %v", err)
	}
	must(t, history{1}.step(t.Context(), d.Engine, 2)) // writers do not wait for who reads it
	cancel()
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := <-made; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	must(t, d.store.Backup(t.Context(), io.Discard))
	must(t, os.Mkdir(filepath.Join(path, checkpointName), 0o700))
	write(t, "x", path, checkpointName, "000001.sst")
	must(t, d.Close())
	must(t, openOn(t, path, nil, nil).Close())
	if strings.Contains(listing(t, path), checkpointName) {
		t.Errorf("left behind:\n%s", listing(t, path))
	}
	if err := d.store.Backup(t.Context(), io.Discard); err == nil {
		t.Error("a store that is closed makes backups")
	}
}

// TestUnpackEveryOperationFails makes each operation on the disk fail in turn: there is a
// whole directory and no error, or an error and nothing that opens.
func TestUnpackEveryOperationFails(t *testing.T) {
	backup, want := backupOf(t, history{6}, 10)
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		failed := 0
		for n := int64(1); ; n++ {
			if racing {
				n += 6
			}
			disk := vfs.NewMem()
			faults := &fault{at: n, err: cause, kinds: []errorfs.OpKind{
				errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpCreate, errorfs.OpRename, errorfs.OpMkdirAll, errorfs.OpOpenDir,
			}}
			_, err := Unpack(t.Context(), "data", bytes.NewReader(backup), &Options{fs: errorfs.Wrap(disk, faults)})
			if faults.met.Load() == 0 {
				must(t, err)
				break
			}
			failed++
			s, opened := Open("data", &Options{fs: disk})
			if opened != nil {
				if err == nil {
					t.Errorf("operation %d: no error, but %v", n, opened)
				}
				continue
			}
			e, openErr := engine.Open(nil)
			must(t, openErr, e.Attach(t.Context(), s))
			if text, _ := whole(t, e); text != want && (err == nil || s.Sequence() > 0) {
				t.Errorf("operation %d: error %v and other answers", n, err)
			}
			must(t, e.Close(), s.Close())
		}
		if t.Logf("%v: %d operations failed", cause, failed); failed == 0 {
			t.Error("nothing ever failed")
		}
	}
}

// TestUnpackSurvives: what Unpack has returned from is on the disk.
func TestUnpackSurvives(t *testing.T) {
	backup, want := backupOf(t, history{6}, 10)
	disk := vfs.NewCrashableMem()
	_, err := Unpack(t.Context(), "a/data", bytes.NewReader(backup), &Options{fs: disk})
	must(t, err)
	d := openOn(t, "a/data", &Options{fs: disk.CrashClone(vfs.CrashCloneCfg{})}, nil)
	if got, _ := whole(t, d.Engine); got != want {
		t.Errorf("after the power was cut:\n%s\nwant\n%s", got, want)
	}
	must(t, d.Close())
}
