package server_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"portolan/server"
)

// script is a connection whose client says everything at once and then hangs up
// its end.
type script struct {
	in    *bytes.Reader
	ended chan struct{}
	once  sync.Once
	mu    sync.Mutex
	out   bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) { return s.in.Read(p) }

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *script) Close() error {
	s.once.Do(func() { close(s.ended) })
	return nil
}

func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// single is a listener that has a single connection.
type single struct {
	conn  chan net.Conn
	ended chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return &net.TCPAddr{} }

// listened keeps a copy of what a handler answers.
type listened struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (l *listened) Unwrap() http.ResponseWriter { return l.ResponseWriter }

func (l *listened) WriteHeader(status int) {
	l.status = status
	l.ResponseWriter.WriteHeader(status)
}

func (l *listened) Write(p []byte) (int, error) {
	l.body.Write(p)
	return l.ResponseWriter.Write(p)
}

// FuzzRequest writes anything to a connection: nothing panics, and whatever a
// handler answers is sound.
func FuzzRequest(f *testing.F) {
	for _, s := range shapes() {
		if len(s.raw) < 10<<10 {
			f.Add([]byte(s.raw))
		}
	}
	gzipBomb := gzipped(f, strings.Repeat("\n", 4<<20))
	head := "POST /v1/projects/p9/reports HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + token + "\r\nConnection: close\r\nContent-Encoding: "
	for _, body := range []string{"gzip\r\nContent-Length: 8192\r\n\r\n" + gzipBomb, "zstd\r\nContent-Length: 9\r\n\r\n\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00", "br\r\nContent-Length: 1\r\n\r\nx"} {
		f.Add([]byte(head + body))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		overheard(t, raw)
	})
}

// overheard lets a server read the bytes from a connection.
func overheard(t *testing.T, raw []byte) {
	r := newRig(t, nil).known()
	var log safeBuffer
	srv := server.NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		heard := &listened{ResponseWriter: w}
		r.handler.ServeHTTP(heard, req)
		if heard.status == 0 {
			t.Errorf("no answer to %q", raw)
		} else if short := sound(t, heard.status, w.Header(), heard.body.Bytes()); strings.HasSuffix(short, "plain") || heard.status == http.StatusInternalServerError {
			t.Errorf("%q is answered with %s", raw, short)
		}
	}), &server.HTTPOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	conn := &script{in: bytes.NewReader(raw), ended: make(chan struct{})}
	from := &single{make(chan net.Conn, 1), conn.ended}
	from.conn <- conn
	if err := srv.Serve(from); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if n := r.handler.(*server.Server).Panics(); n != 0 || strings.Contains(log.String(), "panic") {
		t.Errorf("%q: %d panics, log %s", raw, n, &log)
	}
	if out := conn.out.String(); out != "" && !strings.HasPrefix(out, "HTTP/1.") {
		t.Errorf("%q is answered with %q", raw, out)
	}
}
