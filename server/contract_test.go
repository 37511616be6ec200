package server_test

import (
	"encoding/json"
	"errors"
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

// TestSeedExample is the published example, byte for byte.
func TestSeedExample(t *testing.T) {
	r := newRig(t, nil).known()
	want := `{"total_num":1,"data_list":[{"num":4,"port":123,"type":"UDP","status":"danger"}]}`
	if got := r.get("port=123&category=host"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestAnswers holds the rows of the contract about requests that succeed.
func TestAnswers(t *testing.T) {
	r := newRig(t, nil).known()
	all := "5: 2×22/TCP 4×123/UDP 2×443/TCP 1×443/TCP6 2×8443/TCP"
	none := "0:"
	for _, c := range []struct{ row, query, want string }{
		{"no parameters: the default enterprise project", "", all},
		{"port: exact", "port=443", "2: 2×443/TCP 1×443/TCP6"},
		{"port outside 1..65535: empty", "port=99999", none},
		{"port 0: empty", "port=0", none},
		{"port negative: empty", "port=-22", none},
		{"an integer of any length", "port=" + strings.Repeat("9", 400), none},
		{"port with leading zeros", "port=000443", "2: 2×443/TCP 1×443/TCP6"},
		{"port_string: contains", "port_string=43", "3: 2×443/TCP 1×443/TCP6 2×8443/TCP"},
		{"port_string: no wildcards", "port_string=4*", none},
		{"port_string that no port contains", "port_string=hello", none},
		{"port_string: a space is no digit", "port_string=+443", none},
		{"port and port_string: both hold", "port=8443&port_string=844", "1: 2×8443/TCP"},
		{"port and port_string: both hold, not", "port=8443&port_string=22", none},
		{"type: exact", "type=TCP6", "1: 1×443/TCP6"},
		{"type: another is empty", "type=ICMP", none},
		{"type: letter case is exact", "type=tcp", none},
		{"status", "status=danger", "1: 4×123/UDP"},
		{"status unknown", "status=unknown&port=22", "1: 2×22/TCP"},
		{"status unknow is an alias", "status=unknow&port=22", "1: 2×22/TCP"},
		{"status normal", "status=normal", none},
		{"enterprise project: one", "enterprise_project_id=shop", "1: 1×22/TCP"},
		{"enterprise project: empty is 0", "enterprise_project_id=", all},
		{"enterprise project: bare key is 0", "enterprise_project_id", all},
		{"enterprise project: without data", "enterprise_project_id=nobody", none},
		{"enterprise project: all granted", "enterprise_project_id=all_granted_eps&port=22", "1: 3×22/TCP"},
		{"category container", "category=container", "1: 1×80/TCP"},
		{"category empty is host", "category=", all},
		{"sort_key port", "sort_key=port", all},
		{"sort_dir desc", "sort_dir=desc&sort_key=port", "5: 2×8443/TCP 1×443/TCP6 2×443/TCP 4×123/UDP 2×22/TCP"},
		{"sort_dir without sort_key", "sort_dir=desc&port=443", "2: 1×443/TCP6 2×443/TCP"},
		{"limit", "limit=200", all},
		{"offset", "offset=3", "5: 1×443/TCP6 2×8443/TCP"},
		{"offset at the end", "offset=5", "5:"},
		{"offset far past the end", "offset=2000000", "5:"},
		{"unknown parameters are ignored", "colour=blue&port=22&limitt=3", "1: 2×22/TCP"},
		{"given twice: the first counts", "port=22&port=443", "1: 2×22/TCP"},
		{"given twice: also an empty first", "port=&port=443", all},
		{"escapes", "%70ort=%34%343", "2: 2×443/TCP 1×443/TCP6"},
		{"empty pairs", "&&port=22&", "1: 2×22/TCP"},
	} {
		t.Run(c.row, func(t *testing.T) {
			if got := short(t, r.get(c.query)); got != c.want {
				t.Errorf("%s: got %s, want %s", c.query, got, c.want)
			}
		})
	}
	if got := r.get("type=ICMP"); got != `{"total_num":0,"data_list":[]}` {
		t.Errorf("an empty list is written as %s", got)
	}
	if w := r.ask(http.MethodGet, "/v5/another/asset/port/statistics", ""); w.Code != http.StatusOK || short(t, w.Body.String()) != none {
		t.Errorf("a project without data: %d %s", w.Code, w.Body)
	}
}

// failures are the rows of the contract about requests that do not succeed.
var failures = []struct {
	row, method, target string
	status              int
	code, says          string
}{
	{"port is not an integer", "GET", statistics + "?port=http", 400, "HSS.0001", "port"},
	{"port is a fraction", "GET", statistics + "?port=4.5", 400, "HSS.0001", "port"},
	{"limit is not an integer", "GET", statistics + "?limit=ten", 400, "HSS.0001", "limit"},
	{"limit too small", "GET", statistics + "?limit=9", 400, "HSS.0001", "10 to 200"},
	{"limit too large", "GET", statistics + "?limit=201", 400, "HSS.0001", "10 to 200"},
	{"limit of any length", "GET", statistics + "?limit=99999999999999999999999", 400, "HSS.0001", "limit"},
	{"offset is not an integer", "GET", statistics + "?offset=0x10", 400, "HSS.0001", "offset"},
	{"offset negative", "GET", statistics + "?offset=-1", 400, "HSS.0001", "offset"},
	{"offset too large", "GET", statistics + "?offset=2000001", 400, "HSS.0001", "2000000"},
	{"category", "GET", statistics + "?category=vm", 400, "HSS.0001", "host or container"},
	{"category: letter case", "GET", statistics + "?category=Host", 400, "HSS.0001", "category"},
	{"sort_key", "GET", statistics + "?sort_key=num", 400, "HSS.0001", "sort_key"},
	{"sort_dir", "GET", statistics + "?sort_dir=up", 400, "HSS.0001", "asc or desc"},
	{"status", "GET", statistics + "?status=bad", 400, "HSS.0001", "danger, normal or unknown"},
	{"type too long", "GET", statistics + "?type=" + strings.Repeat("x", 257), 400, "HSS.0001", "type"},
	{"port_string too long", "GET", statistics + "?port_string=" + strings.Repeat("1", 257), 400, "HSS.0001", "port_string"},
	{"enterprise project too long", "GET", statistics + "?enterprise_project_id=" + strings.Repeat("x", 129), 400, "HSS.0001", "enterprise_project_id"},
	{"project too long", "GET", "/v5/" + strings.Repeat("x", 257) + "/asset/port/statistics", 400, "HSS.0001", "project_id"},
	{"unknown path", "GET", "/v5/p1/asset/ports/everything", 404, "APIGW.0101", "The API does not exist or has not been published in the environment"},
	{"path with a slash too many", "GET", "/v5/p1/asset/port/statistics/", 404, "APIGW.0101", "has not been published"},
	{"path that is not clean", "GET", "//v5/p1/asset/port/statistics", 404, "APIGW.0101", "has not been published"},
	{"path without project", "GET", "/v5//asset/port/statistics", 404, "APIGW.0101", "has not been published"},
	{"wrong method", "POST", statistics, 404, "APIGW.0101", "The API does not exist."},
	{"HEAD is a wrong method", "HEAD", statistics, 404, "APIGW.0101", ""},
	{"removing what is not there", "DELETE", "/v1/projects/p1/assets/nobody", 404, "HSS.0002", "asset"},
	{"removing from a category that is none", "DELETE", "/v1/projects/p1/assets/h1?category=vm", 400, "HSS.0001", "category"},
	{"a scope that is none", "POST", "/v1/projects/p1/reports?scope=some", 400, "HSS.0001", "scope"},
	{"a format that is none", "POST", "/v1/projects/p1/reports?format=pdf", 400, "HSS.0001", "format"},
	{"strict that is neither", "POST", "/v1/projects/p1/reports?strict=maybe", 400, "HSS.0001", "strict"},
}

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

func TestFailures(t *testing.T) {
	r := newRig(t, nil).known()
	for _, c := range failures {
		t.Run(c.row, func(t *testing.T) {
			wantFailure(t, r.ask(c.method, c.target, ""), c.status, c.code, c.says)
		})
	}
}

// TestOrderOfChecks: route, then caller, then grants, then parameters.
func TestOrderOfChecks(t *testing.T) {
	none := newRig(t, fake{err: auth.ErrNoToken})
	wantFailure(t, none.ask("GET", "/nowhere?port=x", ""), 404, "APIGW.0101", "published")
	wantFailure(t, none.ask("GET", statistics+"?port=x", ""), 401, "APIGW.0301", "Incorrect IAM authentication information: x-auth-token not found")
	other := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p2"), EnterpriseProjects: auth.All()}})
	wantFailure(t, other.ask("GET", statistics+"?port=x", ""), 403, "APIGW.0302", "The IAM user is not authorized to access the API.")
	shop := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop")}})
	wantFailure(t, shop.ask("GET", statistics+"?limit=0&enterprise_project_id=other", ""), 403, "APIGW.0302", "not authorized")
	wantFailure(t, shop.ask("GET", statistics+"?limit=0&enterprise_project_id=shop", ""), 400, "HSS.0001", "limit")
}

// fake is an authenticator that always says the same.
type fake struct {
	caller *auth.Caller
	err    error
}

func (f fake) Authenticate(*http.Request) (*auth.Caller, error) { return f.caller, f.err }

// TestGrants: a caller sees granted enterprise projects only, and writes only if it may.
func TestGrants(t *testing.T) {
	shop := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop", "empty")}}).known()
	if got := short(t, shop.get("enterprise_project_id=all_granted_eps")); got != "1: 1×22/TCP" {
		t.Errorf("all granted: %s", got)
	}
	wantFailure(t, shop.ask("GET", statistics, ""), 403, "APIGW.0302", "not authorized") // 0 is not granted
	wantFailure(t, shop.ask("POST", "/v1/projects/p1/reports", `{"asset":"x","open":[]}`), 403, "APIGW.0302", "not authorized")
	wantFailure(t, shop.ask("DELETE", "/v1/projects/p1/assets/h5", ""), 403, "APIGW.0302", "not authorized")

	writer := newRig(t, fake{caller: &auth.Caller{Write: true, Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop")}}).known()
	wantFailure(t, writer.ask("DELETE", "/v1/projects/p1/assets/h1", ""), 404, "HSS.0002", "asset")
	w := writer.ask("POST", "/v1/projects/p1/reports?enterprise_project_id=shop", `{"asset":"h1","open":["1/tcp"]}`+"\n"+`{"asset":"new","open":["1/tcp"]}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"applied":1,`) || !strings.Contains(w.Body.String(), `"rejected":1,`) {
		t.Errorf("reports about a granted and another asset: %d %s", w.Code, w.Body)
	}
}

// TestIdentityDown: never let in, never 401.
func TestIdentityDown(t *testing.T) {
	r := newRig(t, fake{err: errors.New("no route to identity.internal")})
	w := r.ask("GET", statistics, "")
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "identity.internal") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestTokens holds the rows about the operator's token.
func TestTokens(t *testing.T) {
	r := newRig(t, nil)
	for _, c := range []struct{ sent, says string }{
		{"", "x-auth-token not found"},
		{"short", "decrypt token fail"},
		{strings.Repeat("x", 4097), "decrypt token fail"},
		{strings.Repeat("x", 32), "decrypt token fail"},
	} {
		req := httptest.NewRequest(http.MethodGet, statistics, http.NoBody)
		if c.sent != "" {
			req.Header.Set("X-Auth-Token", c.sent)
		}
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		wantFailure(t, w, 401, "APIGW.0301", "Incorrect IAM authentication information: "+c.says)
	}
}

// TestHeaders: a valid request id is kept, and the data version changes with the data.
func TestHeaders(t *testing.T) {
	r := newRig(t, nil).known()
	for sent, kept := range map[string]bool{strings.Repeat("ab", 16): true, strings.Repeat("AB", 16): true, "short": false, strings.Repeat("xy", 16): false} {
		req := httptest.NewRequest(http.MethodGet, statistics, http.NoBody)
		req.Header.Set("X-Auth-Token", token)
		req.Header.Set("X-Request-Id", sent)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		if got := w.Header().Get("X-Request-Id"); (got == sent) != kept || !hex32.MatchString(strings.ToLower(got)) {
			t.Errorf("sent id %q, got %q", sent, got)
		}
	}
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

// TestTerraformPager pages as the Terraform data source does: limit 100, the
// offset grows by the page, only an empty page ends it.
func TestTerraformPager(t *testing.T) {
	for _, rows := range []int{0, 1, 100, 101, 1000} {
		r := newRig(t, nil)
		var line strings.Builder
		line.WriteString("h1")
		for p := range rows {
			fmt.Fprintf(&line, " %d/tcp", p+1)
		}
		r.apply(line.String())
		seen := 0
		for {
			p := decode(t, r.get(fmt.Sprintf("limit=100&offset=%d", seen)))
			if p.Total != rows {
				t.Fatalf("total %d, want %d", p.Total, rows)
			}
			if len(p.List) == 0 {
				break
			}
			for i, row := range p.List {
				if row.Port != seen+i+1 {
					t.Fatalf("row %d is port %d", seen+i, row.Port)
				}
			}
			seen += len(p.List)
		}
		if seen != rows {
			t.Errorf("%d rows paged, want %d", seen, rows)
		}
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

func (panics) Authenticate(*http.Request) (*auth.Caller, error) { panic("secret") }

func TestOptions(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]*server.Options{
		"Auth": {}, "MaxBody": {Auth: fake{}, MaxBody: -1}, "BodyTimeout": {Auth: fake{}, BodyTimeout: -1},
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
