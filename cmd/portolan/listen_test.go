package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var operatorAddress = regexp.MustCompile(`operators" address=(\S+)`)

// TestServeAdmin: metrics and profiles are on the address for operators, which
// is this machine's where no host is given, and not in public.
func TestServeAdmin(t *testing.T) {
	var log safeBuffer
	s := serveTo(t, &log, nil, "--demo", "100", "--admin-listen", ":0")
	found := operatorAddress.FindStringSubmatch(log.String())
	if len(found) != 2 || !strings.HasPrefix(found[1], "127.0.0.1:") {
		t.Fatalf("operators' address in %s", log.String())
	}
	s.get(t, statistics)
	for path, want := range map[string]string{
		"/metrics": `portolan_http_request_duration_seconds_count{route="GET /v5/{project_id}/asset/port/statistics",status="200"} 1`,
		"/readyz":  "ready", "/debug/pprof/goroutine?debug=1": "goroutine profile",
	} {
		if status, text := fetch(t, "http://"+found[1]+path); status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, status, text)
		}
		if status, _ := fetch(t, s.url+path); status != http.StatusNotFound && path != "/readyz" {
			t.Errorf("%s in public: %d", path, status)
		}
	}
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode, string(text)
}

// TestServeAccessLog: one JSON line per request, appended.
func TestServeAccessLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	for range 2 {
		s := serve(t, nil, "--access-log", path)
		s.get(t, statistics+"port=22")
		s.stop()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %q", lines)
	}
	var line struct {
		Route, Caller string
		Status        int
	}
	if err := json.Unmarshal([]byte(lines[1]), &line); err != nil || line.Status != 200 || line.Caller != "operator" || !strings.Contains(line.Route, "statistics") {
		t.Errorf("%v %+v in %s", err, line, lines[1])
	}
}

func TestListenFlags(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"--listen 127.0.0.1", "--listen 127.0.0.1"},
		{"--admin-listen 1.2.3.4.5:1", "--admin-listen"},
		{"--tls-cert x.pem", "go together"},
		{"--tls-cert none.pem --tls-key none.pem", "none.pem"},
		{"--max-connections 0", "max-connections"},
		{"--rate-limit -1", "rate-limit"},
		{"--trusted-proxies 10.0.0.0/33", "10.0.0.0/33"},
		{"--trusted-proxies 10.0.0.1,proxy", "proxy"},
		{"--admin-token-env NONE", "NONE"},
		{"--drain-delay 24h", "10m0s"},
		{"--log-level loud", "debug, info"},
		{"--access-log testdata/none/log", "--access-log"},
	} {
		args := append([]string{"serve", "--listen", "127.0.0.1:0"}, strings.Fields(c.args)...)
		if r := call(t, nil, args...); r.code == exitOK || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%s: exit %d, %s", c.args, r.code, r.stderr)
		}
	}
}

// TestServeWhileLoading: the address answers at once, and says that it loads.
func TestServeWhileLoading(t *testing.T) {
	fifo, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	var log safeBuffer
	started := make(chan *served, 1)
	go func() {
		started <- serveTo(t, &log, nil, "--import", fmt.Sprintf("/proc/self/fd/%d", fifo.Fd()))
	}()
	address := regexp.MustCompile(`msg=listening address=(\S+)`)
	eventually(t, "it listens", func() bool { return address.MatchString(log.String()) })
	base := "http://" + address.FindStringSubmatch(log.String())[1]
	if status, text := fetch(t, base+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "loading") {
		t.Errorf("readyz: %d %s", status, text)
	}
	if status, _ := fetch(t, base+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	w.WriteString(`{"asset":"h1","open":["123/udp"]}` + "\n")
	w.Close()
	s := <-started
	if status, _ := fetch(t, s.url+"/readyz"); status != http.StatusOK {
		t.Errorf("readyz when loaded: %d", status)
	}
	if page := s.get(t, statistics); page.Total != 1 {
		t.Errorf("got %+v", page)
	}
}

// TestServeMetrics: operators see what is kept, what waits, and what was read again.
func TestServeMetrics(t *testing.T) {
	data, dir := filepath.Join(t.TempDir(), "data"), t.TempDir()
	s, admin := startWithAdmin(t, "--data", data, "--min-free", "4096", "--access-log", filepath.Join(dir, "access.log"))
	value := func(name string) (v float64) {
		t.Helper()
		_, text := fetch(t, admin+"/metrics")
		_, rest, _ := strings.Cut(text, "\n"+name+" ")
		if _, err := fmt.Sscan(rest, &v); err != nil {
			t.Fatalf("no %s: %v", name, err)
		}
		return v
	}
	if v := value("portolan_store_last_commit_timestamp_seconds"); v != 0 {
		t.Errorf("before any write, the last commit was at %v", v)
	}
	mustCall(t, s.env(), "import", agentsFile)
	mustCall(t, nil, "backup", "--admin", admin, filepath.Join(dir, "copy"))
	now := float64(time.Now().Unix())
	for name, within := range map[string][2]float64{
		"portolan_store_last_commit_timestamp_seconds": {now - 60, now + 1}, "portolan_last_backup_timestamp_seconds": {now - 60, now + 1},
		"portolan_store_pending_batches": {0, 0}, "portolan_store_pending_age_seconds": {0, 0}, "portolan_store_floor_bytes": {4096, 4096},
		"portolan_store_history_bytes": {0, 1 << 20}, "portolan_store_trends_bytes": {0, 1 << 20},
		"portolan_store_free_bytes": {4096, 1 << 60}, `portolan_access_log_lost_total{reason="dropped"}`: {0, 0}, "portolan_writable": {1, 1},
		`portolan_uploads_in_flight{sender="caller"}`: {0, 0}, `portolan_upload_memory_bytes{sender="unknown"}`: {0, 0},
	} {
		if v := value(name); v < within[0] || v > within[1] {
			t.Errorf("%s is %v, want %v to %v", name, v, within[0], within[1])
		}
	}
	if _, text := fetch(t, admin+"/metrics"); !strings.Contains(text, "\nportolan_build_info{goversion=\"go") {
		t.Error("no portolan_build_info")
	}
}
