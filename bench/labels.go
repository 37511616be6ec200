package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

// numLabelValues is how many values the label of the fleet has.
const numLabelValues = 1000

// labelled gives every asset of the fleet a label and returns questions about its values.
func (r *rig) labelled(ctx context.Context, c *Config) ([]facet, error) {
	s, err := r.e.Snapshot(fleet.Project, r.category)
	if err != nil {
		return nil, err
	}
	rows, err := s.Ports(ctx, engine.PortQuery{Order: engine.ByNum, Descending: true})
	if err != nil {
		return nil, err
	}
	want := make(map[string]int, numLabelValues)
	n := 0
	var batch []engine.Report
	for asset := range c.workload().Fleet(c.Seed, r.hosts) {
		value := strconv.Itoa(int(uint32(n) * 0x9e3779b1 >> 8 % numLabelValues))
		n++
		want[value]++
		batch = append(batch, engine.Report{Project: asset.Project, Category: asset.Category, Asset: asset.Asset, Seen: asset.Seen.Add(time.Second), Labels: map[string]string{"rack": value}})
		if len(batch) == loadBatch || n == r.hosts {
			if _, err := r.e.Apply(ctx, batch); err != nil {
				return nil, err
			}
			batch = batch[:0]
		}
	}
	ask := func(set *engine.HostSet) (engine.GroupPage, error) {
		return r.e.Groups(ctx, engine.GroupQuery{Project: fleet.Project, Category: r.category, Where: set, Label: "rack", ByNum: true, Descending: true, Limit: questionRows})
	}
	whole, err := r.e.Groups(ctx, engine.GroupQuery{Project: fleet.Project, Category: r.category, Label: "rack"})
	if err != nil {
		return nil, err
	}
	for _, row := range whole.Rows {
		if want[row.Value] != row.Num {
			return nil, fmt.Errorf("%w: %d assets have rack %s, want %d", errWrong, row.Num, row.Value, want[row.Value])
		}
	}
	if len(want) != whole.Total || whole.Without > 0 {
		return nil, fmt.Errorf("%w: %d values, %d assets without, want %d, 0", errWrong, whole.Total, whole.Without, len(want))
	}
	list := []facet{{name: "groups by a label, all", subject: &subject{ask: func(int) error {
		_, err := ask(nil)
		return err
	}}}}
	for _, part := range []float64{0.5, 0.1, 0.001} {
		row := nearest(rows.Rows, part*float64(r.hosts), 0)
		set := engine.HasOpen(keysOf(row.Key()))
		page, err := ask(set)
		if err != nil {
			return nil, err
		}
		if page.Assets != row.Num {
			return nil, fmt.Errorf("%w: groups of %d assets, of %d", errWrong, page.Assets, row.Num)
		}
		list = append(list, facet{fmt.Sprintf("groups by a label, %.4g %% of all", 100*float64(row.Num)/float64(r.hosts)), &subject{ask: func(int) error {
			_, err := ask(set)
			return err
		}}, row.Num})
	}
	return list, nil
}
