package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/server"
)

// openHostsOf returns the lines of the metric in a scrape, without its name.
func openHostsOf(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "portolan_open_hosts"); ok {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	return lines
}

// TestOpenHosts: metrics have the counts of the ports that are asked for, of each project, with their
// status, as the policy says at the time.
func TestOpenHosts(t *testing.T) {
	with := func(selector string) *rig {
		return newRig(t, nil, func(o *server.Options) { o.OpenHosts = selector }).known()
	}
	if got := openHostsOf(with("").scrape()); len(got) > 0 {
		t.Errorf("without a selector: %q", got)
	}
	r := with("status=danger,22,9")
	report := engine.Report{Project: "p\"2", Asset: "x", Open: keysOf(t, "22/tcp", "80/tcp")}
	if _, err := r.engine.Apply(t.Context(), []engine.Report{report}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{port="123",project="p1",status="danger",type="UDP"} 4`, `{port="22",project="p\"2",status="unknown",type="TCP"} 1`,
		`{port="22",project="p1",status="unknown",type="TCP"} 3`, `_left_out 0`,
	}
	if got := openHostsOf(r.scrape()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	policy, err := engine.NewPolicy([]engine.Rule{{Keys: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 80, Hi: 80}), Status: engine.Danger, Where: engine.HasID("x"), WhereText: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.engine.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	release := server.HoldSearches(r.handler.(*server.Server), 10*time.Millisecond)
	if got := openHostsOf(r.scrape()); len(got) > 0 { // it takes a search, for which there is no room
		t.Errorf("a part is told: %q", got)
	}
	release()
	want = []string{`{port="22",project="p\"2",status="unknown",type="TCP"} 1`, `{port="22",project="p1",status="unknown",type="TCP"} 3`, `{port="80",project="p\"2",status="danger",type="TCP"} 1`, `_left_out 0`}
	if got := openHostsOf(r.scrape()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("by another policy\ngot  %q\nwant %q", got, want)
	}
	if _, err := server.New(r.engine, &server.Options{Auth: fake{}, OpenHosts: "22,,"}); err == nil || !strings.Contains(err.Error(), `OpenHosts: character 4, at ","`) {
		t.Error(err)
	}
}

// TestOpenHostsBounded: there are no more series than fit, the highest first, and what is left out is said.
func TestOpenHostsBounded(t *testing.T) {
	r := newRig(t, nil, func(o *server.Options) { o.OpenHosts = "1-65535" })
	var reports []engine.Report
	for _, project := range []string{"a", "b"} {
		for asset, ports := range map[string]int{"most": 4000, "few": 10} {
			report := engine.Report{Project: project, Asset: asset}
			for p := range ports {
				report.Open = append(report.Open, engine.MakeKey(uint16(p+1), engine.TCP))
			}
			reports = append(reports, report)
		}
	}
	if _, err := r.engine.Apply(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	got := openHostsOf(r.scrape())
	if len(got) != 5001 || got[5000] != "_left_out 3000" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	of := map[string]int{}
	for _, line := range got {
		for _, project := range []string{"a", "b"} {
			if strings.Contains(line, `project="`+project+`"`) {
				of[project]++
				if strings.HasSuffix(line, " 2") {
					of[project+" twice"]++
				}
			}
		}
	}
	if of["a"] != 2500 || of["b"] != 2500 || of["a twice"] != 10 || of["b twice"] != 10 {
		t.Errorf("%v", of)
	}
}
