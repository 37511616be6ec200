package store

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portolan/engine"
)

// TestFlippedBits turns single bits round in every file of a directory that was closed, and
// of one that was not: then either there is an error, or every answer is as before.
func TestFlippedBits(t *testing.T) {
	h := history{7}
	const batches = 60
	for name, shut := range map[string]bool{"closed": true, "cut": false} {
		whole := filepath.Join(t.TempDir(), "data")
		for part := range 3 { // three openings, so that there are tables and a log
			d := openOn(t, whole, nil, nil)
			for n := range batches {
				must(t, h.step(t.Context(), d.Engine, part*batches+n+1))
			}
			if part == 2 && !shut { // as a process that was killed leaves it
				cut := filepath.Join(t.TempDir(), "data")
				must(t, copyDirectory(cut, whole), d.Close())
				whole = cut
				break
			}
			must(t, d.Close())
		}
		want := h.whole(t, 3*batches)
		if got, err := recovered(t, whole); err != nil || got != want {
			t.Fatalf("%s: before any flip: %v\n%s\nwant\n%s", name, err, got, want)
		}
		h.flipEverywhere(t, name, whole, want)
	}
}

// scratch returns where a directory may be made. A database that has been halted may hold
// on to it, which is no fault of the test.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "portolan-flip-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "data")
}

func (history) flipEverywhere(t *testing.T, name, whole, want string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	refused, harmless := 0, 0
	must(t, filepath.WalkDir(whole, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(whole, path)
		must(t, err)
		data, err := os.ReadFile(path)
		must(t, err)
		for range rounds(5) {
			if len(data) == 0 {
				break
			}
			at, bit := rng.IntN(len(data)), byte(1)<<rng.IntN(8)
			spoilt := scratch(t)
			must(t, copyDirectory(spoilt, whole))
			data[at] ^= bit
			must(t, os.WriteFile(filepath.Join(spoilt, rel), data, 0o600))
			data[at] ^= bit
			got, err := recovered(t, spoilt)
			switch {
			case err != nil:
				refused++
				mended(t, spoilt, rel, data, want)
			case got == want:
				harmless++
			default:
				t.Errorf("%s: %s: bit %#x of byte %d of %d: other answers without an error", name, rel, bit, at, len(data))
			}
		}
		return nil
	}))
	t.Logf("%s: %d flips were found, %d harmless", name, refused, harmless)
	if refused == 0 || harmless == 0 {
		t.Errorf("%s: %d flips were found, %d harmless: one of them never happens", name, refused, harmless)
	}
}

// mended puts a file of a directory back that a start has refused for it, and holds that
// nothing is missing: the start has changed nothing that could be mended.
func mended(t *testing.T, refused, rel string, whole []byte, want string) {
	t.Helper()
	path := scratch(t) // a database that was halted may still have the other one's lock
	must(t, copyDirectory(path, refused))
	must(t, os.WriteFile(filepath.Join(path, rel), whole, 0o600))
	if got, err := recovered(t, path); err != nil || got != want {
		t.Errorf("%s was damaged, refused and put back: %v\n%s\nwant\n%s", rel, err, got, want)
	}
}

// recovered returns the answers of a directory.
func recovered(t *testing.T, path string) (string, error) {
	t.Helper()
	s, err := Open(path, nil)
	if err != nil {
		return "", err
	}
	defer s.Close()
	e, err := engine.Open(nil)
	must(t, err)
	if err := e.Attach(context.Background(), s); err != nil {
		return "", err
	}
	text, err := whole(t, e)
	return text, errors.Join(err, e.Check(t.Context()), e.Close())
}

// TestFlippedFirstLog: the first log of a fresh directory is in a format in which damage is
// found. In the format that Pebble begins with a flip drops all that was written later.
func TestFlippedFirstLog(t *testing.T) {
	h := history{3}
	whole := filepath.Join(t.TempDir(), "data")
	d := openOn(t, whole, nil, nil)
	for n := range 40 {
		must(t, h.step(t.Context(), d.Engine, n+1))
	}
	cut := filepath.Join(t.TempDir(), "data")
	must(t, copyDirectory(cut, whole), d.Close())
	logs, err := filepath.Glob(filepath.Join(cut, databaseName, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("logs %v, %v", logs, err)
	}
	want := h.whole(t, 40)
	for _, log := range logs {
		data, err := os.ReadFile(log)
		must(t, err)
		for at := 0; at < len(data); at += 1 + len(data)/rounds(40) {
			data[at] ^= 0x10
			must(t, os.WriteFile(log, data, 0o600))
			data[at] ^= 0x10
			again := scratch(t)
			must(t, copyDirectory(again, cut))
			if got, err := recovered(t, again); err == nil && got != want {
				t.Fatalf("%s: a flip at byte %d of %d: other answers without an error", filepath.Base(log), at, len(data))
			} else if err != nil {
				if strings.Contains(err.Error(), "panic") {
					t.Errorf("byte %d: %v", at, err)
				}
				rel, errRel := filepath.Rel(cut, log)
				must(t, errRel)
				mended(t, again, rel, data, want)
			}
		}
		must(t, os.WriteFile(log, data, 0o600))
	}
}
