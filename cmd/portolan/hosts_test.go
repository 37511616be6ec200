package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	"--port 22", "--port 123 --status danger", "--port 22 --status danger", "--port 53 --type udp", "--port 22 --type TCP6",
	"--port 22 --name example", "--port 22 --name 1", "--port 22 --name Shop", "--port 22 --address .2.", "--port 22 --address 198 --name shop-2",
	"--port 8080 --category container", "--port 8080 --category container --name car", "--port 80 --category container --address 1",
	"--port 22 --limit 3 --offset 2", "--port 22 --limit 3 --offset 2 --name e", "--port 22 --offset 5000000", "--port 9",
}

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
		for _, group := range []string{"", "--enterprise-project 0", "--enterprise-project shop", "--enterprise-project nobody"} {
			formats := []string{asTable, asCSV, asNDJSON}
			if group == "" {
				formats = formats[2:] // the golden files show the column, which is empty
			}
			for _, format := range formats {
				args := append([]string{"hosts", "-o", format}, strings.Fields(question+" "+group)...)
				got := mustCall(t, s.env(), args...).stdout
				want := mustCall(t, nil, append(args, files...)...).stdout
				if group == "" {
					want = withoutGroup(t, want)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-files +server):\n%s", strings.Join(args, " "), diff)
				}
			}
		}
	}
}

// withoutGroup takes the enterprise project out of rows.
func withoutGroup(t *testing.T, lines string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(lines) {
		var row hostRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		row.EnterpriseProject = ""
		if err := json.NewEncoder(&out).Encode(row); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// TestHostsOfContainers: a row of a container is about the container also where
// a server says which host it runs on.
func TestHostsOfContainers(t *testing.T) {
	const answer = `{"total_num":1,"data_list":[{"host_id":"h1","host_name":"node","host_ip":"10.0.0.1","port":80,"type":"TCP","status":"danger","laddr":"0.0.0.0","pid":7,"container_id":"c1","container_name":"cart"}]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) }))
	defer srv.Close()
	r := mustCall(t, env{"PORTOLAN_TOKEN": testToken}, "hosts", "--port", "80", "--category", "container", "-o", "csv", "--server", srv.URL)
	const want = "asset,name,address,enterprise_project_id,port,type,status\nc1,cart,10.0.0.1,,80,TCP,danger\n"
	if r.stdout != want {
		t.Errorf("got %s", r.stdout)
	}
}
