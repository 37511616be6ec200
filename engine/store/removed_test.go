package store

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
)

// TestRemovedPast: of a project that was removed and came again, what the other one had is not there, which is
// said of hosts and of containers, whether they came again or not, and after whatever restarts; also when it is so long
// ago that nothing is kept of that time.
func TestRemovedPast(t *testing.T) {
	for name, of := range map[string]struct{ memory, between, after, long bool }{
		"in memory": {memory: true}, "on disk": {}, "a restart before it came again": {between: true}, "a restart after": {after: true},
		"long ago": {long: true}, "long ago, with restarts": {long: true, between: true, after: true},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
			begin := now
			clock := func() time.Time { return now }
			opts := &Options{fs: vfs.NewMem(), History: 24 * time.Hour}
			start := func() durable {
				if of.memory {
					e, err := engine.Open(&engine.Options{Now: clock})
					must(t, err)
					return durable{Engine: e}
				}
				return openOn(t, "data", opts, &engine.Options{Now: clock})
			}
			d := start()
			restart := func(it bool) {
				if it {
					must(t, d.Close())
					d = start()
				}
			}
			apply := func(project string, category engine.Category, port uint16) {
				now = now.Add(time.Minute)
				report := engine.Report{Project: project, Category: category, Asset: "a", Scope: engine.ScopeAll(), Open: []engine.Key{engine.MakeKey(port, engine.TCP)}}
				_, err := d.Apply(t.Context(), []engine.Report{report})
				must(t, err)
			}
			apply("p", engine.Host, 22)
			apply("p", engine.Container, 80)
			now = now.Add(time.Minute)
			result, err := d.RemoveProject(t.Context(), "p")
			must(t, err)
			removed := now
			restart(of.between)
			if of.long {
				now = now.Add(100 * time.Hour)
				apply("q", engine.Host, 1) // has what is too old go
				if _, kept := d.store.history.gone["p"]; kept {
					t.Error("it is still kept when the project was removed")
				}
			}
			apply("p", engine.Host, 443)
			restart(of.after)
			for _, category := range []engine.Category{engine.Host, engine.Container} {
				for question, err := range map[string]error{
					"since": asked(d.Changes(t.Context(), engine.ChangeQuery{Project: "p", Category: category, Since: begin})),
					"after": asked(d.Changes(t.Context(), engine.ChangeQuery{Project: "p", Category: category, After: engine.After(1)})),
					"then":  asked(d.SnapshotAt(t.Context(), "p", category, engine.Moment{Time: begin.Add(2 * time.Minute)})),
					"as of": asked(d.SnapshotAt(t.Context(), "p", category, engine.Moment{Sequence: 2})),
					"trend": asked(d.Trend(t.Context(), engine.TrendQuery{Project: "p", Category: category, Since: begin, Step: time.Minute})),
					"net":   asked(d.Changes(t.Context(), engine.ChangeQuery{Project: "p", Category: category, Since: begin, Net: true})),
				} {
					old, is := errors.AsType[*engine.TooOldError](err)
					if !is || old.Sequence != result.Sequence || !old.Time.Equal(removed) {
						t.Errorf("%v, %s: %v, want that it is kept since %v, after batch %d", category, question, err, removed, result.Sequence)
					}
				}
				for _, q := range []engine.ChangeQuery{
					{},
					{Since: removed.Add(time.Second)},
					{After: engine.After(result.Sequence)},
					{View: engine.In("nobody")},
					{View: engine.In("nobody"), Since: removed.Add(time.Second)},
				} {
					q.Project, q.Category = "p", category
					found, err := d.Changes(t.Context(), q)
					must(t, err)
					n := 0
					var r engine.Reading
					for change, err := range found.All(t.Context(), &r) {
						must(t, err)
						if n++; change.Asset != "a" || change.Port != 0 && change.Port != 443 {
							t.Errorf("%+v", change)
						}
					}
					want := 2
					if category == engine.Container {
						if want = 0; found.Start() != engine.After(found.Through()) {
							t.Errorf("nothing is told from %v on, want %d", found.Start(), found.Through())
						}
					}
					if !q.View.IsAll() {
						want = 0
					}
					if n != want {
						t.Errorf("%v: %d changes, want %d", category, n, want)
					}
					if q.Since, q.After = (time.Time{}), r.Position; asked(d.Changes(t.Context(), q)) != nil {
						t.Errorf("%v: it does not go on after %v", category, r.Position)
					}
				}
				_, err := d.Trend(t.Context(), engine.TrendQuery{Project: "p", Category: category, Since: removed.Add(2 * time.Second), Step: time.Second, Until: removed.Add(time.Hour)})
				must(t, err)
			}
			if of.memory {
				must(t, d.Engine.Close())
				return
			}
			must(t, d.Close())
			if _, err := Verify(t.Context(), "data", opts); err != nil {
				t.Error(err)
			}
		})
	}
}

func asked[T any](_ T, err error) error { return err }
