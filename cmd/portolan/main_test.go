package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain runs the tests, or, as the bench command calls it, the client.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == benchClientName {
		os.Exit(run(context.Background(), os.Args[1:], environment{os.Getenv, os.Environ}, os.Stdin, os.Stdout, os.Stderr))
	}
	if os.Getenv(childEnv) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

const (
	scanXML     = "testdata/scan.xml"
	agentsFile  = "testdata/agents.ndjson"
	labelsFile  = "testdata/labels.ndjson"
	damagedXML  = "testdata/damaged.xml"
	rejectsFile = "testdata/rejects.ndjson"
	testToken   = "0123456789abcdef0123456789abcdef"
)

// result is what one run of the program left behind.
type result struct {
	code           int
	stdout, stderr string
}

// env is a program's environment.
type env map[string]string

func (e env) get(name string) string { return e[name] }

// vars is the environment as the program sees it.
func (e env) vars() environment {
	return environment{e.get, func() []string {
		var all []string
		for name, value := range e {
			all = append(all, name+"="+value)
		}
		return all
	}}
}

// call runs the program with an empty standard input.
func call(t *testing.T, e env, args ...string) result {
	t.Helper()
	return callWith(t, e, "", args...)
}

func callWith(t *testing.T, e env, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, e.vars(), strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// mustCall fails the test unless the program exits with 0.
func mustCall(t *testing.T, e env, args ...string) result {
	t.Helper()
	r := call(t, e, args...)
	if r.code != exitOK {
		t.Fatalf("portolan %s: exit %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r
}

// golden holds got against a golden file, or writes that with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// served is a server that runs inside the test.
type served struct {
	url   string // its base address
	token string
	curl  string // the line it printed
	stop  func() result
}

// serve starts the serve command on a free port and waits until it answers. It
// is stopped at the end of the test.
func serve(t *testing.T, e env, args ...string) *served {
	t.Helper()
	return serveTo(t, new(safeBuffer), e, args...)
}

// safeBuffer is a buffer that may be read while a server writes its log to it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// serveTo is serve with the server's log in a buffer.
func serveTo(t *testing.T, stderr *safeBuffer, e env, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan int, 1)
	args = append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)
	go func() {
		done <- run(ctx, args, e.vars(), strings.NewReader(""), in, stderr)
		in.Close()
	}()
	stop := sync.OnceValue(func() result {
		cancel()
		go io.Copy(io.Discard, out)
		return result{code: <-done, stderr: stderr.String()}
	})
	t.Cleanup(func() { stop() })
	line := curlLine(out)
	if line == "" {
		r := stop()
		t.Fatalf("serve ended with %d:\n%s", r.code, r.stderr)
	}
	return newServed(t, line, e, stop)
}

// newServed learns a server's address and token from the line it printed.
func newServed(t *testing.T, line string, e env, stop func() result) *served {
	t.Helper()
	req := parseCurl(t, words(line, e.get))
	u, err := url.Parse(req.url)
	if err != nil {
		t.Fatal(err)
	}
	return &served{url: u.Scheme + "://" + u.Host, token: req.header.Get(tokenHeader), curl: line, stop: stop}
}

// env returns an environment that lets the client commands in.
func (s *served) env() env { return env{"PORTOLAN_TOKEN": s.token, "PORTOLAN_SERVER": s.url} }

// curlLine returns the first line that begins with curl, without indent.
func curlLine(r io.Reader) string {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := r.Read(b); err != nil {
			return ""
		}
		if line = append(line, b...); b[0] != '\n' {
			continue
		}
		if text := strings.TrimSpace(string(line)); strings.HasPrefix(text, "curl ") {
			return text
		}
		line = line[:0]
	}
}

// eventually fails the test unless the condition comes true soon.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for range 500 {
		if condition() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never happened: " + what)
}
