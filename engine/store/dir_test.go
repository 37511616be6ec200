package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portolan/engine"
)

// someData makes a directory with a few assets in it and closes it.
func someData(t *testing.T, path string) {
	t.Helper()
	d := openOn(t, path, nil, nil)
	if _, err := d.Apply(t.Context(), []engine.Report{numbered(1), numbered(2), numbered(3)}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBadDirectories: what is no data directory of this version is refused in words that
// say so, and is as it was.
func TestBadDirectories(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string)
		want  error
		says  string
	}{
		"a file":               {func(p string) { must(t, os.RemoveAll(p)); write(t, "hello", p) }, ErrForeign, "is a file"},
		"of another program":   {func(p string) { must(t, os.Remove(filepath.Join(p, markerName))) }, ErrForeign, `in it and no PORTOLAN`},
		"another marker":       {func(p string) { write(t, "PG_VERSION 15\n", p, markerName) }, ErrForeign, "does not say so"},
		"an empty marker":      {func(p string) { write(t, "", p, markerName) }, ErrForeign, "does not say so"},
		"a marker that is cut": {func(p string) { write(t, "Portolan data directory\nformat: 1\n", p, markerName) }, ErrIncomplete, "where the state should be"},
		"no version":           {func(p string) { write(t, "Portolan data directory\nformat: x\nstate: ready\n", p, markerName) }, ErrIncomplete, `"format: x"`},
		"from the future":      {func(p string) { write(t, "Portolan data directory\nformat: 9\nstate: ready\n", p, markerName) }, ErrNewer, "has format 9, this version knows formats up to 8"},
		"without its database": {func(p string) { must(t, os.RemoveAll(filepath.Join(p, databaseName))) }, ErrIncomplete, `has no "db"`},
		"without a manifest":   {func(p string) { removeAll(t, p, "MANIFEST-*") }, nil, "manifest"},
		"without its tables":   {func(p string) { removeAll(t, p, "*.sst") }, nil, "does not exist"},
		"without its logs":     {func(p string) { removeAll(t, p, "*.log") }, nil, "remove the file WITNESS to go on with what is left"},
		"an empty database": {func(p string) {
			must(t, os.RemoveAll(filepath.Join(p, databaseName)), os.Mkdir(filepath.Join(p, databaseName), 0o700))
		}, nil, "does not exist"},
	} {
		path := filepath.Join(t.TempDir(), "data")
		someData(t, path)
		someData(t, path) // there are tables now
		d := openOn(t, path, nil, nil)
		cut := filepath.Join(t.TempDir(), "data")
		_, err := d.Apply(t.Context(), []engine.Report{numbered(4)})
		must(t, err, copyDirectory(cut, path), d.Close())
		path = cut // as a process that was killed leaves it
		c.spoil(path)
		before := listing(t, path)
		for what, open := range map[string]func() error{
			"open":   func() error { _, err := recovered(t, path); return err },
			"verify": func() error { _, err := Verify(t.Context(), path, nil); return err },
		} {
			err := open()
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %s: error %v, want %v that says %s", name, what, err, c.want, c.says)
			}
		}
		if c.want != nil && listing(t, path) != before {
			t.Errorf("%s: was\n%s\nis\n%s", name, before, listing(t, path))
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// removeAll removes files of the database that match, at least one.
func removeAll(t *testing.T, path, pattern string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(path, databaseName, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	for _, name := range names {
		must(t, os.Remove(name))
	}
}

func listing(t *testing.T, path string) string {
	t.Helper()
	var names []string
	must(t, filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	}))
	return strings.Join(names, "\n")
}

// TestGoodDirectories: a directory that is not there, is empty, or whose making was cut
// short is made.
func TestGoodDirectories(t *testing.T) {
	for name, prepare := range map[string]func(path string){
		"not there":       func(string) {},
		"below others":    func(string) {},
		"empty":           func(p string) { must(t, os.Mkdir(p, 0o700)) },
		"a disk's root":   func(p string) { must(t, os.MkdirAll(filepath.Join(p, "lost+found"), 0o700)) },
		"cut at its lock": func(p string) { must(t, os.Mkdir(p, 0o700)); write(t, "", p, lockName) },
		"cut at its marker": func(p string) {
			must(t, os.Mkdir(p, 0o700))
			write(t, "Portolan data", p, markerDraft)
		},
		"cut in its database": func(p string) {
			someData(t, p)
			write(t, "Portolan data directory\nformat: 1\nstate: being created\n", p, markerName)
			removeAll(t, p, "MANIFEST-*")
		},
	} {
		path := filepath.Join(t.TempDir(), "a", "data")
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		prepare(path)
		someData(t, path)
		if v, err := Verify(t.Context(), path, nil); err != nil || v.Stats.Assets != 3 || v.Sequence != 1 || v.Inventories != 2 {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// TestLockedDirectory: one store has a directory at a time.
func TestLockedDirectory(t *testing.T) {
	path := t.TempDir()
	d := openOn(t, path, nil, nil)
	if _, err := Open(path, nil); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("open twice: %v", err)
	}
	if _, err := Verify(t.Context(), path, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("verify beside a store: %v", err)
	}
	must(t, d.Close())
	must(t, openOn(t, path, nil, nil).Close())
}

// copyDirectory copies a directory that a database may still be tidying up: what is gone
// when it is to be copied is not needed.
func copyDirectory(to, from string) error {
	for {
		err := os.CopyFS(to, os.DirFS(from))
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, gone := os.Stat(from); gone != nil {
			return gone
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
}
