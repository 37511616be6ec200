package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// durable is an engine with its store.
type durable struct {
	*engine.Engine
	store *Store
}

func (d durable) Close() error {
	if err := d.Engine.Close(); err != nil {
		return err
	}
	return d.store.Close()
}

// openOn opens an engine on a directory.
func openOn(t testing.TB, path string, opts *Options, engineOpts *engine.Options) durable {
	t.Helper()
	s, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engineOpts)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Attach(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	return durable{e, s}
}

// inMemory opens engines on file systems in memory, a new one each.
func inMemory(t *testing.T, noImage bool) func() enginetest.Open {
	return func() enginetest.Open {
		opts := &Options{fs: vfs.NewMem(), noImage: noImage}
		return func(engineOpts *engine.Options) enginetest.Engine { return openOn(t, "data", opts, engineOpts) }
	}
}

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(opts *engine.Options) enginetest.Engine { return inMemory(t, false)()(opts) })
}

// TestConformanceRestarted closes and opens the store at every write, without images.
func TestConformanceRestarted(t *testing.T) {
	if !enginetest.Full() || racing {
		t.Skip("opens some thousand stores, each of which takes 30 ms under the race detector: set PORTOLAN_FULL to run it without")
	}
	enginetest.Run(t, enginetest.Restarting(inMemory(t, true)))
}

// TestClosedTwice: a store that is closed says so.
func TestClosedTwice(t *testing.T) {
	d := openOn(t, t.TempDir(), nil, nil)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.store.Close(); err == nil {
		t.Error("closed twice without an error")
	}
	if err := d.store.Commit(t.Context(), nil); err == nil || errors.Is(err, engine.ErrReadOnly) {
		t.Errorf("a commit to a store that is closed: %v", err)
	}
}

// TestOneEngine: a store can be loaded again, as after a load that was cut short, but takes
// the batches of one engine only.
func TestOneEngine(t *testing.T) {
	path := t.TempDir()
	someData(t, path)
	s, err := Open(path, nil)
	must(t, err)
	first, err := engine.Open(nil)
	must(t, err)
	must(t, first.Attach(t.Context(), s))
	second, err := engine.Open(nil)
	must(t, err)
	must(t, second.Attach(t.Context(), s))
	_, err = first.Apply(t.Context(), []engine.Report{numbered(4)})
	must(t, err)
	if _, err := second.Apply(t.Context(), []engine.Report{numbered(5)}); !errors.Is(err, engine.ErrReadOnly) || !strings.Contains(err.Error(), "a store is for one engine") {
		t.Errorf("another engine's batch: %v", err)
	}
	must(t, first.Check(t.Context()), first.Close(), second.Close(), s.Close())
	if v, err := Verify(t.Context(), path, nil); err != nil || v.Sequence != 2 || v.Stats.Assets != 4 {
		t.Errorf("%+v, %v", v, err)
	}
}
