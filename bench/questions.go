package bench

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/enginetest/oracle"
)

// asked is what is asked: an engine, or whatever else answers the same questions.
type asked interface {
	Ports(ctx context.Context, q engine.PortQuery) (engine.PortPage, error)
	Hosts(ctx context.Context, q engine.HostQuery) (engine.HostPage, error)
}

// question is a kind of question that is timed: queries for ports or for hosts, asked
// in turn.
type question struct {
	name  string
	ports []engine.PortQuery
	hosts []engine.HostQuery
	// fresh asks every query of a snapshot that was not asked before.
	fresh bool
}

const (
	// questionRows is how many rows a page has.
	questionRows = 10
	// digitQueries is how many texts of digits of one length are asked for.
	digitQueries = 10
	// randomQueries is how many combinations are drawn: more than are remembered.
	randomQueries = 20_000
	maxDigits     = 5
	// mergedViews is how many views of several enterprise projects the combinations
	// have, fewer than are remembered.
	mergedViews = 10
)

// questions returns what the fleet of the tally is asked.
func questions(t *oracle.Tally, category engine.Category, seed uint64) ([]question, error) {
	b := questionMaker{rng: rand.New(rand.NewPCG(seed, 0x626e6368)), groups: t.EnterpriseProjects(), category: category}
	page, err := t.Ports(context.Background(), b.all())
	if err != nil {
		return nil, err
	}
	total := page.Total
	b.popular = page.Rows[0]
	for _, row := range page.Rows {
		if row.Num > b.popular.Num {
			b.popular = row
		}
	}
	list := []question{
		b.one("first page", func(*engine.PortQuery) {}),
		b.one("deep page", func(q *engine.PortQuery) { q.Offset = total / 2 }),
		b.one("last page descending", func(q *engine.PortQuery) {
			q.Descending, q.Offset = true, max(0, total-questionRows)
		}),
		b.one("exact port", func(q *engine.PortQuery) { q.Port = int(b.popular.Port) }),
		b.one("type", func(q *engine.PortQuery) { q.Type = b.popular.Type }),
		b.one("status", func(q *engine.PortQuery) { q.Status = engine.Danger }),
	}
	for n := 1; n <= maxDigits; n++ {
		list = append(list, b.digits(n, false), b.digits(n, true))
	}
	for _, g := range []struct {
		name   string
		groups int
	}{{"one enterprise project", 1}, {"three enterprise projects", 3}, {"forty enterprise projects", 40}, {"all enterprise projects", len(b.groups)}} {
		if g.groups <= len(b.groups) {
			list = append(list, b.one(g.name, func(q *engine.PortQuery) { q.View = engine.In(b.groups[:g.groups]...) }))
		}
	}
	list = append(list, b.random())
	return append(list, b.holders()...), nil
}

type questionMaker struct {
	rng      *rand.Rand
	groups   []string // enterprise projects, the largest first
	category engine.Category
	popular  engine.PortCount // the row of most assets
}

// all is the question for everything.
func (b *questionMaker) all() engine.PortQuery {
	return engine.PortQuery{Project: fleet.Project, Category: b.category}
}

// one returns a question of one query, the first page with a restriction.
func (b *questionMaker) one(name string, restrict func(*engine.PortQuery)) question {
	q := b.all()
	q.Limit = questionRows
	restrict(&q)
	return question{name: name, ports: []engine.PortQuery{q}}
}

// digits returns questions for ports that contain so many digits.
func (b *questionMaker) digits(n int, fresh bool) question {
	qs := question{name: strconv.Itoa(n) + " digits", fresh: fresh}
	if n == 1 {
		qs.name = "1 digit"
	}
	if fresh {
		qs.name += ", new"
	}
	for i := range digitQueries {
		q := b.all()
		q.Limit = questionRows
		if q.PortString = strconv.Itoa(i); n > 1 { // from 10000, the smallest of five digits, to 65535
			low, high := pow10(n-1), min(pow10(n), 65536)
			q.PortString = strconv.Itoa(low + b.rng.IntN(high-low))
		}
		qs.ports = append(qs.ports, q)
	}
	return qs
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

// random returns combinations of everything that can be asked.
func (b *questionMaker) random() question {
	qs := question{name: "random combinations", ports: make([]engine.PortQuery, randomQueries)}
	views := make([]engine.View, 0, len(b.groups)+1)
	for i, g := range b.groups {
		views = append(views, engine.In(g))
		if i >= 3 && i < 3+mergedViews {
			views = append(views, engine.In(b.groups[i-3:i]...))
		}
	}
	half := func() bool { return b.rng.IntN(2) == 0 }
	for i := range qs.ports {
		q := b.all()
		q.Limit, q.Descending = questionRows, half()
		if half() {
			q.PortString = strconv.Itoa(b.rng.IntN(10_000))
		}
		if half() {
			q.Type = []engine.Type{engine.TCP, engine.UDP}[b.rng.IntN(2)]
		}
		if half() {
			q.View = views[b.rng.IntN(len(views))]
		}
		if b.rng.IntN(4) == 0 {
			q.Status = []engine.Status{engine.Danger, engine.Unknown}[b.rng.IntN(2)]
		}
		if half() {
			q.Offset = b.rng.IntN(100)
		}
		qs.ports[i] = q
	}
	return qs
}

// holders returns questions for the assets of the most popular row.
func (b *questionMaker) holders() []question {
	q := engine.HostQuery{
		Project: fleet.Project, Category: b.category, Port: int(b.popular.Port), Type: b.popular.Type, Limit: questionRows,
	}
	deep, some := q, q
	deep.Offset = b.popular.Num / 2
	some.View = engine.In(b.groups[:min(3, len(b.groups))]...)
	return []question{
		{name: "hosts of a port", hosts: []engine.HostQuery{q}},
		{name: "hosts of a port, deep page", hosts: []engine.HostQuery{deep}},
		{name: "hosts of a port, three enterprise projects", hosts: []engine.HostQuery{some}},
	}
}

// subject returns what is timed: the question put to an engine. renew makes a new
// snapshot, for questions that want one.
func (q *question) subject(ctx context.Context, e asked, renew func() error) *subject {
	s := &subject{ask: q.ask(ctx, e)}
	if q.fresh {
		s.every, s.before = len(q.ports), renew
	}
	return s
}

// ask returns a function that puts the i-th query.
func (q *question) ask(ctx context.Context, e asked) func(i int) error {
	switch {
	case len(q.hosts) > 0:
		one := q.hosts[0]
		return func(int) error {
			_, err := e.Hosts(ctx, one)
			return err
		}
	case len(q.ports) == 1:
		one := q.ports[0]
		one.Into = make([]engine.PortCount, 0, questionRows)
		return func(int) error {
			_, err := e.Ports(ctx, one)
			return err
		}
	default:
		all, into := slices.Clone(q.ports), make([]engine.PortCount, 0, questionRows)
		for i := range all {
			all[i].Into = into
		}
		return func(i int) error {
			_, err := e.Ports(ctx, all[i%len(all)])
			return err
		}
	}
}
