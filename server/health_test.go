package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/server"
)

// TestWritesInReadiness: a server that takes no writes is ready for questions and says that it
// takes none, to operators also why, and by a metric.
func TestWritesInReadiness(t *testing.T) {
	r := newRig(t, nil)
	j := enginetest.NewJournal()
	if err := r.engine.Attach(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	s := r.handler.(*server.Server)
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Metrics())
	admin := server.NewAdmin(s, registry, nil)
	get := func(h http.Handler, path string, want int) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		return w.Body.String()
	}
	const forGood = `{"status":"degraded","writes":"read-only","reason":"what is written cannot be kept any more; the operators' address says why"}`
	for _, c := range []struct {
		refuse              error
		public, toOperators string
		writable            int
	}{
		{nil, `{"status":"ready"}`, `{"status":"ready"}`, 1},
		{errors.New("3 MiB free"), `{"status":"ready","writes":"refused"}`, "3 MiB free", 0},
		{nil, `{"status":"ready"}`, `{"status":"ready"}`, 1},
		{fmt.Errorf("%w: table 7 is damaged", engine.ErrReadOnly), forGood, "table 7 is damaged", 0},
		{nil, forGood, "table 7 is damaged", 0},
	} {
		j.Refuse = func(bool) error { return c.refuse }
		status := http.StatusOK
		if c.public == forGood {
			status = http.StatusServiceUnavailable
		}
		if got := get(s, "/readyz", status); got != c.public {
			t.Errorf("with %v: %s, want %s", c.refuse, got, c.public)
		}
		if got := get(s, "/readyz/reads", http.StatusOK); got != c.public {
			t.Errorf("with %v, for reads: %s, want %s", c.refuse, got, c.public)
		}
		if got := get(admin, "/readyz", status); !strings.Contains(got, c.toOperators) {
			t.Errorf("with %v, to operators: %s, want %s", c.refuse, got, c.toOperators)
		}
		if got := get(admin, "/metrics", http.StatusOK); !strings.Contains(got, fmt.Sprintf("\nportolan_writable %d\n", c.writable)) {
			t.Errorf("with %v: want portolan_writable %d", c.refuse, c.writable)
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/readyz/reads": 200} {
		srv := httptest.NewServer(s)
		resp, err := http.Head(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, resp.Body); resp.StatusCode != want || body != "" || resp.ContentLength <= 0 {
			t.Errorf("HEAD %s: %s, length %d", path, resp.Status, resp.ContentLength)
		}
		resp.Body.Close()
		srv.Close()
	}
	s.Stopping()
	w := httptest.NewRecorder()
	admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("stopping, to operators: %d", w.Code)
	}
}
