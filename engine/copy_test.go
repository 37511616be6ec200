package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/engine/journal"
	"portolan/index"
)

// TestCopy: a copy has, byte for byte, what the engine's own journal has: whatever was
// reported, more assets than are committed together, and without a batch that could not be
// committed.
func TestCopy(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	j := enginetest.NewJournal()
	e := attach(t, j)
	apply := func(reports ...engine.Report) error {
		_, err := e.Apply(t.Context(), reports)
		return err
	}
	for n := range 60 {
		reports := manyLooks(uint64(n), 20)
		for range 100 {
			lo := uint16(1 + rng.IntN(50))
			r := seenOn(fmt.Sprint("h", rng.IntN(6000)), someDay, lo, lo+7)
			r.Project, r.Category = fmt.Sprint("p", rng.IntN(2)), engine.Category(rng.IntN(2))
			switch rng.IntN(3) {
			case 0:
				r.Name, r.Address, r.EnterpriseProject = "n", fmt.Sprint("10.0.0.", lo), fmt.Sprint("e", rng.IntN(3))
			case 1:
				r.Scope = engine.ScopeOf(index.Range{Type: index.TCP, Lo: lo, Hi: lo + 3}, index.Range{Type: index.UDP, Lo: 1, Hi: lo})
			}
			reports = append(reports, r)
		}
		if err := apply(reports...); err != nil {
			t.Fatal(err)
		}
	}
	many := make([]engine.Report, 9000)
	for i := range many {
		many[i] = seenOn(fmt.Sprint("many", i), someDay, uint16(i%7+1))
		many[i].Project = "large"
	}
	if err := apply(many...); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Remove(t.Context(), "large", engine.Host, "many17"); err != nil {
		t.Fatal(err)
	}
	wantCopy := func() {
		t.Helper()
		to := enginetest.NewJournal()
		if err := e.Copy(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		if differ := j.SameAs(to); differ != "" {
			t.Error(differ)
		}
		again := attach(t, to)
		if err := again.Check(t.Context()); err != nil {
			t.Error(err)
		}
		was, err := e.Stats()
		is, err2 := again.Stats()
		if err := errors.Join(err, err2); err != nil || was != is {
			t.Errorf("%+v, want %+v, %v", is, was, err)
		}
		if err := e.Copy(t.Context(), to); err == nil {
			t.Error("a second copy to the same journal was taken")
		}
	}
	wantCopy()
	j.Before = func([]journal.Batch) error { return errors.New("broken") }
	lost := seenOn("many3", someDay.Add(1), 9)
	lost.Project, lost.Scope = "large", engine.ScopeOf(index.Range{Type: index.TCP, Lo: 9, Hi: 9})
	if err := apply(lost, seenOn("new", someDay, 1)); !errors.Is(err, engine.ErrReadOnly) {
		t.Fatalf("error %v", err)
	}
	wantCopy()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Copy(ctx, enginetest.NewJournal()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
