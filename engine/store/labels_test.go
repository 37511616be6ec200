package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
)

// TestTakenAwayLabels: a label that an asset did not have when it was taken away is taken away after a restart, too, by
// whichever kind of report, though no answer changed.
func TestTakenAwayLabels(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ssh := []engine.Key{engine.MakeKey(22, engine.TCP)}
	for i, later := range []engine.Report{
		{}, {Scope: engine.ScopeAll()}, {Scope: engine.ScopeAll(), Open: ssh}, {Open: ssh}, {Name: "n"}, {Scope: engine.ScopeAll(), Open: ssh, Name: "n"},
	} {
		for _, noImage := range []bool{false, true} {
			opts := &Options{fs: vfs.NewMem(), noImage: noImage}
			d := openOn(t, "data", opts, nil)
			tell := func(r engine.Report, minute int) engine.Result {
				r.Project, r.Asset, r.Seen = "p", "a", begin.Add(time.Duration(minute)*time.Minute)
				result, err := d.Apply(t.Context(), []engine.Report{r})
				must(t, err)
				return result
			}
			tell(engine.Report{Scope: engine.ScopeAll(), Open: ssh}, 0)
			later.Labels = map[string]string{"env": ""}
			tell(later, 10)
			must(t, d.Close())
			d = openOn(t, "data", opts, nil)
			tell(engine.Report{Labels: map[string]string{"env": "a", "rack": "1"}}, 5)
			a, err := d.Asset(t.Context(), "p", engine.Host, "a")
			must(t, err)
			if got := fmt.Sprint(a.Labels); got != "map[rack:1]" {
				t.Errorf("report %d, no image %v: labels %s", i, noImage, got)
			}
			must(t, d.Check(t.Context()), d.Close())
		}
	}
}
