package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

// byName is an authenticator that takes tokens for the names of callers.
type byName map[string]*auth.Caller

func (b byName) Authenticate(_ context.Context, r *auth.Request) (*auth.Caller, error) {
	if c := b[strings.Join(r.Header.Values("X-Auth-Token"), "")]; c != nil {
		return c, nil
	}
	return nil, auth.ErrBadToken
}

// remembering is a server with two projects and callers who see different parts of them.
func remembering(t *testing.T) (*rig, *server.Server, func(caller, target string) *httptest.ResponseRecorder) {
	t.Helper()
	reads := func(project string, groups auth.Grant) *auth.Caller {
		return &auth.Caller{Name: project, Projects: auth.Only(project), EnterpriseProjects: groups}
	}
	who := byName{
		"all": reads("p1", auth.All()), "shop": reads("p1", auth.Only("shop")), "both": reads("p1", auth.Only("0", "shop")),
		"other": reads("p2", auth.All()),
	}
	r := newRig(t, who)
	r.known()
	if _, err := r.engine.Apply(t.Context(), []engine.Report{{Project: "p2", Asset: "x", Open: []engine.Key{engine.MakeKey(7, engine.TCP)}}}); err != nil {
		t.Fatal(err)
	}
	return r, r.handler.(*server.Server), func(caller, target string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, target, http.NoBody)
		req.Header.Set("X-Auth-Token", caller)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		return w
	}
}

// TestAnswersAreRemembered: an answer from memory is the one that was made, but for its
// id, and is another caller's, project's or version's never.
func TestAnswersAreRemembered(t *testing.T) {
	r, s, ask := remembering(t)
	const query = "/asset/port/statistics?enterprise_project_id=all_granted_eps&limit=10"
	for round := range 3 {
		totals := map[string]string{}
		for caller, project := range map[string]string{"all": "p1", "shop": "p1", "both": "p1", "other": "p2"} {
			target := "/v5/" + project + query
			first := ask(caller, target)
			for i := range 5 {
				w := ask(caller, target)
				ids := [2]string{first.Header().Get("X-Request-Id"), w.Header().Get("X-Request-Id")}
				one, two := first.Header().Clone(), w.Header().Clone()
				one.Del("X-Request-Id")
				two.Del("X-Request-Id")
				if w.Code != http.StatusOK || w.Body.String() != first.Body.String() || !maps.EqualFunc(one, two, slices.Equal) {
					t.Fatalf("round %d, %s: %d %s %v, want %s %v", round, caller, w.Code, w.Body, two, first.Body, one)
				}
				if ids[0] == ids[1] || len(ids[1]) != 32 {
					t.Errorf("ask %d of %s: ids %q", i, caller, ids)
				}
			}
			tag := first.Header().Get("Etag")
			req := httptest.NewRequest(http.MethodGet, target, http.NoBody)
			req.Header.Set("X-Auth-Token", caller)
			req.Header.Set("If-None-Match", tag)
			w := httptest.NewRecorder()
			if r.handler.ServeHTTP(w, req); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
				t.Errorf("%s: with its tag: %d %s", caller, w.Code, w.Body)
			}
			totals[caller] = first.Body.String()
		}
		if totals["all"] == totals["shop"] || totals["shop"] == totals["both"] || totals["other"] == totals["all"] {
			t.Errorf("round %d: callers share answers: %v", round, totals)
		}
		if s.Remembered() == 0 {
			t.Error("nothing is remembered")
		}
		if !strings.Contains(totals["all"], fmt.Sprintf(`{"num":%d,"port":123,"type":"UDP"`, 4+round)) {
			t.Errorf("round %d: %s", round, totals["all"])
		}
		r.apply(fmt.Sprintf("later-%d 123/udp", round)) // and nothing of before holds
	}
}

// TestAnswersHaveAnEnd: however much is asked, so many answers are remembered at most, and
// no question that is too long.
func TestAnswersHaveAnEnd(t *testing.T) {
	_, s, ask := remembering(t)
	long := "/v5/p1/asset/port/statistics?x=" + strings.Repeat("y", 1000)
	for range 4 {
		if w := ask("both", long); w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
	}
	if n := s.Remembered(); n != 0 {
		t.Errorf("%d answers to questions of 1,000 bytes", n)
	}
	for i := range 1000 {
		target := fmt.Sprintf("/v5/p1/asset/port/statistics?offset=%d", i)
		want := ask("both", target).Body.String()
		for range 3 {
			if got := ask("both", target).Body.String(); got != want {
				t.Fatalf("%s: %s, want %s", target, got, want)
			}
		}
	}
	if n := s.Remembered(); n < 32 || n > 64 {
		t.Errorf("%d answers are remembered", n)
	}
	for _, bad := range []string{"limit=5", "port=x", "enterprise_project_id=bank"} {
		for range 3 {
			if w := ask("both", "/v5/p1/asset/port/statistics?"+bad); w.Code == http.StatusOK {
				t.Errorf("%s: %d", bad, w.Code)
			}
		}
	}
}

// TestAnswersDoNotDisplaceEachOther: as many questions as one place has ways are remembered
// together, whatever their hashes.
func TestAnswersDoNotDisplaceEachOther(t *testing.T) {
	for range 20 { // each server has hashes of its own
		_, s, ask := remembering(t)
		for range 4 {
			for i := range 4 {
				ask("both", fmt.Sprintf("/v5/p1/asset/port/statistics?offset=%d", i))
			}
		}
		if n := s.Remembered(); n != 4 {
			t.Errorf("%d of four questions are remembered", n)
		}
	}
}

// TestOftenAskedDisplaces: a question that is asked all the time gets a place among answers
// that are still right, one that is asked a few times most often does not.
func TestOftenAskedDisplaces(t *testing.T) {
	_, s, ask := remembering(t)
	for i := range 2000 { // every place is taken
		for range 3 {
			ask("both", fmt.Sprintf("/v5/p1/asset/port/statistics?offset=%d", i))
		}
	}
	rare := 0
	for i := range 200 {
		query := fmt.Sprintf("type=TCP&offset=%d", i)
		for range 2 {
			ask("both", "/v5/p1/asset/port/statistics?"+query)
		}
		if s.Remembers(query) {
			rare++
		}
	}
	if rare > 100 {
		t.Errorf("%d of 200 rare questions took a place", rare)
	}
	for range 1000 {
		ask("both", "/v5/p1/asset/port/statistics?type=UDP")
	}
	if !s.Remembers("type=UDP") {
		t.Error("a question that is asked all the time is not remembered")
	}
}

// TestAnswersWhileWriting: what is answered from memory is never older than a report whose
// caller has been told that it is applied.
func TestAnswersWhileWriting(t *testing.T) {
	r, _, ask := remembering(t)
	const target = "/v5/p1/asset/port/statistics?enterprise_project_id=all_granted_eps&port=999"
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				ask("all", target)
			}
		})
	}
	for i := range 300 {
		r.apply(fmt.Sprintf("host-%d 999/tcp", i))
		if got, want := ask("all", target).Body.String(), fmt.Sprintf(`{"num":%d,`, i+1); !strings.Contains(got, want) {
			t.Errorf("after %d reports: %s", i+1, got)
			break
		}
	}
	cancel()
	wg.Wait()
}
