package store

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/index"
)

// update makes the golden directories of this version's format, if there are none.
var update = flag.Bool("update", false, "make the golden directories of this version's format")

// goldenReports are reports of every kind: ids of every form, scopes, texts, times in any
// order, both categories, and one asset with more looks than are kept; from format 5 on labels, too.
func goldenReports(seed uint64, n, format int) []engine.Report {
	labels := rand.New(rand.NewPCG(seed, 5))
	rng := rand.New(rand.NewPCG(seed, 17))
	ids := []string{
		"web-1", "Ünïcode", "i-0abc", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "00ff00ff00ff00ff", "10.1.2.3", "2001:db8::1", strings.Repeat("long", 50),
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	reports := make([]engine.Report, n)
	for i := range reports {
		r := &reports[i]
		r.Project, r.Category, r.Asset = fmt.Sprintf("p%d", rng.IntN(2)), engine.Category(rng.IntN(2)), ids[rng.IntN(len(ids))]
		r.Seen = day.Add(time.Duration(rng.IntN(1000)) * time.Minute)
		for range rng.IntN(6) {
			r.Open = append(r.Open, index.MakeKey(uint16(1+rng.IntN(300)), []index.Type{index.TCP, index.UDP, index.TCP6, index.SCTP}[rng.IntN(4)]))
		}
		lo := uint16(1 + rng.IntN(250))
		switch rng.IntN(4) {
		case 0:
			r.Scope = engine.ScopeAll()
		case 1:
			r.Scope = engine.ScopeOf(index.Range{Type: index.TCP, Lo: lo, Hi: lo + 50}, index.Range{Type: index.UDP, Lo: lo, Hi: lo})
		case 2:
			r.Project, r.Category, r.Asset = "p0", engine.Host, "looked-at"
			r.Scope = engine.ScopeOf(index.Range{Type: index.TCP, Lo: lo, Hi: lo})
		}
		if rng.IntN(3) == 0 {
			r.Name, r.Address, r.EnterpriseProject = fmt.Sprintf("name-%d", i), fmt.Sprintf("10.0.0.%d", i%256), fmt.Sprintf("e%d", rng.IntN(3))
		}
		if format >= 5 && labels.IntN(3) == 0 {
			r.Labels = map[string]string{"env": []string{"prod", "test", ""}[labels.IntN(3)], fmt.Sprint("n", labels.IntN(9)): "é"}
		}
	}
	return reports
}

// everything is all that an engine answers, as text.
func everything(t *testing.T, e *engine.Engine) string {
	t.Helper()
	var b strings.Builder
	projects, err := e.Projects()
	must(t, err)
	for _, p := range projects {
		groups, err := e.EnterpriseProjects(t.Context(), p)
		must(t, err)
		fmt.Fprintln(&b, p, groups)
		for _, c := range []engine.Category{engine.Host, engine.Container} {
			ports, err := e.Ports(t.Context(), engine.PortQuery{Project: p, Category: c})
			must(t, err)
			for _, row := range ports.Rows {
				fmt.Fprintf(&b, "%s %s %s: %d\n", p, c, row.Key(), row.Num)
			}
			assets, err := e.Assets(t.Context(), engine.AssetQuery{Project: p, Category: c})
			must(t, err)
			for _, a := range assets.Rows {
				fmt.Fprintf(&b, "%s %s %q %q %q %q %s %v\n", p, c, a.ID, a.Name, a.Address, a.EnterpriseProject, a.LastSeen.Format(time.RFC3339Nano), a.Open)
				if len(a.Labels) > 0 {
					fmt.Fprintf(&b, "%s %s %q labels %q\n", p, c, a.ID, a.Labels)
				}
			}
			values, err := e.Groups(t.Context(), engine.GroupQuery{Project: p, Category: c, Label: "env"})
			must(t, err)
			if values.Total > 0 {
				fmt.Fprintf(&b, "%s %s env %v, %d without\n", p, c, values.Rows, values.Without)
			}
		}
	}
	return b.String()
}

// everyChange is all that an engine tells of the past, as text.
func everyChange(t *testing.T, e *engine.Engine) string {
	t.Helper()
	var b strings.Builder
	projects, err := e.Projects()
	must(t, err)
	for _, p := range projects {
		for _, c := range []engine.Category{engine.Host, engine.Container} {
			list, err := e.Changes(t.Context(), engine.ChangeQuery{Project: p, Category: c})
			must(t, err)
			for change, err := range list.All(t.Context(), nil) {
				must(t, err)
				fmt.Fprintf(&b, "%s %s %s %s %q %q %q in %q from %q %s %s\n", p, c, change.At, change.Kind, change.Asset, change.Name, change.Address,
					change.EnterpriseProject, change.From, change.Key(), change.Seen.Format(time.RFC3339Nano))
			}
		}
	}
	return b.String()
}

// everyState is what the engine tells of some moments in the past.
func everyState(t *testing.T, e *engine.Engine) string {
	t.Helper()
	var b strings.Builder
	projects, err := e.Projects()
	must(t, err)
	for _, seq := range []uint64{1, 19, 20, 41, goldenBatches} {
		for _, p := range projects {
			for _, c := range []engine.Category{engine.Host, engine.Container} {
				s, err := e.SnapshotAt(t.Context(), p, c, engine.Moment{Sequence: seq})
				must(t, err)
				fmt.Fprintf(&b, "as of %d, %s %s:\n%s", seq, p, c, stateText(t, s))
			}
		}
	}
	return b.String()
}

// goldenBegin is when the first of the golden batches came, from format 8 on; others come every 40 minutes.
var goldenBegin = time.Date(2026, 3, 1, 10, 5, 0, 0, time.UTC)

// everyTrend is what the engine tells of counts in the course of time, as text.
func everyTrend(t *testing.T, e *engine.Engine) string {
	t.Helper()
	text := ""
	projects, err := e.Projects()
	must(t, err)
	for _, p := range projects {
		for _, c := range []engine.Category{engine.Host, engine.Container} {
			for _, step := range []time.Duration{time.Hour, 24 * time.Hour} {
				trend, err := e.Trend(t.Context(), engine.TrendQuery{
					Project: p, Category: c, View: engine.In("e1"), Since: goldenBegin.Add(-25 * time.Hour), Until: goldenBegin.Add(60 * time.Hour), Step: step,
				})
				must(t, err)
				text += fmt.Sprintln(p, c, trendText(&trend, true))
			}
		}
	}
	return text
}

// TestGoldenDirectories: what an earlier version, or this one, has written opens, answers as
// it did, and takes late reports as it would have.
func TestGoldenDirectories(t *testing.T) {
	if *update {
		makeGolden(t)
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "format*", "*"))
	must(t, err)
	if len(paths) < 2*formatVersion {
		t.Fatalf("golden directories %q: -update makes those of this version's format", paths)
	}
	for _, golden := range paths {
		var format int
		_, err := fmt.Sscanf(filepath.Base(filepath.Dir(golden)), "format%d", &format)
		must(t, err)
		path := filepath.Join(t.TempDir(), "data")
		must(t, os.CopyFS(path, os.DirFS(filepath.Join(golden, "data"))))
		if _, err := Verify(t.Context(), path, nil); err != nil {
			t.Errorf("%s: %v", golden, err)
		}
		d := openOn(t, path, nil, nil)
		compareGolden(t, filepath.Join(golden, "answers.txt"), everything(t, d.Engine))
		if format >= 6 {
			compareGolden(t, filepath.Join(golden, "past.txt"), everyChange(t, d.Engine)+everyState(t, d.Engine))
		} else if past := everyChange(t, d.Engine); past != "" {
			t.Errorf("%s: nothing was kept of the past, but it tells %s", golden, past)
		}
		if format >= 8 {
			compareGolden(t, filepath.Join(golden, "trends.txt"), everyTrend(t, d.Engine))
		}
		if got, err := d.store.Followers(); err != nil || format >= 7 != reflect.DeepEqual(got, goldenFollowers) {
			t.Errorf("%s: followers %q, %v", golden, got, err)
		}
		if gone := d.store.Begins("gone", engine.Host); format >= 7 != (gone.Seq == goldenBatches+3) {
			t.Errorf("%s: a project was removed by batch %d", golden, gone.Seq)
		}
		if n := d.store.Sequence(); n != goldenSequence(format) {
			t.Errorf("%s: batch %d", golden, n)
		}
		_, err = d.Apply(t.Context(), goldenReports(2, 100, format))
		must(t, err)
		compareGolden(t, filepath.Join(golden, "later.txt"), everything(t, d.Engine))
		must(t, d.Check(t.Context()), d.Close())
	}
}

const goldenBatches = 60

// goldenSequence is the last batch: from format 7 on, the one that removes a project, after one that has something of it.
func goldenSequence(format int) uint64 {
	if format >= 7 {
		return goldenBatches + 3
	}
	return goldenBatches + 1
}

// goldenFollowers are what followers have kept, from format 7 on.
var goldenFollowers = map[string][]byte{"a": []byte("one"), "b \x00": {0, 1, 2}}

// makeGolden makes two directories: of a process that ended well, and of one that was killed.
func makeGolden(t *testing.T) {
	t.Helper()
	reports := goldenReports(1, 5*goldenBatches, formatVersion)
	for _, kind := range []string{"closed", "killed"} {
		golden := filepath.Join("testdata", fmt.Sprintf("format%d", formatVersion), kind)
		if _, err := os.Stat(golden); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%s is there: golden directories are not made again (%v)", golden, err)
		}
		path := filepath.Join(t.TempDir(), "data")
		var d durable
		now := goldenBegin
		for n := range goldenBatches {
			if n%20 == 0 {
				if n > 0 {
					d.store.counter.wait()
					must(t, d.Close())
				}
				d = openOn(t, path, nil, &engine.Options{Now: func() time.Time { return now }})
			}
			now = goldenBegin.Add(time.Duration(n) * 40 * time.Minute)
			_, err := d.Apply(t.Context(), reports[5*n:5*n+5])
			must(t, err)
		}
		_, err := d.Remove(t.Context(), "p1", reports[0].Category, "web-1", "10.1.2.3")
		if err != nil && !errors.Is(err, engine.ErrNoAsset) {
			t.Fatal(err)
		}
		_, err = d.Apply(t.Context(), []engine.Report{{Project: "gone", Asset: "a", Scope: engine.ScopeAll()}})
		must(t, err)
		_, err = d.RemoveProject(t.Context(), "gone")
		must(t, err)
		for name, data := range goldenFollowers {
			must(t, d.store.KeepFollower(name, data))
		}
		d.store.counter.wait()
		if kind == "closed" {
			must(t, d.Close())
		}
		must(t, copyDirectory(filepath.Join(golden, "data"), path))
		d = openOn(t, copyOf(t, path), nil, nil)
		must(t, os.WriteFile(filepath.Join(golden, "past.txt"), []byte(everyChange(t, d.Engine)+everyState(t, d.Engine)), 0o644))
		must(t, os.WriteFile(filepath.Join(golden, "trends.txt"), []byte(everyTrend(t, d.Engine)), 0o644))
		must(t, os.WriteFile(filepath.Join(golden, "answers.txt"), []byte(everything(t, d.Engine)), 0o644))
		_, err = d.Apply(t.Context(), goldenReports(2, 100, formatVersion))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(golden, "later.txt"), []byte(everything(t, d.Engine)), 0o644), d.Close())
	}
}

func copyOf(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	must(t, copyDirectory(to, path))
	return to
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	want, err := os.ReadFile(path)
	must(t, err)
	if got != string(want) {
		t.Errorf("%s: want\n%s\ngot\n%s", path, want, got)
	}
}
