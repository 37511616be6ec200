package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a server says about files that were sent to it is what the files say.
func TestImportThenAsk(t *testing.T) {
	s := serve(t, nil)
	r := mustCall(t, s.env(), "import", scanXML, agentsFile)
	want := scanXML + ": 6 applied, 0 unchanged, 0 stale, 0 rejected\n" + agentsFile + ": 4 applied, 0 unchanged, 0 stale, 0 rejected\n"
	if diff := cmp.Diff(want, r.stdout); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	for _, question := range []string{
		"--limit 0", "--limit 3 --desc", "--offset 2 --limit 20", "--match 2 --type udp", "--status danger",
		"--category container", "--enterprise-project shop", "--enterprise-project 0 --port 22",
	} {
		t.Run(question, func(t *testing.T) {
			args := append([]string{"ports", "-o", "ndjson"}, strings.Fields(question)...)
			fromServer := mustCall(t, s.env(), args...)
			fromFiles := mustCall(t, nil, append(args, "--import", scanXML, "--import", agentsFile)...)
			if diff := cmp.Diff(fromFiles.stdout, fromServer.stdout); diff != "" {
				t.Errorf("(-files +server):\n%s", diff)
			}
		})
	}
}

// TestImportShared: an import says when hosts of the project have an address in common.
func TestImportShared(t *testing.T) {
	s := serve(t, nil)
	if r := mustCall(t, s.env(), "import", scanXML); strings.Contains(r.stderr, "address") {
		t.Error(r.stderr)
	}
	const want = "192.0.2.11 is the address of 3 assets"
	if r := mustCall(t, s.env(), "import", "testdata/twice.ndjson"); !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "with 1 more;") {
		t.Error(r.stderr)
	}
	var log safeBuffer
	serveTo(t, &log, env{"PORTOLAN_TOKEN": testToken}, "--import", scanXML, "--import", "testdata/twice.ndjson")
	if !strings.Contains(log.String(), want) {
		t.Error(log.String())
	}
}

func TestImportFlags(t *testing.T) {
	s := serve(t, nil)
	lines := `{"asset":"h1","open":["123/udp"]}` + "\n" + `{"asset":"h2","enterprise_project_id":"other","open":["123/udp"]}` + "\n"
	r := callWith(t, s.env(), lines, "import", "-", "--project", "p/1", "--enterprise-project", "shop", "--category", "container", "--format", "ndjson", "-o", "json")
	var sum struct {
		File    string
		Applied int
	}
	if err := json.Unmarshal([]byte(r.stdout), &sum); err != nil || r.code != exitOK || sum.Applied != 2 || sum.File != "standard input" {
		t.Fatalf("exit %d, %v, %+v\n%s%s", r.code, err, sum, r.stdout, r.stderr)
	}
	args := []string{"ports", "--project", "p/1", "--category", "container", "-o", "csv", "--enterprise-project"}
	for name, want := range map[string]string{"shop": "1,123", "other": "1,123", "all_granted_eps": "2,123"} {
		if r := mustCall(t, s.env(), append(args, name)...); !strings.Contains(r.stdout, "\n"+want) {
			t.Errorf("%s: got %q, want %s", name, r.stdout, want)
		}
	}
}

func TestImportScope(t *testing.T) {
	s := serve(t, nil)
	for _, step := range []struct{ line, scope string }{
		{`{"asset":"h1","open":["22/tcp","80/tcp"]}`, "none"},
		{`{"asset":"h1","open":["80/tcp"]}`, "1-100/tcp"},
	} {
		if r := callWith(t, s.env(), step.line+"\n", "import", "-", "--scope", step.scope); r.code != exitOK {
			t.Fatalf("exit %d\n%s", r.code, r.stderr)
		}
	}
	if page := s.get(t, statistics); page.Total != 1 {
		t.Errorf("%d ports open, want 80 alone", page.Total)
	}
}

func TestImportBadFiles(t *testing.T) {
	s := serve(t, nil)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{damagedXML, exitOK, "warning: " + damagedXML},
		{rejectsFile, exitPartly, "rejects.ndjson:2: rejected"},
		{write(t, "bad.ndjson", "{}\n{}\n{}\n") + " --format ndjson", exitFailed, "(3 times)"},
		{rejectsFile + " --strict", exitFailed, rejectsFile},
		{"testdata/unknown.bin", exitFailed, "PK"},
		{"testdata/missing.xml", exitFailed, "missing.xml"},
		{scanXML + " --token-env OTHER", exitFailed, "401"},
	} {
		t.Run(c.args, func(t *testing.T) {
			e := s.env()
			e["OTHER"] = testToken + "x"
			r := call(t, e, append([]string{"import"}, strings.Fields(c.args)...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("exit %d, want %d with %q\n%s%s", r.code, c.code, c.says, r.stdout, r.stderr)
			}
		})
	}
}

// TestImportInterrupted: an import that is interrupted says what the server has
// applied, and that is what is there. With strict that is nothing.
func TestImportInterrupted(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := serve(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		stdin, typing := io.Pipe()
		go func() {
			for _, text := range []string{`{"asset":"h1","open":["22/tcp"]}` + "\n" + `{"asset":"h2","open":["22/tcp"]}`, "\n", "\n"} {
				_, _ = io.WriteString(typing, text) // What is written second finds the first one sent.
			}
			cancel()
		}()
		var stdout, stderr bytes.Buffer
		args := []string{"import", "-", "--strict=" + strconv.FormatBool(strict)}
		code := run(ctx, args, s.env().vars(), stdin, &stdout, &stderr)
		typing.Close()
		want := 2
		if strict {
			want = 0
		}
		if code != exitInterrupted || !strings.Contains(stdout.String(), fmt.Sprintf("standard input: %d applied", want)) || !strings.Contains(stderr.String(), "standard input: interrupted") {
			t.Errorf("strict %t: exit %d\n%s%s", strict, code, &stdout, &stderr)
		}
		if strings.Contains(stderr.String(), "closed pipe") {
			t.Errorf("strict %t: %s", strict, &stderr)
		}
		if page := s.get(t, statistics); page.Total != min(want, 1) {
			t.Errorf("strict %t: %+v", strict, page)
		}
	}
}

// TestInterruptedReading: a command that waits for somebody to type ends.
func TestInterruptedReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stdin, typing := io.Pipe()
	defer typing.Close()
	go func() {
		_, _ = io.WriteString(typing, `{"asset":"h1","open":["123"]}`+"\n")
		cancel()
	}()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"ports", "--import", "-"}, env(nil).vars(), stdin, &stdout, &stderr)
	if code != exitInterrupted || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "portolan: interrupted\n") || strings.Contains(stderr.String(), "pipe") {
		t.Errorf("exit %d\n%s%s", code, &stdout, &stderr)
	}
}

// TestImportNothing: standard input without anything is an error.
func TestImportNothing(t *testing.T) {
	s := serve(t, nil)
	if r := callWith(t, s.env(), "", "import", "-"); r.code != exitFailed || !strings.Contains(r.stderr, "standard input is empty") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}

// TestImportNamesFiles: what is said of a record names its file.
func TestImportNamesFiles(t *testing.T) {
	s := serve(t, nil)
	r := call(t, s.env(), "import", rejectsFile, "-o", "json")
	if r.code != exitPartly {
		t.Errorf("exit %d, want %d", r.code, exitPartly)
	}
	var sum struct {
		Errors []struct{ File string }
		Files  []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &sum); err != nil || len(sum.Errors) == 0 || sum.Errors[0].File != rejectsFile || sum.Files[0].Name != rejectsFile {
		t.Errorf("%v, %+v\n%s", err, sum, r.stdout)
	}
}

// TestTokensAreNamed: a token that is refused is called by its variable, and one
// that cannot be one is not sent.
func TestTokensAreNamed(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer srv.Close()
	for _, c := range []struct {
		token, says string
		code, asked int
	}{
		{strings.Repeat("x", 31), "OTHER has 31 bytes: want 32 to 4096", exitUsage, 0},
		{strings.Repeat("x", 4097), "OTHER has 4097 bytes", exitUsage, 0},
		{strings.Repeat("x ", 32), "OTHER holds characters", exitUsage, 0},
		{strings.Repeat("x", 32), "401 Unauthorized; the token is that of OTHER", exitFailed, 1},
	} {
		asked = 0
		for _, line := range []string{"ports", "remove h1", "import " + scanXML} {
			asked = 0
			r := call(t, env{"OTHER": c.token}, append(strings.Fields(line), "--token-env", "OTHER", "--server", srv.URL)...)
			if r.code != c.code || asked != c.asked || !strings.Contains(r.stderr, c.says) {
				t.Errorf("%s: exit %d, asked %d times, %s", line, r.code, asked, r.stderr)
			}
		}
	}
}

func TestStrictImportAppliesNothing(t *testing.T) {
	s := serve(t, nil)
	call(t, s.env(), "import", rejectsFile, "--strict")
	if page := s.get(t, statistics); page.Total != 0 {
		t.Errorf("%d rows, want none", page.Total)
	}
}

func TestRemove(t *testing.T) {
	s := serve(t, nil, "--import", scanXML, "--import", agentsFile)
	mustCall(t, s.env(), "remove", "192.0.2.10")
	if page := s.get(t, statistics+"port=123"); len(page.Rows) != 1 || page.Rows[0].Num != 3 {
		t.Errorf("got %+v, want 3 hosts", page)
	}
	const cart = "c0ffee00c0ffee00c0ffee00c0ffee00"
	if r := call(t, s.env(), "remove", cart); r.code != exitFailed || !strings.Contains(r.stderr, "host "+cart) {
		t.Errorf("a container is no host: exit %d, %s", r.code, r.stderr)
	}
	mustCall(t, s.env(), "remove", cart, "--category", "Container")
	for _, args := range [][]string{{"remove"}, {"remove", "x", "--whole-project"}} {
		if r := call(t, s.env(), args...); r.code != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
	mustCall(t, s.env(), "remove", "--whole-project")
	if page := s.get(t, statistics); page.Total != 0 {
		t.Errorf("got %+v of a project that is gone", page)
	}
	if r := call(t, s.env(), "remove", "--whole-project"); r.code != exitFailed || !strings.Contains(r.stderr, "project default") {
		t.Errorf("removed twice: %+v", r)
	}
}

// Ids that mean something in a path are ids all the same.
func TestRemoveOddIDs(t *testing.T) {
	s := serve(t, nil)
	for _, id := range []string{"..", ".", "a/b", "a b?c#d", "%2e", "ü"} {
		line, err := json.Marshal(map[string]any{"asset": id, "open": []string{"1/tcp"}})
		if err != nil {
			t.Fatal(err)
		}
		if r := callWith(t, s.env(), string(line)+"\n", "import", "-"); r.code != exitOK {
			t.Fatalf("%q: exit %d\n%s", id, r.code, r.stderr)
		}
		mustCall(t, s.env(), "remove", "--", id)
		if page := s.get(t, statistics); page.Total != 0 {
			t.Errorf("%q is still there", id)
		}
	}
}

// A token never follows a redirect.
func TestNoRedirects(t *testing.T) {
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer other.Close()
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	r := call(t, env{"PORTOLAN_TOKEN": testToken}, "ports", "--server", srv.URL)
	if reached || r.code != exitFailed || !strings.Contains(r.stderr, "307") {
		t.Errorf("reached %t, exit %d, %s", reached, r.code, r.stderr)
	}
}

func TestBadServerAddresses(t *testing.T) {
	for _, address := range []string{"127.0.0.1:8080", "ftp://x", "http://", "http://x?y=z", "http://x#y", "://"} {
		if r := call(t, env{"PORTOLAN_TOKEN": testToken}, "remove", "h1", "--server", address); r.code != exitUsage {
			t.Errorf("%s: exit %d, want 2: %s", address, r.code, r.stderr)
		}
	}
}
