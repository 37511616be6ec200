package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

const (
	ownHosts  = "/v1/projects/p1/hosts"
	ownAssets = "/v1/projects/p1/assets"
)

// seenAt is when the assets of the tests were seen last.
var seenAt = time.Date(2026, time.January, 2, 3, 4, 5, 600_000_000, time.UTC)

// dated is a fleet whose times are known.
func (r *rig) dated() *rig {
	r.Helper()
	reports := []engine.Report{
		{Asset: "a", Name: "web-1", Address: "10.0.0.1", Labels: map[string]string{"env": "prod", `a"b`: "é"}, Open: keysOf(r, "22/tcp", "443/tcp")},
		{Asset: "b", Name: `Web "2"`, Open: keysOf(r, "22/tcp", "123/udp"), EnterpriseProject: "shop"},
		{Asset: "c", Address: "fd00::1", Labels: map[string]string{"env": "test"}},
		{Asset: "box", Category: engine.Container, Open: keysOf(r, "80/tcp")},
	}
	for i := range reports {
		reports[i].Project, reports[i].Seen, reports[i].Scope = "p1", seenAt, engine.ScopeAll()
	}
	if _, err := r.engine.Apply(r.Context(), reports); err != nil {
		r.Fatal(err)
	}
	return r
}

func keysOf(t testing.TB, texts ...string) []engine.Key {
	t.Helper()
	keys, err := engine.ParseKeys(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestOwnLists holds the answers of the calls that list, to the byte.
func TestOwnLists(t *testing.T) {
	r := newRig(t, nil).dated()
	const (
		a22  = `{"asset":"a","name":"web-1","address":"10.0.0.1","enterprise_project_id":"0","port":22,"type":"TCP","status":"unknown"}`
		b22  = `{"asset":"b","name":"Web \"2\"","enterprise_project_id":"shop","port":22,"type":"TCP","status":"unknown"}`
		b123 = `{"asset":"b","name":"Web \"2\"","enterprise_project_id":"shop","port":123,"type":"UDP","status":"danger"}`
		a443 = `{"asset":"a","name":"web-1","address":"10.0.0.1","enterprise_project_id":"0","port":443,"type":"TCP","status":"unknown"}`
		a    = `{"asset":"a","name":"web-1","address":"10.0.0.1","enterprise_project_id":"0","labels":{"a\"b":"é","env":"prod"},"num":2,"last_seen":"2026-01-02T03:04:05.6Z"}`
		b    = `{"asset":"b","name":"Web \"2\"","enterprise_project_id":"shop","num":2,"last_seen":"2026-01-02T03:04:05.6Z"}`
		c    = `{"asset":"c","address":"fd00::1","enterprise_project_id":"0","labels":{"env":"test"},"num":0,"last_seen":"2026-01-02T03:04:05.6Z"}`
		box  = `{"asset":"box","enterprise_project_id":"0","num":1,"last_seen":"2026-01-02T03:04:05.6Z"}`
	)
	for _, q := range []struct {
		target, query string
		total         int
		rows          []string
	}{
		{ownHosts, "", 4, []string{a22, b22, b123, a443}},
		{ownHosts, "limit=2&offset=1", 4, []string{b22, b123}},
		{ownHosts, "port=22", 2, []string{a22, b22}},
		{ownHosts, "ports=https,ntp", 2, []string{b123, a443}},
		{ownHosts, "ports=https,ntp&status=danger", 1, []string{b123}},
		{ownHosts, "type=udp", 1, []string{b123}},
		{ownHosts, "name=eb-", 2, []string{a22, a443}},
		{ownHosts, "address=10.", 2, []string{a22, a443}},
		{ownHosts, "where=open(443)", 2, []string{a22, a443}},
		{ownHosts, "where=name~\"WEB*\"&port=22", 2, []string{a22, b22}},
		{ownHosts, "enterprise_project_id=shop", 2, []string{b22, b123}},
		{ownAssets, "", 3, []string{a, b, c}},
		{ownAssets, "limit=1&offset=1", 3, []string{b}},
		{ownAssets, "prefix=b", 1, []string{b}},
		{ownAssets, "category=container", 1, []string{box}},
		{ownAssets, "where=ports=0", 1, []string{c}},
		{ownAssets, "where=label(env)=test", 1, []string{c}},
		{ownAssets, "where=address+in+fd00::/8+or+id=a", 2, []string{a, c}},
		{ownAssets, "where=seen>7d", 3, []string{a, b, c}},
		{ownAssets, "where=seen<7d", 0, nil},
		{ownAssets, "where=open(22)&enterprise_project_id=shop", 1, []string{b}},
	} {
		w := r.ask(http.MethodGet, q.target+"?"+strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22").Replace(q.query), "")
		want := fmt.Sprintf(`{"total_num":%d,"data_list":[%s]}`, q.total, strings.Join(q.rows, ","))
		if w.Code != http.StatusOK || withoutNext(w.Body.String()) != want {
			t.Errorf("%s?%s: %d\ngot  %s\nwant %s", q.target, q.query, w.Code, w.Body, want)
		}
	}
}

// TestOwnHost holds what is shown of one asset, to the byte.
func TestOwnHost(t *testing.T) {
	r := newRig(t, nil).dated()
	later := engine.Report{Project: "p1", Asset: "b", Seen: seenAt.Add(time.Hour), Open: keysOf(t, "22/tcp")}
	if _, err := r.engine.Apply(t.Context(), []engine.Report{later}); err != nil {
		t.Fatal(err)
	}
	const begin = `{"asset":"b","name":"Web \"2\"","enterprise_project_id":"shop","last_seen":"2026-01-02T04:04:05.6Z",`
	const tcp = `{"port":22,"type":"TCP","status":"unknown","seen":"2026-01-02T04:04:05.6Z"}`
	ntp := `{"port":123,"type":"UDP","status":"danger","rule":"ntp","reason":"` + reasonOf(t, "123/udp") + `","seen":"2026-01-02T03:04:05.6Z"}`
	for query, want := range map[string]string{
		"":                   `"total_num":2,"data_list":[` + tcp + "," + ntp + "]}",
		"?limit=1&offset=1":  `"total_num":2,"data_list":[` + ntp + "]}",
		"?offset=9":          `"total_num":2,"data_list":[]}`,
		"?ports=ntp":         `"total_num":1,"data_list":[` + ntp + "]}",
		"?ports=9&limit=200": `"total_num":0,"data_list":[]}`,
	} {
		if w := r.ask(http.MethodGet, ownHosts+"/b"+query, ""); w.Code != http.StatusOK || w.Body.String() != begin+want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", query, w.Code, w.Body, begin+want)
		}
	}
	wantFailure(t, r.ask(http.MethodGet, ownHosts+"/nobody", ""), 404, "HSS.0002", "The asset does not exist.")
	wantFailure(t, r.ask(http.MethodGet, ownHosts+"/b?category=container", ""), 404, "HSS.0002", "The asset does not exist.")
	wantFailure(t, r.ask(http.MethodGet, ownHosts+"/b?where=open(22)", ""), 400, "HSS.0001", "want one of ports, category, limit, offset")
	wantFailure(t, r.ask(http.MethodGet, "/v1/projects/nobody/hosts/b", ""), 404, "HSS.0002", "The asset does not exist.")
}

func reasonOf(t *testing.T, key string) string {
	t.Helper()
	_, rule := engine.DefaultPolicy().Explain(keysOf(t, key)[0])
	if rule == nil {
		t.Fatalf("%s has no reason", key)
	}
	return rule.Reason
}

// TestOwnListsRefused: what makes no sense is an error that names the parameter.
func TestOwnListsRefused(t *testing.T) {
	r := newRig(t, nil).dated()
	for target, want := range map[string]string{
		ownHosts + "?host=a":                              `want one of ports, where, port, type, status, name, address, enterprise_project_id, category, sort, limit, offset`,
		ownHosts + "?port=x":                              `port: "x" is not allowed`,
		ownHosts + "?limit=0":                             `limit: "0" is not allowed`,
		ownHosts + "?where=open":                          `where: at the end`,
		ownHosts + "?ports=x":                             `ports: character 1`,
		ownHosts + "?status=x":                            `status: "x" is not allowed`,
		ownHosts + "?type=x":                              `type: "x" is not allowed`,
		ownHosts + "?category=x":                          `category: "x" is not allowed`,
		ownAssets + "?port=22":                            `want one of where, prefix, enterprise_project_id, category, sort, limit, offset`,
		ownAssets + "?where=os%3D3":                       `where: character 1, at "os"`,
		ownAssets + "?offset=3000000":                     `offset: "3000000" is not allowed`,
		ownAssets + "?prefix=" + strings.Repeat("x", 300): `prefix: `,
		ownHosts + "?name=" + strings.Repeat("x", 300):    `name: `,
	} {
		wantFailure(t, r.ask(http.MethodGet, target, ""), 400, "HSS.0001", want)
	}
}

// TestOwnListsGranted: only what is granted is found, also by a condition that names it.
func TestOwnListsGranted(t *testing.T) {
	r := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop")}}).dated()
	for _, target := range []string{ownHosts, ownAssets, ownHosts + "?where=ep=0+or+ep=shop", ownAssets + "?where=id+in+(a,b)"} {
		if body := r.ask(http.MethodGet, target, "").Body.String(); strings.Contains(body, `"a"`) || !strings.Contains(body, `"b"`) {
			t.Errorf("%s: %s", target, body)
		}
	}
}

// TestTimely: an answer that depends on the time has no tag; the same question without it has one.
func TestTimely(t *testing.T) {
	r := newRig(t, nil).dated()
	for _, target := range []string{ownHosts, ownAssets, ownPorts} {
		for where, tagged := range map[string]bool{"open(22)": true, "seen < 7d": false} {
			for range 2 { // made, remembered
				w := r.ask(http.MethodGet, target+"?where="+url.QueryEscape(where), "")
				if w.Code != http.StatusOK || (w.Header().Get("Etag") != "") != tagged {
					t.Errorf("%s where %s: %d %v", target, where, w.Code, w.Header())
				}
			}
		}
	}
}

// TestSearchesTakeTurns: a question of a set of assets for which there is no room in time is
// refused with the time to come again; others are answered.
func TestSearchesTakeTurns(t *testing.T) {
	r := newRig(t, nil).dated()
	release := server.HoldSearches(r.handler.(*server.Server), 20*time.Millisecond)
	for _, target := range []string{ownHosts, ownAssets, ownPorts} {
		w := r.ask(http.MethodGet, target+"?where=open(22)", "")
		wantFailure(t, w, 503, "HSS.0012", "The question takes too long.")
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no time to come again", target)
		}
		if w := r.ask(http.MethodGet, target, ""); w.Code != http.StatusOK {
			t.Errorf("%s of all: %d", target, w.Code)
		}
	}
	release()
	if w := r.ask(http.MethodGet, ownPorts+"?where=open(22)", ""); w.Code != http.StatusOK {
		t.Errorf("when there is room: %d %s", w.Code, w.Body)
	}
}

// TestStatusesTakeTurns: whoever asks first under a policy with sets of assets waits for room, as the
// sets are looked for; afterwards nobody does.
func TestStatusesTakeTurns(t *testing.T) {
	r := newRig(t, nil).dated()
	policy, err := engine.NewPolicy([]engine.Rule{{
		Keys: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 22, Hi: 22}), Status: engine.Danger, WhereText: "all",
		Where: engine.HasName(func([]byte) bool { return true }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.engine.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	targets := []string{
		statistics, "/v5/p1/asset/ports/detail?port=22", "/v5/p1/asset/ports?host_id=b", ownPorts, ownHosts, ownHosts + "/b",
	}
	ask := func() (codes []int) {
		release := server.HoldSearches(r.handler.(*server.Server), 20*time.Millisecond)
		defer release()
		for _, target := range targets {
			w := r.ask(http.MethodGet, target, "")
			codes = append(codes, w.Code)
			if w.Code != http.StatusOK && w.Header().Get("Retry-After") == "" {
				t.Errorf("%s: no time to come again: %s", target, w.Body)
			}
		}
		return codes
	}
	if got := ask(); slices.ContainsFunc(got, func(code int) bool { return code != http.StatusServiceUnavailable }) {
		t.Errorf("no room: %v", got)
	}
	if w := r.ask(http.MethodGet, statistics, ""); w.Code != http.StatusOK {
		t.Errorf("room: %d %s", w.Code, w.Body)
	}
	if got := ask(); slices.ContainsFunc(got, func(code int) bool { return code != http.StatusOK }) {
		t.Errorf("known: %v", got)
	}
}

// TestAnswersTell: answers have the coverage behind them and the reasons of statuses where that is asked.
func TestAnswersTell(t *testing.T) {
	r := newRig(t, nil).dated()
	r.apply("d 22/tcp") // which nobody has looked at besides
	policy, err := engine.NewPolicy([]engine.Rule{
		{Name: "ssh", Reason: "is \"open\"", Keys: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 22, Hi: 22}), Status: engine.Danger},
		{Name: "ours", Keys: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 22, Hi: 443}), Status: engine.Normal, Where: engine.HasID("a"), WhereText: "a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.engine.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	const all = `"oldest":"2026-01-02T03:04:05.6Z","newest":"`
	for target, want := range map[string]string{
		ownPorts + "?ports=22&coverage=true":                                       `{"coverage":{"assets":4,"looked":4,"open":3,` + all,
		ownPorts + "?port=443&coverage=1&where=" + url.QueryEscape("id in (a, b)"): `{"coverage":{"assets":2,"looked":2,"open":1,` + all + `2026-01-02T03:04:05.6Z"},"total_num":1,"data_list":[{"num":1,"port":443,"type":"TCP","status":"normal"}]}`,
		ownPorts + "?explain=true": `{"total_num":3,"data_list":[{"num":3,"port":22,"type":"TCP","status":"danger","rule":"ssh","reason":"is \"open\""},` +
			`{"num":1,"port":123,"type":"UDP","status":"unknown"},{"num":1,"port":443,"type":"TCP","status":"normal","rule":"ours"}]}`,
		ownHosts + "?port=22&explain=1&enterprise_project_id=shop&coverage=true": `{"coverage":{"assets":1,"looked":1,"open":1,` + all +
			`2026-01-02T03:04:05.6Z"},"total_num":1,"data_list":[{"asset":"b","name":"Web \"2\"","enterprise_project_id":"shop","port":22,"type":"TCP","status":"danger","rule":"ssh","reason":"is \"open\"","seen":"2026-01-02T03:04:05.6Z"}]}`,
		ownAssets + "?coverage=true&prefix=c":                          `{"coverage":{"assets":4,"looked":4,"open":3,` + all,
		"/v1/projects/p1/groups?coverage=1&where=open(443)":            `{"coverage":{"assets":1,"looked":1,"open":1,` + all + `2026-01-02T03:04:05.6Z"},"assets":1,"without":0,"total_num":1,`,
		"/v1/projects/p1/together?coverage=1&open=443&where=open(443)": `{"coverage":{"assets":1,"looked":1,"open":1,` + all + `2026-01-02T03:04:05.6Z"},"assets":1,"holders":1,"total_num":1,`,
		ownHosts + "?ports=9&coverage=1&category=container":            `{"coverage":{"assets":1,"looked":1,"open":0,` + all + `2026-01-02T03:04:05.6Z"},"total_num":0,"data_list":[]}`,
	} {
		if w := r.ask(http.MethodGet, target, ""); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s: %d\ngot  %s\nwant %s", target, w.Code, w.Body, want)
		}
	}
	for query, want := range map[string]string{"coverage=yes": "coverage: \"yes\"", "explain=2": "explain: \"2\""} {
		wantFailure(t, r.ask(http.MethodGet, ownPorts+"?"+query, ""), 400, "HSS.0001", want)
		wantFailure(t, r.ask(http.MethodGet, ownHosts+"?"+query, ""), 400, "HSS.0001", want)
	}
}
