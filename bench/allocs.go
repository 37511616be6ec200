package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
)

// handlerAllocs returns how many allocations a request costs a server beyond what
// net/http itself allocates, in the median: those of its handler and of its hooks, which
// see a connection become busy and idle again.
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
	srv.ConnState(conn, http.StateNew)
	defer srv.ConnState(conn, http.StateClosed)
	objects, _, err := allocations(&subject{ask: func(int) error {
		srv.ConnState(conn, http.StateActive)
		srv.Handler.ServeHTTP(w, r)
		srv.ConnState(conn, http.StateIdle)
		return nil
	}}, allocQueries)
	if err == nil && w.status != http.StatusOK {
		err = fmt.Errorf("ours: status %d: want 200", w.status)
	}
	return objects, err
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
