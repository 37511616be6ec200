package server_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"portolan/engine"
)

type historyPoint struct {
	Time              time.Time
	Least, Most, Last int
}

type historyAnswer struct {
	Since time.Time `json:"since"`
	Step  float64   `json:"step_seconds"`
	Lines []struct {
		Port   int            `json:"port"`
		Type   string         `json:"type"`
		Status string         `json:"status"`
		Group  string         `json:"enterprise_project_id"`
		Points []historyPoint `json:"points"`
	} `json:"data_list"`
}

func (r *rig) history(query string) (a historyAnswer) {
	r.Helper()
	w := r.ask(http.MethodGet, "/v1/projects/p1/history?"+query, "")
	if w.Code != http.StatusOK {
		r.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		r.Fatal(err)
	}
	return a
}

// TestHistory holds lines of every kind, in one step that has all of the story.
func TestHistory(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := newRig(t, nil).on(&engine.Options{Now: func() time.Time { return now }}).story()
	now = now.Add(time.Minute)
	for query, want := range map[string]string{
		"ports=22,80":                             "22 TCP unknown: 0 1 1; 80 TCP unknown: 0 1 1",
		"ports=3389":                              "3389 TCP danger: 0 1 0",
		"by=status":                               "danger: 0 1 0; unknown: 0 2 2",
		"by=enterprise_project_id":                "0: 0 2 0; shop: 0 3 2",
		"by=enterprise_project_id&status=danger":  "shop: 0 1 0",
		"enterprise_project_id=shop&ports=22":     "22 TCP unknown: 0 1 1",
		"enterprise_project_id=0&ports=22":        "22 TCP unknown: 0 1 0",
		"enterprise_project_id=0&type=udp":        "",
		"ports=22&category=container":             "",
		"ports=22&until=2099-01-01T00:00:00Z":     "22 TCP unknown: 0 1 1",
		"enterprise_project_id=none&by=status":    "",
		"by=status&ports=22,80,443,3389&type=tcp": "danger: 0 1 0; unknown: 0 2 2",
	} {
		a := r.history("since=1h&step=100d&" + query)
		var lines []string
		for _, l := range a.Lines {
			name := strings.TrimSpace(strings.Join([]string{l.Type, l.Status, l.Group}, " "))
			if l.Port > 0 {
				name = strconv.Itoa(l.Port) + " " + name
			}
			last := l.Points[len(l.Points)-1]
			lines = append(lines, name+": "+strconv.Itoa(last.Least)+" "+strconv.Itoa(last.Most)+" "+strconv.Itoa(last.Last))
			if len(l.Points) != 1 || !l.Points[0].Time.Equal(a.Since) || a.Step != 100*24*3600 {
				t.Errorf("%s: %+v", query, a)
			}
		}
		if got := strings.Join(lines, "; "); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	usual := r.history("ports=22")
	if n := len(usual.Lines[0].Points); n != 97 {
		t.Errorf("%d steps by themselves", n)
	}
	for query, says := range map[string]string{
		"where=open(22)":             `query: "where" is not allowed`,
		"step=1ms":                   `step: "1ms" is not allowed: want 1s or more`,
		"step=soon":                  `step: "soon" is not allowed: want a time such as 15m`,
		"since=100d&step=1s":         `step: "1s" is not allowed: want a longer one: there are at most 10000`,
		"since=2099-01-01T00:00:00Z": `since: "2099-01-01T00:00:00Z" is not allowed: want a time before`,
		"by=host":                    `by: "host" is not allowed: want port, status or enterprise_project_id`,
		"since=5h&until=6h":          `is not allowed: want a time before`,
	} {
		w := r.ask(http.MethodGet, "/v1/projects/p1/history?"+query, "")
		if w.Code != http.StatusBadRequest || !strings.Contains(strings.ReplaceAll(w.Body.String(), `\"`, `"`), says) {
			t.Errorf("%s: %d %s, want %s", query, w.Code, w.Body, says)
		}
	}
	if a := r.ask(http.MethodGet, "/v1/projects/p2/history?step=1h", ""); a.Code != http.StatusOK || !strings.Contains(a.Body.String(), `"data_list":[]`) {
		t.Errorf("a project without anything: %d %s", a.Code, a.Body)
	}
}

// TestHistoryGone: what is not kept any more, or never was, is said.
func TestHistoryGone(t *testing.T) {
	for bytes, want := range map[int]int{-1: http.StatusNotFound, 1: http.StatusGone} {
		r := newRig(t, nil).over(bytes).story()
		if w := r.ask(http.MethodGet, "/v1/projects/p1/history?since=1h", ""); w.Code != want {
			t.Errorf("%d %s, want %d", w.Code, w.Body, want)
		}
	}
}
