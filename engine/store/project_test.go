package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"portolan/engine"
)

// TestRemovedProjects: projects that were removed are gone from the directory, those that are
// left are as they were, and new ones take no number that another has, over restarts with and
// without an image, after a kill, and in a backup.
func TestRemovedProjects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := openOn(t, path, nil, nil)
	fill := func(project string) {
		t.Helper()
		for n := range 50 {
			r := numbered(n)
			r.Project, r.Category = project, engine.Category(n%2)
			_, err := d.Apply(t.Context(), []engine.Report{r})
			must(t, err)
		}
	}
	want := map[string]bool{}
	for round := range 6 {
		for n := range 4 {
			name := fmt.Sprint("p", round, "-", n)
			fill(name)
			want[name] = true
		}
		for _, gone := range []string{fmt.Sprint("p", round, "-", 1), fmt.Sprint("p", round, "-", 3), fmt.Sprint("p", round-1, "-", 0)} {
			if !want[gone] {
				continue
			}
			result, err := d.RemoveProject(t.Context(), gone)
			if err != nil || result.Removed == 0 || !result.Durable {
				t.Fatalf("%+v, %v", result, err)
			}
			delete(want, gone)
		}
		if round%2 == 1 { // one comes again
			name := fmt.Sprint("p", round, "-", 3)
			fill(name)
			want[name] = true
		}
		text := everything(t, d.Engine)
		switch round % 3 {
		case 0:
			must(t, d.Close())
		case 1:
			killed := copyOf(t, path)
			must(t, d.Close())
			path = killed
		default:
			d.store.opts.noImage = true
			must(t, d.Close())
		}
		v, err := Verify(t.Context(), path, nil)
		if err != nil || v.Stats.Projects != len(want) || v.Inventories != 2*len(want) {
			t.Fatalf("round %d: %+v, %v, want %d projects", round, v, err, len(want))
		}
		d = openOn(t, path, nil, nil)
		if got := everything(t, d.Engine); got != text {
			t.Fatalf("round %d:\n%s\nwant\n%s", round, got, text)
		}
		must(t, d.Check(t.Context()))
	}
	for name := range want {
		_, err := d.RemoveProject(t.Context(), name)
		must(t, err)
	}
	must(t, d.Close())
	d = openOn(t, path, nil, nil)
	if names, err := d.Projects(); err != nil || len(names) > 0 {
		t.Errorf("projects %q, %v", names, err)
	}
	if _, err := d.RemoveProject(t.Context(), "p0-0"); !errors.Is(err, engine.ErrNoProject) {
		t.Errorf("error %v", err)
	}
	fill("again")
	must(t, d.Check(t.Context()), d.Close())
}
