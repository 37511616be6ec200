package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startWithAdmin starts serve on a data directory and returns the address for operators,
// too.
func startWithAdmin(t *testing.T, args ...string) (s *served, admin string) {
	t.Helper()
	var log safeBuffer
	s = serveTo(t, &log, nil, append([]string{"--admin-listen", ":0"}, args...)...)
	found := operatorAddress.FindStringSubmatch(log.String())
	if len(found) != 2 {
		t.Fatalf("no operators' address in %s", log.String())
	}
	return s, "http://" + found[1]
}

// TestBackupAndRestore copies what a server keeps while it runs; what comes later is not in
// the copy, which answers as the server did.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	data, backup, restored := filepath.Join(dir, "data"), filepath.Join(dir, "backup"), filepath.Join(dir, "new", "restored")
	s, admin := startWithAdmin(t, "--data", data, "--durable-within", "1h", "--import", "testdata/agents.ndjson")
	answer := fmt.Sprint(s.get(t, statistics+"limit=200"))
	r := call(t, nil, "backup", "--admin", admin, backup)
	if r.code != exitOK || !strings.HasPrefix(r.stdout, backup+" is whole: ") {
		t.Fatalf("backup: %+v", r)
	}
	if r = callWith(t, s.env(), `{"asset":"later","open":["9/tcp"]}`, "import", "-", "--server", s.url); r.code != exitOK {
		t.Fatalf("import: %+v", r)
	}
	if fmt.Sprint(s.get(t, statistics+"limit=200")) == answer {
		t.Fatal("what came later changed nothing")
	}
	for name, c := range map[string]struct {
		line string
		says string
	}{
		"into a directory in use": {"backup --admin " + admin + " " + data, "needs an empty directory"},
		"restore from a server":   {"restore --from " + data + " --data " + filepath.Join(dir, "x"), "is open in a process"},
		"restore of nothing":      {"restore --from " + filepath.Join(dir, "y") + " --data " + filepath.Join(dir, "x"), "has no data"},
		"restore over another":    {"restore --from " + backup + " --data " + backup, `has "PORTOLAN" in it`},
		"no server":               {"backup --admin http://127.0.0.1:1 " + filepath.Join(dir, "x"), "refused"},
		"the public address":      {"backup --admin " + s.url + " " + filepath.Join(dir, "x"), "404"},
	} {
		if r := call(t, nil, strings.Fields(c.line)...); r.code != exitFailed || !strings.Contains(r.stderr, c.says) || strings.Contains(r.stderr, "goroutine") {
			t.Errorf("%s: %d %s, want %s", name, r.code, r.stderr, c.says)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("something was left behind")
	}
	s.stop()
	if r := call(t, nil, "restore", "--from", backup, "--data", restored); r.code != exitOK || !strings.HasPrefix(r.stdout, restored+" is whole: ") {
		t.Fatalf("restore: %+v", r)
	}
	for _, path := range []string{backup, restored} {
		if r := call(t, nil, "verify", "--data", path); r.code != exitOK {
			t.Errorf("verify: %+v", r)
		}
		again, _ := startWithAdmin(t, "--data", path)
		if got := fmt.Sprint(again.get(t, statistics+"limit=200")); got != answer {
			t.Errorf("%s:\n%s\nwant\n%s", path, got, answer)
		}
		again.stop()
	}
}

// TestBackupFromMemory: a backup of what is in memory is whole. Tables that are damaged so that
// nothing can be read are named.
func TestBackupFromMemory(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s, admin := startWithAdmin(t, "--data", data, "--import", "testdata/agents.ndjson")
	answer := fmt.Sprint(s.get(t, statistics+"limit=200"))
	asked := filepath.Join(t.TempDir(), "asked")
	if r := call(t, nil, "backup", "--admin", admin, "--from-memory", asked); r.code != exitOK {
		t.Fatalf("of a sound server: %+v", r)
	}
	s.stop()
	tables, err := filepath.Glob(filepath.Join(data, "db", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	for _, name := range tables { // the answers come from the image
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := call(t, nil, "serve", "--data", data, "--listen", "127.0.0.1:0"); r.code != exitFailed || !strings.Contains(r.stderr, ".sst") {
		t.Fatalf("where not even the image's record can be read: %+v", r)
	}
	again, _ := startWithAdmin(t, "--data", asked)
	if got := fmt.Sprint(again.get(t, statistics+"limit=200")); got != answer {
		t.Errorf("got\n%s\nwant\n%s", got, answer)
	}
	again.stop()
}

// TestBackupOfNothing: a server without a directory says so.
func TestBackupOfNothing(t *testing.T) {
	_, admin := startWithAdmin(t)
	path := filepath.Join(t.TempDir(), "x")
	if r := call(t, nil, "backup", "--admin", admin, path); r.code != exitFailed || !strings.Contains(r.stderr, "has no data directory") {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"backup", path}, {"backup", "--admin", "nowhere", path}, {"backup", "--admin", admin}, {"restore", "--data", path}, {"restore", "--from", path}, {"restore", "--from", "", "--data", path}} {
		if r := call(t, nil, args...); r.code != exitUsage {
			t.Errorf("%s: %d %s", fmt.Sprint(args), r.code, r.stderr)
		}
	}
}

// TestBackupWithToken: where operators need a token, a backup needs it, too.
func TestBackupWithToken(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	var log safeBuffer
	e := env{"OPERATORS": testToken}
	serveTo(t, &log, e, "--data", filepath.Join(data, "d"), "--admin-listen", ":0", "--admin-token-env", "OPERATORS", "--import", agentsFile)
	admin := "http://" + operatorAddress.FindStringSubmatch(log.String())[1]
	if r := call(t, e, "backup", "--admin", admin, filepath.Join(dir, "a")); r.code != exitFailed || !strings.Contains(r.stderr, "401") {
		t.Errorf("without the token: exit %d\n%s", r.code, r.stderr)
	}
	if r := call(t, e, "backup", "--admin", admin, "--admin-token-env", "NONE", filepath.Join(dir, "a")); r.code != exitUsage {
		t.Errorf("without a variable: exit %d\n%s", r.code, r.stderr)
	}
	if r := call(t, e, "backup", "--admin", admin, "--admin-token-env", "OPERATORS", filepath.Join(dir, "a")); r.code != exitOK {
		t.Errorf("with the token: exit %d\n%s", r.code, r.stderr)
	}
}
