package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"slices"
	"time"

	"portolan/bench"
	"portolan/bench/picture"
	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/enginetest/oracle"
)

// suite is what results are called after.
const suite bench.Suite = "peers"

// config says what is run.
type config struct {
	hosts    int
	workload fleet.Workload
	seed     uint64
	figure   time.Duration // how long a question is timed at least
	loading  time.Duration // how long a peer may load
	progress func(string)
}

// assets numbers a fleet's hosts and enterprise projects.
func (c *config) assets(hosts int) iter.Seq[asset] {
	return func(yield func(asset) bool) {
		groups := map[string]uint16{}
		host := uint32(0)
		for r := range c.workload.Fleet(c.seed, hosts) {
			g, known := groups[r.EnterpriseProject]
			if !known {
				g = uint16(len(groups))
				groups[r.EnterpriseProject] = g
			}
			if !yield(asset{host, g, r.Open}) {
				return
			}
			host++
		}
	}
}

// tally counts the assets as if the numbers of their groups were their names.
func (c *config) tally(hosts int) *oracle.Tally {
	t := oracle.NewTally(nil)
	for a := range c.assets(hosts) {
		t.Add(&engine.Report{EnterpriseProject: groupName(a.group), Open: a.open})
	}
	return t
}

// kind is one kind of question.
type kind struct {
	name string
	q    *question
	keys []engine.Key // of distinct assets, where q is nil
}

const rowsPerPage = 10

// kinds returns what is asked about a fleet, by what a tally of it says.
func kinds(ctx context.Context, t *oracle.Tally) ([]kind, error) {
	all, err := t.Ports(ctx, engine.PortQuery{})
	if err != nil {
		return nil, err
	}
	byCount := slices.Clone(all.Rows)
	slices.SortStableFunc(byCount, func(a, b engine.PortCount) int { return b.Num - a.Num })
	var keys []engine.Key
	for _, r := range byCount[:min(10, len(byCount))] {
		keys = append(keys, r.Key())
	}
	list := []kind{
		{name: "top ten", q: &question{byCount: true, limit: rowsPerPage}},
	}
	hosts := float64(t.Assets())
	for _, part := range []float64{0.001, 0.01, 0.1, 0.5} {
		has := nearest(byCount, part*hosts)
		list = append(list, kind{name: fmt.Sprintf("counts of hosts with a port, %g %%", 100*part), q: &question{has: has, limit: rowsPerPage}})
	}
	list = append(list, kind{name: "counts of hosts without a port, 90 %", q: &question{has: nearest(byCount, hosts/10), hasNot: true, limit: rowsPerPage}})
	return append([]kind{
		{name: "page", q: &question{limit: rowsPerPage}},
		{name: "deep page", q: &question{offset: all.Total / 2, limit: rowsPerPage}},
		{name: "fuzzy total and page", q: &question{digits: "44", limit: rowsPerPage}},
		{name: "exact port", q: &question{port: byCount[0].Port, limit: rowsPerPage}},
		{name: "one enterprise project", q: &question{groups: []uint16{0}, limit: rowsPerPage}},
		{name: "three enterprise projects", q: &question{groups: []uint16{0, 1, 2}, limit: rowsPerPage}},
		{name: "distinct hosts of ten ports", keys: keys},
	}, list...), nil
}

// nearest returns the key whose count is nearest to a number, by their ratio.
func nearest(rows []engine.PortCount, n float64) engine.Key {
	best := rows[0]
	for _, r := range rows {
		if math.Abs(math.Log(float64(r.Num)/n)) < math.Abs(math.Log(float64(best.Num)/n)) {
			best = r
		}
	}
	return best.Key()
}

// want is what the oracle answers; distinct assets are counted from the fleet itself.
func (c *config) want(ctx context.Context, t *oracle.Tally, k *kind, hosts int) (page, int, error) {
	if k.q == nil {
		n := 0
		for a := range c.assets(hosts) {
			if slices.ContainsFunc(a.open, func(key engine.Key) bool { return slices.Contains(k.keys, key) }) {
				n++
			}
		}
		return page{}, n, nil
	}
	if k.q.has != 0 {
		return c.wantOf(k.q, hosts), 0, nil
	}
	view := engine.All()
	if k.q.groups != nil {
		names := make([]string, len(k.q.groups))
		for i, g := range k.q.groups {
			names[i] = groupName(g)
		}
		view = engine.In(names...)
	}
	got, err := t.Ports(ctx, engine.PortQuery{View: view, Port: int(k.q.port), PortString: k.q.digits, Order: orderOf(k.q), Descending: k.q.byCount, Offset: k.q.offset, Limit: k.q.limit})
	p := page{total: got.Total}
	for _, r := range got.Rows {
		p.rows = append(p.rows, row{r.Key(), r.Num})
	}
	return p, 0, err
}

func orderOf(q *question) engine.Order {
	if q.byCount {
		return engine.ByNum
	}
	return engine.ByPort
}

// wantOf counts the ports of some assets, one by one.
func (c *config) wantOf(q *question, hosts int) page {
	counts := map[engine.Key]int{}
	for a := range c.assets(hosts) {
		if slices.Contains(a.open, q.has) == q.hasNot {
			continue
		}
		for _, k := range a.open {
			counts[k]++
		}
	}
	rows := make([]row, 0, len(counts))
	for _, k := range sortedKeys(counts) {
		rows = append(rows, row{k, counts[k]})
	}
	return q.pageOf(rows)
}

// errWrong is matched by the error for an answer that is not the right one.
var errWrong = errors.New("wrong answer")

// verify holds a peer's answer to one kind of question against the oracle's.
func verify(ctx context.Context, p peer, k *kind, want page, distinct int) error {
	if k.q == nil {
		n, err := p.distinct(ctx, k.keys)
		if err == nil && n != distinct {
			err = fmt.Errorf("%w: %s: %d, want %d", errWrong, k.name, n, distinct)
		}
		return err
	}
	got, err := p.ports(ctx, k.q)
	if err == nil && (got.total != want.total || !slices.Equal(got.rows, want.rows)) {
		err = fmt.Errorf("%w: %s: %d in all, %v: want %d, %v", errWrong, k.name, got.total, got.rows, want.total, want.rows)
	}
	return err
}

// smallFleet is how many assets every peer is verified with first.
const smallFleet = 1000

// check verifies a peer with the beginning of the fleet. What it cannot express is no
// fault.
func (c *config) check(ctx context.Context, p peer) error {
	hosts := min(c.hosts, smallFleet)
	if err := p.load(ctx, c.assets(hosts)); err != nil {
		return err
	}
	t := c.tally(hosts)
	list, err := kinds(ctx, t)
	if err != nil {
		return err
	}
	for i := range list {
		want, distinct, err := c.want(ctx, t, &list[i], hosts)
		if err != nil {
			return err
		}
		if err := verify(ctx, p, &list[i], want, distinct); err != nil && !errors.Is(err, errCannot) {
			return err
		}
	}
	return nil
}

// run measures the contenders, each by itself, and adds its results to the report. A
// peer that is not there, or too slow, has a mark instead of figures; a wrong answer is
// an error.
func (c *config) run(ctx context.Context, list []contender, report *bench.Report) error {
	timer, err := bench.NewTimer(ctx)
	if err != nil {
		return err
	}
	report.Timer = timer.Cost()
	oracle := c.tally(c.hosts)
	asked, err := kinds(ctx, oracle)
	if err != nil {
		return err
	}
	for _, who := range list {
		m := &measurement{config: c, timer: timer, report: report, who: who, asked: asked, oracle: oracle}
		if err := m.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", who.name, err)
		}
	}
	return nil
}

// measurement is one contender at work.
type measurement struct {
	*config
	timer  *bench.Timer
	report *bench.Report
	who    contender
	asked  []kind
	oracle *oracle.Tally
}

func (m *measurement) result(name string) bench.Result {
	return bench.Result{Suite: suite, Name: name, Subject: m.who.name, Hosts: m.hosts}
}

// leaveOut notes why there are no figures.
func (m *measurement) leaveOut(name, why string) {
	r := m.result(name)
	r.Values, r.Marks = []bench.Value{}, []string{why}
	m.report.Results = append(m.report.Results, r)
}

// open returns a new, empty peer, or nil where it is not available.
func (m *measurement) open() (peer, error) {
	p, err := m.who.open()
	if missing, ok := errors.AsType[unavailableError](err); ok {
		m.leaveOut("load", "left out: "+missing.reason)
		return nil, nil
	}
	return p, err
}

func (m *measurement) run(ctx context.Context) (err error) {
	m.progress(m.who.name + ": verifying")
	small, err := m.open()
	if small == nil {
		return err
	}
	if err := errors.Join(m.check(ctx, small), small.close()); err != nil {
		return err
	}
	before := bench.LiveHeap()
	p, err := m.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	m.progress(m.who.name + ": loading")
	loading, cancel := context.WithTimeout(ctx, m.loading)
	defer cancel()
	start := time.Now()
	err = p.load(loading, m.assets(m.hosts))
	took := time.Since(start)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		m.leaveOut("load", fmt.Sprintf("left out: it did not load %d hosts within %s", m.hosts, m.loading))
		return nil
	case err != nil:
		return err
	}
	if err := m.size(ctx, p, before, took); err != nil {
		return err
	}
	for i := range m.asked {
		if err := m.ask(ctx, p, &m.asked[i]); err != nil {
			return err
		}
	}
	return nil
}

// size adds what loading took, with making the fleet up, and what the data takes.
func (m *measurement) size(ctx context.Context, p peer, before uint64, took time.Duration) error {
	bytes, err := p.size(ctx)
	if err != nil {
		return err
	}
	if bytes == 0 {
		heap := bench.LiveHeap()
		bytes = int64(heap - min(before, heap))
	}
	n := float64(m.oracle.Observations())
	r := m.result("load")
	r.Samples = 1
	r.Values = []bench.Value{{Unit: "obs/s", Value: n / took.Seconds()}, {Unit: "B/obs", Value: float64(bytes) / n}}
	m.report.Results = append(m.report.Results, r)
	runtime.KeepAlive(p)
	return nil
}

func (m *measurement) ask(ctx context.Context, p peer, k *kind) error {
	m.progress(m.who.name + ": " + k.name)
	want, distinct, err := m.want(ctx, m.oracle, k, m.hosts)
	if err != nil {
		return err
	}
	switch err := verify(ctx, p, k, want, distinct); {
	case errors.Is(err, errCannot):
		m.leaveOut(k.name, err.Error())
		return nil
	case err != nil:
		return err
	}
	l, err := m.timer.Measure(ctx, m.figure, func(int) error {
		if k.q == nil {
			_, err := p.distinct(ctx, k.keys)
			return err
		}
		_, err := p.ports(ctx, k.q)
		return err
	})
	if err != nil {
		return err
	}
	r := m.result(k.name)
	r.Samples = l.Count()
	r.Values = []bench.Value{{Unit: "p50-ns", Value: float64(l.Percentile(50))}, {Unit: "p99-ns", Value: float64(l.Percentile(99))}}
	if r.Samples < 5 {
		r.Marks = []string{fmt.Sprintf("too few samples: %d", r.Samples)}
	}
	m.report.Results = append(m.report.Results, r)
	return nil
}

// comparison puts the medians of a report beside each other.
func comparison(r *bench.Report, title string) *picture.Comparison {
	c := &picture.Comparison{Title: title}
	for i := range r.Results {
		x := &r.Results[i]
		ns, ok := x.Value("p50-ns")
		if !ok {
			continue
		}
		q, s := slices.Index(c.Questions, x.Name), slices.Index(c.Subjects, x.Subject)
		if q < 0 {
			q, c.Questions = len(c.Questions), append(c.Questions, x.Name)
		}
		if s < 0 {
			s, c.Subjects = len(c.Subjects), append(c.Subjects, x.Subject)
			c.Latency = append(c.Latency, nil)
		}
		for len(c.Latency[s]) <= q {
			c.Latency[s] = append(c.Latency[s], math.NaN())
		}
		c.Latency[s][q] = ns
	}
	return c
}
