package main

import (
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// status asks the published call with a token and returns the answer's status.
func (s *served) status(t *testing.T, token, query string) int {
	t.Helper()
	req := curlRequest{method: http.MethodGet, url: s.url + statistics + query, header: http.Header{tokenHeader: {token}}}
	_, status := req.do(t)
	return status
}

// TestServeTokenFile: tokens come, go and are limited without a restart, and a
// broken file changes nothing.
func TestServeTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.json")
	create := func(name string, args ...string) string {
		r := mustCall(t, nil, append([]string{"token", "create", "--token-file", file, "--name", name, "--project", "default"}, args...)...)
		return strings.TrimSpace(r.stdout)
	}
	first := create("first")
	var log safeBuffer
	s := serveTo(t, &log, env{"TOKEN": first}, "--token-file", file)
	if got := s.status(t, first, ""); got != http.StatusOK {
		t.Errorf("the first token: %d", got)
	}
	if got := s.status(t, first, "enterprise_project_id=shop"); got != http.StatusForbidden {
		t.Errorf("another enterprise project: %d", got)
	}
	second := create("second", "--enterprise-project", "*")
	eventually(t, "the second token is let in", func() bool { return s.status(t, second, "enterprise_project_id=shop") == http.StatusOK })
	mustCall(t, nil, "token", "revoke", "first", "--token-file", file)
	eventually(t, "the first token is let in no more", func() bool { return s.status(t, first, "") == http.StatusUnauthorized })
	if err := os.WriteFile(file, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log says that the file is broken", func() bool {
		return strings.Contains(log.String(), "tokens.json") && strings.Contains(log.String(), "ERROR")
	})
	// The test listens, too: a signal that arrives after the server has stopped
	// listening would end the process.
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, syscall.SIGHUP)
	defer signal.Stop(arrived)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if got := s.status(t, second, ""); got != http.StatusOK {
		t.Errorf("after the file broke: %d", got)
	}
	for _, secret := range []string{first, second} {
		if strings.Contains(log.String(), secret) {
			t.Error("the log holds a token")
		}
	}
}

// TestServeRefusesSources: a server whose callers' file is missing, broken or
// open to others does not start.
func TestServeRefusesSources(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "keys.json")
	if err := os.WriteFile(open, []byte("[]"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ flag, file, says string }{
		{"--token-file", filepath.Join(dir, "none.json"), "none.json"},
		{"--access-key-file", filepath.Join(dir, "none.json"), "none.json"},
		{"--access-key-file", open, "600"},
	} {
		r := call(t, nil, "serve", "--listen", "127.0.0.1:0", c.flag, c.file)
		if r.code != exitFailed || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%s %s: exit %d, %s", c.flag, c.file, r.code, r.stderr)
		}
	}
}
