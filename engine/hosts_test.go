package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

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
		"deep page":       {Port: 22, View: engine.In("odd"), Offset: 9_000, Limit: 1},
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

// TestHostsSkipByRank: where the whole port lies in the view, a deep page passes
// over nothing, in a view of one enterprise project or several as in the whole.
func TestHostsSkipByRank(t *testing.T) {
	e := crowd(t, 20_000)
	for name, view := range map[string]engine.View{"all": engine.All(), "both": engine.In("0", "odd")} {
		ctx := &patient{Context: t.Context(), n: 2}
		page, err := e.Hosts(ctx, engine.HostQuery{Project: "p", View: view, Port: 22, Offset: 19_990, Limit: 200})
		if err != nil || page.Total != 20_000 || len(page.Rows) != 10 || page.Rows[9].Asset != "h19999" {
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
		{"address", func(q *engine.HostQuery) { q.Address = "99" }},
		{"address-in-view", func(q *engine.HostQuery) { q.Address, q.View = "99", home }},
		{"asset", func(q *engine.HostQuery) { q.Port, q.Asset = 0, first.Rows[0].Asset }},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := base
			c.change(&q)
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
