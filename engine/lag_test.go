package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/engine/journal"
)

// lagging opens an engine whose reports are durable within a second.
func lagging(t *testing.T, j journal.Log) *engine.Engine {
	t.Helper()
	e, err := engine.Open(&engine.Options{DurableWithin: time.Second, Now: func() time.Time { return someDay }})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Attach(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return e
}

// numOpen is how many hosts of project p have a port open.
func numOpen(t *testing.T, e *engine.Engine, port int) int {
	t.Helper()
	page, err := e.Ports(t.Context(), engine.PortQuery{Project: "p", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Rows) == 0 {
		return 0
	}
	return page.Rows[0].Num
}

// TestDurableWithin: calls return when they are visible, say that they are not durable,
// share one commit, and that comes in time. What they were given is theirs again.
func TestDurableWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := enginetest.NewJournal()
		e := lagging(t, j)
		for i := range 50 {
			reports := []engine.Report{seenOn(fmt.Sprint("h", i), someDay, 22, 80)}
			result, err := e.Apply(t.Context(), reports)
			if err != nil || result.Durable || result.Sequence != uint64(i+1) {
				t.Fatalf("call %d: %+v, %v", i, result, err)
			}
			clear(reports[0].Open)
			if n := numOpen(t, e, 22); n != i+1 {
				t.Fatalf("%d hosts are visible after %d calls", n, i+1)
			}
		}
		if _, err := e.Remove(t.Context(), "p", engine.Host, "h7"); err != nil {
			t.Fatal(err)
		}
		if n := j.Groups(); n != 0 {
			t.Errorf("%d commits at once", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := j.Groups(); n != 1 {
			t.Errorf("%d commits after a second, want 1 for all", n)
		}
		if n := numOpen(t, attach(t, j), 80); n != 49 {
			t.Errorf("%d hosts were kept, want 49", n)
		}
		for i, c := range j.Log()[:50] {
			if c.Asset != fmt.Sprintf("h%d", i) || c.State == nil {
				t.Fatalf("the log has what the caller wrote over: %+v", c)
			}
		}
		if err := errors.Join(e.Check(t.Context()), e.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestDurableWithinSlowCommits: where a commit takes longer than what may be lost, writes wait:
// no write is acknowledged while one that is not durable was acknowledged longer ago.
func TestDurableWithinSlowCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := enginetest.NewJournal()
		j.Before = func([]journal.Batch) error { time.Sleep(5 * time.Second); return nil }
		e := lagging(t, j)
		var acknowledged []time.Time // by sequence number
		for i := range 200 {
			result, err := e.Apply(t.Context(), []engine.Report{seenOn(fmt.Sprint(i), someDay, 22)})
			if err != nil {
				t.Fatal(err)
			}
			acknowledged = append(acknowledged, time.Now())
			durable := len(j.Log())
			if result.Sequence != uint64(len(acknowledged)) || durable > len(acknowledged) {
				t.Fatalf("batch %d, %d durable, after %d", result.Sequence, durable, len(acknowledged))
			}
			if durable < len(acknowledged) {
				if age := time.Since(acknowledged[durable]); age > time.Second {
					t.Fatalf("batch %d was acknowledged while batch %d, acknowledged %v before, was not durable", result.Sequence, durable+1, age)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
		if n := j.Groups(); n < 5 {
			t.Errorf("%d commits, want several", n)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestSync: Sync and Close wait for what is visible only, and no longer.
func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := enginetest.NewJournal()
		e := lagging(t, j)
		for i, settle := range []func() error{func() error { return e.Sync(t.Context()) }, e.Close} {
			if _, err := e.Apply(t.Context(), []engine.Report{seenOn(fmt.Sprint(i), someDay, 22)}); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := settle(); err != nil || j.Groups() != i+1 || time.Since(start) > 0 {
				t.Errorf("error %v, %d commits after %v", err, j.Groups(), time.Since(start))
			}
		}
		if err := e.Sync(t.Context()); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("Sync after Close: %v", err)
		}
	})
}

// TestLagIsBounded: a call that finds too much waiting sees to it that it is committed,
// its own included.
func TestLagIsBounded(t *testing.T) {
	j := enginetest.NewJournal()
	e, err := engine.Open(&engine.Options{DurableWithin: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Attach(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("\U0001F9ED", engine.MaxNameLen) // a kilobyte
	durable := 0
	for call := range 3 {
		reports := make([]engine.Report, 15_000)
		for i := range reports {
			reports[i] = seenOn(fmt.Sprint(call, "-", i), someDay, 22)
			reports[i].Name, reports[i].Address = text, text
		}
		result, err := e.Apply(t.Context(), reports)
		if err != nil {
			t.Fatal(err)
		}
		if result.Durable {
			durable++
		}
	}
	if durable == 0 || j.Groups() != durable {
		t.Errorf("%d calls of three were durable, in %d commits", durable, j.Groups())
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestLostLag: if what is visible cannot be committed, everybody who writes or asks hears
// of it.
func TestLostLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the disk is gone")
		j := enginetest.NewJournal()
		e := lagging(t, j)
		j.Before = func([]journal.Batch) error { return cause }
		if _, err := e.Apply(t.Context(), []engine.Report{seenOn("a", someDay, 22)}); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"Sync":  e.Sync(t.Context()),
			"Apply": func() error { _, err := e.Apply(t.Context(), []engine.Report{seenOn("b", someDay, 22)}); return err }(),
			"Close": e.Close(),
		} {
			if !errors.Is(err, engine.ErrReadOnly) || !errors.Is(err, cause) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestAwait: a question that is to include a batch waits while that is being committed,
// as long as its context lasts, and hears if it never will be.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, release := enginetest.NewJournal(), make(chan error)
		j.Before = func([]journal.Batch) error { return <-release }
		e := attach(t, j)
		write := func() {
			_, _ = e.Apply(t.Context(), []engine.Report{seenOn("a", someDay, 22)})
		}
		if err := e.Await(t.Context(), 1); !errors.Is(err, engine.ErrBehind) {
			t.Errorf("before the write begins: %v", err)
		}
		go write()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Await(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("for a second: %v", err)
		}
		answered := make(chan error, 1)
		go func() {
			page, err := e.Ports(t.Context(), engine.PortQuery{Project: "p", AtLeast: 1})
			if err == nil && (page.Total != 1 || page.Sequence != 1) {
				err = fmt.Errorf("page %+v", page)
			}
			answered <- err
		}()
		synctest.Wait()
		if len(answered) > 0 {
			t.Error("the question did not wait")
		}
		release <- nil
		if err := <-answered; err != nil {
			t.Error(err)
		}
		go write()
		synctest.Wait()
		go func() { answered <- e.Await(t.Context(), 2) }()
		synctest.Wait()
		release <- errors.New("the disk is gone")
		if err := <-answered; !errors.Is(err, engine.ErrReadOnly) {
			t.Errorf("of a batch that failed: %v", err)
		}
	})
}

// TestSnapshotBehind: a snapshot has what it has.
func TestSnapshotBehind(t *testing.T) {
	e := mustOpen(t, nil)
	for seq := range uint64(2) {
		if _, err := e.Apply(t.Context(), []engine.Report{seenOn(fmt.Sprint(seq), someDay, 22)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := e.Snapshot("p", engine.Host)
	if err != nil || s.Sequence() != 2 {
		t.Fatalf("batch %d, %v", s.Sequence(), err)
	}
	if _, err := s.Ports(t.Context(), engine.PortQuery{AtLeast: 2}); err != nil {
		t.Error(err)
	}
	if _, err := s.Ports(t.Context(), engine.PortQuery{AtLeast: 3}); !errors.Is(err, engine.ErrBehind) {
		t.Errorf("asked for what comes later: %v", err)
	}
}
