package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/index"
)

// patient is a context that is done from its n-th question on.
type patient struct {
	context.Context
	asked, n int
}

func (p *patient) Err() error {
	if p.asked++; p.asked >= p.n {
		return context.Canceled
	}
	return nil
}

// crowd returns an engine with n assets that have the same port open, every
// second one in enterprise project odd.
func crowd(t *testing.T, n int) *engine.Engine {
	t.Helper()
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	reports := make([]engine.Report, n)
	for i := range reports {
		reports[i] = engine.Report{Project: "p", Asset: fmt.Sprintf("h%d", i), Name: fmt.Sprintf("web-%d", i), Open: []index.Key{index.MakeKey(22, index.TCP)}}
		if i%2 == 1 {
			reports[i].EnterpriseProject = "odd"
		}
	}
	if _, err := e.Apply(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestHostsLookAtTheContext: whatever has to pass over many assets stops soon
// after nobody waits for the answer any more.
func TestHostsLookAtTheContext(t *testing.T) {
	e := crowd(t, 20_000)
	for name, q := range map[string]engine.HostQuery{
		"search":          {Port: 22, Name: "x", Limit: 1},
		"search, address": {Port: 22, Address: "x", View: engine.In("odd"), Limit: 1},
		"all rows":        {Port: 22},
	} {
		q.Project = "p"
		if _, err := e.Hosts(t.Context(), q); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		ctx := &patient{Context: t.Context(), n: 3}
		if _, err := e.Hosts(ctx, q); !errors.Is(err, context.Canceled) || ctx.asked != 3 {
			t.Errorf("%s: error %v after %d looks at the context", name, err, ctx.asked)
		}
	}
}

// TestHostsSkipByRank: a deep page passes over nothing, in a view of one
// enterprise project or several as in the whole.
func TestHostsSkipByRank(t *testing.T) {
	e := crowd(t, 20_000)
	for name, view := range map[string]engine.View{"all": engine.All(), "both": engine.In("0", "odd"), "odd": engine.In("odd")} {
		total := 20_000
		if name == "odd" {
			total /= 2
		}
		ctx := &patient{Context: t.Context(), n: 2}
		page, err := e.Hosts(ctx, engine.HostQuery{Project: "p", View: view, Port: 22, Offset: total - 10, Limit: 200})
		if err != nil || page.Total != total || len(page.Rows) != 10 || page.Rows[9].Asset != "h19999" {
			t.Errorf("%s: total %d, %d rows, error %v", name, page.Total, len(page.Rows), err)
		}
	}
}

// BenchmarkHosts asks for pages of the assets that have 22/tcp open.
func BenchmarkHosts(b *testing.B) {
	e := loadedEngine(b)
	ctx := context.Background()
	base := engine.HostQuery{Project: fleet.Project, Port: 22, Limit: 200}
	first, err := e.Hosts(ctx, base)
	if err != nil || first.Total == 0 {
		b.Fatalf("%d rows, %v", first.Total, err)
	}
	home := engine.In(first.Rows[0].EnterpriseProject)
	for _, c := range []struct {
		name   string
		change func(*engine.HostQuery)
	}{
		{"first", func(*engine.HostQuery) {}},
		{"last", func(q *engine.HostQuery) { q.Offset = first.Total - 200 }},
		{"view", func(q *engine.HostQuery) { q.View = home }},
		{"view-last", func(q *engine.HostQuery) { q.View, q.Offset = home, 1<<60 }},
		{"views", func(q *engine.HostQuery) { q.View, q.Offset = engine.In("0", "group-07", "group-30"), 100_000 }},
		{"rare", func(q *engine.HostQuery) { q.Port, q.View = 40_000, home }},
		{"address", func(q *engine.HostQuery) { q.Address = "99" }},
		{"address-in-view", func(q *engine.HostQuery) { q.Address, q.View = "99", home }},
		{"asset", func(q *engine.HostQuery) { q.Port, q.Asset = 0, first.Rows[0].Asset }},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := base
			c.change(&q)
			if q.Offset == 1<<60 { // the last page
				whole, err := e.Hosts(ctx, q)
				if err != nil {
					b.Fatal(err)
				}
				q.Offset = max(0, whole.Total-q.Limit)
			}
			b.ReportAllocs()
			var page engine.HostPage
			for b.Loop() {
				if page, err = e.Hosts(ctx, q); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(first.Total), "holders")
			b.ReportMetric(float64(page.Total), "total")
		})
	}
}

// BenchmarkHostsUnseen asks for the first or the last page of the assets that have a
// port open in one enterprise project or in three, each combination once a snapshot:
// nothing is remembered.
func BenchmarkHostsUnseen(b *testing.B) {
	e := loadedEngine(b)
	groups, err := e.EnterpriseProjects(context.Background(), fleet.Project)
	if err != nil {
		b.Fatal(err)
	}
	ports, err := e.Ports(context.Background(), engine.PortQuery{Project: fleet.Project, Type: engine.TCP})
	if err != nil {
		b.Fatal(err)
	}
	slices.SortFunc(ports.Rows, func(a, b engine.PortCount) int { return b.Num - a.Num })
	for _, c := range []struct {
		name         string
		groups, from int
		first        bool
	}{
		{"one-popular-first", 1, 0, true},
		{"one-middling-first", 1, 100, true},
		{"three-popular-first", 3, 0, true},
		{"three-middling-first", 3, 100, true},
		{"one-popular", 1, 0, false},
		{"one-middling", 1, 100, false},
		{"one-rare", 1, 1000, false},
		{"three-popular", 3, 0, false},
		{"three-middling", 3, 100, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			worst := time.Duration(0)
			i := 0
			for b.Loop() {
				var names []string
				for g := range c.groups {
					names = append(names, groups[(i+7*g)%len(groups)].ID)
				}
				row := ports.Rows[c.from+i%40]
				q := engine.HostQuery{Project: fleet.Project, Port: int(row.Port), Type: row.Type, View: engine.In(names...), Limit: 200}
				if n := countIn(b, e, &q); !c.first {
					q.Offset = max(0, n-200)
				}
				start := time.Now()
				if _, err := e.Hosts(context.Background(), q); err != nil {
					b.Fatal(err)
				}
				worst = max(worst, time.Since(start))
				i++
			}
			b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
		})
	}
}

// countIn is how many assets of the query's view have its port open.
func countIn(b *testing.B, e *engine.Engine, q *engine.HostQuery) int {
	b.Helper()
	page, err := e.Ports(context.Background(), engine.PortQuery{Project: q.Project, View: q.View, Port: q.Port, Type: q.Type})
	if err != nil {
		b.Fatal(err)
	}
	if len(page.Rows) == 0 {
		return 0
	}
	return page.Rows[0].Num
}

// TestCountAny: an asset that has several of the keys open counts once.
func TestCountAny(t *testing.T) {
	e := mustOpen(t, nil)
	reports := slices.Collect(fleet.Agents(5, 3000))
	if _, err := e.Apply(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	s, err := e.Snapshot(fleet.Project, engine.Host)
	if err != nil {
		t.Fatal(err)
	}
	keys := mustParse(t, "22/tcp", "443/tcp", "9/sctp", "80/tcp", "22/tcp")
	for name, view := range map[string]engine.View{"all": engine.All(), "none": engine.In(), "0": engine.In("0"), "two": engine.In("0", "group-07"), "unknown": engine.In("x")} {
		for n := range len(keys) + 1 {
			want := 0
			for _, r := range reports {
				if (view.IsAll() || slices.Contains(view.Names(), r.EnterpriseProject)) && slices.ContainsFunc(r.Open, func(k engine.Key) bool { return slices.Contains(keys[:n], k) }) {
					want++
				}
			}
			if got := s.CountAny(view, keys[:n]...); got != want {
				t.Errorf("%s: any of %v: %d, want %d", name, keys[:n], got, want)
			}
		}
	}
	if got := (engine.Snapshot{}).CountAny(engine.All(), keys...); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}
