package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"portolan/engine"
)

// Defaults of [HTTPConfig].
const (
	DefaultRounds   = 5
	DefaultDuration = 2 * time.Second
	DefaultRequests = 10_000_000

	// DefaultConnections is a multiple of GOMAXPROCS. With so many a core always
	// finds work on either end, and more only make requests wait for each other.
	DefaultConnections = 8
)

// HTTPConfig says what [HTTP] measures. All but Engine and Project may be left
// zero.
type HTTPConfig struct {
	// Engine holds the data. It stays the caller's, and nobody may write to the
	// project while it is measured.
	Engine *engine.Engine
	// Project is whose ports are asked for. It must have ten rows.
	Project string
	// Rounds is how many times both sides are measured; 0 is 5.
	Rounds int
	// Duration is how long each side is measured in a round; 0 is two seconds.
	Duration time.Duration
	// Connections is how many each side has open, each with one request at a
	// time; 0 is 8 per processor that Go uses.
	Connections int
	// Requests is the most requests of a side in a round, which then ends before
	// its time; 0 is ten million. Every connection sends at least two.
	Requests int
}

// Validate reports every value that is not allowed, joined.
func (c *HTTPConfig) Validate() error {
	if c == nil || c.Engine == nil {
		return errors.New("bench: Engine is required")
	}
	var errs []error
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"Rounds", int64(c.Rounds)},
		{"Duration", int64(c.Duration)},
		{"Connections", int64(c.Connections)},
		{"Requests", int64(c.Requests)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("bench: %s is %d: want 0 or more", v.name, v.value))
		}
	}
	return errors.Join(errs...)
}

// resolved returns a copy with the defaults filled in.
func (c *HTTPConfig) resolved() HTTPConfig {
	all := *c
	if all.Rounds == 0 {
		all.Rounds = DefaultRounds
	}
	if all.Duration == 0 {
		all.Duration = DefaultDuration
	}
	if all.Connections == 0 {
		all.Connections = DefaultConnections * runtime.GOMAXPROCS(0)
	}
	if all.Requests == 0 {
		all.Requests = DefaultRequests
	}
	return all
}

// HTTP compares two servers on loopback: ours, as the serve command sets it up
// by default, which finds the route, checks the token, reads the parameters,
// asks the engine for a page of ten rows and writes it as JSON; and a bare
// handler of net/http with the same limits, which writes the same header and
// body from memory. Every connection stays open and sends the next request when
// it has the answer, whose body is held against the one expected.
//
// A round measures ours, bare, bare, ours, the next one bare, ours, ours, bare,
// each for half its time and after a garbage collection, so that a machine that
// slows down or warms up does so for both.
//
// The measurement ends at once when the context does. An answer that is not the
// one expected is an error.
func HTTP(ctx context.Context, config *HTTPConfig) (_ *HTTPResult, err error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	c := config.resolved()
	p, err := newPair(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	held, err := c.Engine.Stats()
	if err != nil {
		return nil, err
	}
	r := &HTTPResult{Machine: thisMachine(), Connections: c.Connections, Body: len(p.body), Assets: held.Assets}
	if r.HandlerAllocs, err = handlerAllocs(p.ours.srv, p.request); err != nil {
		return nil, err
	}
	if err := p.warmUp(ctx, &c); err != nil {
		return nil, err
	}
	for i := range c.Rounds {
		ours, bare, err := p.round(ctx, &c, i)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", i+1, err)
		}
		r.Ours.Rounds, r.Bare.Rounds = append(r.Ours.Rounds, ours), append(r.Bare.Rounds, bare)
	}
	r.conclude()
	return r, nil
}

// warmUp loads both sides for a quarter of a round and forgets what it saw.
func (p *pair) warmUp(ctx context.Context, c *HTTPConfig) error {
	for _, s := range []*side{p.bare, p.ours} {
		if _, err := s.leg(ctx, c.Duration/4, c.Requests); err != nil {
			return fmt.Errorf("warming up: %w", err)
		}
	}
	return nil
}

// round measures both sides for two legs each; the first one is taken in turns.
func (p *pair) round(ctx context.Context, c *HTTPConfig, i int) (ours, bare Round, err error) {
	order := [...]*side{p.ours, p.bare, p.bare, p.ours}
	if i%2 == 1 {
		order = [...]*side{p.bare, p.ours, p.ours, p.bare}
	}
	legs := map[*side]*leg{p.ours: newLeg(), p.bare: newLeg()}
	for _, s := range order {
		l, err := s.leg(ctx, c.Duration/2, c.Requests/2)
		if err != nil {
			return ours, bare, fmt.Errorf("%s: %w", s.name, err)
		}
		legs[s].add(l)
	}
	return legs[p.ours].round(), legs[p.bare].round(), nil
}
