package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// writer is a response that costs nothing itself.
type writer struct {
	header http.Header
	status int
	body   []byte
}

func (w *writer) Header() http.Header    { return w.header }
func (w *writer) WriteHeader(status int) { w.status = status }
func (w *writer) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}

// TestStatisticsAllocates: an answer costs the text and the slice of its
// headers, and the parameters; query, page and JSON cost nothing.
func TestStatisticsAllocates(t *testing.T) {
	r := newRig(t, nil).known()
	queries := []string{"", "limit=10", "port=443&category=host", "port_string=43&type=TCP&status=danger&sort_key=port&sort_dir=desc&limit=200&offset=1&enterprise_project_id=0", "enterprise_project_id=all_granted_eps"}
	for _, query := range queries {
		req := httptest.NewRequest(http.MethodGet, statistics+"?"+query, http.NoBody)
		req.Header.Set("X-Auth-Token", token)
		w := &writer{header: make(http.Header)}
		got := testing.AllocsPerRun(100, func() {
			w.body = w.body[:0]
			r.handler.ServeHTTP(w, req)
		})
		if w.status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, w.status, w.body)
		}
		if got > 3 {
			t.Errorf("%q: %v allocations, want 3", query, got)
		}
	}
}

// FuzzQueryMeaning holds the parser against net/url: a query that it can parse
// means what its first values mean when they are written anew.
func FuzzQueryMeaning(f *testing.F) {
	for _, q := range []string{"port=443&port=22", "%70ort=%34%343", "port_string=+4", "limit&offset=1", "=1&port", "port==22", "type=TCP6=", "a=%&port=22"} {
		f.Add(q)
	}
	r := newRig(f, nil).known()
	ask := func(query string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, statistics, http.NoBody)
		req.URL.RawQuery = query
		req.Header.Set("X-Auth-Token", token)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		return w
	}
	f.Fuzz(func(t *testing.T, query string) {
		parsed, err := url.ParseQuery(query)
		if err != nil {
			return // net/url has no meaning for semicolons and broken escapes
		}
		first := make(url.Values)
		for name := range parsed {
			first.Set(name, parsed.Get(name))
		}
		got, want := ask(query), ask(first.Encode())
		if got.Code != want.Code || got.Code == http.StatusOK && got.Body.String() != want.Body.String() {
			t.Errorf("%q: %d %s\n%q: %d %s", query, got.Code, got.Body, first.Encode(), want.Code, want.Body)
		}
	})
}

// TestBrokenEscapes: a filter that cannot be read is an error rather than left
// out, which would widen the answer; what nobody reads does not matter.
func TestBrokenEscapes(t *testing.T) {
	r := newRig(t, nil).known()
	for _, name := range []string{"port", "port_string", "type", "status", "enterprise_project_id", "sort_key", "sort_dir", "limit", "offset", "category"} {
		req := httptest.NewRequest(http.MethodGet, statistics, http.NoBody)
		req.URL.RawQuery = name + "=%zz"
		req.Header.Set("X-Auth-Token", token)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		wantFailure(t, w, 400, "HSS.0001", name)
	}
	if got := short(t, r.get("port=22&colour=%25zz&%25zz=1")); got != "1: 2×22/TCP" {
		t.Errorf("unknown parameters: %s", got)
	}
}
