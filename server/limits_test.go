package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

// TestRateLimit: a caller's requests beyond the limit are answered with 429 and
// when to come again, and nobody else's are.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, byHeader{}, func(o *server.Options) { o.RateLimit = 10 })
		for range 10 {
			if w := r.ask("GET", statistics, "", "Caller", "a"); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		w := r.ask("GET", statistics, "", "Caller", "a")
		wantFailure(t, w, 429, "APIGW.0308", "The throttling threshold has been reached: ")
		if w.Header().Get("Retry-After") != "1" {
			t.Errorf("Retry-After: %v", w.Header())
		}
		if w := r.ask("GET", statistics, "", "Caller", "b"); w.Code != http.StatusOK {
			t.Errorf("another caller: %d", w.Code)
		}
		for range 3 {
			r.ask("GET", statistics, "", "Caller", "a") // being refused costs nothing more
		}
		time.Sleep(time.Second)
		for range 10 {
			if w := r.ask("GET", statistics, "", "Caller", "a"); w.Code != http.StatusOK {
				t.Errorf("a second later: %d", w.Code)
			}
		}
	})
}

// byHeader takes everybody for whom they say they are.
type byHeader struct{}

func (byHeader) Authenticate(_ context.Context, r *auth.Request) (*auth.Caller, error) {
	return &auth.Caller{Name: strings.Join(r.Header.Values("Caller"), ""), Source: "test", Write: true, Projects: auth.All(), EnterpriseProjects: auth.All()}, nil
}

// TestBusy: bodies beyond the limit are told to come again, and one that ended
// makes room.
func TestBusy(t *testing.T) {
	r := newRig(t, nil, func(o *server.Options) { o.MaxUploads = 1; o.BodyTimeout = time.Minute })
	from, to := io.Pipe()
	first := make(chan int)
	go func() {
		req := httptest.NewRequest(http.MethodPost, "/v1/projects/p1/reports", from)
		req.Header.Set("X-Auth-Token", token)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		first <- w.Code
	}()
	line := `{"asset":"h1","open":["1/tcp"]}` + "\n"
	io.WriteString(to, line) // returns once it is read: the body is being taken
	w := r.ask("POST", "/v1/projects/p1/reports", line)
	wantFailure(t, w, 503, "HSS.0009", "busy")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if w := r.ask("GET", statistics, ""); w.Code != http.StatusOK {
		t.Errorf("a question meanwhile: %d", w.Code)
	}
	to.Close()
	if code := <-first; code != http.StatusOK {
		t.Errorf("the first body: %d", code)
	}
	if status, _ := r.post("", line); status != http.StatusOK {
		t.Errorf("after it: %d", status)
	}
}

func gzipped(t testing.TB, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstdCompressed(t testing.TB, text string, opts ...zstd.EOption) string {
	e, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.EncodeAll([]byte(text), nil))
}

// TestCompressedBodies: gzip and zstd bodies count like plain ones, and what is
// damaged says so and keeps what was whole.
func TestCompressedBodies(t *testing.T) {
	var lines strings.Builder
	for i := range 5000 { // more than one batch
		fmt.Fprintf(&lines, `{"asset":"h%d","open":["%d/tcp"]}`+"\n", i, i+1)
	}
	plain := lines.String()
	packed := gzipped(t, plain)
	for _, c := range []struct {
		name, coding, body string
		status, applied    int
		code               string
	}{
		{"plain", "", plain, 200, 5000, ""},
		{"identity", "identity", plain, 200, 5000, ""},
		{"gzip", "gzip", packed, 200, 5000, ""},
		{"x-gzip", "X-Gzip", packed, 200, 5000, ""},
		{"two gzip members", "gzip", gzipped(t, plain[:500*30]) + gzipped(t, plain[500*30:]), 200, 5000, ""},
		{"zstd", "zstd", zstdCompressed(t, plain), 200, 5000, ""},
		{"twice compressed", "gzip, zstd", packed, 415, 0, "HSS.0006"},
		{"unknown coding", "br", packed, 415, 0, "HSS.0006"},
		{"not gzip", "gzip", plain, 400, 0, "HSS.0007"},
		{"nothing", "gzip", "", 400, 0, "HSS.0007"},
		{"not zstd", "zstd", plain, 400, 0, "HSS.0007"},
		{"gzip cut", "gzip", packed[:len(packed)-10], 400, 4096, "HSS.0007"},
		{"gzip with a wrong sum", "gzip", packed[:len(packed)-8] + "\x00\x00\x00\x00" + packed[len(packed)-4:], 400, 4096, "HSS.0007"},
		{"zstd cut", "zstd", zstdCompressed(t, plain)[:2000], 400, 0, "HSS.0007"},
		{"a large window", "zstd", zstdCompressed(t, plain+strings.Repeat(" ", 17<<20), zstd.WithWindowSize(16<<20), zstd.WithSingleSegment(false)), 400, 0, "HSS.0007"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil, func(o *server.Options) { o.MaxBody = 32 << 20 })
			headers := []string{}
			if c.coding != "" {
				headers = append(headers, "Content-Encoding", c.coding)
			}
			w := r.ask("POST", "/v1/projects/p1/reports", c.body, headers...)
			if c.code != "" {
				wantFailure(t, w, c.status, c.code, "")
			}
			held, err := r.engine.Stats()
			if err != nil {
				t.Fatal(err)
			}
			if got := held.Assets; w.Code != c.status || got < c.applied || c.status == 200 && got != c.applied {
				t.Errorf("%d, %d hosts, want %d, %d: %s", w.Code, got, c.status, c.applied, w.Body)
			}
		})
	}
}

// TestInflatingBodies: a body that becomes too large is refused where it does,
// and so is one that is too large as it comes.
func TestInflatingBodies(t *testing.T) {
	bomb := `{"asset":"x","open":[]}` + strings.Repeat("\n", 64<<20)
	for coding, body := range map[string]string{"gzip": gzipped(t, bomb), "zstd": zstdCompressed(t, bomb), "identity": bomb[:2<<20]} {
		r := newRig(t, nil) // its MaxBody is 1 MiB
		wantFailure(t, r.ask("POST", "/v1/projects/p1/reports", body, "Content-Encoding", coding), 413, "HSS.0005", "")
	}
	r := newRig(t, nil, func(o *server.Options) { o.MaxBody = 100 })
	var noise strings.Builder
	for i := range 100 {
		noise.WriteString(gzipped(t, strconv.Itoa(i)))
	}
	wantFailure(t, r.ask("POST", "/v1/projects/p1/reports", noise.String(), "Content-Encoding", "gzip"), 413, "HSS.0005", "")
}

// TestPhases: while the server loads only public calls are answered, and
// readiness says when requests should come.
func TestPhases(t *testing.T) {
	r := newRig(t, nil, func(o *server.Options) { o.Loading = true }).known()
	s := r.handler.(*server.Server)
	w := r.ask("GET", statistics, "")
	wantFailure(t, w, 503, "HSS.0008", "loading")
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("headers %v", w.Header())
	}
	wantFailure(t, r.ask("GET", "/nowhere", ""), 404, "APIGW.0101", "")
	wantFailure(t, r.ask("GET", "/readyz", ""), 503, "HSS.0008", "loading")
	if w := r.ask("GET", "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("health: %d", w.Code)
	}
	s.Loaded()
	if w := r.ask("GET", "/readyz", ""); w.Code != 200 || w.Body.String() != `{"status":"ready"}` {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	if got := short(t, r.get("port=22")); got != "1: 2×22/TCP" {
		t.Errorf("got %s", got)
	}
	s.Stopping()
	s.Loaded()
	wantFailure(t, r.ask("GET", "/readyz", ""), 503, "HSS.0003", "stopping")
	if w := r.ask("GET", statistics, ""); w.Code != http.StatusOK {
		t.Errorf("a late question: %d", w.Code)
	}
}

// TestClosedEngine: what a closed engine cannot answer is a 503.
func TestClosedEngine(t *testing.T) {
	r := newRig(t, nil)
	if err := r.engine.Close(); err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{"GET " + statistics, "POST /v1/projects/p1/reports", "DELETE /v1/projects/p1/assets/x"} {
		method, target, _ := strings.Cut(route, " ")
		wantFailure(t, r.ask(method, target, `{"asset":"x","open":[]}`), 503, "HSS.0003", "")
	}
	if !errors.Is(r.engine.Check(context.Background()), engine.ErrClosed) {
		t.Error("the engine is open")
	}
}

// TestAccessLog: every failure and a sample of successes, and nothing that a
// client sent in query or headers.
func TestAccessLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	r := newRig(t, nil, func(o *server.Options) { o.AccessLog, o.AccessSample = log, 1 })
	r.ask("GET", statistics+"?port=77&secret=hush", "", "X-Request-Id", strings.Repeat("ab", 16), "Cookie", "hush")
	r.ask("GET", "/hush", "", "X-Request-Id", strings.Repeat("ab", 16)) // one made up may begin with a secret
	text := out.String()
	for _, want := range []string{
		`"request_id":"abababababababababababababababab"`, `"route":"GET /v5/{project_id}/asset/port/statistics"`, `"status":200`,
		`"caller":"operator"`, `"project":"p1"`, `"route":"unknown","status":404`, `"took_ns":`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	for _, secret := range []string{"hush", token, "77"} {
		if strings.Contains(strings.ReplaceAll(text, "10.0.0.77", ""), `"`+secret) || secret == "hush" && strings.Contains(text, secret) {
			t.Errorf("%s in %s", secret, text)
		}
	}
	out.Reset()
	sampled := newRig(t, nil, func(o *server.Options) { o.AccessLog, o.AccessSample = log, 50 })
	for range 5000 {
		sampled.ask("GET", "/healthz", "")
	}
	if n := strings.Count(out.String(), "\n"); n < 30 || n > 300 {
		t.Errorf("%d of 5000 successes were kept, want about 100", n)
	}
	out.Reset()
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		flooded := newRig(t, nil, func(o *server.Options) { o.AccessLog = log })
		for range 1000 {
			flooded.ask("GET", "/nowhere", "")
		}
	})
	if n := strings.Count(out.String(), "\n"); n != 100 {
		t.Errorf("%d of 1000 failures were kept, want 100", n)
	}
}
