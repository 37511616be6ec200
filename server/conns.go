package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/server/auth"
)

// conns keeps the number of open connections within a limit. One too many ends the one that
// has been stalled the longest: that waits for bytes of its client (idle, silent, sending a
// header or a body byte by byte) or for its client to take an answer. Only when every
// connection is being worked for, the new one ends. So whoever opens many connections and
// gives nothing ends its own.
type conns struct {
	most      int
	mostOfOne int // address; 0: any number
	proxies   Proxies
	fronted   bool // a front accepts them, and leaves some to net/http

	mu   sync.Mutex // guards what follows, and the links
	open map[net.Conn]*conn
	of   map[string]int // how many an address has, where that is bounded
	ring conn           // of all, the one first that has gone the longest without progress

	evicted, refused prometheus.Counter
	gauge            prometheus.GaugeFunc
}

// conn is an open connection. It is a link of the ring itself, so that coming and going
// allocates nothing.
type conn struct {
	net.Conn
	next, prev *conn  // nil once it is forgotten
	begun      func() // is called when a request of it is begun, if the front left it

	// working is how many requests somebody works for at this moment: not waiting for the
	// client, neither to send nor to take anything. HTTP/2 has several on one connection.
	working atomic.Int32

	of string // whose it is, where that is bounded
}

type connKey struct{}

// work changes how many requests somebody works for on the connection of a request, if it has one.
func work(ctx context.Context, n int32) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.working.Add(n)
	}
}

// progress is how many bytes of a body count as progress of its connection. Fewer do not:
// a body that comes byte by byte is stalled since its request began.
const progress = 64 << 10

func newConns(most int) *conns {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	l := &conns{
		most: most, open: make(map[net.Conn]*conn), of: make(map[string]int),
		evicted: counter("portolan_connections_evicted_total", "Stalled connections that ended to make room."),
		refused: counter("portolan_connections_refused_total", "New connections that ended as all others were being worked for, or as their address had too many."),
	}
	l.ring.next, l.ring.prev = &l.ring, &l.ring
	l.gauge = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "portolan_connections", Help: "Open connections."}, func() float64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return float64(len(l.open))
	})
	return l
}

// limit makes a server keep to the limit.
func (l *conns) limit(srv *http.Server) {
	next := srv.Handler
	srv.ConnState = l.state
	srv.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		if l.fronted {
			return context.WithValue(ctx, connKey{}, l.left(nc))
		}
		return context.WithValue(ctx, connKey{}, l.accept(nc))
	}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			l.serve(next, c, w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// accept takes a new connection in, before the next one is accepted.
func (l *conns) accept(nc net.Conn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &conn{Conn: nc}
	if remote := nc.RemoteAddr().String(); l.mostOfOne > 0 && !l.proxies.Has(remote) {
		c.of = auth.Network(remote)
		l.of[c.of]++
	}
	l.open[nc] = c
	l.linkLocked(c)
	switch {
	case c.of != "" && l.of[c.of] > l.mostOfOne:
		l.refused.Inc()
		l.endLocked(c)
	case len(l.open) > l.most:
		l.evictLocked(c)
	}
	return c
}

// left returns a connection that a front has accepted. One that has been ended since is not taken in
// again: that would end another.
func (l *conns) left(nc net.Conn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.open[beneath(nc)]; c != nil {
		return c
	}
	return &conn{Conn: nc}
}

// beneath is the connection that was accepted.
func beneath(nc net.Conn) net.Conn {
	if h, ok := nc.(*handed); ok {
		return h.Conn
	}
	return nc
}

// serve has a request of the connection answered.
func (l *conns) serve(next http.Handler, c *conn, w http.ResponseWriter, r *http.Request) {
	if c.begun != nil {
		c.begun()
	}
	l.advance(c)
	c.working.Add(1)
	defer func() {
		c.working.Add(-1) // what is left to send waits for the client
		l.advance(c)
	}()
	if r.Body != nil && r.Body != http.NoBody {
		watched := *r // net/http looks at what is in its own
		watched.Body = &watchedBody{ReadCloser: r.Body, l: l, c: c}
		r = &watched
	}
	next.ServeHTTP(&watchedWriter{ResponseWriter: w, l: l, c: c}, r)
}

// watchedWriter is the writer of an answer. While it writes, the connection waits.
type watchedWriter struct {
	http.ResponseWriter
	l    *conns
	c    *conn
	went int // since the connection's last progress
}

// Write writes to the client.
func (w *watchedWriter) Write(p []byte) (int, error) {
	w.c.working.Add(-1)
	n, err := w.ResponseWriter.Write(p)
	w.c.working.Add(1)
	if w.went += n; w.went >= progress {
		w.went = 0
		w.l.advance(w.c)
	}
	return n, err
}

// Unwrap is for [http.ResponseController].
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// watchedBody is the body of a request. While it is read, the connection waits.
type watchedBody struct {
	io.ReadCloser
	l    *conns
	c    *conn
	came int // since the connection's last progress
}

// Read reads from the client.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.c.working.Add(-1)
	n, err := b.ReadCloser.Read(p)
	b.c.working.Add(1)
	if b.came += n; b.came >= progress {
		b.came = 0
		b.l.advance(b.c)
	}
	return n, err
}

// state is the server's ConnState.
func (l *conns) state(nc net.Conn, s http.ConnState) {
	if s != http.StateClosed && s != http.StateHijacked {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.open[beneath(nc)]; c != nil { // else it was evicted
		l.forgetLocked(c)
	}
}

// advance notes that the connection has made progress.
func (l *conns) advance(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.next != nil && c.next != &l.ring {
		l.unlinkLocked(c)
		l.linkLocked(c)
	}
}

// linkLocked puts a connection behind all others.
func (l *conns) linkLocked(c *conn) {
	c.next, c.prev = &l.ring, l.ring.prev
	c.prev.next, c.next.prev = c, c
}

func (l *conns) unlinkLocked(c *conn) {
	c.prev.next, c.next.prev = c.next, c.prev
	c.next, c.prev = nil, nil
}

// evictLocked ends the connection that is stalled the longest, which is the newest
// one where no other is.
func (l *conns) evictLocked(newest *conn) {
	c := l.ring.next
	for c.working.Load() > 0 { // the newest ends this: it is the last, and nobody works for it yet
		c = c.next
	}
	if c == newest {
		l.refused.Inc()
	} else {
		l.evicted.Inc()
	}
	l.endLocked(c)
}

// endLocked closes a connection and forgets it.
func (l *conns) endLocked(c *conn) {
	l.forgetLocked(c)
	if t, ok := c.Conn.(*tls.Conn); ok { // to say goodbye could take seconds
		_ = t.NetConn().Close()
		return
	}
	_ = c.Close()
}

func (l *conns) forgetLocked(c *conn) {
	delete(l.open, c.Conn)
	l.unlinkLocked(c)
	if c.of == "" {
		return
	}
	if l.of[c.of]--; l.of[c.of] == 0 {
		delete(l.of, c.of)
	}
}
