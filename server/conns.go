package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// conns keeps the number of open connections within a limit. One too many ends
// the one that has been waiting the longest for a whole request to arrive: idle,
// silent or sending its header byte by byte. Only when every connection is being
// answered, the new one ends. So whoever opens many connections and says nothing
// ends its own.
type conns struct {
	most int

	mu      sync.Mutex // guards what follows
	open    map[net.Conn]*conn
	waiting conn // the ring of those that are not being answered, the longest first
	waits   int  // how many they are

	evicted, refused prometheus.Counter
	gauge            prometheus.GaugeFunc
}

// conn is an open connection. It is a link of the ring itself, so that coming and going
// allocates nothing.
type conn struct {
	net.Conn
	next, prev *conn // in waiting; nil while it is being answered
}

type connKey struct{}

func newConns(most int) *conns {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	l := &conns{
		most: most, open: make(map[net.Conn]*conn),
		evicted: counter("portolan_connections_evicted_total", "Waiting connections that ended to make room."),
		refused: counter("portolan_connections_refused_total", "New connections that ended as all others were being answered."),
	}
	l.waiting.next, l.waiting.prev = &l.waiting, &l.waiting
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
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			l.answering(c)
		}
		next.ServeHTTP(w, r)
	})
}

// state is the server's ConnState. A new connection is seen before the next one
// is accepted.
func (l *conns) state(nc net.Conn, s http.ConnState) {
	if s == http.StateActive { // nothing but the first byte of a request
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.open[nc]
	switch {
	case s == http.StateNew:
		c = &conn{Conn: nc}
		l.open[nc] = c
		l.waitLocked(c)
		if len(l.open) > l.most {
			l.evictLocked()
		}
	case c == nil: // it was evicted
	case s == http.StateIdle && c.next == nil:
		l.waitLocked(c)
	case s == http.StateClosed, s == http.StateHijacked:
		l.forgetLocked(c)
	}
}

// answering notes that the connection's request has arrived.
func (l *conns) answering(nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.open[nc]; c != nil {
		l.answerLocked(c)
	}
}

// waitLocked puts a connection behind all that wait.
func (l *conns) waitLocked(c *conn) {
	c.next, c.prev = &l.waiting, l.waiting.prev
	c.prev.next, c.next.prev = c, c
	l.waits++
}

// answerLocked takes a connection out of those that wait, if it is one.
func (l *conns) answerLocked(c *conn) {
	if c.next == nil {
		return
	}
	c.prev.next, c.next.prev = c.next, c.prev
	c.next, c.prev = nil, nil
	l.waits--
}

// evictLocked ends the connection that waits the longest, which is the newest
// one where no other waits.
func (l *conns) evictLocked() {
	c := l.waiting.next // there is one: the newest waits
	if l.waits == 1 {
		l.refused.Inc()
	} else {
		l.evicted.Inc()
	}
	l.forgetLocked(c)
	if t, ok := c.Conn.(*tls.Conn); ok { // to say goodbye could take seconds
		_ = t.NetConn().Close()
		return
	}
	_ = c.Close()
}

func (l *conns) forgetLocked(c *conn) {
	delete(l.open, c.Conn)
	l.answerLocked(c)
}
