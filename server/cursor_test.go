package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/index"
)

var nextField = regexp.MustCompile(`,"next":"[A-Za-z0-9_.-]+"}$`)

// timeField is a time that depends on when it is asked.
var timeField = regexp.MustCompile(`"(since|time)":"[^"]*"`)

// withoutNext returns an answer without its cursor, which depends on the process.
func withoutNext(body string) string { return nextField.ReplaceAllString(body, "}") }

// walk reads a list page by page and returns its rows, each as it is; between stands between two pages.
func (r *rig) walk(target string, between func(page int)) (rows []string, status int) {
	r.Helper()
	for page, cursor := 0, ""; ; page++ {
		w := r.ask(http.MethodGet, target+cursor, "")
		var answer struct {
			List []json.RawMessage `json:"data_list"`
			Next string            `json:"next"`
		}
		if w.Code != http.StatusOK {
			return rows, w.Code
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			r.Fatal(err)
		}
		for _, row := range answer.List {
			rows = append(rows, string(row))
		}
		if answer.Next == "" || page > 1000 {
			return rows, w.Code
		}
		cursor = "&cursor=" + url.QueryEscape(answer.Next)
		between(page)
	}
}

// TestCursors: of every list the pages put together are the whole; by offset they are of one state, or
// an error; by id they go on whatever is written meanwhile.
func TestCursors(t *testing.T) {
	r := newRig(t, nil).dated()
	for i := range 25 {
		report := engine.Report{
			Project: "p1", Asset: fmt.Sprintf("h%02d", i*7%25), Address: fmt.Sprint("10.1.0.", i/2), Labels: map[string]string{fmt.Sprint("l", i): "x", "env": fmt.Sprint(i)},
			Scope: engine.ScopeAll(), Open: keysOf(t, "22/tcp", fmt.Sprint(100+i, "/udp")),
		}
		if _, err := r.engine.Apply(t.Context(), []engine.Report{report}); err != nil {
			t.Fatal(err)
		}
	}
	policy, err := engine.NewPolicy(nil, engine.Expectation{Keys: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 1, Hi: 9})})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.engine.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	const base = "/v1/projects/p1/"
	nothing := func(int) {}
	write := func(page int) { r.apply(fmt.Sprintf("zz%d 22/tcp 9/udp", page)) }
	for _, list := range []string{
		"ports?", "ports?sort=num&desc=1", "ports?ports=/udp&where=open(22)", "hosts?", "hosts?port=22", "assets?", "assets?prefix=h", "groups?by=env", "labels?",
		"together?open=22", "findings?", "doctor?", "hosts/h00?",
		"hosts?sort=id", "hosts?sort=id&port=22", "hosts?sort=id&ports=/udp&where=open(22)", "hosts?sort=id&name=web", "assets?sort=id", "assets?sort=id&prefix=h1", "assets?sort=id&where=seen<1h",
	} {
		whole, _ := r.walk(base+list+"&limit=1000", nothing)
		for _, limit := range []int{1, 2, 7} {
			target := fmt.Sprintf("%s%s&limit=%d", base, list, limit)
			rows, status := r.walk(target, nothing)
			if status != http.StatusOK || !slices.Equal(rows, whole) || len(rows) < 2 && list != "hosts?sort=id&name=web" && list != "hosts/h00?" {
				t.Errorf("%s: %d, %d rows, want %d", target, status, len(rows), len(whole))
			}
		}
		if !strings.Contains(list, "sort=id") {
			if rows, status := r.walk(base+list+"&limit=1", write); status != http.StatusGone || len(rows) != 1 {
				t.Errorf("%s: %d after a write, with %d rows", list, status, len(rows))
			}
			continue
		}
		before, _ := r.walk(base+list+"&limit=1000", nothing)
		rows, status := r.walk(base+list+"&limit=2", func(page int) {
			write(page)
			if page == 1 {
				r.engine.Remove(t.Context(), "p1", engine.Host, "h03", "h24")
			}
		})
		if status != http.StatusOK {
			t.Errorf("%s: %d", list, status)
		}
		seen := map[string]bool{}
		for _, row := range rows {
			if seen[row] {
				t.Errorf("%s: twice: %s", list, row)
			}
			seen[row] = true
		}
		for _, row := range before { // what was there all the time
			if !seen[row] && !strings.Contains(row, `"zz`) && !strings.Contains(row, `"h03"`) && !strings.Contains(row, `"h24"`) {
				t.Errorf("%s: not seen: %s", list, row)
			}
		}
		r.apply("h03 22/tcp", "h24 22/tcp")
	}
}

// TestCursorsRefused: a cursor of another question, or none, is no cursor.
func TestCursorsRefused(t *testing.T) {
	r := newRig(t, nil).dated()
	next := func(target string) string {
		var answer struct{ Next string }
		if err := json.Unmarshal(r.ask(http.MethodGet, target, "").Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Next
	}
	byOffset, byID := next(ownHosts+"?limit=1"), next(ownHosts+"?limit=1&sort=id")
	if byOffset == "" || byID == "" {
		t.Fatal("there are no cursors")
	}
	if got := next(ownAssets + "?limit=1&where=seen<1h"); got != "" {
		t.Errorf("a cursor of what depends on the time: %s", got)
	}
	raw, err := base64.RawURLEncoding.DecodeString(byOffset)
	if err != nil {
		t.Fatal(err)
	}
	far := base64.RawURLEncoding.EncodeToString(append(raw[:9:9], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))
	for query, want := range map[string]string{
		"cursor=":                        "cursor",
		"cursor=%21":                     "cursor",
		"cursor=AAAA":                    "cursor",
		"sort=id&cursor=" + byOffset:     "cursor",
		"cursor=" + byID:                 "cursor",
		"port=22&cursor=" + byOffset:     "cursor",
		"port=22&sort=id&cursor=" + byID: "cursor",
		"cursor=" + far:                  "cursor",
		"cursor=" + byOffset[:len(byOffset)-4] + "&a=b": "query",
		"offset=1&cursor=" + byOffset:                   "offset",
		"sort=num":                                      "sort",
		"sort=id&offset=100001":                         "offset",
		"cursor=" + strings.Repeat("A", 4000):           "cursor",
	} {
		wantFailure(t, r.ask(http.MethodGet, ownHosts+"?"+query, ""), 400, "HSS.0001", want)
	}
	wantFailure(t, r.ask(http.MethodGet, ownHosts+"?cursor="+byOffset[:len(byOffset)-4], ""), 410, "HSS.0014", "The data has changed")
	if w := r.ask(http.MethodGet, ownHosts+"?limit=5&cursor="+byOffset, ""); w.Code != http.StatusOK {
		t.Errorf("another limit: %d %s", w.Code, w.Body)
	}
}

// TestCursorsGoOn: cursors lead to the end of a list that is longer than the largest offset.
func TestCursorsGoOn(t *testing.T) {
	r := newRig(t, nil)
	const hosts = 31 // with every port there is of a type
	report := engine.Report{Project: "p1", Open: make([]engine.Key, index.MaxPort)}
	for port := range report.Open {
		report.Open[port] = engine.MakeKey(uint16(port+1), engine.TCP)
	}
	for i := range hosts {
		report.Asset = fmt.Sprint("h", i)
		if _, err := r.engine.Apply(t.Context(), []engine.Report{report}); err != nil {
			t.Fatal(err)
		}
	}
	rows, target := 2_000_000, ownHosts+"?limit=10000"
	for cursor := "&offset=2000000"; cursor != ""; {
		var answer struct {
			Total int               `json:"total_num"`
			List  []json.RawMessage `json:"data_list"`
			Next  string
		}
		req := httptest.NewRequest(http.MethodGet, target+cursor, http.NoBody)
		req.Header.Set("X-Auth-Token", token)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || answer.Total != hosts*index.MaxPort {
			t.Fatalf("behind row %d: %d, %d rows in all, %v: %.200s", rows, w.Code, answer.Total, err, w.Body)
		}
		rows += len(answer.List)
		if cursor = ""; answer.Next != "" {
			cursor = "&cursor=" + answer.Next
		}
	}
	if rows != hosts*index.MaxPort {
		t.Errorf("the list ended behind row %d", rows)
	}
}
