package server_test

import (
	"net/http"
	"slices"
	"testing"

	"portolan/engine"
	"portolan/index"
	"portolan/server"
	"portolan/server/auth"
)

// TestUnchanged: who has the answer already is told so, for every spelling of
// RFC 9110, and only while it is the answer.
func TestUnchanged(t *testing.T) {
	r := newRig(t, nil).known()
	first := r.ask("GET", statistics, "")
	tag := first.Header().Get("Etag")
	if tag == "" || first.Header().Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("headers %v", first.Header())
	}
	for known, want := range map[string]int{
		tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, `"other",` + tag + "\t": 304, "*": 304,
		`"other"`: 200, "": 200, tag[1 : len(tag)-1]: 200, `"` + tag + `"`: 200,
	} {
		w := r.ask("GET", statistics, "", "If-None-Match", known)
		if w.Code != want || want == 304 && (w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" || w.Header().Get("Etag") != tag || !hex32.MatchString(w.Header().Get("X-Request-Id"))) {
			t.Errorf("%s: %d %v", known, w.Code, w.Header())
		}
	}
	if w := r.ask("GET", statistics, "", "If-None-Match", `"other"`, "If-None-Match", tag); w.Code != http.StatusNotModified {
		t.Errorf("two headers: %d", w.Code)
	}
	wantFailure(t, r.ask("GET", statistics+"?limit=1", "", "If-None-Match", "*"), 400, "HSS.0001", "limit")
	r.apply("h9 1/tcp")
	if w := r.ask("GET", statistics, "", "If-None-Match", tag); w.Code != http.StatusOK || w.Header().Get("Etag") == tag {
		t.Errorf("after a change: %d %s", w.Code, w.Header().Get("Etag"))
	}
}

// TestTags: an entity tag changes with everything that an answer depends on,
// and with nothing else.
func TestTags(t *testing.T) {
	rule := engine.Rule{Keys: engine.KeysOf(index.Range{Type: index.TCP, Lo: 22, Hi: 22}), Status: engine.Normal}
	policy, err := engine.NewPolicy([]engine.Rule{rule})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	strict, err := engine.Open(&engine.Options{Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{TB: t, engine: e}
	r.known()
	caller := auth.Caller{Projects: auth.All(), EnterpriseProjects: auth.Only("0", "shop")}
	few := caller
	few.EnterpriseProjects = auth.Only("0")
	tag := func(e *engine.Engine, caller auth.Caller, h http.Handler) string {
		if h == nil {
			s, err := server.New(e, &server.Options{Auth: fake{caller: &caller}})
			if err != nil {
				t.Fatal(err)
			}
			h = s
		}
		r.handler = h
		return r.ask("GET", statistics, "").Header().Get("Etag")
	}
	one, err := server.New(e, &server.Options{Auth: fake{caller: &caller}})
	if err != nil {
		t.Fatal(err)
	}
	first := tag(e, caller, one)
	if again := tag(e, caller, one); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	all := []string{first, tag(e, caller, nil), tag(e, few, nil), tag(strict, caller, nil)}
	tails := []string{all[1][18:], all[2][18:], all[3][18:]} // without the boot id, which tells servers apart
	slices.Sort(all)
	slices.Sort(tails)
	if len(slices.Compact(all)) != 4 || len(slices.Compact(tails)) != 3 {
		t.Errorf("tags %q, without boot id %q", all, tails)
	}
}
