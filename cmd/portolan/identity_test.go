package main

import (
	"io"
	"net/http"
	"net/http/httptest"
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

// TestServeKeystone: tokens that a Keystone says are good are let in to their project,
// and write if their bearers have the role.
func TestServeKeystone(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost: // the account logs in
			body, err := io.ReadAll(r.Body)
			for _, want := range []string{`"name":"portolan"`, `"password":"of the account"`, `"name":"ops"`} {
				if err != nil || !strings.Contains(string(body), want) {
					t.Errorf("login with %s, %v", body, err)
				}
			}
			w.Header().Set("X-Subject-Token", "the account's")
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"token":{}}`)
		case r.Header.Get("X-Auth-Token") != "the account's":
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":{"code":401,"message":"m","title":"t"}}`)
		case r.Header.Get("X-Subject-Token") == testToken:
			io.WriteString(w, `{"token":{"project":{"id":"default"},"user":{"id":"u","name":"n"},"roles":[{"name":"editor"}],"expires_at":"2099-01-01T00:00:00.000000Z"}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"error":{"code":404,"message":"m","title":"t"}}`)
		}
	}))
	defer service.Close()
	flags := []string{"--keystone-url", service.URL, "--keystone-user", "portolan", "--keystone-project", "ops", "--keystone-write-roles", "admin,editor"}
	s := serve(t, env{"PORTOLAN_KEYSTONE_PASSWORD": "of the account"}, flags...)
	for token, want := range map[string]int{testToken: http.StatusOK, strings.Repeat("x", 40): http.StatusUnauthorized} {
		if got := s.status(t, token, ""); got != want {
			t.Errorf("token %s: %d, want %d", token, got, want)
		}
	}
	post := curlRequest{method: http.MethodPost, url: s.url + "/v1/projects/default/reports", body: `{"asset":"h1","open":["22/tcp"]}` + "\n", header: http.Header{tokenHeader: {testToken}}}
	if body, status := post.do(t); status != http.StatusOK {
		t.Errorf("a report: %d: %s", status, body)
	}
	for says, line := range map[string]string{
		"--keystone-user is for --keystone-url, which is missing":                             "--keystone-user x",
		"--keystone-write-roles is for --keystone-url, which is missing":                      "--keystone-write-roles x",
		`--keystone-user is "x", and the variable SECRET, which holds the password, is empty`: "--keystone-url http://127.0.0.1:1 --keystone-user x --keystone-password-env SECRET",
		"--auth-cache is 2m0s: want 0 to 1m0s":                                                "--keystone-url http://127.0.0.1:1 --auth-cache 2m",
		"--keystone-url: keystone url":                                                        "--keystone-url ftp://x",
	} {
		r := call(t, nil, append([]string{"serve", "--listen", "127.0.0.1:0"}, strings.Fields(line)...)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, says) {
			t.Errorf("%s: exit code %d: %s", line, r.code, r.stderr)
		}
	}
}
