package server_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

const ownChanges = "/v1/projects/p1/changes"

// changeRow is a row of changes.
type changeRow struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Seen     time.Time `json:"seen"`
	Asset    string    `json:"asset"`
	Group    string    `json:"enterprise_project_id"`
	From     string    `json:"from_enterprise_project_id"`
	Change   string    `json:"change"`
	Port     int       `json:"port"`
	Type     string    `json:"type"`
	Status   string    `json:"status"`
	Flapped  bool      `json:"flapped"`
}

// String is what of a row the tests name.
func (c changeRow) String() string {
	text := c.Change + " " + c.Asset + "@" + c.Group
	if c.From != "" {
		text += " from " + c.From
	}
	if c.Port > 0 {
		text += fmt.Sprintf(" %d/%s %s", c.Port, c.Type, c.Status)
	}
	if c.Flapped {
		text += " flapped"
	}
	return text
}

type changePage struct {
	Rows    []changeRow `json:"data_list"`
	More    bool        `json:"more"`
	LeftOut int         `json:"left_out"`
	Next    string      `json:"next"`
}

func (p changePage) texts() (texts []string) {
	for _, c := range p.Rows {
		texts = append(texts, c.String())
	}
	return texts
}

func (r *rig) changes(query string) (page changePage) {
	r.Helper()
	w := r.ask(http.MethodGet, ownChanges+"?"+query, "")
	if w.Code != http.StatusOK {
		r.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		r.Fatal(err)
	}
	return page
}

// looked applies a full look at a host.
func (r *rig) looked(asset, group string, ports ...string) {
	r.Helper()
	report := engine.Report{Project: "p1", Asset: asset, EnterpriseProject: group, Scope: engine.ScopeAll()}
	report.Open = keysOf(r.TB, ports...)
	if _, err := r.engine.Apply(r.Context(), []engine.Report{report}); err != nil {
		r.Fatal(err)
	}
}

// story is some batches: what the tests ask about.
func (r *rig) story() *rig {
	r.Helper()
	r.looked("a", "", "22/tcp", "80/tcp")                                           // 1
	r.looked("b", "shop", "3389/tcp")                                               // 2
	r.looked("a", "", "22/tcp", "443/tcp")                                          // 3
	r.looked("a", "shop", "22/tcp", "80/tcp")                                       // 4
	if _, err := r.engine.Remove(r.Context(), "p1", engine.Host, "b"); err != nil { // 5
		r.Fatal(err)
	}
	return r
}

// TestChanges holds the rows of every question, and what is refused.
func TestChanges(t *testing.T) {
	r := newRig(t, nil).story()
	for query, want := range map[string][]string{
		"since=2": {
			"closed a@0 80/TCP unknown", "opened a@0 443/TCP unknown",
			"moved a@shop from 0", "opened a@shop 80/TCP unknown", "closed a@shop 443/TCP unknown",
			"forgotten b@shop", "forgotten b@shop 3389/TCP danger",
		},
		"since=2&net=true":                           {"moved a@shop from 0", "forgotten b@shop", "forgotten b@shop 3389/TCP danger"},
		"since=2&net=true&flapped=true&ports=80,443": {"opened a@shop 80/TCP unknown flapped", "closed a@shop 443/TCP unknown flapped"},
		"kind=opened,appeared":                       {"appeared a@0", "appeared b@shop", "opened a@0 443/TCP unknown", "opened a@shop 80/TCP unknown"},
		"status=danger":                              {"found b@shop 3389/TCP danger", "forgotten b@shop 3389/TCP danger"},
		"type=udp":                                   nil,
		"ports=443":                                  {"opened a@0 443/TCP unknown", "closed a@shop 443/TCP unknown"},
		"enterprise_project_id=shop&kind=found,moved": {"found b@shop 3389/TCP danger", "moved a@shop"},
		"enterprise_project_id=0&since=2":             {"closed a@0 80/TCP unknown", "opened a@0 443/TCP unknown", "moved a@ from 0"},
		"where=open(22)&kind=found":                   {"found a@0 22/TCP unknown", "found a@0 80/TCP unknown"},
		"since=1h&kind=moved":                         {"moved a@shop from 0"},
		"since=2099-01-01T00:00:00Z":                  nil,
		"until=1h":                                    nil,
		"category=container":                          nil,
		"since=5":                                     nil,
	} {
		page := r.changes(query)
		if got := page.texts(); !slices.Equal(got, want) || page.More || page.Next == "" {
			t.Errorf("%s: got %q, %+v, want %q", query, got, page, want)
		}
	}
	if page := r.changes("where=open(22)&kind=found"); page.LeftOut != 1 {
		t.Errorf("%d are left out, want that of the host that is gone", page.LeftOut)
	}
	if page := r.changes("cursor=5"); len(page.Rows) != 0 || page.Next != "5" {
		t.Errorf("%+v", page)
	}
	for query, want := range map[string]string{
		"since=x":               `since: "x" is not allowed: want a time such as`,
		"until=99":              `until: "99" is not allowed: want a time`,
		"kind=vanished":         `kind: "vanished" is not allowed: want opened, found`,
		"cursor=1.2.x":          `cursor: "1.2.x" is not allowed`,
		"cursor=1&since=1":      `since: "1" is not allowed: want nothing beside a cursor`,
		"net=true&cursor=1":     `cursor: "1" is not allowed`,
		"flapped=true":          `flapped: "true" is not allowed: want only with net`,
		"format=xml":            `format: "xml" is not allowed: want json or ndjson`,
		"limit=0":               `limit: "0" is not allowed`,
		"format=ndjson&limit=1": `limit: "1" is not allowed: want nothing with format=ndjson`,
		"follow=true&net=true":  `net: "true" is not allowed: want nothing with follow`,
		"offset=1":              `query: "offset" is not allowed`,
	} {
		wantFailure(t, r.ask(http.MethodGet, ownChanges+"?"+query, ""), 400, "HSS.0001", want)
	}
	if w := r.ask(http.MethodGet, ownChanges+"?since=99", ""); w.Code != http.StatusPreconditionFailed || !strings.Contains(w.Body.String(), "HSS.0011") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := r.ask(http.MethodGet, "/v1/projects/nobody/changes", ""); w.Code != http.StatusOK || w.Body.String() != `{"data_list":[],"more":false,"next":"0.0.0"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestChangesPaged: however the pages are cut, and with what is written between them, each change comes
// once, in order, and the last page says where to go on later.
func TestChangesPaged(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 100} {
		r := newRig(t, nil).story()
		all := r.changes("limit=10000").texts()
		var got []string
		page := r.changes(fmt.Sprint("limit=", limit))
		for got = page.texts(); page.More; got = append(got, page.texts()...) {
			page = r.changes(fmt.Sprintf("limit=%d&cursor=%s", limit, page.Next))
		}
		if !slices.Equal(got, all) {
			t.Errorf("limit %d: got %q, want %q", limit, got, all)
		}
		r.looked("c", "", "53/udp")
		if later := r.changes("cursor=" + page.Next).texts(); !slices.Equal(later, []string{"appeared c@0", "found c@0 53/UDP unknown"}) {
			t.Errorf("limit %d: later %q", limit, later)
		}
	}
	r := newRig(t, nil).story()
	want := r.changes("net=true").texts()
	page := r.changes("net=true&limit=1")
	got := page.texts()
	for page.More {
		r.looked("new"+page.Next, "", "53/udp") // is not of the question any more
		page = r.changes("net=true&limit=1&cursor=" + page.Next)
		got = append(got, page.texts()...)
	}
	if !slices.Equal(got, want) || len(want) != 3 {
		t.Errorf("net: got %q, want %q", got, want)
	}
}

// TestChangesGone: what is not kept any more is said, with where there is something from.
func TestChangesGone(t *testing.T) {
	r := newRig(t, nil).over(2000)
	for i := range 100 {
		r.looked(fmt.Sprint("h", i), "", "22/tcp")
	}
	page := r.changes("")
	first := page.Rows[0]
	if len(page.Rows) > 60 || first.Sequence < 50 {
		t.Fatalf("%d rows from %+v", len(page.Rows), first)
	}
	for _, query := range []string{"since=3", "since=1h", "cursor=3.0.0", "since=3&net=true", "since=3&format=ndjson", "since=3&follow=true"} {
		w := r.ask(http.MethodGet, ownChanges+"?"+query, "")
		if w.Code != http.StatusGone || !strings.Contains(w.Body.String(), "HSS.0016") || !strings.Contains(w.Body.String(), fmt.Sprintf("after %d", first.Sequence-1)) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	r.over(-1).looked("a", "")
	if w := r.ask(http.MethodGet, ownChanges, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "HSS.0015") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// over has an engine that keeps so many bytes of changes.
func (r *rig) over(bytes int) *rig {
	r.Helper()
	return r.on(&engine.Options{ChangesBytes: bytes})
}

// TestChangesStreamed: lines are the rows of the pages.
func TestChangesStreamed(t *testing.T) {
	eachWay(t, func(t *testing.T, fronted bool) {
		r := newRig(t, nil).wide(3000)
		want := r.changes("limit=10000")
		res := r.fetch(http.DefaultClient, r.start(fronted, nil, nil), ownChanges+"?format=ndjson")
		text := readAll(t, res.Body)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) != len(want.Rows) || len(lines) != 6000 || res.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Fatalf("%d lines, %d rows, %v", len(lines), len(want.Rows), res.Header)
		}
		for i, line := range lines {
			var row changeRow
			if err := json.Unmarshal([]byte(line), &row); err != nil || row != want.Rows[i] {
				t.Fatalf("line %d: %s, %v, want %+v", i, line, err, want.Rows[i])
			}
		}
		if _, err := r.engine.Remove(t.Context(), "p1", engine.Host, "h1"); err != nil {
			t.Fatal(err)
		}
		res = r.fetch(http.DefaultClient, res.Request.URL.Host, ownChanges+"?format=ndjson&where=open(3)")
		if text := readAll(t, res.Body); strings.Count(text, "\n") != 2 || res.Trailer.Get("X-Left-Out") != "4" {
			t.Errorf("%s, %v", text, res.Trailer)
		}
	})
}

// event is a server-sent event.
type event struct{ id, name, data string }

// events reads server-sent events.
type events struct {
	*bufio.Reader
	beats int
}

func (e *events) next() (one event, err error) {
	for {
		line, err := e.ReadString('\n')
		if err != nil {
			return one, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case line == "\n" && one.name != "":
			return one, nil
		case field == "id":
			one.id = value
		case field == "event":
			one.name = value
		case field == "data":
			one.data = value
		case strings.HasPrefix(line, ":"):
			e.beats++
		}
	}
}

func (e *events) change(t *testing.T) (row changeRow, id string) {
	t.Helper()
	one, err := e.next()
	if err != nil || one.name != "change" {
		t.Fatalf("%+v, %v", one, err)
	}
	if err := json.Unmarshal([]byte(one.data), &row); err != nil {
		t.Fatal(err)
	}
	return row, one.id
}

func (r *rig) follow(address, query string, headers ...string) *events {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+address+ownChanges+"?follow=true&"+query, http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		r.Fatal(res.Status, res.Header)
	}
	return &events{Reader: bufio.NewReader(res.Body)}
}

// TestFeed: a feed tells what was and what comes, in order and once, also to a reader that comes again with the
// id of the last event it took; it shows that it is alive, and says why it ends.
func TestFeed(t *testing.T) {
	eachWay(t, func(t *testing.T, fronted bool) {
		r := newRig(t, nil).story()
		address := r.start(fronted, nil, nil)
		past, toCome, opened := r.follow(address, "since=0"), r.follow(address, ""), r.follow(address, "kind=opened&ports=80")
		want := r.changes("limit=10000").Rows
		for i, w := range want {
			if got, _ := past.change(t); got != w {
				t.Fatalf("event %d: %+v, want %+v", i, got, w)
			}
		}
		var last string
		for i := range 20 {
			r.looked(fmt.Sprint("n", i), "", "80/tcp")
			r.looked(fmt.Sprint("n", i), "")
			r.looked(fmt.Sprint("n", i), "", "80/tcp")
			for n, want := range []string{"appeared", "found", "closed", "opened"} {
				row, id := past.change(t)
				other, _ := toCome.change(t)
				if row.Change != want || other != row || row.Asset != fmt.Sprint("n", i) {
					t.Fatalf("%d: %v and %v, want %s", i, row, other, want)
				}
				if i == 10 && n == 1 {
					last = id
				}
			}
			if row, _ := opened.change(t); row.Change != "opened" || row.Asset != fmt.Sprint("n", i) {
				t.Fatal(row)
			}
		}
		lost := r.follow(address, "where=open(80)")
		if _, err := r.engine.Remove(t.Context(), "p1", engine.Host, "n19"); err != nil {
			t.Fatal(err)
		}
		if one, err := lost.next(); err != nil || one.name != "left_out" || one.data != `{"num":2}` {
			t.Errorf("%+v, %v", one, err)
		}
		for range 2 {
			past.change(t)
			toCome.change(t)
		}
		again := r.follow(address, "", "Last-Event-ID", last)
		for _, want := range []string{"closed n10@0 80/TCP unknown", "opened n10@0 80/TCP unknown", "appeared n11@0"} {
			if got, _ := again.change(t); got.String() != want {
				t.Fatalf("again: %v, want %s", got, want)
			}
		}
		for toCome.beats == 0 {
			if line, err := toCome.ReadString('\n'); err != nil {
				t.Fatal(err)
			} else if strings.HasPrefix(line, ":") {
				toCome.beats++
			}
		}
		r.handler.(*server.Server).Stopping()
		for _, feed := range []*events{past, toCome, opened} {
			one, err := feed.next()
			if err != nil || one.name != "end" || !strings.Contains(one.data, "stopping") {
				t.Errorf("%+v, %v", one, err)
			}
			if _, err := feed.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %v", err)
			}
		}
	})
}

// TestFeedEnds: a feed ends after its time, so that its reader is asked again who it is.
func TestFeedEnds(t *testing.T) {
	r := newRig(t, nil, func(o *server.Options) { o.FeedTime = 100 * time.Millisecond }).story()
	feed := r.follow(r.start(true, nil, nil), "")
	if one, err := feed.next(); err != nil || one.name != "end" || !strings.Contains(one.data, "come again") {
		t.Errorf("%+v, %v", one, err)
	}
}

// TestFeedNotTaken: feeds that nobody reads end, and their places are free then; one that is read notices nothing.
func TestFeedNotTaken(t *testing.T) {
	eachWay(t, func(t *testing.T, fronted bool) {
		r := newRig(t, nil, func(o *server.Options) { o.BodyTimeout = 300 * time.Millisecond }).wide(60_000)
		address := r.start(fronted, nil, nil)
		for range 20 {
			r.follow(address, "since=0") // and reads no more of it
		}
		feed := r.follow(address, "")
		for i := range 10 {
			r.looked(fmt.Sprint("n", i), "")
			if row, _ := feed.change(t); row.Asset != fmt.Sprint("n", i) {
				t.Fatal(row)
			}
		}
		for deadline := time.Now().Add(20 * time.Second); server.Feeds(r.handler.(*server.Server)) > 1; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d feeds are held", server.Feeds(r.handler.(*server.Server)))
			}
		}
		r.looked("last", "")
		if row, _ := feed.change(t); row.Asset != "last" {
			t.Fatal(row)
		}
	})
}

// TestFeedsShared: one caller has half of the feeds at most.
func TestFeedsShared(t *testing.T) {
	r := newRig(t, nil).story()
	address := r.start(false, nil, nil)
	for range 128 {
		r.follow(address, "")
	}
	res := r.fetch(http.DefaultClient, address, ownChanges+"?follow=true")
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Error(res.Status)
	}
}

// TestHostHistory: what changed of one asset is told, also of one that is gone, in pages, net and as lines; of one that
// is nowhere, or in another's enterprise project, nothing but that it is not there.
func TestHostHistory(t *testing.T) {
	r := newRig(t, nil).story()
	r.looked("b2", "shop", "1/tcp")
	for path, want := range map[string][]string{
		"a/history?since=2":                  {"closed a@0 80/TCP unknown", "opened a@0 443/TCP unknown", "moved a@shop from 0", "opened a@shop 80/TCP unknown", "closed a@shop 443/TCP unknown"},
		"a/history?ports=22":                 {"found a@0 22/TCP unknown"},
		"a/history?since=2&net=true":         {"moved a@shop from 0"},
		"b/history":                          {"appeared b@shop", "found b@shop 3389/TCP danger", "forgotten b@shop", "forgotten b@shop 3389/TCP danger"},
		"b2/history?kind=found":              {"found b2@shop 1/TCP unknown"},
		"b2/history?enterprise_project_id=0": nil,
		"a/history?kind=forgotten":           nil,
	} {
		w := r.ask(http.MethodGet, "/v1/projects/p1/hosts/"+path, "")
		var page changePage
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK || !slices.Equal(page.texts(), want) {
			t.Errorf("%s: %d %q, %v, want %q", path, w.Code, page.texts(), err, want)
		}
	}
	var all []string
	for cursor := ""; ; {
		var page changePage
		w := r.ask(http.MethodGet, "/v1/projects/p1/hosts/a/history?limit=2"+cursor, "")
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || len(page.Rows) > 2 {
			t.Fatal(err, w.Body)
		}
		if all = append(all, page.texts()...); !page.More {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if len(all) != 8 || all[0] != "appeared a@0" || all[7] != "closed a@shop 443/TCP unknown" {
		t.Errorf("in pages: %q", all)
	}
	shop := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop")}}).story()
	shop.looked("z", "", "1/tcp")
	var page changePage
	w := shop.ask(http.MethodGet, "/v1/projects/p1/hosts/a/history", "")
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || !slices.Equal(page.texts(), []string{"moved a@shop", "opened a@shop 80/TCP unknown", "closed a@shop 443/TCP unknown"}) {
		t.Errorf("of shop alone: %d %s", w.Code, w.Body)
	}
	if there, nowhere := shop.ask(http.MethodGet, "/v1/projects/p1/hosts/z/history", ""), shop.ask(http.MethodGet, "/v1/projects/p1/hosts/y/history", ""); there.Code != 404 || there.Body.String() != nowhere.Body.String() {
		t.Errorf("another's asset: %d %s, and none: %s", there.Code, there.Body, nowhere.Body)
	}
	for _, id := range []string{"nowhere", "%00", strings.Repeat("x", 256)} {
		wantFailure(t, r.ask(http.MethodGet, "/v1/projects/p1/hosts/"+id+"/history", ""), 404, "HSS.0002", "The asset does not exist.")
	}
	for path, says := range map[string]string{
		"/v1/projects/p1/hosts/a/history?where=open(1)":                  "where",
		"/v1/projects/p1/hosts/" + strings.Repeat("x", 257) + "/history": "asset",
		"/v1/projects/p1/hosts/a/history?since=2&kind=new":               "kind",
	} {
		if w := r.ask(http.MethodGet, path, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%.80s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestChangesUnexpected: only what the policy does not expect.
func TestChangesUnexpected(t *testing.T) {
	r := newRig(t, nil).story()
	policy, err := engine.NewPolicy(nil, engine.Expectation{Allowed: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 1, Hi: 99}), Where: engine.HasID("a"), WhereText: "a"})
	if err == nil {
		err = r.engine.SetPolicy(policy)
	}
	if err != nil {
		t.Fatal(err)
	}
	page := r.changes("unexpected=true")
	if got := page.texts(); !slices.Equal(got, []string{"opened a@0 443/TCP unknown", "closed a@shop 443/TCP unknown"}) || page.LeftOut != 2 {
		t.Errorf("%q, %d left out", got, page.LeftOut)
	}
}

// TestHostOpenings: since when the ports of an asset are open, and what is refused.
func TestHostOpenings(t *testing.T) {
	r := newRig(t, nil).story()
	ask := func(of *rig, query string) (a struct {
		HistorySince time.Time `json:"history_since"`
		Rows         []struct {
			Port      int
			Since     time.Time
			FirstOpen time.Time `json:"first_open"`
			Change    string
		} `json:"data_list"`
	},
	) {
		t.Helper()
		w := of.ask(http.MethodGet, "/v1/projects/p1/hosts/a?"+query, "")
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
			t.Fatal(w.Code, w.Body)
		}
		return a
	}
	times := map[uint64]time.Time{}
	for _, c := range r.changes("").Rows {
		times[c.Sequence] = c.Time
	}
	a := ask(r, "history=true")
	if len(a.Rows) != 2 || !a.HistorySince.IsZero() {
		t.Fatalf("%+v", a)
	}
	if p := a.Rows[0]; p.Port != 22 || !p.Since.Equal(times[1]) || !p.FirstOpen.Equal(times[1]) || p.Change != "found" {
		t.Errorf("%+v", p)
	}
	if p := a.Rows[1]; p.Port != 80 || !p.Since.Equal(times[4]) || !p.FirstOpen.Equal(times[1]) || p.Change != "opened" {
		t.Errorf("%+v", p)
	}
	if plain := ask(r, ""); !plain.Rows[0].Since.IsZero() {
		t.Errorf("%+v", plain)
	}
	shop := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop")}}).story()
	if a := ask(shop, "history=true"); !a.Rows[0].Since.IsZero() || a.Rows[1].Change != "opened" || !a.Rows[1].FirstOpen.Equal(a.Rows[1].Since) {
		t.Errorf("what another enterprise project had is told: %+v", a)
	}
	small := newRig(t, nil).over(1).story()
	if a := ask(small, "history=true"); a.HistorySince.IsZero() || !a.Rows[0].Since.IsZero() {
		t.Errorf("%+v", a)
	}
	for query, code := range map[string]int{"history=maybe": 400, "history=true&as_of=1": 400} {
		if w := r.ask(http.MethodGet, "/v1/projects/p1/hosts/a?"+query, ""); w.Code != code || !strings.Contains(w.Body.String(), "history") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := newRig(t, nil).over(-1).story().ask(http.MethodGet, "/v1/projects/p1/hosts/a?history=true", ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "HSS.0015") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
