package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
)

// referenceHosts is how many assets of a fleet the reference engine is given.
const referenceHosts = 2000

// maxVerified is how many queries of one question are verified.
const maxVerified = 100

// errWrong is matched by the error for an answer that is not the right one.
var errWrong = errors.New("wrong answer")

// verifyReference puts every question to the reference engine and to ours, both
// filled with the beginning of the fleet.
func verifyReference(ctx context.Context, c *Config) error {
	r, err := newRig(ctx, c, min(c.Hosts, referenceHosts))
	if err != nil {
		return err
	}
	want := oracle.NewReference(nil)
	for report := range c.workload().Fleet(c.Seed, r.hosts) {
		if _, err := want.Apply(ctx, []engine.Report{report}); err != nil {
			return err
		}
	}
	for i := range r.questions {
		if err := r.questions[i].compare(ctx, want, r.e); err != nil {
			return fmt.Errorf("%d %s: %w", r.hosts, c.Profile, err)
		}
	}
	return nil
}

// compare puts the question to both and wants the same answers.
func (q *question) compare(ctx context.Context, want, got asked) error {
	for _, pq := range q.ports[:min(len(q.ports), maxVerified)] {
		w, err := want.Ports(ctx, pq)
		if err != nil {
			return err
		}
		if err := q.comparePorts(ctx, w, got, pq); err != nil {
			return err
		}
	}
	for _, hq := range q.hosts {
		hq.Offset, hq.Limit = 0, 0 // engines may put assets in any order
		w, err := want.Hosts(ctx, hq)
		if err != nil {
			return err
		}
		g, err := got.Hosts(ctx, hq)
		if err != nil {
			return err
		}
		slices.SortFunc(w.Rows, compareHostPorts)
		slices.SortFunc(g.Rows, compareHostPorts)
		if w.Total != g.Total || !slices.Equal(w.Rows, g.Rows) {
			return fmt.Errorf("%w: %s: %d hosts, want %d, or others", errWrong, q.name, g.Total, w.Total)
		}
	}
	return nil
}

func (q *question) comparePorts(ctx context.Context, want engine.PortPage, got asked, pq engine.PortQuery) error {
	g, err := got.Ports(ctx, pq)
	if err != nil {
		return err
	}
	if g.Total != want.Total || !slices.Equal(g.Rows, want.Rows) {
		n := 0
		for n < min(len(g.Rows), len(want.Rows)) && g.Rows[n] == want.Rows[n] {
			n++
		}
		return fmt.Errorf("%w: %s: %+v has %d rows in all, want %d; from row %d of the page on %v, want %v",
			errWrong, q.name, pq, g.Total, want.Total, n, some(g.Rows[n:]), some(want.Rows[n:]))
	}
	return nil
}

// some returns the first rows, for messages.
func some(rows []engine.PortCount) []engine.PortCount { return rows[:min(len(rows), 3)] }

func compareHostPorts(a, b engine.HostPort) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Asset, b.Asset))
}

// verifyTally holds answers to the question against a tally of the whole fleet: pages
// of ports as they are, and of hosts that there are as many as the tally counts, each
// once, each in the view, with the port open.
func (q *question) verifyTally(ctx context.Context, t *oracle.Tally, e *engine.Engine) error {
	for _, pq := range q.ports[:min(len(q.ports), digitQueries)] {
		want, err := t.Ports(ctx, pq)
		if err != nil {
			return err
		}
		if err := q.comparePorts(ctx, want, e, pq); err != nil {
			return err
		}
	}
	for _, hq := range q.hosts {
		if err := q.verifyHosts(ctx, t, e, hq); err != nil {
			return fmt.Errorf("%w: %s: %w", errWrong, q.name, err)
		}
	}
	return nil
}

func (q *question) verifyHosts(ctx context.Context, t *oracle.Tally, e *engine.Engine, hq engine.HostQuery) error {
	page, err := e.Hosts(ctx, hq)
	if err != nil {
		return err
	}
	key := engine.MakeKey(uint16(hq.Port), hq.Type)
	want := t.Count(hq.View, key)
	if page.Total != want || len(page.Rows) != min(hq.Limit, max(0, want-hq.Offset)) {
		return fmt.Errorf("%d hosts, %d on the page: want %d", page.Total, len(page.Rows), want)
	}
	seen := map[string]bool{}
	for _, row := range page.Rows {
		a, err := e.Asset(ctx, hq.Project, hq.Category, row.Asset)
		if err != nil {
			return err
		}
		if !slices.Contains(a.Open, key) || seen[row.Asset] || !hq.View.IsAll() && !slices.Contains(hq.View.Names(), a.EnterpriseProject) {
			return fmt.Errorf("%s of %s is on the page", row.Asset, a.EnterpriseProject)
		}
		seen[row.Asset] = true
	}
	return nil
}
