package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// seenTimes are when ports were seen, which is not known of the past, and what stands before them.
var seenTimes = regexp.MustCompile(` *20[0-9]{2}-[0-9-]+T[0-9:.]+Z|(?m)( *SEEN)? *$`)

// TestAsOfServer: what a server answered is answered again as of then, also after it was killed.
func TestAsOfServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := startServer(t, data)
	e := env{"PORTOLAN_TOKEN": testToken, "PORTOLAN_SERVER": s.base}
	questions := []string{"ports -o csv", "hosts --port 22 --sort id -o csv", "groups -o csv", "groups --by env -o csv", "labels -o csv", "together 22 -o csv", "host web --ports 22"}
	ask := func(line, more string) string {
		t.Helper()
		r := call(t, e, append(strings.Fields(line), strings.Fields(more)...)...)
		if r.code != exitOK {
			t.Fatalf("%s %s: exit %d\n%s%s", line, more, r.code, r.stdout, r.stderr)
		}
		first, _, _ := strings.Cut(r.stderr, ", last seen")
		return seenTimes.ReplaceAllString(r.stdout, "") + strings.TrimSpace(first)
	}
	var was []map[string]string
	var times []string
	for _, line := range []string{
		`{"asset":"web","name":"web-1","scope":"all","open":["22/tcp","80/tcp"]}`,
		`{"asset":"db","scope":"all","open":["22/tcp","3389/tcp"],"labels":{"env":"prod"}}`,
		`{"asset":"web","name":"web-2","scope":"all","open":["22/tcp","443/tcp"],"enterprise_project_id":"shop","labels":{"env":"lab"}}`,
	} {
		if r := callWith(t, e, line, "import", "-"); r.code != exitOK {
			t.Fatalf("%+v", r)
		}
		answers := map[string]string{}
		for _, question := range questions {
			answers[question] = ask(question, "")
		}
		was, times = append(was, answers), append(times, time.Now().UTC().Format(time.RFC3339Nano))
	}
	again := func() {
		t.Helper()
		for i := range was {
			for _, question := range questions {
				for _, moment := range []string{string(rune('1' + i)), times[i]} {
					if got := ask(question, "--as-of "+moment); got != was[i][question] {
						t.Errorf("%s as of %s:\n%s\nwant\n%s", question, moment, got, was[i][question])
					}
				}
			}
		}
	}
	again()
	_ = s.Process.Kill()
	_ = s.Wait()
	s = startServer(t, data)
	e["PORTOLAN_SERVER"] = s.base
	again()
	for line, text := range map[string]string{
		"ports --as-of tomorrow":                      "want a time such as",
		"ports --as-of 99":                            "HSS.0011",
		"ports --as-of 0s --coverage":                 "only of now",
		"ports testdata/scan.xml --as-of 1 --server=": "--as-of is about what a server knew",
	} {
		if r := call(t, e, strings.Fields(line)...); r.code == exitOK || !strings.Contains(r.stderr, text) {
			t.Errorf("%s: exit %d\n%s", line, r.code, r.stderr)
		}
	}
}
