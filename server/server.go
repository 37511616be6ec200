package server

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portolan/engine"
	"portolan/server/auth"
)

// Server answers requests from an engine. It may be used concurrently and by
// several listeners; it holds nothing that must be closed.
type Server struct {
	engine *engine.Engine
	opts   Options
	table  []route
	boot   string // tells the data versions of this process from another's
	phase  atomic.Uint32
	panics atomic.Uint64

	uploads  *uploads
	limiter  *limiter   // nil: no limit
	accesses *accessLog // nil: no log
	meters   *meters
	answers  *answers
	keySets  *keySets
	searches *searches
	exports  *places
	feeds    *places
	pasts    *places
	stopped  chan struct{} // closed by Stopping
	stop     sync.Once
}

// The phases of a server.
const (
	phaseReady uint32 = iota
	phaseLoading
	phaseStopping
)

// Loaded ends the phase in which the server only says that it is loading.
func (s *Server) Loaded() { s.phase.CompareAndSwap(phaseLoading, phaseReady) }

// Stopping makes /readyz fail, so that nobody sends requests here any more; the
// server still answers those that come. Feeds end.
func (s *Server) Stopping() {
	s.phase.Store(phaseStopping)
	s.stop.Do(func() { close(s.stopped) })
}

// New returns a server for the engine, which stays the caller's to close. The
// error says which options are not allowed.
func New(e *engine.Engine, opts *Options) (*Server, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errors.New("server: engine is nil")
	}
	var boot [8]byte
	_, _ = crand.Read(boot[:]) // never fails
	s := &Server{engine: e, opts: opts.resolved(), boot: hex.EncodeToString(boot[:]), stopped: make(chan struct{})}
	s.table = s.routes()
	for i := range s.table {
		rt := &s.table[i]
		rt.segments, rt.meter = strings.Split(rt.pattern, "/")[1:], new(meter)
	}
	s.uploads = newUploads(&s.opts)
	s.limiter = newLimiter(s.opts.RateLimit)
	s.accesses = newAccessLog(s.opts.AccessLog, s.opts.AccessSample)
	s.meters = newMeters(s)
	counts, err := newOpenHosts(s, s.opts.OpenHosts)
	if err != nil {
		return nil, fmt.Errorf("server options: %w", err)
	}
	if counts != nil {
		s.meters.parts = append(s.meters.parts, counts)
	}
	s.answers = newAnswers()
	s.keySets = newKeySets()
	s.searches = newSearches()
	s.exports = &places{pool: newPool(maxExports), what: "exports"}
	s.feeds = &places{pool: newPool(maxFeeds), what: "feeds"}
	s.pasts = &places{pool: newPool(maxPasts), what: "questions about the past"}
	if s.opts.Loading {
		s.phase.Store(phaseLoading)
	}
	return s, nil
}

// Panics returns how many requests ended in a panic; each was answered with 500
// and logged.
func (s *Server) Panics() uint64 { return s.panics.Load() }

// answer answers one request: the call has the answer, which is still to be sent.
func (s *Server) answer(ctx context.Context, c *call) {
	s.meters.inFlight.Inc()
	defer s.meters.inFlight.Dec()
	defer s.recovered(c)
	if err := s.serve(ctx, c); err != nil {
		s.fail(c, err)
	}
}

// observe notes in metrics and log what became of a request.
func (s *Server) observe(c *call) {
	took := time.Since(c.began)
	s.meters.request(c, took)
	s.accesses.request(c, took)
}

// serve runs the checks in the order of the contract, then the handler.
func (s *Server) serve(ctx context.Context, c *call) error {
	defer c.upload.end() // also where there is no body: a slot is taken for none
	if c.Body != nil {
		defer func() { _ = c.Body.Close() }() // that of an authenticator may hold a file
		c.Memory, c.Disk = c.upload.needMemory, c.upload.needDisk
	}
	rt, err := s.find(c)
	if err != nil {
		return err
	}
	c.route = rt
	if rt.access != public && s.phase.Load() == phaseLoading {
		return &failure{kind: loading, retry: retrySoon}
	}
	if err := s.admit(ctx, c, rt.access); err != nil {
		return err
	}
	if rt.access == reads {
		if err := s.await(ctx, c); err != nil {
			return err
		}
	}
	return rt.serve(ctx, c)
}

// admit finds out who calls and whether the caller may use the route.
func (s *Server) admit(ctx context.Context, c *call, a access) error {
	if a == public {
		return nil
	}
	work(ctx, -1) // to find out who asks may take as long as somebody else does
	caller, err := s.opts.Auth.Authenticate(ctx, &c.Request)
	work(ctx, 1)
	if f := c.body.failure(); f != nil && err != nil {
		return f
	}
	if err == nil && caller == nil {
		err = errors.New("the authenticator names no caller")
	}
	s.meters.authenticated(caller, err)
	if err != nil {
		return notAuthenticated(err)
	}
	c.caller = caller
	if err := s.limiter.admit(caller); err != nil {
		return err
	}
	allowed := a == reads || a == writes && caller.Write
	if !allowed || !caller.Projects.Has(c.project) {
		return errForbidden
	}
	return nil
}

// notAuthenticated is the failure of a request whose caller is not known. What
// is not a refusal means that nobody could be asked.
func notAuthenticated(err error) error {
	if refusal, ok := errors.AsType[*auth.RefusalError](err); ok {
		return unauthorized(refusal.Reason)
	}
	if errors.Is(err, auth.ErrBodyTooLarge) {
		return &failure{kind: largeBody, detail: err.Error()}
	}
	return &failure{kind: identityDown, retry: retrySoon, cause: err}
}

// recovered answers a request whose handler panicked. No answer was begun, as
// handlers write theirs in one piece at their end.
func (s *Server) recovered(c *call) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // a panic value that net/http compares the same way
		panic(p)
	}
	s.panics.Add(1)
	c.panicked = true
	s.fail(c, &failure{kind: broken, cause: fmt.Errorf("panic: %v\n%s", p, debug.Stack())})
}

// log says what went wrong on the server's side of a request.
func (s *Server) log(c *call, f *failure) {
	s.opts.Log.LogAttrs(context.Background(), slog.LevelError, "request failed",
		slog.String("request_id", string(c.id[:])), slog.String("method", c.Method),
		slog.String("path", c.Path), slog.Int("status", f.status), slog.Any("error", f.cause))
}
