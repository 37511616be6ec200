package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".new" // replaced by renaming, so that none is seen half written
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// TestServePolicy: a policy is read anew when its file changes, without a report; a broken one
// changes nothing, and says so in the log.
func TestServePolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	writeFile(t, file, "rules:\n  - {ports: 22, status: normal, where: name ~ \"web-*\", name: web}\n")
	var log safeBuffer
	s := serveTo(t, &log, env{"PORTOLAN_TOKEN": testToken}, "--policy", file, "--import", scanXML)
	ask := func(path string) string {
		req := curlRequest{method: http.MethodGet, url: s.url + path, header: http.Header{tokenHeader: {testToken}}}
		text, _ := req.do(t)
		return text
	}
	const hosts, one = "/v1/projects/default/hosts?port=22&status=normal", "/v1/projects/default/hosts/192.0.2.10?ports=22"
	if text := ask(hosts); !strings.HasPrefix(text, `{"total_num":2,`) {
		t.Errorf("hosts whose 22 is normal: %s", text)
	}
	if text := ask(one); !strings.Contains(text, `"status":"normal","rule":"web",`) {
		t.Errorf("one of them: %s", text)
	}
	if text := ask("/v1/projects/default/ports?ports=22"); !strings.Contains(text, `"num":4,"port":22,"type":"TCP","status":"unknown"`) {
		t.Errorf("the row of those and others: %s", text)
	}
	writeFile(t, file, "rules:\n  - {ports: 22, status: danger}\n")
	eventually(t, "the new policy is in use", func() bool {
		return strings.Contains(ask("/v1/projects/default/ports?ports=22"), `"num":4,"port":22,"type":"TCP","status":"danger"`)
	})
	writeFile(t, file, "rules:\n  - {ports: htps, status: danger}\n")
	eventually(t, "the log says what is wrong", func() bool {
		return strings.Contains(log.String(), "line 2: rule 1: ports: character 1") && strings.Contains(log.String(), "the one in use stays")
	})
	if text := ask("/v1/projects/default/ports?status=danger&ports=22"); !strings.HasPrefix(text, `{"total_num":1,`) {
		t.Errorf("after the file broke: %s", text)
	}
}

// TestPolicyFiles: what commands say of policies, and do with them.
func TestPolicyFiles(t *testing.T) {
	dir := t.TempDir()
	fine, bad := filepath.Join(dir, "fine.yaml"), filepath.Join(dir, "bad.yaml")
	writeFile(t, fine, "extends: none\nrules:\n  - {ports: 443, status: danger, where: open(22), name: both, reason: why, projects: [default]}\n")
	writeFile(t, bad, "rules:\n  - name: x\n    ports: 1\n    state: danger\n")
	for _, c := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"policy check " + fine, exitOK, "fine.yaml: fine, 1 rules", ""},
		{"policy check " + fine + " " + bad, exitFailed, "fine.yaml: fine", `bad.yaml: line 4: rule 1: field: "state" is not allowed`},
		{"policy check " + filepath.Join(dir, "none.yaml"), exitFailed, "", "none.yaml"},
		{"policy check", exitUsage, "", "the FILE to check is missing"},
		{"policy show " + fine + " -o csv", exitOK, "status,ports,where,projects,name,reason\ndanger,443,open(22),default,both,why\n", ""},
		{"policy show cloud -o ndjson", exitOK, `{"status":"danger","ports":"17/udp*","name":"qotd"`, ""},
		{"policy show strict", exitFailed, "", "want exposed, cloud or a file"},
		{"ports " + scanXML + " --policy " + fine + " --status danger -o ndjson", exitOK, `{"num":2,"port":443,"type":"TCP","status":"danger"}`, ""},
		{"ports " + scanXML + " --policy cloud --ports 3389,123 -o csv", exitOK, "123,UDP,danger\n1,3389,TCP,unknown", ""},
		{"hosts " + scanXML + " --policy " + fine + " --where status=danger --port 443 -o csv", exitOK, ",443,TCP,danger", ""},
		{"ports " + scanXML + " --policy " + bad, exitUsage, "", "bad.yaml: line 4"},
		{"ports --server http://127.0.0.1:1 --policy cloud", exitUsage, "", "leave them out with --server"},
	} {
		r := call(t, nil, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.stdout, c.stdout) || !strings.Contains(r.stderr, c.stderr) {
			t.Errorf("portolan %s: exit %d\n%s%s\nwant %d, %q, %q", c.args, r.code, r.stdout, r.stderr, c.code, c.stdout, c.stderr)
		}
	}
}

// TestSameOfServer: what is asked of a server is answered as of its files.
func TestSameOfServer(t *testing.T) {
	var log safeBuffer
	e := env{"PORTOLAN_TOKEN": testToken}
	s := serveTo(t, &log, e, "--import", labelsFile)
	for _, line := range []string{
		"groups --by env", "groups --by env --sort num --desc --limit 1", "groups", "groups --by owner --where open(443)", "groups --enterprise-project back --by env",
		"together 22", "together 443 --sort lift --min-num 1", "together 443/tcp --where label(env)=prod --limit 1",
		"ports --coverage --explain", "hosts --port 22 --coverage --explain", "ports --coverage --port 9 --where label(env)=prod",
		"hosts --port 22 --sort id", "assets --sort id --limit 2 --offset 1", "hosts --where open(22) --sort id", "hosts --ports 22,443 --sort id --limit 3",
		"groups --by env --coverage", "assets --coverage --where label(env)=prod", "together 22 --coverage", "hosts --where open(22) --coverage",
		"doctor", "labels", "labels --limit 1 --offset 1", "coverage", "coverage --ports 22 --where label(env)=prod", "coverage --where not(looked(22))",
		"assets", "assets --where label(owner)=shop", "host web-1", "ports --where label(env)!=prod",
	} {
		for _, format := range []string{asTable, asJSON, asCSV} {
			args := append(strings.Fields(line), "-o", format)
			local := call(t, nil, append(args, labelsFile)...)
			remote := call(t, e, append(args, "--server", s.url)...)
			if local.code != exitOK || remote.code != exitOK || local.stdout != remote.stdout || local.stderr != remote.stderr {
				t.Errorf("portolan %s -o %s:\n%s%swith a server, exit %d:\n%s%s", line, format, local.stdout, local.stderr, remote.code, remote.stdout, remote.stderr)
			}
		}
	}
	for _, line := range []string{
		"export", "export -o csv", "export -o list", "export --ports 22 --type tcp", "export --status danger -o csv", "export -o list --where label(env)=prod",
		"export --category container", "export --enterprise-project back -o csv", "export --where open(9) -o list",
		"ports -o list", "ports -o list --type tcp --sort num", "ports -o prometheus", "ports -o prometheus --limit 1", "ports -o list --ports 9", "ports -o prometheus --category container",
	} {
		local := call(t, nil, append(strings.Fields(line), labelsFile)...)
		remote := call(t, e, append(strings.Fields(line), "--server", s.url)...)
		if local.code != exitOK || remote.code != exitOK || local.stdout != remote.stdout || local.stderr != remote.stderr {
			t.Errorf("portolan %s:\n%s%swith a server, exit %d:\n%s%s", line, local.stdout, local.stderr, remote.code, remote.stdout, remote.stderr)
		}
	}
}
