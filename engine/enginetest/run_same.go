package enginetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/enginetest/oracle"
	"portolan/index"
)

// sameCases say the same in other ways: the state is a function of the set of
// reports, so every way must lead to the same answers.
func sameCases() []suiteCase {
	ways := []struct {
		name string
		vary func(*rand.Rand, []engine.Report) []engine.Report
	}{
		{"in order", func(_ *rand.Rand, reports []engine.Report) []engine.Report { return reports }},
		{"shuffled", shuffled},
		{"repeated", func(rng *rand.Rand, reports []engine.Report) []engine.Report {
			return shuffled(rng, repeated(rng, reports))
		}},
		{"split", func(rng *rand.Rand, reports []engine.Report) []engine.Report {
			return shuffled(rng, split(rng, reports))
		}},
	}
	var cases []suiteCase
	for seed := range uint64(4) {
		for _, way := range ways {
			name := fmt.Sprintf("%s, seed=%d", way.name, seed)
			cases = append(cases, suiteCase{name, func(r *rig) {
				reports := Small(seed, 150)
				rng := newRand(seed, "same")
				r.applyInBatches(rng, way.vary(rng, reports))
				r.wantSame(reports)
			}})
		}
	}
	for _, w := range fleet.Workloads() {
		cases = append(cases, fleetCase(w, 1))
	}
	return append(cases, suiteCase{"every question, seed=5", everyQuestion})
}

// fleetCase reports a fleet three times with churn, the last time first, and
// holds the engine against the reference.
func fleetCase(w fleet.Workload, seed uint64) suiteCase {
	return suiteCase{fmt.Sprintf("fleet of %s, seed=%d", w.Name, seed), func(r *rig) {
		first := w.Fleet(seed, 300)
		second := fleet.Churn(seed+1, 0.2, first)
		third := fleet.Churn(seed+2, 0.2, second)
		reports := slices.Collect(chain(third, first, second))
		r.applyInBatches(newRand(seed, "batches"), reports)
		r.wantSame(reports)
	}}
}

// chain returns one stream after the other.
func chain[T any](streams ...iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, stream := range streams {
			for v := range stream {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// applyInBatches applies the reports in calls of random sizes.
func (r *rig) applyInBatches(rng *rand.Rand, reports []engine.Report) {
	r.Helper()
	for len(reports) > 0 {
		n := min(1+rng.IntN(40), len(reports))
		result := r.apply(reports[:n]...)
		r.want("sum of the Result", result.Applied+result.Unchanged+result.Stale, n)
		reports = reports[n:]
	}
}

// wantSame holds the engine against a reference that was told the reports.
func (r *rig) wantSame(reports []engine.Report) {
	r.Helper()
	want := oracle.NewReference(r.options())
	if _, err := want.Apply(r.Context(), reports); err != nil {
		r.Fatalf("reference: %v", err)
	}
	if diff := Diff(r.Context(), want, r.engine); diff != "" {
		r.Error(diff)
	}
}

// everyQuestion combines all filters with one another, views and pages.
func everyQuestion(r *rig) {
	reports := Small(5, 200)
	r.apply(reports...)
	want := oracle.NewReference(r.options())
	if _, err := want.Apply(r.Context(), reports); err != nil {
		r.Fatal(err)
	}
	rng := newRand(5, "ask")
	const rounds = 2000
	questions := make([]question, 0, 5*rounds)
	for range rounds {
		hosts := smallHostQuery(rng.IntN)
		assets := smallAssetQuery(rng.IntN)
		questions = append(questions, askPorts(smallPortQuery(rng.IntN)), askHosts(hosts), askAssets(assets),
			askHosts(smallRestOfHosts(rng.IntN)), askAssets(smallRestOfAssets(rng.IntN)))
		if err := pagesAreWhole(r.Context(), r.engine, hosts, 1+rng.IntN(3)); err != nil {
			r.Fatalf("hosts %s: %v", describeHosts(hosts), err)
		}
		if err := assetPagesAreWhole(r.Context(), r.engine, assets, 1+rng.IntN(3)); err != nil {
			r.Fatalf("assets %s: %v", describeAssets(assets), err)
		}
	}
	if diff := compare(r.Context(), questions, want, r.engine); diff != "" {
		r.Error(diff)
	}
}

// isolationCases show that projects know nothing of one another.
func isolationCases() []suiteCase {
	return []suiteCase{
		{"another project's reports change no byte", othersChangeNothing},
		{"an asset has one life per project", func(r *rig) {
			r.tell("x @1 [all] 22/tcp group=e1", "x @2 [all] 80/tcp project=q")
			r.wantOpen("x", "22/tcp")
			r.removeOf("q", engine.Host, 1, "", "x")
			r.wantOpen("x", "22/tcp")
			r.wantPorts(engine.PortQuery{Project: "q"}, 0)
			r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1")}, 1, "1 22/tcp danger")
		}},
	}
}

// othersChangeNothing compares all answers of one project, versions and order
// included, before and after others' reports and removals.
func othersChangeNothing(r *rig) {
	r.apply(sample...)
	before := r.transcript()
	others := slices.DeleteFunc(Small(6, 300), func(report engine.Report) bool { return report.Project == "p" })
	for _, project := range []string{"q", "p ", "P", "p/", "pp"} {
		for i := range others {
			others[i].Project = project
		}
		r.apply(others...)
		for _, id := range smallAssets {
			if _, err := r.engine.Remove(r.Context(), project, engine.Host, id); err != nil && !errors.Is(err, engine.ErrNotFound) {
				r.Errorf("Remove: %v", err)
			}
		}
	}
	r.want("answers", r.transcript(), before)
}

// transcript returns answers of project p as they are.
func (r *rig) transcript() []any {
	r.Helper()
	list := make([]any, 0, 96)
	for _, category := range []engine.Category{engine.Host, engine.Container} {
		for _, view := range viewsOf(smallGroups) {
			list = append(list,
				r.ports(engine.PortQuery{Project: "p", Category: category, View: view}),
				r.ports(engine.PortQuery{Project: "p", Category: category, View: view, PortString: "80", Limit: 2}),
				r.hosts(engine.HostQuery{Project: "p", Category: category, View: view, Port: 80}),
				r.hosts(engine.HostQuery{Project: "p", Category: category, View: view, Port: 80, Name: "dor", Limit: 1}),
				r.hosts(engine.HostQuery{Project: "p", Category: category, View: view, Asset: "b"}))
		}
		list = append(list, r.asset(category, "a"))
	}
	return list
}

// assetQuestions asks about every asset of the small universe, there or not.
func assetQuestions() []question {
	list := make([]question, 0, len(smallProjects)*2*len(smallAssets))
	for _, project := range smallProjects {
		for _, category := range []engine.Category{engine.Host, engine.Container} {
			for _, id := range smallAssets {
				list = append(list, askAsset(place{project, category}, id))
			}
		}
	}
	return list
}

// smallPortQuery returns a question about the small universe.
func smallPortQuery(d dice) engine.PortQuery {
	q := engine.PortQuery{
		Project:    one(d, smallProjects),
		Category:   engine.Category(d(2)),
		View:       one(d, smallViews),
		Type:       given(d, []engine.Type{engine.SCTP, engine.TCP, engine.UDP, engine.UDP6, engine.TCP6, 77}),
		Status:     given(d, []engine.Status{engine.Danger, engine.Normal, engine.Unknown, 77}),
		Where:      given(d, smallWheres),
		Keys:       smallKeys(d),
		MinNum:     one(d, []int{0, 0, 0, 1, 2, 3, -1}),
		MaxNum:     one(d, []int{0, 0, 0, 0, 1, 2, 4, -1}),
		Order:      one(d, []engine.Order{engine.ByPort, engine.ByPort, engine.ByNum, engine.ByNum, engine.ByType, engine.ByStatus, 77}),
		Descending: d(2) == 1,
		Offset:     given(d, []int{1, 2, 5, 30}),
		Limit:      given(d, []int{1, 2, 5, 30}),
	}
	switch d(4) {
	case 0:
		q.Port = one(d, []int{-1, 1, 63, 64, 65, 80, 81, 1023, 1024, 65535, 65536})
	case 1:
		q.PortString = one(d, []string{"1", "2", "6", "02", "10", "63", "553", "65535", "99999", "x"})
	}
	return q
}

// smallSets are sets of keys that questions are about.
var smallSets = []*engine.KeySet{
	setOf("1-64/tcp", "80/udp", "1-1023/sctp"), setOf("64-1024/tcp", "63-65535/udp6", "2/udp"), setOf("80/tcp"), setOf(), index.AllKeys(),
}

// smallWheres are sets of assets that questions are asked of.
var smallWheres = []*engine.HostSet{
	oracle.Means(engine.HasOpen(smallSets[0]), hasOpen(smallSets[0])),
	oracle.Means(engine.HasOnly(smallSets[0]), func(a engine.Asset) bool {
		return hasOpen(smallSets[0])(a) && !slices.ContainsFunc(a.Open, func(k engine.Key) bool { return !smallSets[0].Contains(k) })
	}),
	oracle.Means(engine.NoneOf(engine.HasOpen(smallSets[1]), engine.HasID("a", "x")), func(a engine.Asset) bool {
		return !hasOpen(smallSets[1])(a) && a.ID != "a" && a.ID != "x"
	}),
	oracle.Means(engine.AnyOf(engine.InEnterpriseProject("e1", "e2"), engine.HasName(func(name []byte) bool { return string(name) == "m" })), func(a engine.Asset) bool {
		return a.EnterpriseProject == "e1" || a.EnterpriseProject == "e2" || a.Name == "m"
	}),
	oracle.Means(engine.AllOf(engine.HasOpenCount(func(n int) bool { return n > 1 }), engine.SeenSince(smallTime(4))), func(a engine.Asset) bool {
		return len(a.Open) > 1 && !a.LastSeen.Before(smallTime(4))
	}),
	oracle.Means(engine.AllOf(), func(engine.Asset) bool { return true }),
	oracle.Means(engine.AnyOf(), func(engine.Asset) bool { return false }),
	oracle.Means(engine.HasLabel("env", func(value string) bool { return value == "prod" }), func(a engine.Asset) bool { return a.Labels["env"] == "prod" }),
	oracle.Means(engine.NoneOf(engine.HasOpen(smallSets[2]), engine.HasID("b")), func(a engine.Asset) bool { return !hasOpen(smallSets[2])(a) && a.ID != "b" }),
	oracle.Means(engine.AnyOf(engine.HasLabel("rack", func(value string) bool { return value != "1" }), engine.HasID("a")), func(a engine.Asset) bool {
		return a.Labels["rack"] != "1" || a.ID == "a"
	}),
}

var with443 = oracle.Means(engine.HasOpen(setOf("443/tcp")), hasOpen(setOf("443/tcp")))

func hasOpen(keys *engine.KeySet) func(engine.Asset) bool {
	return func(a engine.Asset) bool { return slices.ContainsFunc(a.Open, keys.Contains) }
}

func describeWhere(w *engine.HostSet) string {
	if w == nil {
		return "all"
	}
	return fmt.Sprintf("where %d", slices.Index(smallWheres, w))
}

func smallKeys(d dice) *engine.KeySet { return given(d, smallSets) }

// setOf returns the keys of ranges.
func setOf(ranges ...string) *engine.KeySet {
	var b engine.KeySetBuilder
	for _, text := range ranges {
		b.AddRange(must(index.ParseRange(text)))
	}
	return b.Build()
}

// describeKeys tells sets apart in a question's text.
func describeKeys(s *engine.KeySet) string {
	if s == nil {
		return "any"
	}
	return fmt.Sprintf("set %d", slices.Index(smallSets, s))
}

// smallHostQuery returns a question about hosts, for the whole list of them.
func smallHostQuery(d dice) engine.HostQuery {
	return engine.HostQuery{
		Project:  one(d, smallProjects),
		Category: engine.Category(d(2)),
		View:     one(d, smallViews),
		Asset:    given(d, append([]string{"nobody"}, smallAssets...)),
		Name:     given(d, smallParts),
		Address:  given(d, smallParts),
		Where:    given(d, smallWheres),
		Keys:     smallKeys(d),
		Port:     given(d, []int{-1, 1, 2, 63, 64, 65, 80, 1023, 1024, 65535, 65536}),
		Type:     given(d, []engine.Type{engine.TCP, engine.UDP, engine.UDP6, 77}),
		Status:   given(d, []engine.Status{engine.Danger, engine.Normal, engine.Unknown}),
		ByID:     d(2) == 1,
	}
}

// smallRestOfHosts returns a question about a page of the rows behind one, in the order of ids.
func smallRestOfHosts(d dice) engine.HostQuery {
	q := smallHostQuery(d)
	q.ByID = true
	if d(3) > 0 {
		q.ByID = d(10) > 0 // else it is refused
		q.After = &engine.HostPort{Asset: one(d, append([]string{"", "bb", "z"}, smallAssets...)), Port: one(d, smallPorts), Type: one(d, smallTypes)}
	}
	q.Offset, q.Limit = given(d, []int{1, 2, 9}), given(d, []int{1, 2, 9})
	return q
}

// smallRestOfAssets returns a question about a page of the assets behind one, in the order of ids.
func smallRestOfAssets(d dice) engine.AssetQuery {
	q := smallAssetQuery(d)
	q.After = given(d, append([]string{"bb", "z"}, smallAssets...))
	q.ByID = q.After == "" || d(10) > 0 // else it is refused
	q.Offset, q.Limit = given(d, []int{1, 2, 9}), given(d, []int{1, 2, 9})
	return q
}

// smallParts are what names and addresses are searched for.
var smallParts = append([]string{"", "M", "mm"}, smallTexts...)

var smallViews = append(viewsOf(smallGroups), engine.In(), engine.In("nobody"), engine.In("e2", "nobody"), engine.In(smallGroups...))

// smallAssetQuery returns a question about assets, for the whole list of them.
func smallAssetQuery(d dice) engine.AssetQuery {
	return engine.AssetQuery{
		Project:  one(d, smallProjects),
		Category: engine.Category(d(2)),
		View:     one(d, smallViews),
		Where:    given(d, smallWheres),
		Prefix:   given(d, []string{"a", "b", "ab", "x"}),
		ByID:     d(2) == 1,
	}
}

// smallGroupQuery returns a question about the values of a label, or about enterprise projects.
func smallGroupQuery(d dice) engine.GroupQuery {
	return engine.GroupQuery{
		Project:    one(d, smallProjects),
		Category:   engine.Category(d(2)),
		View:       one(d, smallViews),
		Where:      given(d, smallWheres),
		Label:      one(d, []string{"", "env", "rack", "owner", "none", "a=b"}),
		ByNum:      d(2) == 1,
		Descending: d(2) == 1,
		Offset:     given(d, []int{1, 2, 5, -1}),
		Limit:      given(d, []int{1, 2, 5, -1}),
	}
}

// smallCoverageQuery returns a question about what was looked at.
func smallCoverageQuery(d dice) engine.CoverageQuery {
	return engine.CoverageQuery{
		Project: one(d, smallProjects), Category: engine.Category(d(2)), View: one(d, smallViews), Where: given(d, smallWheres), Keys: smallKeys(d),
	}
}

// smallTogetherQuery returns a question about what is open together.
func smallTogetherQuery(d dice) engine.TogetherQuery {
	return engine.TogetherQuery{
		Project: one(d, smallProjects), Category: engine.Category(d(2)), View: one(d, smallViews), Where: given(d, smallWheres), Open: smallKeys(d),
		MinNum: one(d, []int{0, 0, 0, 1, 2, -1}), ByLift: d(2) == 1, Offset: given(d, []int{1, 2, 30}), Limit: given(d, []int{1, 2, 30}),
	}
}

// smallSharedQuery returns a question about addresses that several assets have.
func smallSharedQuery(d dice) engine.SharedQuery {
	return engine.SharedQuery{
		Project: one(d, smallProjects), Category: engine.Category(d(2)), View: one(d, smallViews), Where: given(d, smallWheres),
		Offset: given(d, []int{1, -1}), Limit: given(d, []int{1, -1}),
	}
}

// pagesAreWhole reads a list of hosts in pages and says how it differs from the whole.
func pagesAreWhole(ctx context.Context, e Engine, q engine.HostQuery, limit int) error {
	return wholeInPages(limit, func(offset, limit int) ([]engine.HostPort, int, error) {
		q.Offset, q.Limit = offset, limit
		page, err := e.Hosts(ctx, q)
		return page.Rows, page.Total, err
	}, func(a, b engine.HostPort) bool { return a == b })
}

// assetPagesAreWhole does the same for a list of assets.
func assetPagesAreWhole(ctx context.Context, e Engine, q engine.AssetQuery, limit int) error {
	return wholeInPages(limit, func(offset, limit int) ([]engine.Asset, int, error) {
		q.Offset, q.Limit = offset, limit
		page, err := e.Assets(ctx, q)
		return page.Rows, page.Total, err
	}, func(a, b engine.Asset) bool { return a.ID == b.ID && slices.Equal(a.Open, b.Open) })
}

// wholeInPages reads a list whole and in pages. A question that is refused has
// no list; that is compared elsewhere.
func wholeInPages[T any](limit int, get func(offset, limit int) ([]T, int, error), same func(a, b T) bool) error {
	whole, total, err := get(0, 0)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	if len(whole) != total {
		return fmt.Errorf("the whole has %d rows, total %d", len(whole), total)
	}
	var rows []T
	for len(rows) < total {
		page, n, err := get(len(rows), limit)
		if err != nil {
			return err
		}
		if n != total || len(page) == 0 || len(page) > limit {
			return fmt.Errorf("page at %d: total %d and %d rows, want total %d and up to %d rows", len(rows), n, len(page), total, limit)
		}
		rows = append(rows, page...)
	}
	if !slices.EqualFunc(rows, whole, same) {
		return fmt.Errorf("pages of %d are %v, the whole is %v", limit, rows, whole)
	}
	return nil
}
