package oracle

import (
	"context"
	"maps"
	"slices"

	"portolan/engine"
	"portolan/index"
)

// Tally is the oracle for fleets that are too large for a [Reference]: it counts the
// open keys of reports as they come and keeps no assets. So it is right only where
// every asset is reported once, in one project and category. It is no [Engine].
type Tally struct {
	policy       *engine.Policy
	assets       int
	observations int
	groups       map[string]map[index.Key]int // counts by enterprise project
	sizes        map[string]int               // assets by enterprise project
}

// NewTally returns a tally of nothing whose rows have the status that the policy
// gives; a nil policy is [engine.DefaultPolicy].
func NewTally(policy *engine.Policy) *Tally {
	if policy == nil {
		policy = engine.DefaultPolicy()
	}
	return &Tally{policy: policy, groups: map[string]map[index.Key]int{}, sizes: map[string]int{}}
}

// Add counts the report, the first about its asset. Its open keys have no repeats.
func (t *Tally) Add(r *engine.Report) {
	group := r.EnterpriseProject
	if group == "" {
		group = engine.DefaultEnterpriseProject
	}
	counts := t.groups[group]
	if counts == nil {
		counts = map[index.Key]int{}
		t.groups[group] = counts
	}
	for _, k := range r.Open {
		counts[k]++
	}
	t.assets++
	t.sizes[group]++
	t.observations += len(r.Open)
}

// Assets returns how many reports were counted.
func (t *Tally) Assets() int { return t.assets }

// Observations returns the open keys, summed over the reports.
func (t *Tally) Observations() int { return t.observations }

// EnterpriseProjects returns the enterprise projects, the largest first.
func (t *Tally) EnterpriseProjects() []string {
	names := slices.Sorted(maps.Keys(t.sizes))
	slices.SortStableFunc(names, func(a, b string) int { return t.sizes[b] - t.sizes[a] })
	return names
}

// Count returns how many assets of the view have the key open.
func (t *Tally) Count(view engine.View, k index.Key) int {
	n := 0
	for group, counts := range t.groups {
		if holds(view, group) {
			n += counts[k]
		}
	}
	return n
}

// Ports answers what [engine.Engine.Ports] would, but for the version.
func (t *Tally) Ports(_ context.Context, q engine.PortQuery) (engine.PortPage, error) {
	sum := map[index.Key]int{}
	for group, counts := range t.groups {
		if holds(q.View, group) {
			for k, n := range counts {
				sum[k] += n
			}
		}
	}
	statuses := make(map[index.Key]engine.Status, len(sum))
	for k := range sum {
		statuses[k] = t.policy.Status(k)
	}
	rows := portRows(&q, sum, statuses)
	return engine.PortPage{Total: len(rows), Rows: append(q.Into[:0], pageOf(rows, q.Offset, q.Limit)...)}, nil
}

// holds says whether the view has the assets of the enterprise project.
func holds(view engine.View, group string) bool {
	return view.IsAll() || slices.Contains(view.Names(), group)
}
