package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"portolan/server"
	"portolan/server/auth"
)

// scrape returns what the admin address says of the rig's server.
func (r *rig) scrape() string {
	r.Helper()
	s := r.handler.(*server.Server)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.Metrics())
	w := httptest.NewRecorder()
	server.NewAdmin(s, registry, nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		r.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// TestMetrics holds what is counted against what was done.
func TestMetrics(t *testing.T) {
	r := newRig(t, nil).known()
	for range 3 {
		r.get("")
	}
	r.ask("GET", statistics+"?limit=1", "")
	r.ask("GET", "/nowhere", "")
	r.ask("GET", statistics, "", "X-Auth-Token", "second values are ignored")
	r.post("", `{"asset":"h1","open":["22/tcp"]}`+"\n"+`{"asset":"new","open":["22/tcp"]}`+"\nno json\n")
	req := httptest.NewRequest(http.MethodGet, statistics, http.NoBody)
	r.handler.ServeHTTP(httptest.NewRecorder(), req)
	text := r.scrape()
	for _, want := range []string{
		`portolan_http_request_duration_seconds_count{route="GET /v5/{project_id}/asset/port/statistics",status="200"} 4`,
		`portolan_http_request_duration_seconds_count{route="GET /v5/{project_id}/asset/port/statistics",status="400"} 1`,
		`portolan_http_request_duration_seconds_count{route="GET /v5/{project_id}/asset/port/statistics",status="401"} 1`,
		`portolan_http_request_duration_seconds_count{route="unknown",status="404"} 1`,
		`portolan_auth_total{outcome="accepted",source="operator"} 6`,
		`portolan_auth_total{outcome="refused",source=""} 1`,
		`portolan_reports_total{result="applied"} 1`,
		`portolan_reports_total{result="unchanged"} 1`,
		`portolan_reports_total{result="rejected"} 1`,
		`portolan_assets 7`, `portolan_writable 1`, `portolan_expired_assets_total 0`, `portolan_projects 1`, `portolan_observations 14`, `portolan_panics_total 0`,
		`portolan_snapshot_versions{category="host"} `, `portolan_project_newest_report_age_seconds_bucket{le="300"} 1`, `portolan_project_newest_report_age_seconds_count 1`, `portolan_uploads_in_flight{sender="caller"} 0`, `portolan_http_requests_in_flight `, `portolan_writes_refused_total{reason="read_only"} `, `portolan_memory_bytes `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	down := newRig(t, fake{err: errors.New("down")})
	down.ask("GET", statistics, "")
	if text := down.scrape(); !strings.Contains(text, `portolan_auth_total{outcome="unavailable",source=""} 1`) {
		t.Error(text)
	}
}

// TestAdmin: what operators see is on their address and on no other.
func TestAdmin(t *testing.T) {
	r := newRig(t, nil)
	admin := server.NewAdmin(r.handler.(*server.Server), prometheus.NewRegistry(), nil)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/healthz", "/readyz"} {
		w := httptest.NewRecorder()
		if admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody)); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
		if got := r.ask("GET", path, "").Code; got != http.StatusNotFound && !strings.HasSuffix(path, "z") {
			t.Errorf("public %s: %d", path, got)
		}
	}
	w := httptest.NewRecorder()
	if admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, statistics, http.NoBody)); w.Code != http.StatusNotFound {
		t.Errorf("a call of the API on the admin address: %d", w.Code)
	}
}

// TestSourcesAreCounted: callers of several sources at once are all counted.
func TestSourcesAreCounted(t *testing.T) {
	r := newRig(t, bySource{})
	const each = 200
	done := make(chan bool)
	for _, source := range []string{"a", "b", "c", "d"} {
		go func() {
			for range each {
				req := httptest.NewRequest(http.MethodGet, statistics, http.NoBody)
				req.Header.Set("Source", source)
				r.handler.ServeHTTP(httptest.NewRecorder(), req)
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
	found := regexp.MustCompile(`portolan_auth_total\{outcome="accepted",source="[a-d]"\} 200`).FindAllString(r.scrape(), -1)
	if len(found) != 4 {
		t.Errorf("got %q", found)
	}
}

type bySource struct{}

func (bySource) Authenticate(_ context.Context, r *auth.Request) (*auth.Caller, error) {
	return &auth.Caller{Source: strings.Join(r.Header.Values("Source"), ""), Projects: auth.All(), EnterpriseProjects: auth.All()}, nil
}
