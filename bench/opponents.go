package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

// opponent is one server on loopback.
type opponent struct {
	name  string
	addr  string
	here  bool                 // in this process
	set   *set                 // what it is asked, if that is not what ours is
	cpu   func() time.Duration // what its process used so far
	close func() error
}

// Server is a server that can be compared with ours. [net/http.Server] is one.
type Server interface {
	Serve(l net.Listener) error
	Close() error
}

// Opponent is a server that is compared with ours besides those that the suite knows.
type Opponent struct {
	Name string
	// Server returns one that answers from memory, always with the header and with the body of
	// the request's raw query.
	Server func(header http.Header, bodies map[string][]byte) Server
}

// listen serves on a free port of loopback, in this process.
func listen(name string, srv Server) (*opponent, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	return &opponent{name: name, addr: l.Addr().String(), here: true, cpu: processTime, close: func() error {
		err := errors.Join(srv.Close(), closeListener(l))
		if failed := <-served; failed != nil && !errors.Is(failed, http.ErrServerClosed) && !errors.Is(failed, net.ErrClosed) {
			err = errors.Join(err, failed)
		}
		return err
	}}, nil
}

// closeListener closes it for a server that does not.
func closeListener(l net.Listener) error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func newToken() string {
	var b [auth.MinTokenLen]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// ourServer returns the server that the serve command makes by default.
func ourServer(e *engine.Engine, token string) (*server.Front, error) {
	operator, err := auth.OperatorToken(token)
	if err != nil {
		return nil, err
	}
	s, err := server.New(e, &server.Options{Auth: operator})
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Metrics())
	return server.NewFront(s, &server.HTTPOptions{Metrics: registry}), nil
}

// limitedLike returns a plain server with those limits of another one that net/http
// keeps by itself.
func limitedLike(like *http.Server, h http.Handler) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            like.ReadHeaderTimeout,
		ReadTimeout:                  like.ReadTimeout,
		WriteTimeout:                 like.WriteTimeout,
		IdleTimeout:                  like.IdleTimeout,
		MaxHeaderBytes:               like.MaxHeaderBytes,
		ErrorLog:                     like.ErrorLog,
		DisableGeneralOptionsHandler: like.DisableGeneralOptionsHandler,
	}
}

// constant answers from memory, as fast as net/http lets it: always the same, or by
// the raw query where there are several.
type constant struct {
	fields  []field // of every header
	only    *answer
	answers map[string]*answer
}

// answer is a body and its length, as a header has it.
type answer struct {
	body   []byte
	length []string
}

// field is a list because a map takes longer to read.
type field struct {
	name   string
	values []string
}

// ServeHTTP writes the answer.
func (c *constant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := c.only
	if a == nil {
		a = c.answers[r.URL.RawQuery]
	}
	h := w.Header()
	for _, f := range c.fields {
		h[f.name] = f.values
	}
	h["Content-Length"] = a.length
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(a.body) // whoever asked is gone
}

// newConstant returns the handler that answers as the answers of a topic are.
func newConstant(t *topic) *constant {
	c := &constant{answers: make(map[string]*answer, len(t.asks))}
	for name, values := range t.header {
		if name != "Content-Length" {
			c.fields = append(c.fields, field{name, values})
		}
	}
	for i, ask := range t.asks {
		body := t.set.Wants[i]
		c.answers[ask.query] = &answer{body, []string{strconv.Itoa(len(body))}}
	}
	if len(t.asks) == 1 {
		c.only = c.answers[t.asks[0].query]
	}
	return c
}

// errNoNginx says that nginx is not installed.
var errNoNginx = errors.New("nginx is not installed")

// nginxConf is one that serves a folder and does nothing else.
const nginxConf = `daemon off;
worker_processes auto;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  default_type application/json;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=16;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  server { listen 127.0.0.1:%[2]d; root %[1]s/www; }
}
`

// startNginx serves a topic's one answer as a file. It is errNoNginx where there is no
// nginx.
func startNginx(ctx context.Context, t *topic) (_ *opponent, err error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		return nil, errNoNginx
	}
	dir, err := os.MkdirTemp("", "portolan-bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	file := filepath.Join(dir, "www", filepath.FromSlash(t.path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // Its workers run as another user.
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as above
		return nil, err
	}
	if err := os.WriteFile(file, t.set.Wants[0], 0o644); err != nil { //nolint:gosec // as above
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, port), 0o600); err != nil {
		return nil, err
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "-c", conf, "-p", dir)
	cmd.Stderr = &log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // It ends its workers.
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o := &opponent{name: nginx, addr: "127.0.0.1:" + strconv.Itoa(port), cpu: func() time.Duration { return childrenTime(cmd.Process.Pid) }}
	o.close = func() error {
		_ = cmd.Process.Signal(os.Interrupt) // It may have ended.
		_ = cmd.Wait()                       // by a signal
		return os.RemoveAll(dir)
	}
	if err := await(ctx, o.addr); err != nil {
		_ = o.close()
		return nil, fmt.Errorf("nginx: %w: %s", err, strings.TrimSpace(log.String()))
	}
	return o, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// await waits until somebody listens.
func await(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// clockTick is the unit of times in /proc: 10 ms on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// childrenTime returns what the children of a process used, 0 where the system does not
// say.
func childrenTime(parent int) time.Duration {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, path := range stats {
		text, err := os.ReadFile(path) // the process may have ended
		if err != nil {
			continue
		}
		// The name, which may hold anything, ends at the last parenthesis; see proc(5).
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 13 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		for _, f := range fields[11:13] { // utime, stime
			ticks, err := strconv.ParseInt(f, 10, 64)
			if err == nil {
				sum += time.Duration(ticks) * clockTick
			}
		}
	}
	return sum
}
