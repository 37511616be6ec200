package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHostsGolden shows what the hosts command prints of a server's answers, in
// every format: the enterprise project is there only where one is asked for.
func TestHostsGolden(t *testing.T) {
	s := serve(t, nil, "--import", scanXML, "--import", agentsFile)
	lines := formats("hosts-server", "hosts --port 22")
	lines = append(lines,
		goldenCase{name: "hosts-server-enterprise-project", line: "hosts --port 22 --enterprise-project shop"},
		goldenCase{name: "hosts-server-container", line: "hosts --port 8080 --category container -o ndjson"},
		goldenCase{name: "hosts-server-more", line: "hosts --port 123 --limit 2 --offset 1 --name example"},
		goldenCase{name: "hosts-server-empty", line: "hosts --port 9 -o json"},
		goldenCase{name: "hosts-server-refused", line: "hosts --port 22 --name " + strings.Repeat("x", 257)},
	)
	for _, c := range lines {
		t.Run(c.name, func(t *testing.T) {
			args := strings.Fields(c.line)
			golden(t, c.name, transcript(call(t, s.env(), args...), args))
		})
	}
}

// hostQuestions are flags that files and servers answer alike.
var hostQuestions = []string{
	"hosts --port 22", "hosts --port 123 --status danger", "hosts --port 22 --status danger", "hosts --port 53 --type udp", "hosts --port 22 --type TCP6",
	"hosts --port 22 --name example", "hosts --port 22 --name 1", "hosts --port 22 --name Shop", "hosts --port 22 --address .2.", "hosts --port 22 --address 198 --name shop-2",
	"hosts --port 8080 --category container", "hosts --port 8080 --category container --name car", "hosts --port 80 --category container --address 1",
	"hosts --port 22 --limit 3 --offset 2", "hosts --port 22 --limit 3 --offset 2 --name e", "hosts --port 22 --offset 5000000", "hosts --port 9",
	"hosts --ports 1-1024,!22,!/udp", "hosts --ports https --where open(22)", "hosts --status danger --limit 0", "hosts --type tcp6",
	"hosts --where open(22)and(not(name~*shop*))", "hosts --where ports>3 --limit 2", "hosts --where address=192.0.2.0/24", "hosts --where seen<5000w",
	"host 192.0.2.10", "host 192.0.2.11 --ports 1-1024,!22 --limit 1", "assets --limit 0", "assets --prefix 192 --offset 1 --limit 2", "assets --where only(22,123) --category container",
	"ports --where ports>2", "ports --where not(open(22)) --ports /tcp --sort num --desc", "ports --where ep=shop --top 3",
}

// anytime is a time in an answer: lines without one were read at different times.
var anytime = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z *|LAST_SEEN *`)

// TestHostsSame: a server that was filled with the files gives the answers that
// the files give.
func TestHostsSame(t *testing.T) {
	hostile := filepath.Join(t.TempDir(), "hostile.ndjson")
	lines := `{"asset":"h\u001b[31m1","name":"<b>\ta\"\u2028","address":"10.0.0.\u00e9","scope":"all","open":["22/tcp"]}
{"asset":"box","name":"cart & co","address":"10.1.2.3","category":"container","scope":"all","open":["80/tcp","8080/tcp"]}
`
	if err := os.WriteFile(hostile, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	files := []string{"--import", scanXML, "--import", agentsFile, "--import", hostile}
	s := serve(t, nil, files...)
	for _, question := range hostQuestions {
		groups := []string{"", "--enterprise-project 0", "--enterprise-project shop", "--enterprise-project nobody"}
		if strings.HasPrefix(question, "host ") { // an id is one asset
			groups = groups[:1]
		}
		for _, group := range groups {
			for _, format := range []string{asTable, asCSV, asNDJSON} {
				args := append(strings.Fields(question+" "+group), "-o", format)
				got := mustCall(t, s.env(), args...).stdout
				want := mustCall(t, nil, append(args, files...)...).stdout
				if diff := cmp.Diff(anytime.ReplaceAllString(want, "T"), anytime.ReplaceAllString(got, "T")); diff != "" {
					t.Errorf("%s (-files +server):\n%s", strings.Join(args, " "), diff)
				}
			}
		}
	}
}
