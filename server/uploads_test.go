package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portolan/server"
	"portolan/server/auth"
)

const oneLine = `{"asset":"h1","open":["1/tcp"]}` + "\n"

// holding begins an upload that does not end before the test does, and returns the answer if it
// comes at once: 0 if the body is being taken. The first bytes are read, whatever happens then.
func (r *rig) holding(t *testing.T, remote string, header http.Header, first string) int {
	t.Helper()
	from, to := io.Pipe()
	req := httptest.NewRequest(http.MethodPost, reports, from)
	req.RemoteAddr, req.Header = remote, header
	answered := make(chan int, 1)
	var over sync.WaitGroup
	t.Cleanup(func() { to.Close(); over.Wait() })
	over.Go(func() {
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		answered <- w.Code
		from.Close()
	})
	if _, err := io.WriteString(to, first); err == nil { // all of it was read
		return 0
	}
	select {
	case code := <-answered:
		return code
	case <-time.After(siegeEnd):
		t.Fatal("neither read nor answered")
		return 0
	}
}

func callerNamed(name string) http.Header { return http.Header{"Caller": {name}} }

// TestUploadsAreShared: a caller has no more bodies under way than it leaves free, so that there
// is always a place for another.
func TestUploadsAreShared(t *testing.T) {
	r := newRig(t, byHeader{}, func(o *server.Options) { o.MaxUploads, o.BodyTimeout = 8, time.Hour })
	for _, c := range []struct {
		caller string
		takes  int
	}{{"a", 4}, {"b", 2}, {"c", 1}, {"d", 1}, {"e", 0}} {
		taken := 0
		for range 10 {
			if r.holding(t, "192.0.2.1:1", callerNamed(c.caller), oneLine) == 0 {
				taken++
			}
		}
		if taken != c.takes {
			t.Errorf("%s has %d bodies under way, want %d", c.caller, taken, c.takes)
		}
	}
	w := r.ask("POST", reports, oneLine, "Caller", "e")
	wantFailure(t, w, 503, "HSS.0009", "busy")
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %v", w.Header())
	}
}

// keyed returns an authenticator of an access key and the token, and a header with a signature of
// that key that is wrong, which only the whole body tells.
func keyed(t *testing.T) (auth.Authenticator, http.Header) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	if err := os.WriteFile(path, []byte(`[{"access_key":"AK","secret_key":"0123456789abcdef","projects":["*"],"enterprise_projects":["*"],"write":true}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := auth.OpenAccessKeys(path, &auth.AccessKeysOptions{TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	operator, err := auth.OperatorToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return auth.FirstOf(keys, operator), http.Header{
		"X-Sdk-Date":    {time.Now().UTC().Format("20060102T150405Z")},
		"Authorization": {fmt.Sprintf("SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature=%064x", 1)},
	}
}

// TestStrangersUploads: bodies that must be read to learn whose they are take places of their
// own, shared among addresses, and none of a caller's.
func TestStrangersUploads(t *testing.T) {
	who, wrong := keyed(t)
	r := newRig(t, who, func(o *server.Options) { o.MaxUploads, o.BodyTimeout = 32, time.Hour })
	for _, c := range []struct {
		remote string
		takes  int
	}{
		{"192.0.2.1:1", 4}, {"192.0.2.1:2", 0}, // of eight
		{"[2001:db8::1]:1", 2}, {"[2001:db8::2]:1", 0}, // one network
		{"[2001:db8:0:1::1]:1", 1}, {"192.0.2.2:1", 1}, {"192.0.2.3:1", 0},
	} {
		taken := 0
		for range 10 {
			if r.holding(t, c.remote, wrong.Clone(), oneLine) == 0 {
				taken++
			}
		}
		if taken != c.takes {
			t.Errorf("%s has %d bodies under way, want %d", c.remote, taken, c.takes)
		}
	}
	for n := range 16 { // as many as a caller may have
		if code := r.holding(t, "192.0.2.1:1", http.Header{"X-Auth-Token": {token}}, oneLine); code != 0 {
			t.Fatalf("a caller's body %d: %d", n, code)
		}
	}
}

// TestStrangersFiles: what strangers' bodies take of the temporary folder is bounded.
func TestStrangersFiles(t *testing.T) {
	who, wrong := keyed(t)
	r := newRig(t, who, func(o *server.Options) {
		o.UploadDisk, o.BodyTimeout, o.MaxBody = 4<<20, time.Hour, 100<<20
	})
	long := strings.Repeat(oneLine, 2<<20/len(oneLine))
	if code := r.holding(t, "192.0.2.1:1", wrong.Clone(), long); code != 0 {
		t.Errorf("2 MiB: %d", code)
	}
	if code := r.holding(t, "192.0.2.1:1", wrong.Clone(), long); code != 503 {
		t.Errorf("2 MiB more: %d", code)
	}
	if code := r.holding(t, "192.0.2.1:1", wrong.Clone(), long[:512<<10]); code != 0 {
		t.Errorf("what memory holds: %d", code)
	}
	if code := r.holding(t, "192.0.2.2:1", wrong.Clone(), long[:1<<20]); code != 0 {
		t.Errorf("of another address: %d", code)
	}
}

// TestUploadsTakeMemory: what bodies make the server hold is bounded over all of them, and given
// back with the answer.
func TestUploadsTakeMemory(t *testing.T) {
	r := newRig(t, nil, func(o *server.Options) {
		o.UploadMemory, o.BodyTimeout, o.MaxBody = server.MinUploadMemory, time.Hour, 1<<30
	})
	line := oneLine + `{"asset":"` + strings.Repeat("x", 1<<20) // needs 4 MiB of the 12 that callers have
	operator := http.Header{"X-Auth-Token": {token}}
	small := zstdCompressed(t, strings.Repeat(oneLine, 100))
	for range 50 {
		if w := r.ask("POST", reports, small, "Content-Encoding", "zstd"); w.Code != 200 {
			t.Fatalf("a small zstd body: %d %s", w.Code, w.Body)
		}
	}
	if code := r.holding(t, "192.0.2.1:1", operator.Clone(), line); code != 0 {
		t.Errorf("the first: %d", code)
	}
	if code := r.holding(t, "192.0.2.1:1", operator.Clone(), line); code != 503 {
		t.Errorf("the second: %d", code)
	}
	w := r.ask("POST", reports, line)
	wantFailure(t, w, 503, "HSS.0009", "memory")
	if !strings.Contains(w.Body.String(), `"applied":1`) && !strings.Contains(w.Body.String(), `"unchanged":1`) {
		t.Errorf("what was whole is not told: %s", w.Body)
	}
	for range 50 { // each gives back what it had
		if w := r.ask("POST", reports, gzipped(t, oneLine), "Content-Encoding", "gzip"); w.Code != 200 {
			t.Fatalf("a small body: %d %s", w.Code, w.Body)
		}
	}
}

// TestUploadsEnd: whatever an upload was, and however it ended, it gives back what it had.
func TestUploadsEnd(t *testing.T) {
	who, wrong := keyed(t)
	r := newRig(t, who, func(o *server.Options) { o.MaxUploads = 2 })
	for name, ask := range map[string]func() int{
		"no body":             func() int { return r.ask("POST", reports, "").Code },
		"a body":              func() int { return r.ask("POST", reports, oneLine).Code },
		"not gzip":            func() int { return r.ask("POST", reports, oneLine, "Content-Encoding", "gzip").Code },
		"an unknown encoding": func() int { return r.ask("POST", reports, oneLine, "Content-Encoding", "br").Code },
		"not zstd":            func() int { return r.ask("POST", reports, oneLine, "Content-Encoding", "zstd").Code },
		"strict":              func() int { return r.ask("POST", reports+"?strict=true", oneLine+"nonsense").Code },
		"a wrong signature": func() int {
			req := httptest.NewRequest(http.MethodPost, reports, strings.NewReader(oneLine))
			req.Header = wrong.Clone()
			w := httptest.NewRecorder()
			r.handler.ServeHTTP(w, req)
			return w.Code
		},
	} {
		first := ask()
		for n := range 20 {
			if code := ask(); code != first || code == http.StatusServiceUnavailable {
				t.Fatalf("%s, time %d: %d, at first %d", name, n+2, code, first)
			}
		}
	}
}

// TestRecordOfAll: a record that is longer than anybody may hold is refused as such, and not as
// something that time mends.
func TestRecordOfAll(t *testing.T) {
	r := newRig(t, nil, func(o *server.Options) { o.UploadMemory, o.MaxBody = server.MinUploadMemory, 1<<30 })
	w := r.ask("POST", reports, oneLine+strings.Repeat("x", 3<<20)+"\n"+oneLine)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "longer than 2097152 bytes") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
