package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestChangesOfServer: what changed is told in every form, and the same after the server was killed and after it
// ended well.
func TestChangesOfServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := startServer(t, data)
	e := env{"PORTOLAN_TOKEN": testToken}
	for _, line := range []string{
		`{"asset":"web","scope":"all","open":["22/tcp","80/tcp"]}`,
		`{"asset":"web","scope":"all","open":["22/tcp","3389/tcp"]}`,
		`{"asset":"web","scope":"all","open":["22/tcp","80/tcp"],"enterprise_project_id":"shop"}`,
	} {
		if r := callWith(t, e, line, "import", "-", "--server", s.base); r.code != exitOK {
			t.Fatalf("%+v", r)
		}
	}
	ask := func(line string) string {
		t.Helper()
		r := call(t, e, append(strings.Fields("changes --server "+s.base), strings.Fields(line)...)...)
		if r.code != exitOK {
			t.Fatalf("%s: exit %d\n%s%s", line, r.code, r.stdout, r.stderr)
		}
		return r.stdout
	}
	for line, want := range map[string]int{"--asset web --since 1h -o ndjson": 8, "--asset web --ports 3389 --limit 1 -o ndjson": 1, "--unexpected -o ndjson": 0} {
		if got := ask(line); strings.Count(got, "\n") != want {
			t.Errorf("%s: %s", line, got)
		}
	}
	if r := call(t, e, "changes", "--server", s.base, "--asset", "a/../b"); r.code != exitFailed || !strings.Contains(r.stderr, "HSS.0002") {
		t.Errorf("%+v", r)
	}
	opened := call(t, e, strings.Fields("host web --server "+s.base+" --history -o csv")...)
	if lines := strings.Split(opened.stdout, "\n"); opened.code != exitOK || !strings.HasSuffix(lines[0], "seen,since,first_open,change") || len(lines) != 4 ||
		!strings.HasSuffix(lines[1], ",found") || !strings.HasSuffix(lines[2], ",opened") {
		t.Errorf("%+v", opened)
	}
	if r := call(t, e, "host", "web", "--history", "testdata/agents.ndjson"); r.code != exitUsage || !strings.Contains(r.stderr, "--history goes with --server") {
		t.Errorf("%+v", r)
	}
	history := call(t, e, strings.Fields("history --server "+s.base+" --since 1m --step 36500d --ports 22,3389 -o csv")...)
	if text := history.stdout; history.code != exitOK || !strings.HasPrefix(text, "time,port,type,status,enterprise_project_id,least,most,last\n") ||
		!strings.Contains(text, ",22,TCP,unknown,,0,1,1\n") || !strings.Contains(text, ",3389,TCP,danger,,0,1,0\n") {
		t.Errorf("%+v", history)
	}
	history = call(t, e, strings.Fields("history --server "+s.base+" --by enterprise-project --step 36500d -o ndjson")...)
	if !strings.Contains(history.stdout, `"enterprise_project_id":"shop","least":0,"most":2,"last":2}`) {
		t.Errorf("%+v", history)
	}
	if r := call(t, e, "history", "--server", s.base, "--step", "1ms"); r.code != exitFailed || !strings.Contains(r.stderr, `step: "1ms" is not allowed`) {
		t.Errorf("%+v", r)
	}
	lines := []string{"--since 1h -o ndjson", "--since 1h", "--since 1 -o csv", "--since 1h --net -o json", "--since 1h --net --flapped --ports 3389 -o markdown", "--kind opened,moved --limit 1 -o csv"}
	want := map[string]string{}
	for _, line := range lines {
		want[line] = ask(line)
	}
	for line, text := range map[string]string{
		lines[0]: `"asset":"web","enterprise_project_id":"0","change":"opened","port":3389,"type":"TCP","status":"danger"}`,
		lines[1]: "opened",
		lines[2]: ",moved,web,,,shop,0,,,,",
		lines[3]: `"enterprise_project_id":"shop","change":"appeared"}`,
		lines[4]: "| 3389 | TCP | danger |",
		lines[5]: ",opened,web,,,0,,3389,TCP,danger,",
	} {
		if !strings.Contains(want[line], text) {
			t.Errorf("%s: no %s in\n%s", line, text, want[line])
		}
	}
	if n := strings.Count(want[lines[0]], "\n"); n != 8 {
		t.Errorf("%d lines:\n%s", n, want[lines[0]])
	}
	for range 2 {
		_ = s.Process.Kill()
		_ = s.Wait()
		s = startServer(t, data)
		for _, line := range lines {
			if got := ask(line); got != want[line] {
				t.Errorf("%s: after a kill\n%s\nbefore\n%s", line, got, want[line])
			}
		}
	}
	for line, text := range map[string]string{
		"--since tomorrow": `since: "tomorrow" is not allowed`,
		"--flapped":        "want only with net",
		"--kind new":       "want some of opened",
		"--server ftp://x": "is not a base address",
		"--since 99":       "HSS.0011",
	} {
		if r := call(t, e, append(strings.Fields("changes --server "+s.base), strings.Fields(line)...)...); r.code == exitOK || !strings.Contains(r.stderr, text) {
			t.Errorf("%s: exit %d\n%s", line, r.code, r.stderr)
		}
	}
	_ = s.Process.Kill()
	_ = s.Wait()
	s = startServer(t, data, "--history", "0")
	if r := call(t, e, "changes", "--server", s.base); r.code != exitFailed || !strings.Contains(r.stderr, "does not record what changes") {
		t.Errorf("without a past: exit %d\n%s", r.code, r.stderr)
	}
}

// TestWatch: who watches is told each change once, in order, also while the server is killed and started again.
func TestWatch(t *testing.T) {
	listen, err := net.Listen("tcp", "127.0.0.1:0") // a port that stays the same
	if err != nil {
		t.Fatal(err)
	}
	address := listen.Addr().String()
	if err := listen.Close(); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	s := startServer(t, data, "--listen", address)
	e := env{"PORTOLAN_TOKEN": testToken}
	const batches, perBatch = 30, 2
	// Two of the first batch make the project and say that it is watched.
	watched := make(chan result, 1)
	go func() {
		watched <- call(t, e, "watch", "--server", s.base, "--since", "0", "-o", "ndjson", "--limit", strconv.Itoa(batches*perBatch))
	}()
	for i := range batches {
		if i%10 == 5 {
			_ = s.Process.Kill()
			_ = s.Wait()
			s = startServer(t, data, "--listen", address)
		}
		if r := callWith(t, e, fmt.Sprintf(`{"asset":"h%02d","scope":"all","open":["22/tcp"]}`, i), "import", "-", "--server", s.base); r.code != exitOK {
			t.Fatalf("%+v", r)
		}
	}
	select {
	case r := <-watched:
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if r.code != exitOK || len(lines) != batches*perBatch {
			t.Fatalf("exit %d, %d lines\n%s", r.code, len(lines), r.stderr)
		}
		for i, line := range lines {
			if want := fmt.Sprintf(`"asset":"h%02d",`, i/perBatch); !strings.Contains(line, want) {
				t.Errorf("line %d: %s, want %s", i, line, want)
			}
		}
	case <-time.After(60 * time.Second):
		t.Fatal("not all changes came")
	}
	r := call(t, e, "watch", "--server", s.base, "--since", "1", "--limit", "1")
	if r.code != exitOK || !strings.HasSuffix(r.stdout, "Z  appeared  h01\n") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := call(t, e, "watch", "--server", s.base, "--since", "9999"); r.code != exitFailed || !strings.Contains(r.stderr, "HSS.0011") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
