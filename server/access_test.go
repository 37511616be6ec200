package server_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

// TestEveryOtherMethodIsUnknown holds each route against the methods it does not have.
func TestEveryOtherMethodIsUnknown(t *testing.T) {
	r := newRig(t, nil)
	routes := r.handler.(*server.Server).Routes()
	for _, rt := range routes {
		path := strings.NewReplacer("{project_id}", "p1", "{id}", "h1").Replace(rt.Pattern)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"} {
			if !slices.ContainsFunc(routes, func(o server.Route) bool { return o.Pattern == rt.Pattern && o.Method == method }) {
				wantFailure(t, r.ask(method, path, ""), 404, "APIGW.0101", "The API does not exist.")
			}
		}
	}
}

// TestReportsOfAnotherGroup: the enterprise project that the query names must
// be granted, whatever the body has. Left out, each record decides.
func TestReportsOfAnotherGroup(t *testing.T) {
	r := newRig(t, fake{caller: &auth.Caller{Write: true, Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop")}})
	body := `{"asset":"x","open":["1/tcp"]}`
	for _, query := range []string{"?enterprise_project_id=other", "?enterprise_project_id=0", "?enterprise_project_id=other&strict=maybe"} {
		wantFailure(t, r.ask("POST", "/v1/projects/p1/reports"+query, body), 403, "APIGW.0302", "not authorized")
	}
	wantFailure(t, r.ask("POST", "/v1/projects/p1/reports?enterprise_project_id=shop&strict=maybe", body), 400, "HSS.0001", "strict")
	for _, query := range []string{"", "enterprise_project_id"} {
		if status, sum := r.post(query, body+"\n"+`{"asset":"y","enterprise_project_id":"shop","open":[]}`); status != 200 || sum.Rejected != 1 || sum.Applied+sum.Unchanged != 1 {
			t.Errorf("?%s: %d %+v", query, status, sum)
		}
	}
	if s, err := r.engine.Stats(); s.Assets != 1 {
		t.Errorf("%d assets, want 1; %v", s.Assets, err)
	}
}

// TestReportsCannotMoveAssets: a caller cannot pull an asset out of an
// enterprise project that is not granted, nor push one into it.
func TestReportsCannotMoveAssets(t *testing.T) {
	r := newRig(t, fake{caller: &auth.Caller{Write: true, Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop")}}).known()
	lines := []string{
		`{"asset":"h1","enterprise_project_id":"shop","open":[]}`,
		`{"asset":"h1","scope":"all","open":[]}`,
		`{"asset":"h5","enterprise_project_id":"0","open":[]}`,
		`{"asset":"new","enterprise_project_id":"0","open":[]}`,
	}
	status, s := r.post("enterprise_project_id=shop", strings.Join(lines, "\n"))
	if status != 400 || s.Rejected != len(lines) || s.Applied != 0 {
		t.Errorf("%d %+v", status, s)
	}
	for id, group := range map[string]string{"h1": "0", "h5": "shop"} {
		a, err := r.engine.Asset(t.Context(), "p1", engine.Host, id)
		if err != nil || a.EnterpriseProject != group {
			t.Errorf("%s is in %q: %v", id, a.EnterpriseProject, err)
		}
	}
}

// TestRefusalNamesNoGroup: who may not touch an asset does not learn in which
// enterprise project it is.
func TestRefusalNamesNoGroup(t *testing.T) {
	r := newRig(t, fake{caller: &auth.Caller{Write: true, Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("0")}}).known()
	w := r.ask("POST", "/v1/projects/p1/reports", `{"asset":"h5","open":["1/tcp"]}`)
	if !strings.Contains(w.Body.String(), `"rejected":1,`) || strings.Contains(w.Body.String(), "shop") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r = newRig(t, fake{caller: &auth.Caller{Write: true, Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("bank")}}).known()
	_, elsewhere := r.post("", `{"asset":"h5","open":["1/tcp"]}`)
	_, nowhere := r.post("", `{"asset":"h9","open":["1/tcp"]}`)
	if diff := cmp.Diff(nowhere, elsewhere); diff != "" {
		t.Errorf("a report about an asset of others tells that it is there (-nowhere +elsewhere):\n%s", diff)
	}
}

// TestGroupOfAllIsNoName: what stands for every enterprise project names none,
// so that no asset can hide there.
func TestGroupOfAllIsNoName(t *testing.T) {
	r := newRig(t, nil)
	w := r.ask("POST", "/v1/projects/p1/reports?enterprise_project_id=all_granted_eps", `{"asset":"x","open":[]}`)
	wantFailure(t, w, 400, "HSS.0001", "enterprise_project_id")
}

// TestNamesOfVariables: a path that spells a pattern's variable is a value like another.
func TestNamesOfVariables(t *testing.T) {
	r := newRig(t, nil)
	req := httptest.NewRequest(http.MethodPost, "/v1/projects/%7Bproject_id%7D/reports", strings.NewReader(`{"asset":"{id}","open":["1/tcp"]}`))
	req.Header.Set(auth.TokenHeader, token)
	w := httptest.NewRecorder()
	if r.handler.ServeHTTP(w, req); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if _, err := r.engine.Asset(t.Context(), "{project_id}", engine.Host, "{id}"); err != nil {
		t.Error(err)
	}
	if w := r.ask(http.MethodDelete, "/v1/projects/%7Bproject_id%7D/assets/%7Bid%7D", ""); w.Code != http.StatusNoContent {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
