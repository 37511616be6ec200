package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portolan/server/auth"
)

// tokenFile returns the path of a token file that is not there yet.
func tokenFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "tokens.json")
}

// readRecords returns the entries of a token file.
func readRecords(t *testing.T, path string) []auth.TokenRecord {
	t.Helper()
	records, err := auth.ReadTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// bearer returns who comes with a token, nil if nobody knows it.
func bearer(t *testing.T, path, token string) *auth.Caller {
	t.Helper()
	source, err := auth.OpenTokens(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set(auth.TokenHeader, token)
	q := auth.FromHTTP(r)
	caller, _ := source.Authenticate(t.Context(), &q)
	return caller
}

// The token is all that standard output holds, and the file does not hold it.
func TestTokenCreate(t *testing.T) {
	path := tokenFile(t)
	r := mustCall(t, nil, "token", "create", "--token-file", path, "--name", "ci", "--project", "p1,p2", "--project", "p3", "--write", "--expires", "90d")
	token := strings.TrimSuffix(r.stdout, "\n")
	if !strings.HasPrefix(token, auth.TokenPrefix) || strings.ContainsAny(token, " \n") || strings.Contains(r.stderr, token) || !strings.Contains(r.stderr, `"ci"`) {
		t.Errorf("stdout %q, stderr %q", r.stdout, r.stderr)
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(data), token) {
		t.Errorf("%v; the file holds the token:\n%s", err, data)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	caller := bearer(t, path, token)
	if caller == nil || caller.Name != "ci" || !caller.Write || !caller.Projects.Has("p3") || caller.Projects.Has("p4") ||
		!caller.EnterpriseProjects.Has("0") || caller.EnterpriseProjects.Has("1") {
		t.Errorf("the bearer is %+v", caller)
	}
	record := readRecords(t, path)[0]
	if days := record.Expires.Sub(record.Created).Hours() / 24; days < 89.9 || days > 90.1 || time.Since(record.Created) > time.Hour {
		t.Errorf("created %v, expires %v", record.Created, record.Expires)
	}
}

func TestTokenCreateAll(t *testing.T) {
	e := env{"PORTOLAN_TOKEN_FILE": tokenFile(t), "PORTOLAN_PROJECT": "p1"}
	r := mustCall(t, e, "token", "create", "--name", "ci", "--project", "*", "--enterprise-project", "*")
	caller := bearer(t, e["PORTOLAN_TOKEN_FILE"], strings.TrimSpace(r.stdout))
	if caller == nil || caller.Write || !caller.Projects.IsAll() || !caller.EnterpriseProjects.IsAll() {
		t.Errorf("the bearer is %+v", caller)
	}
	if record := readRecords(t, e["PORTOLAN_TOKEN_FILE"])[0]; !record.Expires.IsZero() {
		t.Errorf("expires %v", record.Expires)
	}
}

func TestTokenNamesAreTaken(t *testing.T) {
	e := env{"PORTOLAN_TOKEN_FILE": tokenFile(t), "PORTOLAN_PROJECT": "p1"}
	first := strings.TrimSpace(mustCall(t, e, "token", "create", "--name", "ci").stdout)
	if r := call(t, e, "token", "create", "--name", "ci"); r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, "revoke it first") {
		t.Errorf("a second ci: %+v", r)
	}
	mustCall(t, e, "token", "revoke", "ci")
	if bearer(t, e["PORTOLAN_TOKEN_FILE"], first) != nil {
		t.Error("revoked, and still known")
	}
	if r := call(t, e, "token", "revoke", "ci"); r.code != exitFailed || !strings.Contains(r.stderr, `no token called "ci"`) {
		t.Errorf("revoked twice: %+v", r)
	}
	mustCall(t, e, "token", "create", "--name", "ci")
	if n := len(readRecords(t, e["PORTOLAN_TOKEN_FILE"])); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// Whoever makes tokens at the same time loses none.
func TestTokensMadeAtOnce(t *testing.T) {
	e := env{"PORTOLAN_TOKEN_FILE": tokenFile(t), "PORTOLAN_PROJECT": "p1"}
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if r := call(t, e, "token", "create", "--name", fmt.Sprint("t", i)); r.code != exitOK {
				t.Error(r.stderr)
			}
		})
	}
	wg.Wait()
	if got := len(readRecords(t, e["PORTOLAN_TOKEN_FILE"])); got != n {
		t.Errorf("%d entries, want %d", got, n)
	}
}

const listedTokens = `[
{"name":"a","sha256":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b","projects":["*"],"enterprise_projects":["0","shop"],"write":true,"created":"2024-01-01T00:00:00Z","expires":"2024-02-01T01:00:00+01:00"},
{"name":"b c","sha256":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"},
{"name":"d","sha256":"4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce","projects":["p1"],"expires":"9999-01-01T00:00:00Z"}
]`

func TestTokenList(t *testing.T) {
	path := tokenFile(t)
	if err := os.WriteFile(path, []byte(listedTokens), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{asTable, asJSON, asNDJSON, asCSV} {
		r := mustCall(t, env{"PORTOLAN_TOKEN_FILE": path}, "token", "list", "-o", format)
		golden(t, "token-list-"+format, r.stdout)
		if strings.Contains(r.stdout, "6b86b273") {
			t.Errorf("%s shows a hash", format)
		}
		if format == asJSON && !json.Valid([]byte(r.stdout)) {
			t.Errorf("no JSON: %s", r.stdout)
		}
	}
}

func TestTokenFilesThatAreRefused(t *testing.T) {
	path := tokenFile(t)
	e := env{"PORTOLAN_TOKEN_FILE": path, "PORTOLAN_PROJECT": "p1"}
	for _, args := range [][]string{{"token", "list"}, {"token", "revoke", "a"}} {
		if r := call(t, e, args...); r.code != exitFailed || !strings.Contains(r.stderr, path) {
			t.Errorf("%v without a file: %+v", args, r)
		}
	}
	if err := os.WriteFile(path, []byte(`[{"name":"a","token":"x"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"token", "list"}, {"token", "revoke", "a"}, {"token", "create", "--name", "b"}} {
		if r := call(t, e, args...); r.code != exitFailed || !strings.Contains(r.stderr, `entry 1 ("a"): token: `) || r.stdout != "" {
			t.Errorf("%v with a broken file: %+v", args, r)
		}
	}
}

func TestTokenUse(t *testing.T) {
	create := []string{"token", "create", "--token-file", "x.json", "--name", "ci"}
	for name, args := range map[string][]string{
		"use-token": {"token"}, "use-token-unknown": {"token", "remove"}, "use-token-no-file": {"token", "list"},
		"use-token-no-name": {"token", "create", "--token-file", "x.json", "--project", "p1"}, "use-token-no-project": create,
		"use-token-mixed":      append(create, "--project", "*,p1"),
		"use-token-empty":      append(create, "--project", "p1,"),
		"use-token-all":        append(create, "--project", "p1", "--enterprise-project", "all_granted_eps"),
		"use-token-past":       append(create, "--project", "p1", "--expires", "2020-01-01T00:00:00Z"),
		"use-token-never":      append(create, "--project", "p1", "--expires", "never"),
		"use-token-far":        append(create, "--project", "p1", "--expires", "36501d"),
		"use-token-negative":   append(create, "--project", "p1", "--expires", "-1d"),
		"use-token-odd-name":   append(create, "--project", "p1", "--name", "a\tb"),
		"use-token-no-revoked": {"token", "revoke", "--token-file", "x.json"},
		"use-token-two":        {"token", "revoke", "a", "b", "--token-file", "x.json"},
	} {
		t.Run(name, func(t *testing.T) {
			r := call(t, nil, args...)
			if r.code != exitUsage || r.stdout != "" {
				t.Errorf("exit %d, stdout %q; want 2 and nothing", r.code, r.stdout)
			}
			golden(t, name, transcript(r, args))
		})
	}
	if _, err := os.Stat("x.json"); err == nil {
		t.Error("wrong use made a file")
	}
}

func TestTokenHelp(t *testing.T) {
	for name, args := range map[string][]string{
		"help-token": {"token", "--help"}, "help-token-create": {"token", "create", "--help"},
		"help-token-list": {"token", "list", "--help"}, "help-token-revoke": {"token", "revoke", "--help"},
	} {
		golden(t, name, transcript(mustCall(t, nil, args...), args))
	}
}

func TestExpiry(t *testing.T) {
	for text, after := range map[string]time.Duration{"1s": time.Second, "1ms": 0, "36500d": 36500 * 24 * time.Hour, "720h": 720 * time.Hour} {
		var e expiry
		if err := e.Set(text); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if off := time.Until(e.at) - after; off < -time.Minute || off > time.Minute || e.at.Nanosecond() != 0 || e.at.Location() != time.UTC {
			t.Errorf("%s: %v", text, e.at)
		}
	}
	for _, text := range []string{"", "d", "0d", "0s", "-1h", "1.5d", "36501d", "9223372036854775807d", "2020-01-01T00:00:00Z", "2030-01-01"} {
		if err := new(expiry).Set(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	var e expiry
	if err := e.Set("9000-01-01T00:00:00+02:00"); err != nil || e.String() != "8999-12-31T22:00:00Z" {
		t.Errorf("%v, %v", e.String(), err)
	}
}
