package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"portolan/engine"
)

// testClock is a clock that moves only when told to.
type testClock struct{ at time.Time }

func (c *testClock) now() time.Time { return c.at }

func (c *testClock) advance(d time.Duration) { c.at = c.at.Add(d) }

func newTestClock() *testClock {
	return &testClock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func mustOpen(t testing.TB, opts *engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustParse(t testing.TB, texts ...string) []engine.Key {
	t.Helper()
	keys, err := engine.ParseKeys(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// imported calls f with an import of the engine.
func imported(t *testing.T, e *engine.Engine, f func(in *engine.Import)) {
	t.Helper()
	if err := e.Import(engine.All(), func(in *engine.Import) error { f(in); return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestLongImport: an import may last for days. Its receipt time is that of its
// first report without a time; reports with one are held against the clock.
func TestLongImport(t *testing.T) {
	clock := newTestClock()
	e := mustOpen(t, &engine.Options{Now: clock.now})
	imported(t, e, func(in *engine.Import) { longImport(t, e, clock, in) })
}

func longImport(t *testing.T, e *engine.Engine, clock *testClock, in *engine.Import) {
	t.Helper()
	began := clock.at
	tell := func(what string, r engine.Report, want engine.Result) {
		t.Helper()
		r.Project = "p"
		if err := in.Check(&r); err != nil {
			t.Fatalf("%s: Check: %v", what, err)
		}
		got, err := in.Apply(t.Context(), []engine.Report{r})
		if want.Sequence = got.Sequence; err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", what, got, err, want)
		}
	}
	seen := func(what, id string, want time.Time) {
		t.Helper()
		if a, err := e.Asset(t.Context(), "p", engine.Host, id); err != nil || !a.LastSeen.Equal(want) {
			t.Errorf("%s: %s was seen %v, %v, want %v", what, id, a.LastSeen, err, want)
		}
	}
	ssh := mustParse(t, "22/tcp")
	tell("first", engine.Report{Asset: "a"}, engine.Result{Applied: 1})
	seen("first", "a", began)

	clock.advance(time.Hour)
	if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "b", Scope: engine.ScopeAll()}}); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Minute)
	tell("seen now, an hour in", engine.Report{Asset: "b", Seen: clock.at, Open: ssh}, engine.Result{Applied: 1})
	seen("seen now, an hour in", "b", clock.at)
	if a, err := e.Asset(t.Context(), "p", engine.Host, "b"); err != nil || len(a.Open) != 1 {
		t.Errorf("a port whose newest evidence is open: %v, %v", a.Open, err)
	}

	clock.advance(3 * 24 * time.Hour)
	tell("seen now, three days in", engine.Report{Asset: "b", Seen: clock.at}, engine.Result{Unchanged: 1})
	tell("ahead, three days in", engine.Report{Asset: "c", Seen: clock.at.Add(engine.MaxAhead)}, engine.Result{Applied: 1, Clamped: 1})
	seen("ahead, three days in", "c", clock.at)
	tell("no time, three days in", engine.Report{Asset: "d"}, engine.Result{Applied: 1})
	seen("no time, three days in", "d", began)
	far := engine.Report{Project: "p", Asset: "e", Seen: clock.at.Add(engine.MaxAhead + time.Microsecond)}
	if err := in.Check(&far); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("too far ahead: %v", err)
	}
}

// TestCheckChangesNothing: what is only checked, or refused, leaves no trace in
// the receipt times.
func TestCheckChangesNothing(t *testing.T) {
	clock := newTestClock()
	e := mustOpen(t, &engine.Options{Now: clock.now})
	imported(t, e, func(in *engine.Import) { checkAndRefuse(t, e, clock, in) })
}

func checkAndRefuse(t *testing.T, e *engine.Engine, clock *testClock, in *engine.Import) {
	t.Helper()
	reports := make([]engine.Report, 100)
	for i := range reports {
		reports[i] = engine.Report{Project: fmt.Sprintf("p%d", i), Asset: "a"}
		if err := in.Check(&reports[i]); err != nil {
			t.Fatal(err)
		}
	}
	reports = append(reports, engine.Report{Project: "p"})
	if _, err := in.Apply(t.Context(), reports); !errors.Is(err, engine.ErrInvalid) {
		t.Fatalf("an invalid report: %v", err)
	}
	if names, err := e.Projects(); len(names) > 0 || err != nil {
		t.Errorf("projects %v, %v", names, err)
	}
	clock.advance(time.Second)
	if _, err := in.Apply(t.Context(), reports[:1]); err != nil {
		t.Fatal(err)
	}
	if a, err := e.Asset(t.Context(), "p0", engine.Host, "a"); err != nil || !a.LastSeen.Equal(clock.at) {
		t.Errorf("seen %v, %v, want the time of the call that applied, %v", a.LastSeen, err, clock.at)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := in.Check(&reports[0]); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Check after Close: %v", err)
	}
}

// TestSnapshotIsOfItsProject: a snapshot refuses questions about another project
// or category, and stands in for those that are left out.
func TestSnapshotIsOfItsProject(t *testing.T) {
	e := mustOpen(t, nil)
	ssh := mustParse(t, "22/tcp")
	if _, err := e.Apply(t.Context(), []engine.Report{
		{Project: "p", Asset: "a", Open: ssh}, {Project: "q", Asset: "b", Open: ssh}, {Project: "p", Category: engine.Container, Asset: "c", Open: ssh},
	}); err != nil {
		t.Fatal(err)
	}
	s, err := e.Snapshot("p", engine.Container)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		project  string
		category engine.Category
		field    string
	}{
		{"", engine.Host, ""}, {"p", engine.Container, ""}, {"p", engine.Host, ""}, {"q", engine.Container, "project_id"}, {"p", 9, "category"},
	} {
		page, err := s.Ports(t.Context(), engine.PortQuery{Project: c.project, Category: c.category})
		hosts, hostsErr := s.Hosts(t.Context(), engine.HostQuery{Project: c.project, Category: c.category, Port: 22})
		assets, assetsErr := s.Assets(t.Context(), engine.AssetQuery{Project: c.project, Category: c.category})
		for call, err := range map[string]error{"Ports": err, "Hosts": hostsErr, "Assets": assetsErr} {
			var field *engine.FieldError
			if errors.As(err, &field); (c.field == "") != (err == nil) || c.field != "" && (field == nil || field.Field != c.field) {
				t.Errorf("%s of %q, %v: %v, want a fault in %q", call, c.project, c.category, err, c.field)
			}
		}
		if c.field == "" && (page.Total != 1 || hosts.Total != 1 || hosts.Rows[0].Asset != "c" || assets.Total != 1) {
			t.Errorf("%q, %v: %+v %+v %+v", c.project, c.category, page, hosts, assets)
		}
	}
	if m := s.Memory(); m.Total() == 0 || m.Total() != m.Dictionary+m.Assets+m.Postings+m.Counts+m.Interned || m.Dictionary == 0 || m.Assets == 0 || m.Postings == 0 || m.Counts == 0 {
		t.Errorf("it takes %+v", m)
	}
	of, err := e.Snapshot("nobody", engine.Host)
	if !errors.Is(err, engine.ErrNoProject) || !errors.Is(err, engine.ErrNotFound) || errors.Is(err, engine.ErrNoAsset) {
		t.Errorf("a project that is not there: %v", err)
	}
	if page, err := of.Ports(t.Context(), engine.PortQuery{}); err != nil || page.Total != 0 || of.NumAssets() != 0 || of.Policy() == nil || of.Memory().Total() != 0 {
		t.Errorf("its snapshot: %+v, %v", page, err)
	}
}

// TestWords: what names something is parsed or refused with all that is allowed.
func TestWords(t *testing.T) {
	if keys, err := engine.ParseKeys("22/tcp", "53/UDP6"); err != nil || len(keys) != 2 || keys[1] != engine.MakeKey(53, engine.UDP6) {
		t.Errorf("%v, %v", keys, err)
	}
	if keys, err := engine.ParseKeys(); err != nil || len(keys) != 0 {
		t.Errorf("of nothing: %v, %v", keys, err)
	}
	_, err := engine.ParseKeys("22/tcp", "0/tcp", "x")
	var field *engine.FieldError
	if !errors.Is(err, engine.ErrInvalid) || !errors.As(err, &field) || field.Value != "0/tcp" {
		t.Errorf("bad keys: %v", err)
	}
	for name, want := range map[string]engine.Type{"tcp": engine.TCP, "Udp6": engine.UDP6, "SCTP": engine.SCTP} {
		if got, err := engine.ParseType(name); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "any", "icmp", "tcp "} {
		if _, err := engine.ParseType(name); err == nil || err.Error() != fmt.Sprintf("type: %q is not allowed: want tcp, tcp6, udp, udp6, sctp or sctp6", name) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, opts := range []*engine.Options{{MaxAssets: -1}, {MaxAssets: 1 << 31}} {
		if _, err := engine.Open(opts); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
}

// TestImportOver: an import ends with its function, and what comes later is another one: two
// full reports without a time are one look in one import, and two in two.
func TestImportOver(t *testing.T) {
	e := mustOpen(t, nil)
	full := func(ports ...uint16) []engine.Report {
		r := seenOn("a", time.Time{}, ports...)
		return []engine.Report{r}
	}
	open := func() int {
		a, err := e.Asset(t.Context(), "p", engine.Host, "a")
		if err != nil {
			t.Fatal(err)
		}
		return len(a.Open)
	}
	var kept *engine.Import
	imported(t, e, func(in *engine.Import) {
		for _, reports := range [][]engine.Report{full(22, 80), full(22)} {
			if _, err := in.Apply(t.Context(), reports); err != nil {
				t.Fatal(err)
			}
		}
		kept = in
	})
	if n := open(); n != 2 {
		t.Errorf("%d ports after one import, want both", n)
	}
	if _, err := kept.Apply(t.Context(), full(22)); !errors.Is(err, engine.ErrImportOver) {
		t.Errorf("Apply after its end: %v", err)
	}
	if err := kept.Check(&full(22)[0]); !errors.Is(err, engine.ErrImportOver) {
		t.Errorf("Check after its end: %v", err)
	}
	if _, err := e.Apply(t.Context(), full(22)); err != nil || open() != 1 {
		t.Errorf("%d ports after another import, %v, want 1", open(), err)
	}
	failed := errors.New("failed")
	if err := e.Import(engine.All(), func(*engine.Import) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("error %v, want %v", err, failed)
	}
}

// TestImportAssets: an import says how many assets readers see.
func TestImportAssets(t *testing.T) {
	e := mustOpen(t, nil)
	imported(t, e, func(in *engine.Import) { countAssets(t, in) })
}

func countAssets(t *testing.T, s *engine.Import) {
	t.Helper()
	if n := s.Assets("p", engine.Host); n != 0 {
		t.Errorf("%d assets of a project that is not there", n)
	}
	if _, err := s.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "a"}, {Project: "p", Asset: "b"}, {Project: "p", Asset: "b", Category: engine.Container}}); err != nil {
		t.Fatal(err)
	}
	for c, want := range map[engine.Category]int{engine.Host: 2, engine.Container: 1, 7: 0} {
		if n := s.Assets("p", c); n != want {
			t.Errorf("%d %vs, want %d", n, c, want)
		}
	}
}
