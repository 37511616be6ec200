package enginetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
	"portolan/index"
)

// Model is the random test: it applies reports, removes assets and asks
// questions in random order, about the universe of [Small], and after each
// step holds every kind of answer against a [oracle.Reference] and calls Check. A
// failure is shrunk and shown with its seed and its reports. An engine that is a
// [Reopener] is opened again now and then.
func Model(t *testing.T, open Open) {
	defer shorten()()
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(open, func(*engine.Options) {})
		defer m.engine.Close()
		actions := map[string]func(*rapid.T){
			"":       m.check,
			"apply":  m.apply,
			"refuse": m.refuse,
			"remove": m.remove,
			"forget": m.forget,
			"ask":    m.ask,
		}
		if r, ok := m.engine.(Reopener); ok {
			actions["reopen"] = func(t *rapid.T) {
				from, err := r.Reopen(diceOf(t))
				if err != nil {
					t.Fatalf("Reopen: %v", err)
				}
				if err := m.want.Resume(from); err != nil {
					t.Fatalf("Reopen: %v", err)
				}
			}
		}
		rt.Repeat(actions)
	})
}

// Reopener is an engine that can be ended, in ways that the dice choose, and opened again
// on what it has kept. It tells from which sequence number it goes on: that of the last batch,
// or a higher one.
type Reopener interface {
	Engine
	Reopen(dice func(n int) int) (from uint64, err error)
}

// model is an engine under test beside its oracle, with one clock.
type model struct {
	want   *oracle.Reference
	engine Engine
	clock  *clock
	tick   time.Duration // how far apart calls of Apply are
}

func newModel(open Open, change func(*engine.Options)) *model {
	c := newClock()
	opts := &engine.Options{Policy: testPolicy, Now: c.now}
	change(opts)
	return &model{want: oracle.NewReference(opts), engine: open(opts), clock: c, tick: time.Second}
}

// check compares everything there is.
func (m *model) check(t *rapid.T) {
	ctx := context.Background()
	if diff := compare(ctx, append(questionsAbout(ctx, m.want), assetQuestions()...), m.want, m.engine); diff != "" {
		t.Fatal(diff)
	}
	if err := sameSequence(ctx, m.want, m.engine); err != nil {
		t.Fatal(err)
	}
	if diff := compare(ctx, lostQuestions(m.want), m.want, m.engine); diff != "" {
		t.Fatal(diff)
	}
	if err := m.engine.Check(ctx); err != nil {
		t.Fatalf("Check: %v", err)
	}
}

// lostQuestions are to include the batches around the last gap.
func lostQuestions(r *oracle.Reference) (questions []question) {
	after, before := r.LastGap()
	if before == 0 {
		return nil
	}
	for _, seq := range []uint64{after, after + 1, before - 1, before} {
		for _, project := range smallProjects {
			questions = append(questions,
				askPorts(engine.PortQuery{Project: project, AtLeast: seq}),
				askHosts(engine.HostQuery{Project: project, Port: 80, AtLeast: seq}),
				askAssets(engine.AssetQuery{Project: project, AtLeast: seq}))
		}
	}
	return questions
}

// apply applies one to five reports in one call.
func (m *model) apply(t *rapid.T) {
	m.applyBoth(t, m.drawReports(t))
}

// refuse spoils one of the reports, so that none may count.
func (m *model) refuse(t *rapid.T) {
	reports := m.drawReports(t)
	d := diceOf(t)
	spoilt := &reports[d(len(reports))]
	switch d(3) {
	case 0:
		spoilt.Seen = m.clock.now().Add(engine.MaxAhead + day)
	case 1:
		spoilt.Open = append(spoilt.Open, index.MakeKey(0, index.UDP))
	default:
		spoilt.Asset = ""
	}
	m.applyBoth(t, reports)
}

func (m *model) applyBoth(t *rapid.T, reports []engine.Report) {
	m.clock.advance(m.tick)
	want, wantErr := m.want.Apply(context.Background(), reports)
	got, err := m.engine.Apply(context.Background(), reports)
	got.Durable = false // the reference keeps nothing
	if want != got || kindOf(wantErr) != kindOf(err) {
		t.Fatalf("Apply: %+v, error %v; want %+v, error %v", got, err, want, wantErr)
	}
}

func (m *model) remove(t *rapid.T) {
	d := diceOf(t)
	project, category, id := one(d, smallProjects), engine.Category(d(2)), one(d, smallAssets)
	ids := slices.Compact([]string{id, one(d, smallAssets)}) // each once
	want, wantErr := m.want.Remove(context.Background(), project, category, ids...)
	got, err := m.engine.Remove(context.Background(), project, category, ids...)
	got.Durable = false
	if want != got || kindOf(wantErr) != kindOf(err) {
		t.Fatalf("Remove(%s %s %q): %+v, error %v, want %+v, %v", project, category, ids, got, err, want, wantErr)
	}
}

// forget removes a whole project, now and then.
func (m *model) forget(t *rapid.T) {
	d := diceOf(t)
	if d(3) > 0 {
		return
	}
	project := one(d, smallProjects)
	want, wantErr := m.want.RemoveProject(context.Background(), project)
	got, err := m.engine.RemoveProject(context.Background(), project)
	got.Durable = false
	if want != got || kindOf(wantErr) != kindOf(err) {
		t.Fatalf("RemoveProject(%s): %+v, error %v, want %+v, %v", project, got, err, want, wantErr)
	}
}

// ask puts random questions, and reads one list of hosts in pages.
func (m *model) ask(t *rapid.T) {
	d := diceOf(t)
	hosts := smallHostQuery(d)
	assets := smallAssetQuery(d)
	questions := append(make([]question, 0, 10), askShared(smallSharedQuery(d)), askTogether(smallTogetherQuery(d)), askHosts(hosts), askAssets(assets), askValues(smallGroupQuery(d)))
	if q := smallCoverageQuery(d); !m.joins(q.Project, q.Category) {
		questions = append(questions, askCoverage(q))
	}
	questions = append(questions, askHosts(smallRestOfHosts(d)), askAssets(smallRestOfAssets(d)))
	for range 4 {
		questions = append(questions, askPorts(smallPortQuery(d)))
	}
	if diff := compare(context.Background(), questions, m.want, m.engine); diff != "" {
		t.Fatal(diff)
	}
	if err := pagesAreWhole(context.Background(), m.engine, hosts, 1+d(3)); err != nil {
		t.Fatalf("hosts %s: %v", describeHosts(hosts), err)
	}
	if err := assetPagesAreWhole(context.Background(), m.engine, assets, 1+d(3)); err != nil {
		t.Fatalf("assets %s: %v", describeAssets(assets), err)
	}
}

// joins says whether looks at one of the assets of an inventory may have been joined.
func (m *model) joins(project string, category engine.Category) bool {
	return slices.ContainsFunc(smallAssets, func(id string) bool { return m.want.Joins(project, category, id) })
}

func diceOf(t *rapid.T) dice {
	return func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
}

// drawReports draws reports as one value, so that a failure shows them as text.
func (m *model) drawReports(t *rapid.T) []engine.Report {
	report := rapid.Custom(func(t *rapid.T) spoken { return spoken{m.report(diceOf(t))} })
	drawn := rapid.SliceOfN(report, 1, 5).Draw(t, "reports")
	reports := make([]engine.Report, len(drawn))
	for i, s := range drawn {
		reports[i] = s.Report
	}
	return reports
}

// report is a small report whose time may also be recent, ahead or missing.
func (m *model) report(d dice) engine.Report {
	r := smallReport(d)
	switch d(12) {
	case 8:
		r.Seen = time.Time{}
	case 9:
		r.Seen = m.clock.now().Add(time.Hour)
	case 10, 11:
		r.Seen = m.clock.now().Add(-time.Duration(d(4)) * time.Microsecond)
	}
	return r
}

// spoken shows a report the way say reads it.
type spoken struct{ engine.Report }

// GoString returns a line of text.
func (s spoken) GoString() string {
	r := s.Report
	words := []string{r.Asset, "project=" + r.Project, "category=" + r.Category.String()}
	if !r.Seen.IsZero() {
		words = append(words, fmt.Sprintf("@%d", r.Seen.Sub(smallStart).Microseconds()))
	}
	for _, field := range [][2]string{{"name", r.Name}, {"address", r.Address}, {"group", r.EnterpriseProject}} {
		if field[1] != "" {
			words = append(words, field[0]+"="+field[1])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		words = append(words, "label."+name+"="+r.Labels[name])
	}
	return strings.Join(append(words, "["+r.Scope.String()+"]", keysText(r.Open)), " ")
}
