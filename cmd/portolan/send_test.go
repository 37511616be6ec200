package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// shy is a server that answers some requests before it takes one.
type shy struct {
	status  int
	retry   string
	refuses int64 // how many
	reads   int64 // bytes of those that it refuses
	asked   atomic.Int64
	taken   atomic.Value // the body that it took
}

func (s *shy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost { // afterwards it is asked for addresses that several assets have
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if s.asked.Add(1) <= s.refuses {
		_, _ = io.CopyN(io.Discard, r.Body, s.reads)
		if s.retry != "" {
			w.Header().Set("Retry-After", s.retry)
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, `{"error_code":"HSS.0009","error_msg":"busy"}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s.taken.Store(string(body))
	_, _ = io.WriteString(w, `{"complete":true,"applied":1,"records":1}`)
}

// TestImportTriesAgain: a file that a server is too busy for is sent again, whole; for a time, and
// only if the server says when and the file can be read again.
func TestImportTriesAgain(t *testing.T) {
	line := `{"asset":"h1","open":["1/tcp"]}` + "\n"
	text := strings.Repeat(line, 20_000)
	path := filepath.Join(t.TempDir(), "agents.ndjson")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		s     *shy
		args  string
		asked int64
		code  int
	}{
		{"busy", &shy{status: 503, retry: "1", refuses: 2}, path, 3, exitOK},
		{"busy in the middle", &shy{status: 503, retry: "1", refuses: 1, reads: 100_000}, path, 2, exitOK},
		{"throttled", &shy{status: 429, retry: "1", refuses: 1}, path, 2, exitOK},
		{"a date", &shy{status: 503, retry: "Thu, 01 Jan 1970 00:00:00 GMT", refuses: 1}, path, 2, exitOK},
		{"standard input unread", &shy{status: 503, retry: "1", refuses: 1}, "-", 2, exitOK},
		{"standard input read", &shy{status: 503, retry: "1", refuses: 1, reads: 100}, "-", 1, exitFailed},
		{"no word when", &shy{status: 503, refuses: 1}, path, 1, exitFailed},
		{"never", &shy{status: 503, retry: "1", refuses: 1}, path + " --retry-for 0", 1, exitFailed},
		{"for too long", &shy{status: 503, retry: "100000", refuses: 1}, path, 1, exitFailed},
		{"not for being wrong", &shy{status: 400, refuses: 1}, path, 1, exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(c.s)
			defer srv.Close()
			env := map[string]string{"PORTOLAN_TOKEN": strings.Repeat("a", 32)}
			r := callWith(t, env, text, append([]string{"import", "--server", srv.URL}, strings.Fields(c.args)...)...)
			if r.code != c.code || c.s.asked.Load() != c.asked {
				t.Errorf("exit %d after %d requests, want %d after %d\n%s%s", r.code, c.s.asked.Load(), c.code, c.asked, r.stdout, r.stderr)
			}
			if took, _ := c.s.taken.Load().(string); c.code == exitOK && took != text {
				t.Errorf("the server took %d bytes of %d", len(took), len(text))
			}
		})
	}
}
