package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

// densities are the parts of the fleet that sets of assets are looked for at.
var densities = []float64{1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999}

// facet is a question in another order or of a set of assets.
type facet struct {
	name    string
	subject *subject
	assets  int // of the set, if it is of one
}

// facets times orders and sets of assets: each as if nobody had asked before, and asked before.
func (run *run) facets(ctx context.Context, hosts int) error {
	run.progress("facets: a fleet of %d", hosts)
	r, err := newRig(ctx, run.c, hosts)
	if err != nil {
		return err
	}
	list, err := r.facets(ctx)
	if err != nil {
		return err
	}
	if err := run.measureFacets(ctx, r, SuiteFacets, list); err != nil {
		return err
	}
	if err := run.exports(ctx, r); err != nil {
		return err
	}
	run.progress("facets: labels")
	if list, err = r.labelled(ctx, run.c); err != nil {
		return err
	}
	return run.measureFacets(ctx, r, SuiteFacets, list)
}

func (run *run) measureFacets(ctx context.Context, r *rig, suite Suite, list []facet) error {
	for _, f := range list {
		run.progress("%s: %s", suite, f.name)
		l, err := run.timer.measure(ctx, run.c.figureTime(r.hosts), f.subject)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		result := Result{Suite: suite, Name: f.name, Hosts: r.hosts}
		l.addTo(&result)
		if f.assets > 0 {
			result.add("set-assets", float64(f.assets))
		}
		run.report.Results = append(run.report.Results, result)
	}
	return nil
}

// facets returns what is asked.
func (r *rig) facets(ctx context.Context) ([]facet, error) {
	rows, err := r.e.Ports(ctx, engine.PortQuery{Project: fleet.Project, Category: r.category, Order: engine.ByNum, Descending: true})
	if err != nil {
		return nil, err
	}
	if err := r.verifyOrder(ctx, rows.Rows); err != nil {
		return nil, err
	}
	renew, err := r.renewer(ctx)
	if err != nil {
		return nil, err
	}
	list := r.orders(ctx, rows.Total, renew)
	sets, err := r.sets(ctx, rows.Rows)
	if err != nil {
		return nil, err
	}
	counted, err := r.densities(ctx, rows.Rows)
	return append(append(list, sets...), counted...), err
}

// verifyOrder holds all rows by count, the greatest first, against a count of the fleet in order.
func (r *rig) verifyOrder(ctx context.Context, rows []engine.PortCount) error {
	want, err := r.tally.Ports(ctx, engine.PortQuery{Project: fleet.Project, Category: r.category})
	if err != nil {
		return err
	}
	slices.SortStableFunc(want.Rows, func(a, b engine.PortCount) int { return cmp.Compare(b.Num, a.Num) })
	same := func(a, b engine.PortCount) bool { return a.Num == b.Num && a.Key() == b.Key() }
	if !slices.EqualFunc(want.Rows, rows, same) {
		return fmt.Errorf("%w: the order by count of %d ports is another one than that of %d", errWrong, len(rows), len(want.Rows))
	}
	return nil
}

// orders asks for pages by count.
func (r *rig) orders(ctx context.Context, total int, renew func() error) []facet {
	into := make([]engine.PortCount, 0, questionRows)
	page := func(offset func(i int) int) func(i int) error {
		return func(i int) error {
			_, err := r.e.Ports(ctx, engine.PortQuery{
				Project: fleet.Project, Category: r.category, Order: engine.ByNum, Descending: true, Offset: offset(i), Limit: questionRows, Into: into,
			})
			return err
		}
	}
	first := page(func(int) int { return 0 })
	rng := rand.New(rand.NewPCG(1, 0x746f70))
	anywhere := page(func(int) int { return rng.IntN(max(1, total-questionRows)) })
	return []facet{
		{name: "by count, first page, new", subject: &subject{ask: first, every: 1, before: renew}},
		{name: "by count, first page", subject: &subject{ask: first}},
		{name: "by count, any page, new", subject: &subject{ask: anywhere, every: 1, before: renew}},
		{name: "by count, any page", subject: &subject{ask: anywhere}},
	}
}

// keysOf returns the set of one key.
func keysOf(k engine.Key) *engine.KeySet {
	var b engine.KeySetBuilder
	b.AddRange(engine.Range{Type: k.Type(), Lo: k.Port(), Hi: k.Port()})
	return b.Build()
}

// nearest returns the row whose count is nearest to a number, by their ratio, of those that are
// not another one.
func nearest(rows []engine.PortCount, n float64, other engine.Key) engine.PortCount {
	best, distance := rows[0], math.Inf(1)
	for _, row := range rows {
		if d := math.Abs(math.Log(float64(row.Num) / n)); d < distance && row.Key() != other {
			best, distance = row, d
		}
	}
	return best
}

// sets asks how many assets have one port open and not another, of two popular ports and of two
// rare ones, and for pages of such a set.
func (r *rig) sets(ctx context.Context, rows []engine.PortCount) (list []facet, err error) {
	ask := func(set *engine.HostSet, offset int) (engine.AssetPage, error) {
		return r.e.Assets(ctx, engine.AssetQuery{Project: fleet.Project, Category: r.category, Where: set, Offset: offset, Limit: questionRows})
	}
	for _, which := range []struct {
		name string
		near float64
	}{{"popular", float64(r.hosts) / 2}, {"rare", float64(r.hosts) / 10_000}} {
		a := nearest(rows, which.near, 0)
		b := nearest(rows, which.near, a.Key())
		open, not := keysOf(a.Key()), keysOf(b.Key())
		set := func() *engine.HostSet { return engine.AllOf(engine.HasOpen(open), engine.NoneOf(engine.HasOpen(not))) }
		page, err := ask(set(), 0)
		if err != nil {
			return nil, err
		}
		if both, err := ask(engine.AllOf(engine.HasOpen(open), engine.HasOpen(not)), 0); err != nil || page.Total+both.Total != a.Num {
			return nil, fmt.Errorf("%w: %d assets have %v open and not %v, %d both, %d the first, %w", errWrong, page.Total, a.Key(), b.Key(), both.Total, a.Num, err)
		}
		kept, rng := set(), rand.New(rand.NewPCG(1, 0x736574))
		list = append(list, facet{"open(a) and not open(b), " + which.name + ", new", &subject{ask: func(int) error {
			_, err := ask(set(), 0)
			return err
		}}, page.Total}, facet{"any page of it, " + which.name, &subject{ask: func(int) error {
			_, err := ask(kept, rng.IntN(max(1, page.Total-questionRows)))
			return err
		}}, page.Total})
	}
	return list, nil
}

// densities asks for the counts by port of sets of many sizes, each a new one.
func (r *rig) densities(ctx context.Context, rows []engine.PortCount) (list []facet, err error) {
	for _, density := range densities {
		part, turned := density, density > 0.5
		if turned {
			part = 1 - density
		}
		keys := keysOf(nearest(rows, part*float64(r.hosts), 0).Key())
		set := func() *engine.HostSet {
			if turned {
				return engine.NoneOf(engine.HasOpen(keys))
			}
			return engine.AllOf(engine.HasOpen(keys))
		}
		ask := func(set *engine.HostSet) (engine.PortPage, error) {
			return r.e.Ports(ctx, engine.PortQuery{Project: fleet.Project, Category: r.category, Where: set, Limit: questionRows})
		}
		n, err := r.verifySet(ctx, set())
		if err != nil {
			return nil, err
		}
		list = append(list, facet{fmt.Sprintf("counts of a set, %.4g %% of all, new", 100*float64(n)/float64(r.hosts)), &subject{ask: func(int) error {
			_, err := ask(set())
			return err
		}}, n})
	}
	kept := engine.HasOpen(keysOf(nearest(rows, 0.1*float64(r.hosts), 0).Key()))
	list = append(list, facet{name: "counts of a set", subject: &subject{ask: func(int) error {
		_, err := r.e.Ports(ctx, engine.PortQuery{Project: fleet.Project, Category: r.category, Where: kept, Limit: questionRows})
		return err
	}}})
	return list, nil
}

// verifiedAssets is how many assets of a set are looked at, one by one.
const verifiedAssets = 20_000

// verifySet holds the counts of a set against what its assets have open, if they are not too many,
// and returns how many they are.
func (r *rig) verifySet(ctx context.Context, set *engine.HostSet) (int, error) {
	assets, err := r.e.Assets(ctx, engine.AssetQuery{Project: fleet.Project, Category: r.category, Where: set, Limit: verifiedAssets})
	if err != nil || assets.Total > verifiedAssets {
		return assets.Total, err
	}
	want := map[engine.Key]int{}
	for i := range assets.Rows {
		for _, k := range assets.Rows[i].Open {
			want[k]++
		}
	}
	page, err := r.e.Ports(ctx, engine.PortQuery{Project: fleet.Project, Category: r.category, Where: set})
	if err != nil {
		return 0, err
	}
	for _, row := range page.Rows {
		if want[row.Key()] != row.Num {
			return 0, fmt.Errorf("%w: %d of %d assets have %v open, want %d", errWrong, row.Num, assets.Total, row.Key(), want[row.Key()])
		}
	}
	if len(want) != page.Total {
		return 0, fmt.Errorf("%w: %d ports are open on %d assets, want %d", errWrong, page.Total, assets.Total, len(want))
	}
	return assets.Total, nil
}
