package bench

import (
	"context"
	"errors"
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

// wrong answers everything as the engine does, but for one thing.
type wrong struct {
	*engine.Engine
	ports func(*engine.PortPage)
	hosts func(*engine.HostPage)
}

func (w wrong) Ports(ctx context.Context, q engine.PortQuery) (engine.PortPage, error) {
	p, err := w.Engine.Ports(ctx, q)
	if w.ports != nil {
		w.ports(&p)
	}
	return p, err
}

func (w wrong) Hosts(ctx context.Context, q engine.HostQuery) (engine.HostPage, error) {
	p, err := w.Engine.Hosts(ctx, q)
	if w.hosts != nil {
		w.hosts(&p)
	}
	return p, err
}

// testRig returns a small fleet.
func testRig(t *testing.T, profile string) *rig {
	t.Helper()
	c := (&Config{Profile: profile, Hosts: 300}).resolved()
	r, err := newRig(t.Context(), &c, c.Hosts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWrongAnswersAreFound: an engine that answers any question wrongly is never timed.
func TestWrongAnswersAreFound(t *testing.T) {
	r := testRig(t, "agents")
	for name, w := range map[string]wrong{
		"a total":       {ports: func(p *engine.PortPage) { p.Total++ }},
		"a count":       {ports: func(p *engine.PortPage) { p.Rows[0].Num-- }},
		"a row less":    {ports: func(p *engine.PortPage) { p.Rows = p.Rows[1:] }},
		"hosts' total":  {hosts: func(p *engine.HostPage) { p.Total-- }},
		"another host":  {hosts: func(p *engine.HostPage) { p.Rows[0].Asset = p.Rows[1].Asset }},
		"another group": {hosts: func(p *engine.HostPage) { p.Rows[0].EnterpriseProject = "none" }},
	} {
		w.Engine = r.e
		failed := 0
		for i := range r.questions {
			q := &r.questions[i]
			if err := q.compare(t.Context(), r.e, r.e); err != nil {
				t.Errorf("%s: right answers are refused: %v", q.name, err)
			}
			if q.name != "first page" && q.name != "hosts of a port" {
				continue // some questions have no rows to be wrong about
			}
			if err := q.compare(t.Context(), r.e, w); errors.Is(err, errWrong) {
				failed++
			} else if err != nil {
				t.Errorf("%s: %s: %v", name, q.name, err)
			}
		}
		if failed != 1 {
			t.Errorf("%s: %d questions found it, want one", name, failed)
		}
	}
}

// TestTallyFindsWrongAnswers: the whole fleet is held against a count of it, too.
func TestTallyFindsWrongAnswers(t *testing.T) {
	for _, profile := range Profiles() {
		r := testRig(t, profile)
		if err := r.verify(t.Context()); err != nil {
			t.Errorf("%s: %v", profile, err)
		}
		for report := range (&Config{Profile: profile}).workload().Fleet(DefaultSeed, 1) {
			report.Seen = report.Seen.Add(1e9)
			report.Open = report.Open[1:]
			if _, err := r.e.Apply(t.Context(), []engine.Report{report}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.verify(t.Context()); !errors.Is(err, errWrong) {
			t.Errorf("%s: one open port less: %v", profile, err)
		}
	}
}

// TestHostPagesAreVerified: hosts beyond what a page may have are found on it.
func TestHostPagesAreVerified(t *testing.T) {
	r := testRig(t, "agents")
	var q *question
	for i := range r.questions {
		if r.questions[i].name == "hosts of a port, three enterprise projects" {
			q = &r.questions[i]
		}
	}
	page, err := r.e.Hosts(t.Context(), q.hosts[0])
	if err != nil {
		t.Fatal(err)
	}
	moved := engine.Report{Project: fleet.Project, Asset: page.Rows[0].Asset, EnterpriseProject: "elsewhere"}
	if _, err := r.e.Apply(t.Context(), []engine.Report{moved}); err != nil {
		t.Fatal(err)
	}
	if err := q.verifyTally(t.Context(), r.tally, r.e); !errors.Is(err, errWrong) {
		t.Errorf("a host less in the view: %v", err)
	}
}

// TestQuestions: there are all the questions that a fleet can be asked, and the new ones
// have answers.
func TestQuestions(t *testing.T) {
	names := map[string]bool{}
	for _, q := range testRig(t, "agents").questions {
		names[q.name] = true
		if q.fresh && len(q.ports) != digitQueries {
			t.Errorf("%s: %d queries", q.name, len(q.ports))
		}
	}
	for _, want := range []string{
		"first page", "deep page", "last page descending", "exact port", "type", "status", "1 digit", "1 digit, new", "5 digits", "5 digits, new",
		"one enterprise project", "three enterprise projects", "forty enterprise projects", "all enterprise projects", "random combinations",
		"hosts of a port", "hosts of a port, deep page",
	} {
		if !names[want] {
			t.Errorf("no question %q", want)
		}
	}
	for _, q := range testRig(t, "internet").questions {
		if q.name == "forty enterprise projects" {
			t.Error("a fleet of one enterprise project is asked for forty")
		}
	}
}
