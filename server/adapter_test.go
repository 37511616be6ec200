package server_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"portolan/server"
	"portolan/server/auth"
)

// plain is the headers of a transport that has nothing to do with net/http.
type plain map[string][]string

func (p plain) Values(name string) []string { return p[name] }

// TestReadsKnowNoTransport: what is asked through another transport than net/http is
// answered with the same status, header fields and bytes.
func TestReadsKnowNoTransport(t *testing.T) {
	r := newRig(t, nil).known()
	s := r.handler.(*server.Server) // newRig makes nothing else
	const id = "0123456789abcdef0123456789abcdef"
	tag := r.ask(http.MethodGet, statistics, "").Header().Get("Etag")
	for name, c := range map[string]struct {
		method, path, rawPath, query string
		headers                      plain
		status                       int
	}{
		"statistics":      {"GET", statistics, "", "port_string=4&limit=10&enterprise_project_id=all_granted_eps", nil, 200},
		"unchanged":       {"GET", statistics, "", "", plain{"If-None-Match": {tag}}, 304},
		"a bad parameter": {"GET", statistics, "", "limit=5", nil, 400},
		"no token":        {"GET", statistics, "", "", plain{"X-Auth-Token": nil}, 401},
		"assets":          {"GET", "/v5/p1/asset/ports/detail", "", "port=123", nil, 200},
		"ports":           {"GET", "/v5/p1/asset/ports", "", "host_id=h1", nil, 200},
		"an escaped path": {"GET", "/v5/p/1/asset/ports", "/v5/p%2F1/asset/ports", "host_id=h1", nil, 200},
		"no such path":    {"GET", "/v5/p/1/asset/ports", "", "host_id=h1", nil, 404},
		"no such method":  {"PUT", statistics, "", "", nil, 404},
		"health":          {"GET", "/healthz", "", "", nil, 200},
		"readiness":       {"GET", "/readyz", "", "", nil, 200},
		"the description": {"GET", "/openapi.yaml", "", "", nil, 200},
		"removal":         {"DELETE", "/v1/projects/p1/assets/nobody", "", "", nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			headers := plain{"X-Request-Id": {id}, "X-Auth-Token": {token}}
			maps.Copy(headers, c.headers)
			for range 3 { // the third answer is a remembered one
				req := httptest.NewRequest(c.method, "/", http.NoBody)
				req.URL.Path, req.URL.RawPath, req.URL.RawQuery = c.path, c.rawPath, c.query
				req.Header = http.Header(headers)
				w := httptest.NewRecorder()
				r.handler.ServeHTTP(w, req)
				status, fields, body := s.Exchange(context.Background(), auth.Request{
					Method: c.method, Path: c.path, RawPath: c.rawPath, RawQuery: c.query, Header: headers,
				})
				if status != c.status || w.Code != status || w.Body.String() != body {
					t.Fatalf("got %d %s, by net/http %d %s, want %d", status, body, w.Code, w.Body, c.status)
				}
				if !maps.EqualFunc(fields, map[string][]string(w.Header()), slices.Equal) {
					t.Fatalf("got %v, by net/http %v", fields, w.Header())
				}
			}
		})
	}
}

// TestBodyOfAnotherTransport: a body counts, whatever brought it.
func TestBodyOfAnotherTransport(t *testing.T) {
	r := newRig(t, nil)
	s := r.handler.(*server.Server) // newRig makes nothing else
	line := `{"asset":"h1","open":["22/tcp"]}`
	status, _, body := s.Exchange(context.Background(), auth.Request{
		Method: "POST", Path: "/v1/projects/p1/reports", Header: plain{"X-Auth-Token": {token}},
		Body: io.NopCloser(strings.NewReader(line)), BodyLength: int64(len(line)),
	})
	if status != http.StatusOK || !strings.Contains(body, `"applied":1,`) {
		t.Errorf("%d %s", status, body)
	}
	if got := short(t, r.get("")); got != "1: 1×22/TCP" {
		t.Errorf("afterwards: %s", got)
	}
}
