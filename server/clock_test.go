package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portolan/engine"
)

// TestAges: whatever counts from now in a question counts from it by the engine's clock, as all that is
// asked about was timed by that.
func TestAges(t *testing.T) {
	now := time.Date(2001, 2, 3, 4, 0, 0, 0, time.UTC)
	r := newRig(t, nil).on(&engine.Options{Now: func() time.Time { return now }})
	r.looked("old", "", "22/tcp")
	now = now.Add(2 * time.Hour)
	r.looked("new", "", "22/tcp", "443/tcp")
	now = now.Add(time.Hour)
	for target, want := range map[string][2]string{ // what must be in the answer, and what must not
		"/v1/projects/p1/assets?where=seen%3C90m":                        {`"new"`, `"old"`},
		"/v1/projects/p1/assets?where=seen%3E90m":                        {`"old"`, `"new"`},
		"/v1/projects/p1/assets?as_of=90m":                               {`"old"`, `"new"`},
		"/v1/projects/p1/ports?as_of=90m":                                {`"port":22`, `"port":443`},
		"/v1/projects/p1/changes?since=90m":                              {`"new"`, `"old"`},
		"/v1/projects/p1/changes?since=4h&until=90m":                     {`"old"`, `"new"`},
		"/v1/projects/p1/hosts/old/history?since=90m":                    {`"data_list":[]`, `22`},
		"/v1/projects/p1/history?since=90m&step=1h&ports=22":             {`"time":"2001-02-03T05:00:00Z","least":1`, `T04:00`},
		"/v1/projects/p1/history?ports=22":                               {`"since":"2001-02-02T07:00:00Z"`, `2002`},
		"/v1/projects/p1/changes?format=ndjson&since=90m":                {`"new"`, `"old"`},
		"/v1/projects/p1/groups?by=enterprise_project_id&where=seen<90m": {`:1`, `:2`},
	} {
		w := r.ask(http.MethodGet, strings.ReplaceAll(target, "<", "%3C"), "")
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, want[0]) || strings.Contains(body, want[1]) {
			t.Errorf("%s: %d %s", target, w.Code, body)
		}
	}
	if text := r.scrape(); !strings.Contains(text, "portolan_project_newest_report_age_seconds_sum 3600\n") {
		t.Error(text)
	}
}
