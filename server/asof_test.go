package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/server"
)

// asOfCalls are the questions that may be asked of the past.
var asOfCalls = []string{
	"ports", "ports?where=env%3Dprod", "ports?sort=num&desc=true&explain=true", "hosts?status=danger&explain=true&sort=id", "hosts?sort=id&limit=2", "hosts/a",
	"hosts/b", "assets?sort=id", "assets?enterprise_project_id=shop&sort=id", "groups?by=env", "groups", "together?open=22", "labels",
}

// relabelled applies a report that only gives a host labels.
func (r *rig) relabelled(asset string, labels map[string]string) {
	r.Helper()
	if _, err := r.engine.Apply(r.Context(), []engine.Report{{Project: "p1", Asset: asset, Labels: labels}}); err != nil {
		r.Fatal(err)
	}
}

// knownThen decodes an answer without what is not known as of the past.
func knownThen(t *testing.T, body []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var strip func(any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range []string{"seen", "last_seen", "as_of", "next", "request_id"} {
				delete(v, name)
			}
			for _, part := range v {
				strip(part)
			}
		case []any:
			for _, part := range v {
				strip(part)
			}
		}
	}
	strip(v)
	return v
}

// TestAsOf: every question is answered as it was after each batch, asked by number, time or age; pages go on by their
// cursors.
func TestAsOf(t *testing.T) {
	r := newRig(t, nil)
	steps := []func(){
		func() { r.looked("a", "", "22/tcp", "80/tcp") },
		func() { r.looked("b", "shop", "3389/tcp", "22/tcp") },
		func() { r.relabelled("a", map[string]string{"env": "prod"}) },
		func() { r.looked("a", "shop", "22/tcp", "443/tcp") },
		func() { r.looked("c", "", "22/tcp") },
		func() {
			if _, err := r.engine.Remove(t.Context(), "p1", engine.Host, "b"); err != nil {
				t.Fatal(err)
			}
		},
		func() { r.relabelled("a", map[string]string{"env": "test", "rack": "7"}) },
	}
	ask := func(call, more string) (int, []byte, http.Header) {
		sep := "?"
		if strings.Contains(call, "?") {
			sep = "&"
		}
		w := r.ask(http.MethodGet, "/v1/projects/p1/"+call+sep+more, "")
		return w.Code, w.Body.Bytes(), w.Header()
	}
	type answer struct {
		code int
		body any
	}
	was := make([]map[string]answer, len(steps))
	times := make([]time.Time, len(steps))
	for i, step := range steps {
		step()
		was[i], times[i] = map[string]answer{}, time.Now()
		for _, call := range asOfCalls {
			code, body, _ := ask(call, "")
			was[i][call] = answer{code, knownThen(t, body)}
		}
		time.Sleep(2 * time.Microsecond) // the next batch has another time
	}
	for i := range steps {
		for _, call := range asOfCalls {
			for _, asOf := range []string{fmt.Sprint(i + 1), times[i].Format(time.RFC3339Nano)} {
				code, body, header := ask(call, "as_of="+url.QueryEscape(asOf))
				if got := (answer{code, knownThen(t, body)}); !reflect.DeepEqual(got, was[i][call]) {
					t.Errorf("%s as of %s: %+v, want %+v", call, asOf, got, was[i][call])
				}
				if (header.Get("ETag") == "") != (code != http.StatusOK) {
					t.Errorf("%s as of %s: %v", call, asOf, header)
				}
			}
		}
	}
	for _, call := range asOfCalls {
		code, body, header := ask(call, "as_of=1ns")
		if !reflect.DeepEqual(answer{code, knownThen(t, body)}, was[len(was)-1][call]) || header.Get("ETag") != "" {
			t.Errorf("%s as of an age: %s %v", call, body, header)
		}
	}
	for _, sort := range []string{"", "&sort=id"} {
		var rows []string
		for next := ""; len(rows) < 10; {
			code, body, _ := ask("hosts?as_of=5&limit=1"+sort, next)
			var page struct {
				Rows []struct {
					Asset string
					Port  int
				} `json:"data_list"`
				Total int    `json:"total_num"`
				Next  string `json:"next"`
			}
			if err := json.Unmarshal(body, &page); err != nil || code != http.StatusOK || page.Total != 5 {
				t.Fatalf("%d %s %v", code, body, err)
			}
			for _, row := range page.Rows {
				rows = append(rows, fmt.Sprint(row.Asset, row.Port))
			}
			if page.Next == "" {
				break
			}
			next = "cursor=" + page.Next
		}
		if len(rows) != 5 {
			t.Errorf("%s: %v", sort, rows)
		}
	}
}

// TestAsOfRefused: what cannot be answered is refused, with what is allowed.
func TestAsOfRefused(t *testing.T) {
	r := newRig(t, nil).story()
	future := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
	for query, want := range map[string]string{
		"ports?as_of=":                        "a time such as",
		"ports?as_of=0":                       "the number of a batch, a time or an age",
		"ports?as_of=yesterday":               "a time such as",
		"ports?as_of=99999999999999999999999": "the number of a batch",
		"ports?as_of=" + future:               "a time that is past",
		"ports?as_of=3&coverage=true":         "only of now",
		"assets?as_of=3&where=seen%3C1d":      "do not ask for times",
		"coverage?as_of=3":                    "one of",
		"ports?as_of=3&as_of=4":               "it once",
	} {
		if w := r.ask(http.MethodGet, "/v1/projects/p1/"+query, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := r.ask(http.MethodGet, "/v1/projects/p1/ports?as_of=99", ""); w.Code != http.StatusPreconditionFailed {
		t.Errorf("of a batch that is to come: %d %s", w.Code, w.Body)
	}
	if w := r.ask(http.MethodGet, "/v1/projects/nobody/ports?as_of=3", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"total_num":0`) {
		t.Errorf("of a project without data: %d %s", w.Code, w.Body)
	}
	r.over(-1).looked("a", "", "22/tcp")
	if w := r.ask(http.MethodGet, "/v1/projects/p1/ports?as_of=1", ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "HSS.0015") {
		t.Errorf("of what is not recorded: %d %s", w.Code, w.Body)
	}
	r.over(1).story()
	if w := r.ask(http.MethodGet, "/v1/projects/p1/ports?as_of=2", ""); w.Code != http.StatusGone || !strings.Contains(w.Body.String(), "HSS.0016") {
		t.Errorf("of what is not kept: %d %s", w.Code, w.Body)
	}
}

// TestAsOfPlaces: a caller has half of the places for such questions; who gets none is told to come again, and
// other questions are answered.
func TestAsOfPlaces(t *testing.T) {
	r := newRig(t, nil).story()
	s := r.handler.(*server.Server)
	give := server.TakePasts(s, "another", 100)
	if len(give) == 0 || len(give) > 4 {
		t.Fatalf("%d places for one caller", len(give))
	}
	for n := range 100 {
		give = append(give, server.TakePasts(s, fmt.Sprint("more", n), 1)...)
	}
	w := r.ask(http.MethodGet, "/v1/projects/p1/ports?as_of=2", "")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "questions about the past") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := r.ask(http.MethodGet, "/v1/projects/p1/ports", ""); w.Code != http.StatusOK {
		t.Errorf("now: %d %s", w.Code, w.Body)
	}
	for _, g := range give {
		g()
	}
	for range 20 {
		if w := r.ask(http.MethodGet, "/v1/projects/p1/ports?as_of=2", ""); w.Code != http.StatusOK {
			t.Fatalf("with places: %d %s", w.Code, w.Body)
		}
	}
}
