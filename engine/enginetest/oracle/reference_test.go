package oracle_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/engine/enginetest/oracle"
	"portolan/index"
)

func openReference(opts *engine.Options) enginetest.Engine { return oracle.NewReference(opts) }

func openLastWriter(opts *engine.Options) enginetest.Engine {
	return oracle.NewLastWriterReference(opts)
}

func TestReference(t *testing.T)       { enginetest.Run(t, openReference) }
func TestLastWriter(t *testing.T)      { enginetest.Run(t, openLastWriter) }
func TestLastWriterModel(t *testing.T) { enginetest.Model(t, openLastWriter) }

// liar is an engine that answers one thing wrong.
type liar struct {
	*oracle.Reference
	ports func(*engine.PortPage)
	asset func(*engine.Asset)
	hosts func(engine.HostQuery, *engine.HostPage)
}

func (l *liar) Ports(ctx context.Context, q engine.PortQuery) (engine.PortPage, error) {
	page, err := l.Reference.Ports(ctx, q)
	if l.ports != nil {
		l.ports(&page)
	}
	return page, err
}

func (l *liar) Asset(ctx context.Context, project string, category engine.Category, id string) (engine.Asset, error) {
	a, err := l.Reference.Asset(ctx, project, category, id)
	if l.asset != nil {
		l.asset(&a)
	}
	return a, err
}

func (l *liar) Hosts(ctx context.Context, q engine.HostQuery) (engine.HostPage, error) {
	page, err := l.Reference.Hosts(ctx, q)
	if l.hosts != nil {
		l.hosts(q, &page)
	}
	return page, err
}

func TestDiff(t *testing.T) {
	honest := oracle.NewReference(nil)
	if _, err := honest.Apply(t.Context(), enginetest.Small(1, 100)); err != nil {
		t.Fatal(err)
	}
	if diff := enginetest.Diff(t.Context(), honest, honest); diff != "" {
		t.Errorf("an engine differs from itself: %s", diff)
	}
	for want, lie := range map[string]*liar{
		"ports ": {ports: func(p *engine.PortPage) { p.Total++ }},
		"Num:":   {ports: func(p *engine.PortPage) { p.Rows[0].Num++ }},
		"hosts ": {hosts: func(_ engine.HostQuery, p *engine.HostPage) { p.Total++ }},
		"HostPort{": {hosts: func(q engine.HostQuery, p *engine.HostPage) {
			if q.Asset != "" {
				p.Rows = nil
			}
		}},
		"asset ": {asset: func(a *engine.Asset) { a.Open = append(a.Open, index.MakeKey(7, index.TCP)) }},
	} {
		lie.Reference = honest
		if diff := enginetest.Diff(t.Context(), honest, &guarded{lie}); !strings.Contains(diff, want) {
			t.Errorf("lie about %q does not show:\n%s", want, diff)
		}
	}
}

// guarded keeps a liar from lying about pages without rows.
type guarded struct{ *liar }

func (g *guarded) Ports(ctx context.Context, q engine.PortQuery) (engine.PortPage, error) {
	if page, err := g.Reference.Ports(ctx, q); len(page.Rows) == 0 {
		return page, err
	}
	return g.liar.Ports(ctx, q)
}

func TestSmall(t *testing.T) {
	reports := enginetest.Small(1, 2000)
	if len(reports) != 2000 {
		t.Fatalf("%d reports, want 2000", len(reports))
	}
	projects, ports, scopes := map[string]bool{}, map[uint16]bool{}, map[string]bool{}
	for _, r := range reports {
		projects[r.Project] = true
		scopes[r.Scope.String()] = true
		for _, k := range r.Open {
			ports[k.Port()] = true
		}
		if err := r.Validate(); err != nil || r.Seen.IsZero() {
			t.Fatalf("seen %v, error %v", r.Seen, err)
		}
	}
	if len(projects) != 2 || len(scopes) < 10 || len(scopes) > 30 || !scopes["all"] || !scopes["none"] {
		t.Errorf("projects %v, scopes %v", projects, scopes)
	}
	for _, port := range []uint16{1, 63, 64, 65, 1023, 1024, 65535} {
		if !ports[port] {
			t.Errorf("port %d never comes", port)
		}
	}
	again := enginetest.Small(1, 2000)
	if !slices.EqualFunc(reports, again, func(a, b engine.Report) bool {
		return a.Asset == b.Asset && a.Seen.Equal(b.Seen) && slices.Equal(a.Open, b.Open)
	}) {
		t.Error("the same seed gives other reports")
	}
}

// A conformance test is a function that opens the engine under test; here it is
// the reference itself.
func ExampleRun() {
	_ = func(t *testing.T) {
		enginetest.Run(t, func(opts *engine.Options) enginetest.Engine {
			return oracle.NewReference(opts)
		})
	}
	// Output:
}
