package oracle_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/enginetest/oracle"
)

// TestTally: a tally answers as the reference engine does.
func TestTally(t *testing.T) {
	ctx := context.Background()
	for _, w := range fleet.Workloads() {
		t.Run(w.Name, func(t *testing.T) {
			tally, want := oracle.NewTally(nil), oracle.NewReference(nil)
			category := engine.Host
			for r := range w.Fleet(3, 300) {
				category = r.Category
				tally.Add(&r)
				if _, err := want.Apply(ctx, []engine.Report{r}); err != nil {
					t.Fatal(err)
				}
			}
			groups := tally.EnterpriseProjects()
			stats, err := want.Stats()
			if err != nil || tally.Assets() != stats.Assets || tally.Observations() != stats.Observations || len(groups) == 0 {
				t.Errorf("%d assets, %d observations in %q, want %+v, %v", tally.Assets(), tally.Observations(), groups, stats, err)
			}
			for _, q := range []engine.PortQuery{
				{},
				{PortString: "44"},
				{Port: 443},
				{Type: engine.TCP, Descending: true},
				{Status: engine.Danger, Offset: 2, Limit: 3},
				{View: engine.In(groups[0])},
				{View: engine.In(groups[:min(3, len(groups))]...), Limit: 7},
				{View: engine.In("none such")},
				{View: engine.In()},
			} {
				q.Project, q.Category = fleet.Project, category
				a, err := want.Ports(ctx, q)
				if err != nil {
					t.Fatal(err)
				}
				b, err := tally.Ports(ctx, q)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(a, b, cmpopts.IgnoreFields(engine.PortPage{}, "Version"), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%+v (-reference +tally):\n%s", q, diff)
				}
				for _, row := range b.Rows {
					if got := tally.Count(q.View, row.Key()); got != row.Num {
						t.Errorf("%v: %d, want %d", row.Key(), got, row.Num)
					}
				}
			}
		})
	}
}
