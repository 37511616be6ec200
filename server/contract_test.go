package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

// envelope is either kind of error.
type envelope struct {
	Code        string  `json:"error_code"`
	Msg         string  `json:"error_msg"`
	Description *string `json:"error_description"`
	Request     *string `json:"request_id"`
}

var hex32 = regexp.MustCompile(`^[0-9a-f]{32}$`)

// wantFailure holds an answer against the envelope that its code belongs to.
func wantFailure(t *testing.T, w *httptest.ResponseRecorder, status int, code, says string) {
	t.Helper()
	var e envelope
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if w.Code != status || e.Code != code || !strings.Contains(e.Msg, says) || e.Msg == "" {
		t.Errorf("got %d %s, want %d %s … %s", w.Code, w.Body, status, code, says)
	}
	id := w.Header().Get("X-Request-Id")
	if !hex32.MatchString(id) || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("headers: %v", w.Header())
	}
	gateway := strings.HasPrefix(code, "APIGW.")
	if gateway != (e.Request != nil) || gateway == (e.Description != nil) {
		t.Errorf("the envelope of %s is %s", code, w.Body)
	}
	if gateway && *e.Request != id {
		t.Errorf("request id %s in the body, %s in the header", *e.Request, id)
	}
}

// TestOwnFailures: calls that the contract does not know fail in its envelope.
func TestOwnFailures(t *testing.T) {
	r := newRig(t, nil).known()
	for _, c := range []struct {
		row, method, target string
		status              int
		code, says          string
	}{
		{"removing what is not there", "DELETE", "/v1/projects/p1/assets/nobody", 404, "HSS.0002", "asset"},
		{"removing from a category that is none", "DELETE", "/v1/projects/p1/assets/h1?category=vm", 400, "HSS.0001", "category"},
		{"a scope that is none", "POST", "/v1/projects/p1/reports?scope=some", 400, "HSS.0001", "scope"},
		{"a format that is none", "POST", "/v1/projects/p1/reports?format=pdf", 400, "HSS.0001", "format"},
		{"strict that is neither", "POST", "/v1/projects/p1/reports?strict=maybe", 400, "HSS.0001", "strict"},
	} {
		t.Run(c.row, func(t *testing.T) {
			wantFailure(t, r.ask(c.method, c.target, ""), c.status, c.code, c.says)
		})
	}
}

// fake is an authenticator that always says the same.
type fake struct {
	caller *auth.Caller
	err    error
}

func (f fake) Authenticate(context.Context, *auth.Request) (*auth.Caller, error) {
	return f.caller, f.err
}

// TestDataVersion: the data version is steady, and changes with the data.
func TestDataVersion(t *testing.T) {
	r := newRig(t, nil).known()
	version := func() string { return r.ask("GET", statistics, "").Header().Get("X-Data-Version") }
	first := version()
	if first == "" || first != version() {
		t.Errorf("version %q is not steady", first)
	}
	r.apply("h9 1/tcp")
	if version() == first {
		t.Errorf("version %q does not change with the data", first)
	}
	if w := r.ask("GET", "/healthz", ""); w.Code != 200 || w.Body.String() != `{"status":"ok"}` {
		t.Errorf("health: %d %s", w.Code, w.Body)
	}
}

// TestIsolation: another project's reports change no byte of this project's answers.
func TestIsolation(t *testing.T) {
	r := newRig(t, nil).known()
	before := r.ask("GET", statistics, "")
	for _, p := range []string{"p2", "P1", "p1 ", "p"} {
		w := r.ask("POST", "/v1/projects/"+strings.ReplaceAll(p, " ", "%20")+"/reports", `{"asset":"h1","scope":"all","open":["1/tcp"]}`)
		if w.Code != 200 {
			t.Fatalf("%q: %d %s", p, w.Code, w.Body)
		}
	}
	after := r.ask("GET", statistics, "")
	if before.Body.String() != after.Body.String() || before.Header().Get("X-Data-Version") != after.Header().Get("X-Data-Version") {
		t.Errorf("before %s\nafter  %s", before.Body, after.Body)
	}
}

// TestNoCaller: an authenticator that says nothing lets nobody in.
func TestNoCaller(t *testing.T) {
	r := newRig(t, fake{})
	w := r.ask("GET", statistics, "")
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestPanic: a handler's panic is a 500 without internals, logged and counted.
func TestPanic(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s, err := server.New(e, &server.Options{Auth: panics{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, statistics, http.NoBody))
	wantFailure(t, w, 500, "HSS.0000", "")
	if strings.Contains(w.Body.String(), "secret") || !strings.Contains(log.String(), "secret") || s.Panics() != 1 {
		t.Errorf("answer %s, %d panics, log %s", w.Body, s.Panics(), log.String())
	}
}

type panics struct{}

func (panics) Authenticate(context.Context, *auth.Request) (*auth.Caller, error) { panic("secret") }

func TestOptions(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]*server.Options{
		"Auth": {}, "MaxBody": {Auth: fake{}, MaxBody: -1}, "BodyTimeout": {Auth: fake{}, BodyTimeout: -1},
		"MaxUploads": {Auth: fake{}, MaxUploads: -1}, "RateLimit": {Auth: fake{}, RateLimit: -1}, "AccessSample": {Auth: fake{}, AccessSample: -1},
	} {
		if _, err := server.New(e, opts); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := server.New(e, nil); err == nil {
		t.Error("no options are accepted")
	}
	if _, err := server.New(nil, &server.Options{Auth: fake{}}); err == nil {
		t.Error("no engine is accepted")
	}
}

// BenchmarkStatistics answers one page of ten with the full path.
func BenchmarkStatistics(b *testing.B) {
	r := newRig(b, nil)
	line := "h1"
	for p := range 1000 {
		line += fmt.Sprintf(" %d/tcp", p+1)
	}
	r.apply(line)
	req := httptest.NewRequest(http.MethodGet, statistics+"?limit=10&offset=500&type=TCP", http.NoBody)
	req.Header.Set("X-Auth-Token", token)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		w.Body.Reset()
		r.handler.ServeHTTP(w, req)
	}
}

func FuzzStatisticsQuery(f *testing.F) {
	for _, q := range []string{"port=443", "port_string=4&type=TCP", "limit=%zz&offset=1", "enterprise_project_id", "port=\x00", "sort_dir=desc&&=&", "type=%ff"} {
		f.Add(q)
	}
	r := newRig(f, nil)
	f.Fuzz(func(t *testing.T, query string) {
		req := httptest.NewRequest(http.MethodGet, statistics, http.NoBody)
		req.URL.RawQuery = query
		req.Header.Set("X-Auth-Token", token)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		switch w.Code {
		case http.StatusOK:
			decode(t, w.Body.String())
		case http.StatusBadRequest:
			wantFailure(t, w, 400, "HSS.0001", "")
		default:
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	})
}
