package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"runtime"
)

// allocRuns is how many requests allocations are counted over.
const allocRuns = 10_000

// handlerAllocs returns how many allocations a request costs a server beyond
// what net/http itself allocates: those of its handler and of its hooks, which
// see a connection become busy and idle again. As testing.AllocsPerRun does, it
// rounds down, so that what the runtime does meanwhile does not count.
func handlerAllocs(srv *http.Server, request []byte) (float64, error) {
	conn, peer := net.Pipe()
	defer conn.Close()
	defer peer.Close()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return 0, err
	}
	r = r.WithContext(srv.ConnContext(context.Background(), conn))
	w := &sink{header: make(http.Header)}
	once := func() {
		srv.ConnState(conn, http.StateActive)
		srv.Handler.ServeHTTP(w, r)
		srv.ConnState(conn, http.StateIdle)
	}
	srv.ConnState(conn, http.StateNew)
	defer srv.ConnState(conn, http.StateClosed)
	once()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range allocRuns {
		once()
	}
	runtime.ReadMemStats(&after)
	if w.status != http.StatusOK {
		return 0, fmt.Errorf("ours: status %d: want 200", w.status)
	}
	return math.Floor(float64(after.Mallocs-before.Mallocs) / allocRuns), nil
}

// sink is a response that costs nothing itself.
type sink struct {
	header http.Header
	status int
}

// Header returns the header, the same for all responses.
func (s *sink) Header() http.Header { return s.header }

// WriteHeader keeps the status.
func (s *sink) WriteHeader(status int) { s.status = status }

// Write drops the body.
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
