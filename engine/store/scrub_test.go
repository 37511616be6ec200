package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portolan/engine"
)

// wantEnded waits until a store has come to its end.
func wantEnded(t *testing.T, s *Store) {
	t.Helper()
	select {
	case <-s.fatal.over:
	case <-time.After(time.Minute):
		t.Fatal("what is damaged is not found")
	}
}

// TestRotBesideAnImage: what is damaged in tables is found although an image is loaded. It is
// said each time, nothing more is written, answers and a backup come from memory, and the
// image stays what the next start has.
func TestRotBesideAnImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := openOn(t, path, nil, nil)
	large(t, d, 1)
	want := answers(t, d.Engine)
	must(t, d.Close())
	names, err := filepath.Glob(filepath.Join(path, databaseName, "*.sst"))
	if err != nil || len(names) == 0 {
		t.Fatalf("tables %q, %v", names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(t, err)
		data[len(data)/2] ^= 4
		must(t, os.WriteFile(name, data, 0o600))
	}
	for range 2 {
		d := openOn(t, path, nil, nil)
		if d.store.imaged != 1 {
			t.Fatalf("loaded from an image of batch %d", d.store.imaged)
		}
		wantEnded(t, d.store)
		says := map[string]bool{}
		for range 2 {
			_, err := d.Apply(t.Context(), []engine.Report{numbered(41)})
			_, err2 := d.Remove(t.Context(), "p1", engine.Host, "a1")
			for _, err := range []error{err, err2, d.Writable(t.Context())} {
				if !errors.Is(err, engine.ErrReadOnly) {
					t.Fatalf("error %v, want %v", err, engine.ErrReadOnly)
				}
				says[err.Error()] = true
			}
		}
		for text := range says {
			if len(says) != 1 || !strings.Contains(text, ".sst") && !strings.Contains(text, "corrupt") || !strings.Contains(text, "make a backup") || strings.Contains(text, "\n") {
				t.Errorf("says %q", text)
			}
		}
		if got := answers(t, d.Engine); got != want {
			t.Errorf("answers\n%s\nwant\n%s", got, want)
		}
		wantBackup(t, want, func(to *bytes.Buffer) error { return BackupOf(t.Context(), d.Engine, to, nil) })
		must(t, d.Engine.Close())
		if err := d.store.Close(); !errors.Is(err, engine.ErrReadOnly) {
			t.Errorf("closed: %v", err)
		}
	}
}

// TestScrubSound: reading all tables beside an image finds nothing where nothing is, reads all
// there is, and ends with the store.
func TestScrubSound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := openOn(t, path, nil, nil)
	reports := make([]engine.Report, 2*scrubChunk+100)
	for i := range reports {
		reports[i] = numbered(3*i + 1)
		reports[i].Asset = reports[i].Name + string(rune('a'+i%7))
	}
	_, err := d.Apply(t.Context(), reports)
	must(t, err)
	stats, err := d.Stats()
	must(t, err, d.Close())
	d = openOn(t, path, nil, nil)
	n, err := d.store.readAll(t.Context())
	if least := stats.Assets; err != nil || n < least {
		t.Errorf("read %d records of at least %d, %v", n, least, err)
	}
	<-d.store.scrubber.done
	must(t, d.Writable(t.Context()), d.Close())
	d = openOn(t, path, nil, nil)
	must(t, d.Close()) // at once
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d = openOn(t, path, nil, nil)
	if _, err := d.store.readAll(ctx); stats.Assets > scrubChunk && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	must(t, d.Close())
}
