package alert

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/journal"
	"portolan/engine/store"
)

// damaged is a store of which the past of one project cannot be read.
type damaged struct {
	*store.Store
	broken atomic.Bool
}

func (d *damaged) Past(ctx context.Context, project string, c journal.Category, from uint64, asset uint32, to uint64) ([]journal.Past, error) {
	if project == "bad" && d.broken.Load() {
		return nil, errors.New("a bit is wrong")
	}
	return d.Store.Past(ctx, project, c, from, asset, to)
}

// TestDamagedPast: where what changed of one project cannot be read, others are told of all the same, and that one when it can.
func TestDamagedPast(t *testing.T) {
	path := t.TempDir()
	r := newRig(t, nil)
	r.engine.Close()
	open := func() *damaged {
		t.Helper()
		s, err := store.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		d := &damaged{Store: s}
		d.broken.Store(true)
		if r.engine, err = engine.Open(nil); err != nil {
			t.Fatal(err)
		}
		if err := r.engine.Attach(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		r.keeper = s
		return d
	}
	end := func(d *damaged) {
		t.Helper()
		r.alerts.Stop()
		if err := errors.Join(r.engine.Close(), d.Close()); err != nil {
			t.Fatal(err)
		}
	}
	f := r.file("")
	first := open()
	r.start(f)
	r.alerts.Stop()
	r.write("bad", "a", 1)
	r.write("good", "b", 1)
	end(first)

	second := open()
	r.start(f)
	r.eventually("the good one", func() bool { return len(r.hook.got()) == 1 })
	r.write("good", "b", 2)
	r.eventually("and on", func() bool { return len(r.hook.got()) == 3-1 })
	r.eventually("that it is said", func() bool {
		return r.alerts.State()[0].Problem == "a bit is wrong" || r.alerts.State()[0].Problem == ""
	})
	end(second)

	third := open()
	third.broken.Store(false)
	r.start(f)
	r.write("good", "b", 3)
	r.eventually("the one that was bad", func() bool {
		got := texts(r.hook.got())
		return len(got) == 4 && (got[2] == "found a 1/TCP unknown" || got[3] == "found a 1/TCP unknown")
	})
	time.Sleep(50 * time.Millisecond)
	end(third)
}
