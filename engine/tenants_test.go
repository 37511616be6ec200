package engine

import (
	"errors"
	"fmt"
	"testing"
)

// TestRefusedProjects: projects of writes that are refused leave nothing behind.
func TestRefusedProjects(t *testing.T) {
	e, err := Open(&Options{MaxAssets: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for n := range 100 {
		name := fmt.Sprint("p", n)
		if _, err := e.Apply(t.Context(), []Report{{Project: name, Asset: "a"}, {Project: name, Asset: "b"}}); !errors.Is(err, ErrFull) {
			t.Fatalf("error %v, want %v", err, ErrFull)
		}
		if _, err := e.ApplyWithin(t.Context(), In("x"), []Report{{Project: name, Asset: "a"}}); !errors.Is(err, ErrInvalid) {
			t.Fatalf("error %v, want %v", err, ErrInvalid)
		}
	}
	if n := len(e.tenants.coming); n > 0 {
		t.Errorf("%d projects are remembered", n)
	}
}

// TestRemovedVersions: the data versions of a project that comes again are others than any it
// had, so that no two of its states look the same.
func TestRemovedVersions(t *testing.T) {
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	seen := map[uint64]bool{}
	for round := range 5 {
		for n := range 3 + round%2 {
			if _, err := e.Apply(t.Context(), []Report{{Project: "p", Asset: fmt.Sprint(n)}}); err != nil {
				t.Fatal(err)
			}
			s, err := e.Snapshot("p", Host)
			if err != nil || seen[s.Version()] {
				t.Fatalf("data version %d comes again, %v", s.Version(), err)
			}
			seen[s.Version()] = true
		}
		held, err := e.Snapshot("p", Host)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := e.RemoveProject(t.Context(), "p"); err != nil || r.Removed != 3+round%2 {
			t.Fatalf("%+v, %v", r, err)
		}
		if held.NumAssets() != 3+round%2 {
			t.Errorf("a snapshot that is held has %d assets", held.NumAssets())
		}
	}
}

// TestRemoveProjectBesideWriters: what is written beside it comes before or after it, as a
// whole.
func TestRemoveProjectBesideWriters(t *testing.T) {
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	done := make(chan error, 2)
	for w := range 2 {
		go func() {
			var failed error
			for n := 0; n < 2000 && failed == nil; n++ {
				name := fmt.Sprint(w, "-", n)
				_, failed = e.Apply(t.Context(), []Report{{Project: "p", Asset: name}, {Project: "p", Asset: name, Category: Container}, {Project: "q", Asset: name}})
			}
			done <- failed
		}()
	}
	removed := 0
	for running := 2; running > 0; {
		select {
		case err := <-done:
			if running--; err != nil {
				t.Fatal(err)
			}
		default:
		}
		r, err := e.RemoveProject(t.Context(), "p")
		if err != nil && !errors.Is(err, ErrNoProject) || r.Removed%2 != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		removed += r.Removed
	}
	r, err := e.RemoveProject(t.Context(), "p")
	if err != nil && !errors.Is(err, ErrNoProject) {
		t.Fatal(err)
	}
	if stats, err := e.Stats(); err != nil || removed+r.Removed != 2*4000 || stats.Assets != 4000 || stats.Projects != 1 {
		t.Errorf("%d removed, %+v, %v", removed+r.Removed, stats, err)
	}
}
