package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of a connection's buffers.
const (
	frontIn  = 4 << 10  // a plain request, and those that follow it, fit in
	frontOut = 32 << 10 // answers are sent when there are so many bytes
)

// Front answers plain requests on the connections themselves, which takes half of what net/http
// takes for them. Any other request goes to net/http together with its connection and the bytes
// that came, and so does all that follows. The limits of both are the same.
type Front struct {
	// HTTP is the server for everything else. It serves no listener but those of Listen. Its TLSConfig and limits of time, which are both
	// servers', may be set before Serve.
	HTTP *http.Server

	server *Server
	conns  *conns
	log    *slog.Logger
	shouts *slog.Logger // takes what strangers can cause
	busy   atomic.Int32 // connections that wait for nobody

	mu    sync.Mutex
	shut  bool // no listener is taken any more
	inner []*frontListener
	over  sync.WaitGroup // of accepting, and of connections on which net/http has begun nothing
}

// NewFront returns the front of a server, with the same limits as [NewHTTPServer].
func NewFront(s *Server, opts *HTTPOptions) *Front {
	srv, limited, o := newHTTPServer(s, opts)
	limited.fronted = true
	return &Front{HTTP: srv, server: s, conns: limited, log: o.Log, shouts: o.sampled}
}

// Serve answers the connections of the listener until it, or the front, is closed; it then returns
// [http.ErrServerClosed] as [http.Server.Serve] does.
func (f *Front) Serve(l net.Listener) error { return f.HTTP.Serve(f.Listen(l)) }

// Listen returns a listener of the connections that are left for net/http.
func (f *Front) Listen(l net.Listener) net.Listener {
	in := &frontListener{Listener: l, front: f, left: make(chan net.Conn), closed: make(chan struct{}), drained: make(chan struct{}), own: map[*frontConn]struct{}{}}
	if config := f.HTTP.TLSConfig; config != nil {
		in.tls = config.Clone()
		in.tls.NextProtos = []string{"h2", "http/1.1"}
		f.HTTP.TLSConfig = in.tls
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shut {
		_ = in.end(http.ErrServerClosed)
		return in
	}
	f.inner = append(f.inner, in)
	f.over.Go(in.accept)
	return in
}

// Shutdown accepts nothing more and waits until what has come is answered: first here, as what is
// not plain is still left for net/http, then there. Once that shuts down it begins nothing, so what
// was left must have been begun.
func (f *Front) Shutdown(ctx context.Context) error {
	var errs []error
	f.mu.Lock()
	f.shut = true
	for _, in := range f.inner {
		errs = append(errs, in.stop())
	}
	for _, in := range f.inner { // which comes second: who learns of it here comes to no other listener
		in.hurry()
	}
	f.mu.Unlock()
	over := make(chan struct{})
	go func() { f.over.Wait(); close(over) }()
	select {
	case <-over:
	case <-ctx.Done():
	case <-time.After(2 * freshTime): // somebody sends a request piece by piece
	}
	return errors.Join(append(errs, f.HTTP.Shutdown(ctx))...)
}

// Close cuts off every connection.
func (f *Front) Close() error {
	err := f.HTTP.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, in := range f.inner {
		in.cut()
	}
	return err
}

// frontListener is a listener whose connections the front reads first.
type frontListener struct {
	net.Listener
	front    *Front
	tls      *tls.Config   // nil: none
	left     chan net.Conn // for net/http
	draining atomic.Bool   // no more is accepted
	drained  chan struct{} // is closed when draining begins
	closed   chan struct{} // net/http takes no more, either
	once     sync.Once
	fault    error // why, when closed is

	mu  sync.Mutex
	own map[*frontConn]struct{} // connections that are not net/http's
}

// Accept returns the next connection that is left for net/http.
func (in *frontListener) Accept() (net.Conn, error) {
	select {
	case nc := <-in.left:
		return nc, nil
	case <-in.closed:
		return nil, in.fault
	}
}

// Close accepts nothing more, and ends connections once what came on them is answered here.
func (in *frontListener) Close() error { return in.end(net.ErrClosed) }

// end has net/http take no more, either.
func (in *frontListener) end(fault error) error {
	err := in.stop()
	in.once.Do(func() { in.fault = fault; close(in.closed) })
	in.hurry()
	return err
}

// stop accepts nothing more. It must be done before the first connection learns of it, whose client
// would else come again and be taken in.
func (in *frontListener) stop() error {
	if !in.draining.Swap(true) {
		close(in.drained)
	}
	if err := in.Listener.Close(); !errors.Is(err, net.ErrClosed) { // of the second time
		return err
	}
	return nil
}

// freshTime is how long a connection that has said nothing yet is waited for while draining;
// net/http waits as long.
const freshTime = 5 * time.Second

// hurry has connections that wait for a request find out that none is taken any more.
func (in *frontListener) hurry() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for c := range in.own {
		c.hurry()
	}
}

// cut closes the connections.
func (in *frontListener) cut() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for c := range in.own {
		_ = c.Close()
	}
}

// How long accepting pauses when it fails in a way that may pass, such as for want of file
// descriptors: the first time, doubled each time, and at most.
const (
	firstPause = 5 * time.Millisecond
	mostPause  = time.Second
)

func (in *frontListener) accept() {
	pause := firstPause
	for {
		nc, err := in.Listener.Accept()
		if err == nil {
			pause = firstPause
			in.begin(nc)
			continue
		}
		if in.draining.Load() {
			return
		}
		if passing, ok := errors.AsType[net.Error](err); !ok || !passing.Temporary() { //nolint:staticcheck // net/http asks the same
			_ = in.end(err)
			return
		}
		in.front.log.Warn("accepting a connection failed; trying again", "error", err, "after", pause)
		select {
		case <-in.drained:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, mostPause)
	}
}

// begin takes a connection in.
func (in *frontListener) begin(nc net.Conn) {
	f := in.front
	if in.tls != nil {
		nc = tls.Server(nc, in.tls)
	}
	c := frontConns.Get().(*frontConn) // the pool holds nothing else
	c.Conn, c.in, c.tracked = nc, in, f.conns.accept(nc)
	c.ctx = context.WithValue(context.Background(), connKey{}, c.tracked)
	c.remote = nc.RemoteAddr().String()
	in.mu.Lock()
	in.own[c] = struct{}{}
	in.mu.Unlock()
	f.over.Go(c.run)
}

// frontConn is a connection as long as the front answers on it. It belongs to one goroutine.
type frontConn struct {
	net.Conn
	in      *frontListener
	tracked *conn
	ctx     context.Context //nolint:containedctx // it lives as long as the connection
	remote  string
	request plain
	date    date

	armed   time.Time   // when the deadlines were set last
	begun   atomic.Bool // something came
	last    bool        // the answer that was made last is the connection's last
	buf     [frontIn]byte
	at, end int // what of buf is still to be read
	out     []byte
}

var frontConns = sync.Pool{New: func() any { return &frontConn{out: make([]byte, 0, frontOut/4)} }}

// release gives the connection's memory back.
func (c *frontConn) release() {
	out := c.out[:0]
	if cap(out) > 2*frontOut {
		out = nil
	}
	*c = frontConn{out: out}
	frontConns.Put(c)
}

// run answers until the connection ends, or a request comes that is not plain.
func (c *frontConn) run() {
	in, nc := c.in, c.Conn
	left, done, begun := net.Conn(nil), false, func() {}
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			in.front.log.Error("a connection's loop ended in a panic", "panic", p)
		}
		in.mu.Lock()
		delete(in.own, c)
		in.mu.Unlock()
		if done {
			c.release()
		}
		if left == nil || !in.leave(left) {
			begun()
			_ = nc.Close()
			in.front.conns.state(nc, http.StateClosed)
		}
	}()
	switch {
	case !c.handshake():
	case c.isHTTP2():
		left = nc
	case c.answerAll() == notPlain:
		in.front.over.Add(1)
		begun = sync.OnceFunc(in.front.over.Done)
		c.tracked.begun = begun
		left = &handed{Conn: nc, rest: append([]byte(nil), c.buf[c.at:c.end]...), begun: begun}
	}
	done = true
}

// leave leaves a connection to net/http. It is false if that takes none any more.
func (in *frontListener) leave(nc net.Conn) bool {
	_ = nc.SetDeadline(time.Time{})
	select {
	case in.left <- nc:
		return true
	case <-in.closed:
		return false
	}
}

// handshake agrees on TLS, if that is spoken.
func (c *frontConn) handshake() bool {
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return true
	}
	_ = c.SetDeadline(deadlineOf(time.Now(), c.in.front.HTTP.ReadHeaderTimeout))
	err := t.HandshakeContext(c.ctx)
	if err == nil {
		return true
	}
	if wrong, ok := errors.AsType[tls.RecordHeaderError](err); ok && wrong.Conn != nil && isHTTP(wrong.RecordHeader) {
		_, _ = io.WriteString(wrong.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	}
	c.in.front.shouts.Warn("a TLS handshake failed", "remote", c.remote, "error", err)
	return false
}

func (c *frontConn) isHTTP2() bool {
	t, ok := c.Conn.(*tls.Conn)
	return ok && t.ConnectionState().NegotiatedProtocol == "h2"
}

// isHTTP says whether what should begin a handshake begins a request.
func isHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// answerAll answers plain requests. It returns notPlain at another one, which is then what is left
// in the buffer, else at the connection's end.
func (c *frontConn) answerAll() plainness {
	busy := &c.in.front.busy
	busy.Add(1)
	defer busy.Add(-1)
	for c.arm() {
		// Others come first: then the next request is mostly there when it is asked for, and is
		// read at once, instead of twice, with a wait in between. It takes 15 % off a request.
		if busy.Load() > 1 {
			runtime.Gosched()
		}
		busy.Add(-1)
		n, err := c.Read(c.buf[c.end:])
		busy.Add(1)
		if n == 0 && err != nil {
			break
		}
		if !c.begun.Swap(true) {
			c.armed = time.Time{} // from now on it may be idle
		}
		c.end += n
		some, what := c.answerRead()
		if !c.send() || c.last {
			break
		}
		// What is cut behind other requests was cut by the buffer's end, and the rest follows at
		// once. A client that sends a piece of one is net/http's to wait for.
		if what == notPlain || what == cutPlain && (!some || c.end-c.at == len(c.buf)) {
			return notPlain
		}
		c.end = copy(c.buf[:], c.buf[c.at:c.end])
		c.at = 0
	}
	return wholePlain
}

// answerRead answers what is in the buffer, as far as it is plain, and says what is behind that.
// Some says that there was something.
func (c *frontConn) answerRead() (some bool, what plainness) {
	c.in.front.conns.advance(c.tracked)
	c.tracked.working.Add(1)
	defer c.tracked.working.Add(-1)
	for c.at < c.end && !c.last {
		if what = c.request.read(c.buf[c.at:c.end]); what != wholePlain {
			return some, what
		}
		c.at += len(c.request.text)
		some = true
		c.answer()
		if len(c.out) >= frontOut {
			c.tracked.working.Add(-1)
			sent := c.send()
			c.tracked.working.Add(1)
			c.last = c.last || !sent
		}
	}
	return some, wholePlain
}

// answer answers the request that was read.
func (c *frontConn) answer() {
	s := c.in.front.server
	call := begin(s, c.request.request(c.remote))
	s.answer(c.ctx, call)
	c.last = c.in.draining.Load()
	c.out = call.appendTo(c.out, c.date.at(call.began), c.last)
	s.observe(call)
	call.end()
}

// send sends the answers.
func (c *frontConn) send() bool {
	if len(c.out) == 0 {
		return true
	}
	_, err := c.Write(c.out)
	c.out = c.out[:0]
	return err == nil
}

// armEvery is how often deadlines are set: that costs as much as a small answer.
const armEvery = time.Second

// arm gives the client its time, for the next request and to take answers. It is false if no
// other request is taken.
func (c *frontConn) arm() bool {
	if now := time.Now(); now.Sub(c.armed) >= armEvery {
		c.armed = now
		limits := c.in.front.HTTP
		wait := limits.ReadHeaderTimeout
		if c.begun.Load() {
			wait = limits.IdleTimeout
		}
		_ = c.SetReadDeadline(deadlineOf(now, wait))
		_ = c.SetWriteDeadline(deadlineOf(now, limits.WriteTimeout))
	}
	if !c.in.draining.Load() { // it is asked behind the deadline, as it is set before hurry sets that
		return true
	}
	c.hurry()
	return !c.begun.Load()
}

// deadlineOf is a deadline, none if there is no limit.
func deadlineOf(now time.Time, limit time.Duration) time.Time {
	if limit <= 0 {
		return time.Time{}
	}
	return now.Add(limit)
}

// hurry ends a wait for the next request, and soon one for the first.
func (c *frontConn) hurry() {
	if c.begun.Load() {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(freshTime))
}

// handed is a connection that net/http goes on with.
type handed struct {
	net.Conn
	rest  []byte // what came already
	begun func() // is called when it is closed, at the latest
}

// Close closes it.
func (h *handed) Close() error {
	h.begun()
	return h.Conn.Close()
}

// Read reads on.
func (h *handed) Read(p []byte) (int, error) {
	if len(h.rest) == 0 {
		return h.Conn.Read(p)
	}
	n := copy(p, h.rest)
	if h.rest = h.rest[n:]; len(h.rest) == 0 {
		h.rest = nil
	}
	return n, nil
}

// CloseWrite is for net/http, which ends an answer by it when it closes a connection.
func (h *handed) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// date is a Date header's line, made once a second.
type date struct {
	second int64
	line   []byte
}

// dates are shared by all connections.
var dates atomic.Pointer[date]

// at returns the line of a time.
func (d *date) at(now time.Time) []byte {
	if second := now.Unix(); d.line == nil || d.second != second {
		shared := dates.Load()
		if shared == nil || shared.second != second {
			line := append([]byte("Date: "), now.UTC().Format(http.TimeFormat)...)
			shared = &date{second, append(line, "\r\n"...)}
			dates.Store(shared)
		}
		*d = *shared
	}
	return d.line
}

// appendTo appends the answer as HTTP/1.1 has it, as net/http would write it; last says that the
// connection ends with it.
func (c *call) appendTo(b, date []byte, last bool) []byte {
	b = appendStatus(b, c.answered.status)
	fields := c.answered.fields
	sent, idSent := uint(0), false
	for range fields { // in the order of their names
		next := -1
		for i := range fields {
			if sent&(1<<i) == 0 && (next < 0 || fields[i].name < fields[next].name) {
				next = i
			}
		}
		sent |= 1 << next
		if f := &fields[next]; !idSent && f.name > idHeader {
			b, idSent = c.appendID(b), true
		}
		for _, value := range fields[next].values {
			b = append(append(b, fields[next].name...), ": "...)
			b = append(append(b, value...), "\r\n"...)
		}
	}
	if !idSent {
		b = c.appendID(b)
	}
	b = append(b, date...)
	if last {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(append(b, "\r\n"...), c.answered.body...)
}

const idHeader = "X-Request-Id"

func (c *call) appendID(b []byte) []byte {
	b = append(b, idHeader+": "...)
	return append(append(b, c.id[:]...), "\r\n"...)
}

// appendStatus appends a status line.
func appendStatus(b []byte, status int) []byte {
	if status == http.StatusOK {
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = append(b, decimal(status)...)
	b = append(append(b, ' '), http.StatusText(status)...)
	return append(b, "\r\n"...)
}
