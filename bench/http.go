package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// httpRounds is how often two servers are compared; medians are shown.
	httpRounds = 5
	// httpTime is how many times as long as other figures a server is loaded in a
	// round.
	httpTime = 2
	// connectionsPerProc is how many connections there are per processor that Go
	// uses: a core always finds work on either end, and more only make requests wait
	// for each other.
	connectionsPerProc = 8
	// openRounds is how often both servers are loaded at each rate.
	openRounds = 3
	// noisy is the spread of rounds beyond which a comparison is marked.
	noisy = 0.20
	// tooLate is how late a client may send what it has not to wait for.
	tooLate = 2 * time.Millisecond
)

// openShares are the rates of the open loop, as shares of what the bare handler
// serves when it is asked without end.
var openShares = []float64{0.25, 0.5, 0.75, 0.9}

// The names of the servers, in [Result].Subject.
const (
	Ours      = "ours"
	Bare      = "bare handler, same limits"
	unlimited = "bare handler, no limits"
	nginx     = "nginx, a file"
)

// contest is the http suite with one fleet: ours and others, asked the same.
type contest struct {
	*run
	hosts   int
	load    *loader
	token   string
	ours    *opponent
	limited *http.Server // ours, for its limits
}

// manner is how clients ask.
type manner struct {
	name        string // empty: as clients mostly do
	connections int
	fresh       bool // each request has a connection of its own
}

func (m *manner) of(t *topic) string {
	if m.name == "" {
		return t.name
	}
	return t.name + ", " + m.name
}

// manners returns the ways to ask: over some connections, over one, and with one a request.
func manners() (some, one, fresh *manner) {
	n := connectionsPerProc * runtime.GOMAXPROCS(0)
	return &manner{"", n, false}, &manner{"one connection", 1, false}, &manner{"a connection each", n, true}
}

// http compares our server with others: handlers of net/http that write the same
// headers and bodies from memory, and nginx with the body as a file.
func (run *run) http(ctx context.Context, hosts int) (err error) {
	run.progress("http: a fleet of %d", hosts)
	r, err := newRig(ctx, run.c, hosts)
	if err != nil {
		return err
	}
	if err := r.verify(ctx); err != nil {
		return err
	}
	c := &contest{run: run, hosts: hosts, token: newToken()}
	front, err := ourServer(r.e, c.token)
	if err != nil {
		return err
	}
	c.limited = front.HTTP
	if c.ours, err = listen(Ours, front); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.ours.close()) }()
	if c.load, err = newLoader(ctx, run.c.Client); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.load.close()) }()
	topics, err := c.topics(ctx, r)
	if err != nil {
		return err
	}
	limit, err := c.matches(ctx, topics)
	if err != nil {
		return err
	}
	return c.openLoops(ctx, topics[0], limit)
}

// matches compares ours with each opponent, and returns how many first pages a second the bare
// handler serves.
func (c *contest) matches(ctx context.Context, topics []*topic) (limit float64, err error) {
	others := make([]string, len(c.c.Opponents))
	for i := range others {
		others[i] = c.c.Opponents[i].Name
	}
	first, digits, unasked := topics[0], topics[1], topics[2]
	some, one, fresh := manners()
	for i, m := range []struct {
		topic *topic
		how   *manner
		with  []string
	}{
		{first, some, append([]string{Bare, unlimited, nginx}, others...)},
		{first, one, append([]string{Bare, nginx}, others...)},
		{first, fresh, []string{Bare}},
		{digits, some, []string{Bare}},
		{unasked, some, []string{Bare, nginx}},
	} {
		for j, name := range m.with {
			served, err := c.match(ctx, m.topic, name, m.how)
			if err != nil {
				return 0, fmt.Errorf("http: %s: %w", m.how.of(m.topic), err)
			}
			if i == 0 && j == 0 {
				limit = served
			}
		}
	}
	return limit, nil
}

// match compares ours with one opponent about one topic and returns how many requests
// a second the other one serves.
func (c *contest) match(ctx context.Context, t *topic, name string, how *manner) (limit float64, err error) {
	other, err := c.start(ctx, t, name)
	if errors.Is(err, errNoNginx) {
		c.progress("http: %s is left out: %v", name, err)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, other.close()) }()
	a, b, err := c.closedLoop(ctx, t, other, how)
	if err != nil {
		return 0, err
	}
	c.report.Results = append(c.report.Results, c.side(how.of(t), a), c.side(how.of(t), b), c.ratios(how.of(t), a, b))
	return b.median((*leg).perSecond), nil
}

// start starts the opponent of the name, which must answer as ours does.
func (c *contest) start(ctx context.Context, t *topic, name string) (o *opponent, err error) {
	switch name {
	case Bare:
		o, err = listen(name, limitedLike(c.limited, newConstant(t)))
	case unlimited:
		o, err = listen(name, &http.Server{Handler: newConstant(t)}) //nolint:gosec // No limits is what is measured.
	case nginx:
		if o, err = startNginx(ctx, t); err != nil {
			return nil, err
		}
		o.set = t.set.always(0) // it has one file, and does not look at the query
	default:
		o, err = c.startOther(t, name)
	}
	if err != nil {
		return nil, err
	}
	wants := t.set.Wants
	if o.set != nil {
		wants = o.set.Wants
	}
	if err := t.checkSame(ctx, o.addr, wants, name != nginx); err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

// startOther starts one of the opponents that the configuration brings.
func (c *contest) startOther(t *topic, name string) (*opponent, error) {
	answers := make(map[string][]byte, len(t.asks))
	for i, ask := range t.asks {
		answers[ask.query] = t.set.Wants[i]
	}
	i := slices.IndexFunc(c.c.Opponents, func(o Opponent) bool { return o.Name == name })
	return listen(name, c.c.Opponents[i].Server(t.header, answers))
}

// leg is what a server did in a stretch of time.
type leg struct {
	requests        int
	took            time.Duration
	cpu, client     time.Duration // of the server's process, and of the client's if it has its own
	allocs          uint64        // of this process
	latencies, late *hdrhistogram.Histogram
}

func (l *leg) perSecond() float64 { return float64(l.requests) / l.took.Seconds() }

// add makes the leg the sum of two.
func (l *leg) add(o *leg) {
	l.requests += o.requests
	l.took += o.took
	l.cpu += o.cpu
	l.client += o.client
	l.allocs += o.allocs
	l.latencies.Merge(o.latencies) // drops nothing: all have the same bounds
	l.late.Merge(o.late)
}

// rounds is what one server did, a leg a round.
type rounds struct {
	server *opponent
	legs   []*leg
}

func (r *rounds) median(figure func(*leg) float64) float64 {
	all := make([]float64, len(r.legs))
	for i, l := range r.legs {
		all[i] = figure(l)
	}
	return median(all)
}

// sum returns all rounds together.
func (r *rounds) sum() *leg {
	all := newLeg()
	for _, l := range r.legs {
		all.add(l)
	}
	return all
}

func newLeg() *leg { return &leg{latencies: newHistogram(), late: newHistogram()} }

// leg loads a server once, after a garbage collection.
func (c *contest) leg(ctx context.Context, s *opponent, t *topic, how *manner, d time.Duration, rate float64) (*leg, error) {
	runtime.GC()
	asked := t.set
	if s.set != nil {
		asked = s.set
	}
	before, objects := s.cpu(), allocated()
	r, err := c.load.carryOut(ctx, asked, order{Addr: s.addr, Connections: how.connections, Fresh: how.fresh, For: d, Rate: rate})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	l := &leg{requests: r.Requests, took: r.Took, latencies: hdrhistogram.Import(r.Latencies), late: hdrhistogram.Import(r.Late)}
	if c.load.own {
		l.cpu, l.client, l.allocs = s.cpu()-before, r.CPU, c.load.objects-objects
	}
	return l, nil
}

// allocated is how many objects this process has allocated so far.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

// closedLoop loads both servers without end, in turns: a round is ours, other, other,
// ours, the next one other, ours, ours, other, so that a machine that slows down or
// warms up does so for both.
func (c *contest) closedLoop(ctx context.Context, t *topic, other *opponent, how *manner) (a, b *rounds, err error) {
	c.progress("http: %s, beside %s", how.of(t), other.name)
	d := httpTime * c.c.figureTime(c.hosts) / 2
	for _, s := range []*opponent{other, c.ours} { // warming up
		if _, err := c.leg(ctx, s, t, how, d/2, 0); err != nil {
			return nil, nil, err
		}
	}
	return c.rounds(ctx, t, other, how, httpRounds, d, 0)
}

// rounds measures both servers so many times.
func (c *contest) rounds(ctx context.Context, t *topic, other *opponent, how *manner, n int, d time.Duration, rate float64) (a, b *rounds, err error) {
	a, b = &rounds{server: c.ours}, &rounds{server: other}
	for i := range n {
		a.legs, b.legs = append(a.legs, newLeg()), append(b.legs, newLeg())
		order := []*rounds{a, b, b, a}
		if i%2 == 1 {
			order = []*rounds{b, a, a, b}
		}
		for _, r := range order {
			l, err := c.leg(ctx, r.server, t, how, d, rate)
			if err != nil {
				return nil, nil, err
			}
			r.legs[i].add(l)
		}
	}
	return a, b, nil
}

// openLoops loads ours and the bare handler at fixed rates: shares of what the bare
// handler can do.
func (c *contest) openLoops(ctx context.Context, t *topic, limit float64) (err error) {
	other, err := c.start(ctx, t, Bare)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.close()) }()
	some, _, _ := manners()
	for _, share := range openShares {
		rate := share * limit
		c.progress("http: open loop, %.0f requests/s", rate)
		a, b, err := c.rounds(ctx, t, other, some, openRounds, httpTime*c.c.figureTime(c.hosts)/2, rate)
		if err != nil {
			return err
		}
		for _, r := range []*rounds{a, b} {
			result := c.side(t.name, r)
			result.Beside = OpenLoop
			result.Name = fmt.Sprintf("%.0f %%", 100*share)
			result.add("offered-req/s", rate)
			all := r.sum()
			if late := time.Duration(all.late.ValueAtPercentile(99)); late > tooLate {
				result.mark("the client is saturated: one request of a hundred was sent %s late though nothing was waited for", late)
			}
			if reached := all.perSecond(); reached < 0.95*rate {
				result.mark("%.0f requests/s were answered of %.0f", reached, rate)
			}
			c.report.Results = append(c.report.Results, result)
		}
	}
	return nil
}

// OpenLoop is what [Result].Beside says of requests that are sent at a fixed rate,
// whether or not the ones before have been answered: shares of the rate that the bare
// handler can serve.
const OpenLoop = "an open loop at shares of the bare handler's rate"

// side returns what one server did: medians of the rounds, and latencies of all.
func (c *contest) side(name string, r *rounds) Result {
	all := r.sum()
	result := Result{Suite: SuiteHTTP, Name: name, Subject: r.server.name, Hosts: c.hosts, Samples: all.latencies.TotalCount()}
	result.add("req/s", r.median((*leg).perSecond))
	for _, p := range []struct {
		unit string
		at   float64
	}{{"p50-ns", 50}, {"p99-ns", 99}, {"p99.9-ns", 99.9}} {
		result.add(p.unit, float64(all.latencies.ValueAtPercentile(p.at)))
	}
	result.add("max-ns", float64(all.latencies.Max()))
	if result.Samples < tailSamples {
		result.mark("too few samples: %d, and p99.9 wants %d", result.Samples, tailSamples)
	}
	if !c.load.own {
		result.mark("the client ran in the server's process")
		return result
	}
	if n := float64(all.requests); n > 0 && all.cpu > 0 {
		result.add("cpu-ns", float64(all.cpu)/n)
		result.add("client-cpu-ns", float64(all.client)/n)
		if r.server.here {
			result.add("allocs/op", float64(all.allocs)/n)
		}
		if all.client > all.cpu {
			result.mark("the client is saturated: it needs more CPU than the server")
		}
	}
	return result
}

// ratios returns ours by the other one: the medians of the rounds' ratios, because the
// two sides of a round ran next to each other.
func (c *contest) ratios(name string, a, b *rounds) Result {
	result := Result{Suite: SuiteHTTP, Name: name, Subject: Ours + " by " + b.server.name, Hosts: c.hosts, Samples: int64(len(a.legs))}
	ratio := func(figure func(*leg) float64) []float64 {
		all := make([]float64, len(a.legs))
		for i := range all {
			all[i] = figure(a.legs[i]) / figure(b.legs[i])
		}
		slices.Sort(all)
		return all
	}
	throughput := ratio((*leg).perSecond)
	result.add("throughput-ratio", median(throughput))
	result.add("p99-ratio", median(ratio(func(l *leg) float64 { return float64(l.latencies.ValueAtPercentile(99)) })))
	if a.sum().cpu > 0 && b.sum().cpu > 0 {
		result.add("cpu-ratio", median(ratio(func(l *leg) float64 { return float64(max(l.cpu, 1)) / float64(l.requests) })))
	}
	spread := (throughput[len(throughput)-1] - throughput[0]) / median(throughput)
	result.add("spread-%", 100*spread)
	if spread > noisy {
		result.mark("noisy: the rounds' ratios spread over %.0f %%", 100*spread)
	}
	return result
}
