//go:build unix

package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestPrivateFiles: whatever a directory was and the umask says, what is kept in it is for
// its owner only: in a new one, in one that others could read, in a backup and in a copy.
func TestPrivateFiles(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	shared := func(name string) string {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.Mkdir(path, 0o777))
		return path
	}
	lived := shared("data")
	d := openOn(t, lived, nil, nil)
	seq := 0
	step := func() {
		for range 20 {
			seq++
			must(t, history{3}.step(t.Context(), d.Engine, seq))
		}
		must(t, d.store.db.Flush())
		wantPrivate(t, lived)
	}
	step()
	step() // logs are used again
	var archive bytes.Buffer
	must(t, d.store.Backup(t.Context(), &archive))
	must(t, d.Close())
	wantPrivate(t, lived)

	unpacked, copied := shared("unpacked"), shared("copied")
	_, err := Unpack(t.Context(), unpacked, &archive, nil)
	must(t, err)
	_, err = Restore(t.Context(), lived, copied, nil)
	must(t, err)
	for _, path := range []string{unpacked, copied, lived} {
		wantPrivate(t, path)
		must(t, filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chmod(name, 0o777))
		}))
		d := openOn(t, path, nil, nil)
		wantPrivate(t, path)
		must(t, d.Close())
		wantPrivate(t, path)
	}
	below := filepath.Join(t.TempDir(), "a", "b")
	must(t, openOn(t, below, nil, nil).Close())
	wantPrivate(t, filepath.Dir(below))
}

// wantPrivate looks at everything in a directory. What goes meanwhile does not matter.
func wantPrivate(t *testing.T, path string) {
	t.Helper()
	must(t, filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
		info, statErr := os.Stat(name)
		for range 100 { // one that is being made has the rights of others for a moment, and nothing in it
			if statErr != nil || info.Mode()&others == 0 {
				break
			}
			time.Sleep(time.Millisecond)
			info, statErr = os.Stat(name)
		}
		if errors.Is(statErr, fs.ErrNotExist) {
			return nil
		}
		if err = errors.Join(err, statErr); err == nil && info.Mode()&others != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	}))
}

// TestReadOnlyMedia: what lies where nothing can be written is verified and restored.
func TestReadOnlyMedia(t *testing.T) {
	from, _ := imaged(t, history{7}, 20)
	killed := filepath.Join(t.TempDir(), "killed")
	d := openOn(t, from, nil, nil)
	must(t, history{7}.step(t.Context(), d.Engine, 21))
	killedWant := mustWhole(t, d.Engine)
	must(t, copyDirectory(killed, from), d.Close())
	for _, c := range []struct {
		from, want string
		seq        uint64
	}{{killed, killedWant, 21}, {from, killedWant, 21}} {
		for _, refusal := range []error{syscall.EROFS, syscall.EACCES} {
			for _, lock := range []bool{true, false} {
				if !lock {
					must(t, os.RemoveAll(filepath.Join(c.from, lockName)), os.RemoveAll(filepath.Join(c.from, databaseName, lockName)))
				}
				before := listing(t, c.from)
				opts := &Options{fs: fixed{errorfs.Wrap(vfs.Default, refusing{c.from, refusal}), c.from, refusal}}
				v, err := Verify(t.Context(), c.from, opts)
				if err != nil || v.Sequence != c.seq {
					t.Errorf("verify where writing is %v: %+v, %v", refusal, v, err)
				}
				to := filepath.Join(t.TempDir(), "to")
				if copied, err := Restore(t.Context(), c.from, to, opts); err != nil || copied.Sequence != c.seq {
					t.Fatalf("restore where writing is %v: %+v, %v", refusal, copied, err)
				}
				if got, err := recovered(t, to); err != nil || got != c.want {
					t.Errorf("restored:\n%s\n%v, want\n%s", got, err, c.want)
				}
				if got := listing(t, c.from); got != before {
					t.Errorf("was\n%s\nis\n%s", before, got)
				}
			}
		}
	}
}

// fixed is a disk on which nothing below a path can be opened for writing or locked, as that
// makes a file.
type fixed struct {
	vfs.FS
	path    string
	refusal error
}

func (f fixed) Lock(name string) (io.Closer, error) {
	if strings.HasPrefix(name, f.path) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.refusal}
	}
	return f.FS.Lock(name)
}

func (f fixed) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if strings.HasPrefix(name, f.path) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.refusal}
	}
	return f.FS.OpenReadWrite(name, c, opts...)
}

// refusing has every change below a path refused.
type refusing struct {
	path    string
	refusal error
}

func (r refusing) String() string { return "refusing" }

// MaybeError implements [errorfs.Injector].
func (r refusing) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasPrefix(op.Path, r.path) {
		return &fs.PathError{Op: "change", Path: op.Path, Err: r.refusal}
	}
	return nil
}

const holderVariable = "PORTOLAN_TEST_HOLDS"

// TestHeldByAnother: a directory that another process has is not read, where it cannot be
// locked, either.
func TestHeldByAnother(t *testing.T) {
	if path := os.Getenv(holderVariable); path != "" {
		d := openOn(t, path, nil, nil)
		_, _ = os.Stdout.WriteString("held\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		must(t, d.Close())
		return
	}
	path := t.TempDir()
	someData(t, path)
	holder := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHeldByAnother$")
	holder.Env = append(os.Environ(), holderVariable+"="+path)
	in, err := holder.StdinPipe()
	must(t, err)
	out, err := holder.StdoutPipe()
	must(t, err, holder.Start())
	_, err = io.ReadFull(out, make([]byte, len("held\n")))
	must(t, err)
	for _, refusal := range []error{nil, syscall.EROFS, syscall.EACCES} {
		opts := &Options{}
		if refusal != nil {
			opts.fs = fixed{vfs.Default, path, refusal}
		}
		if _, err := Verify(t.Context(), path, opts); !errors.Is(err, ErrInUse) {
			t.Errorf("locking is %v: %v, want %v", refusal, err, ErrInUse)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	must(t, in.Close(), holder.Wait())
	if _, err := Verify(t.Context(), path, &Options{fs: fixed{vfs.Default, path, syscall.EROFS}}); err != nil {
		t.Errorf("when it has ended: %v", err)
	}
}
