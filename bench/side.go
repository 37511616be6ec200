package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// patience is how long an answer may take before a measurement is given up.
const patience = 10 * time.Second

// side is one server and the connections that load it. Between legs both are
// idle.
type side struct {
	name    string
	srv     *http.Server
	addr    string
	served  chan error
	clients []*client
}

// serve starts a server on a free port of loopback.
func serve(name string, srv *http.Server) (*side, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &side{name: name, srv: srv, addr: l.Addr().String(), served: make(chan error, 1)}
	go func() { s.served <- srv.Serve(l) }()
	return s, nil
}

// connect opens so many connections that send the request and expect the body.
func (s *side) connect(ctx context.Context, connections int, request, body []byte) error {
	for range connections {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.clients = append(s.clients, newClient(conn, request, body))
	}
	return nil
}

// close ends the connections and the server.
func (s *side) close() error {
	var errs []error
	for _, c := range s.clients {
		errs = append(errs, c.conn.Close())
	}
	errs = append(errs, s.srv.Close())
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// leg is what a side did in a stretch of time.
type leg struct {
	requests       int
	took           time.Duration
	mallocs, bytes uint64 // allocated by the whole process, that is by the server: clients allocate nothing
	latencies      *hdrhistogram.Histogram
}

func newLeg() *leg { return &leg{latencies: newHistogram()} }

// add makes the leg the sum of two.
func (l *leg) add(other *leg) {
	l.requests += other.requests
	l.took += other.took
	l.mallocs += other.mallocs
	l.bytes += other.bytes
	l.latencies.Merge(other.latencies) // drops nothing: all have the same bounds
}

// leg loads the side for a time or a number of requests, whichever ends first.
func (s *side) leg(ctx context.Context, d time.Duration, most int) (*leg, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, s.abort)
	each := max(1, most/len(s.clients))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	var wg sync.WaitGroup
	for _, c := range s.clients {
		wg.Go(func() {
			if err := c.drive(began.Add(d), each); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if !stop() {
		return nil, context.Cause(ctx)
	}
	l := newLeg()
	l.took, l.mallocs, l.bytes = took, after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	for _, c := range s.clients {
		l.requests += c.sent
		l.latencies.Merge(c.latencies)
	}
	return l, nil
}

// abort makes every client fail at once.
func (s *side) abort() {
	for _, c := range s.clients {
		_ = c.conn.SetDeadline(time.Unix(1, 0)) // one that is closed has failed already
	}
}
