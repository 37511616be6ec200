package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"portolan/engine"
)

// TestNewestReports: the newest report of each project is known while running, and after a start
// from an image or without.
func TestNewestReports(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	ssh := []engine.Key{engine.MakeKey(22, engine.TCP)}
	want := func(d durable, hours ...int) {
		t.Helper()
		got, err := d.NewestReports(t.Context())
		must(t, err)
		slices.SortFunc(got, time.Time.Compare)
		all := make([]time.Time, len(hours))
		for i, hour := range hours {
			all[i] = at(hour)
		}
		if fmt.Sprint(got) != fmt.Sprint(all) {
			t.Errorf("got %v, want %v", got, all)
		}
	}
	d := openOn(t, path, nil, nil)
	want(d)
	_, err := d.Apply(t.Context(), []engine.Report{
		{Project: "a", Asset: "h1", Seen: at(5), Open: ssh},
		{Project: "a", Asset: "h2", Seen: at(3), Open: ssh},
		{Project: "a", Asset: "c1", Category: engine.Container, Seen: at(4), Open: ssh},
		{Project: "b", Asset: "h1", Seen: at(1), Open: ssh},
	})
	must(t, err)
	want(d, 1, 5)
	_, err = d.Apply(t.Context(), []engine.Report{{Project: "b", Asset: "h9", Seen: at(2)}, {Project: "a", Asset: "h1", Seen: at(2)}})
	must(t, err)
	want(d, 2, 5)
	must(t, d.Close())
	_, err = os.Stat(filepath.Join(path, imageName))
	must(t, err)
	d = openOn(t, path, nil, nil)
	want(d, 2, 5)
	_, err = d.Apply(t.Context(), []engine.Report{{Project: "b", Asset: "h9", Seen: at(9)}})
	must(t, err)
	want(d, 5, 9)
	must(t, d.Close())
	_ = os.Remove(filepath.Join(path, imageName)) // if there is one
	d = openOn(t, path, nil, nil)
	want(d, 5, 9)
	must(t, d.Close())
}
