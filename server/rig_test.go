package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/index"
	"portolan/server"
	"portolan/server/auth"
)

const token = "0123456789abcdef0123456789abcdef"

// rig is a server over an engine with a known fleet.
type rig struct {
	testing.TB
	engine  *engine.Engine
	handler http.Handler
}

// newRig returns a rig; no authenticator is the operator's token, and the
// server's options may be changed.
func newRig(t testing.TB, who auth.Authenticator, change ...func(*server.Options)) *rig {
	t.Helper()
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if who == nil {
		if who, err = auth.OperatorToken(token); err != nil {
			t.Fatal(err)
		}
	}
	opts := &server.Options{Auth: who, BodyTimeout: time.Second, MaxBody: 1 << 20, TempDir: t.TempDir()}
	for _, f := range change {
		f(opts)
	}
	s, err := server.New(e, opts)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{TB: t, engine: e, handler: s}
}

// on has an empty engine with other options.
func (r *rig) on(opts *engine.Options) *rig {
	r.Helper()
	who, err := auth.OperatorToken(token)
	if err != nil {
		r.Fatal(err)
	}
	if r.engine, err = engine.Open(opts); err != nil {
		r.Fatal(err)
	}
	if r.handler, err = server.New(r.engine, &server.Options{Auth: who}); err != nil {
		r.Fatal(err)
	}
	return r
}

// known applies the fleet that the contract's rows speak of: four hosts with
// UDP 123, of which the first two also have 22, 443 and 8443 TCP, h1 with 443
// TCP6; h5 in enterprise project shop with 22 TCP; a container with 80 TCP.
func (r *rig) known() *rig {
	r.Helper()
	r.apply("h1 123/udp 22/tcp 443/tcp 8443/tcp 443/tcp6", "h2 123/udp 22/tcp 443/tcp 8443/tcp", "h3 123/udp", "h4 123/udp", "h5@shop 22/tcp", "c1#container 80/tcp")
	return r
}

// apply applies reports such as h1@group#container 22/tcp 53/udp.
func (r *rig) apply(lines ...string) {
	r.Helper()
	var reports []engine.Report
	for _, line := range lines {
		words := strings.Fields(line)
		report := engine.Report{Project: "p1", Asset: words[0], Scope: engine.ScopeAll()}
		if id, _, ok := strings.Cut(report.Asset, "#"); ok {
			report.Asset, report.Category = id, engine.Container
		}
		report.Asset, report.EnterpriseProject, _ = strings.Cut(report.Asset, "@")
		for _, word := range words[1:] {
			k, err := index.ParseKey(word)
			if err != nil {
				r.Fatal(err)
			}
			report.Open = append(report.Open, k)
		}
		reports = append(reports, report)
	}
	if _, err := r.engine.Apply(context.Background(), reports); err != nil {
		r.Fatal(err)
	}
}

// ask sends a request with the token and further headers, name and value in
// turn. The answer is held against the API's description.
func (r *rig) ask(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r.Helper()
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Header.Set("X-Auth-Token", token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	conforms(r, req, w)
	return w
}

const statistics = "/v5/p1/asset/port/statistics"

// get asks the published call and returns its body, which must be a success.
func (r *rig) get(query string) string {
	r.Helper()
	w := r.ask(http.MethodGet, statistics+"?"+query, "")
	if w.Code != http.StatusOK {
		r.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	return w.Body.String()
}

// page is the published answer.
type page struct {
	Total int `json:"total_num"`
	List  []struct {
		Num    int    `json:"num"`
		Port   int    `json:"port"`
		Type   string `json:"type"`
		Status string `json:"status"`
	} `json:"data_list"`
}

func decode(t testing.TB, body string) (p page) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return p
}

// short writes a page as "3: 1×22/TCP 2×443/TCP".
func short(t testing.TB, body string) string {
	p := decode(t, body)
	var b strings.Builder
	fmt.Fprintf(&b, "%d:", p.Total)
	for _, row := range p.List {
		fmt.Fprintf(&b, " %d×%d/%s", row.Num, row.Port, row.Type)
	}
	return b.String()
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// askAs asks with that header alone.
func (r *rig) askAs(header http.Header, target string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	req.Header = header
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}
