package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// ForgetPasts has an engine make states of the past anew.
func ForgetPasts(e *Engine) {
	e.pasts.mu.Lock()
	defer e.pasts.mu.Unlock()
	e.pasts.kept = nil
}

// impatient is a context that ends after it was asked so many times whether it has.
type impatient struct {
	context.Context
	asked int
}

func (c *impatient) Err() error {
	if c.asked--; c.asked < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestPastGoesOn: who has no time for all of it, and asks again, comes to the end; what is remembered is bounded, and
// let go of when nobody asks for it.
func TestPastGoesOn(t *testing.T) {
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	const batches = 60
	for n := range batches {
		report := Report{Project: "p", Asset: fmt.Sprint("a", n), Scope: ScopeAll(), Open: []Key{MakeKey(uint16(n+1), TCP)}}
		if _, err := e.Apply(t.Context(), []Report{report}); err != nil {
			t.Fatal(err)
		}
	}
	crowd := make([]Report, 20_000) // a batch of many parts
	for i := range crowd {
		crowd[i] = Report{Project: "p", Asset: fmt.Sprint("crowd-", strings.Repeat("x", 40), i), Scope: ScopeAll(), Open: []Key{MakeKey(uint16(i+1), TCP)}}
	}
	if _, err := e.Apply(t.Context(), crowd); err != nil {
		t.Fatal(err)
	}
	tries := 0
	for {
		tries++
		s, err := e.SnapshotAt(&impatient{t.Context(), 12}, "p", Host, Moment{Sequence: 1})
		if err == nil {
			if s.NumAssets() != 1 || s.Sequence() != 1 {
				t.Fatalf("%d assets after batch %d", s.NumAssets(), s.Sequence())
			}
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) || tries > batches {
			t.Fatalf("try %d: %v", tries, err)
		}
	}
	if tries < 8 {
		t.Errorf("%d tries: the test tests nothing", tries)
	}
	for n := range batches {
		s, err := e.SnapshotAt(t.Context(), "p", Host, Moment{Sequence: uint64(n + 1)})
		if err != nil || s.NumAssets() != n+1 {
			t.Fatalf("batch %d: %d assets, %v", n+1, s.NumAssets(), err)
		}
	}
	e.pasts.mu.Lock()
	kept := len(e.pasts.kept)
	for i := range e.pasts.kept {
		e.pasts.kept[i].used = time.Now().Add(-pastsFor)
	}
	e.pasts.mu.Unlock()
	if e.pasts.forget(); kept != maxPasts || len(e.pasts.turns) != 0 || len(e.pasts.kept) != 0 || e.pasts.timer != nil {
		t.Errorf("%d were kept, then %d", kept, len(e.pasts.kept))
	}
	for range 2 { // more than may be remembered
		e.pasts.keep(pastState{size: maxTakenBack + 1})
	}
	if len(e.pasts.kept) != 1 {
		t.Errorf("%d are kept", len(e.pasts.kept))
	}
	if err := e.Close(); err != nil || e.pasts.kept != nil {
		t.Error(err)
	}
}
