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
