package policyfile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"portolan/engine"
	"portolan/engine/policyfile"
	"portolan/index"
)

const example = `# of the shop
extends: cloud
rules:
  - name: web
    ports: 80,443
    status: normal
    reason: they are web servers
    where: label(role) = "web"
  - ports: 22
    status: danger
    where: not label(role) in (web, jump)
  - {ports: rdp, status: normal, projects: [p, q]}
  - ports: status=danger and /tcp
    name: cloud's
    status: unknown
    where: label(role) = lab
`

func read(t *testing.T, text string) *engine.Policy {
	t.Helper()
	p, err := policyfile.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRead: what a file says is what ports get.
func TestRead(t *testing.T) {
	e, err := engine.Open(&engine.Options{Policy: read(t, example)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	open, err := engine.ParseKeys("22/tcp", "23/tcp", "80/tcp", "443/tcp", "3389/tcp", "3306/tcp")
	if err != nil {
		t.Fatal(err)
	}
	var reports []engine.Report
	for _, project := range []string{"p", "r"} {
		for _, role := range []string{"web", "jump", "lab", ""} {
			reports = append(reports, engine.Report{Project: project, Asset: "a" + role, Open: open, Labels: map[string]string{"role": role}})
		}
	}
	if _, err := e.Apply(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	for of, want := range map[string]string{
		"p/aweb":  "22 unknown, 23 danger telnet, 80 normal web, 443 normal web, 3306 unknown, 3389 normal",
		"p/ajump": "22 unknown, 23 danger telnet, 80 unknown, 443 unknown, 3306 unknown, 3389 normal",
		"p/alab":  "22 danger, 23 unknown cloud's, 80 unknown, 443 unknown, 3306 unknown, 3389 normal",
		"r/a":     "22 danger, 23 danger telnet, 80 unknown, 443 unknown, 3306 unknown, 3389 unknown",
	} {
		project, id, _ := strings.Cut(of, "/")
		a, err := e.AssetPorts(t.Context(), project, engine.Host, id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range a.Ports {
			got = append(got, strings.TrimSpace(strings.Split(p.Key().String(), "/")[0]+" "+p.Status.String()+" "+p.Rule))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s:\n got %s\nwant %s", of, text, want)
		}
	}
	page, err := e.Ports(t.Context(), engine.PortQuery{Project: "p", Status: engine.Danger})
	if err != nil || page.Total != 2 || page.Rows[0].Port != 22 || page.Rows[0].Num != 4 {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestExpected: what a file expects is found to be so or not.
func TestExpected(t *testing.T) {
	p := read(t, "expected:\n  - {name: web, ports: 'http,https', allowed: ssh, where: name ~ \"web-*\"}\n")
	e, err := engine.Open(&engine.Options{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for name, ports := range map[string]string{"web-1": "80/tcp 443/tcp 22/tcp", "web-2": "80/tcp 3306/tcp", "db": "3306/tcp"} {
		open, err := engine.ParseKeys(strings.Fields(ports)...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: name, Name: name, Open: open, Scope: engine.ScopeAll()}}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := e.Findings(t.Context(), engine.FindingQuery{Project: "p"})
	if err != nil || page.Total != 2 || page.Rows[0].Port != 3306 || page.Rows[0].Num != 1 ||
		page.Rows[1].Port != 443 || page.Rows[1].Num != 1 || page.Rows[1].Expectation != "web" || page.Rows[1].Finding != engine.ExpectedClosed {
		t.Errorf("%+v, %v", page, err)
	}
	if len(p.Expected()) != 1 || len(p.Rules()) == 0 {
		t.Errorf("%+v", p.Expected())
	}
}

// TestExtends: a file goes on from the policy exposed where it does not say.
func TestExtends(t *testing.T) {
	rdp := index.MakeKey(3389, index.TCP)
	for text, want := range map[string]engine.Status{"rules: []": engine.Danger, "extends: exposed\nrules: []": engine.Danger, "extends: cloud\nrules: []": engine.Unknown, "{extends: none, rules: []}": engine.Unknown} {
		if got := read(t, text).Status(rdp); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if len(read(t, "extends: none\nrules: []").Rules()) != 0 {
		t.Error("none has rules")
	}
}

// TestRefused: what is wrong is named by line, rule and field.
func TestRefused(t *testing.T) {
	rule := func(lines ...string) string { return "rules:\n  - " + strings.Join(lines, "\n    ") + "\n" }
	for text, want := range map[string]string{
		"":                             "it is empty: want rules",
		"rules: 3":                     "line 1: rules: want a list of rules",
		"extends: cloud":               "line 1: rules: want a list of rules, or of what is expected",
		"- a":                          "line 1: want fields: extends, rules, expected",
		"rules: []\n---\nrules: []":    "it goes on behind its first document: want one",
		"rules: [":                     "yaml: line 1",
		"\nextends: strict\nrules: []": `line 2: extends: "strict" is not allowed: want exposed, cloud or none`,
		"extends: [a]\nrules: []":      "line 1: extends: want a text",
		"rule: []":                     `line 1: field: "rule" is not allowed: want extends, rules, expected`,
		"rules: []\nrules: []":         `line 2: field "rules" is given twice`,
		"rules:\n  - 22":               "line 2: rule 1: want fields: name, ports, where, projects, status, reason",
		rule("ports: 22"):              "line 2: rule 1: status is missing",
		rule("status: danger"):         "line 2: rule 1: ports is missing",
		rule("ports: 22", "port: 3", "status: danger"):                                      `line 3: rule 1: field: "port" is not allowed: want name, ports`,
		rule("name: n", "ports: htps", "status: danger"):                                    `line 3: rule 1 "n": ports: character 1, at "htps": want a port`,
		rule("ports: 22", "status: bad"):                                                    `line 3: rule 1: status: "bad" is not allowed: want danger, normal or unknown`,
		rule("ports: 22", "status: danger", "where: open(22"):                               `line 4: rule 1: where: at the end: want an operator`,
		rule("ports: 22", "status: danger", "where:"):                                       `line 4: rule 1: where: want a text`,
		rule("ports: 22", "status: danger", "where: ''"):                                    `line 4: rule 1: where: at the end: want open(PORTS)`,
		rule("ports: 22", "status: danger", "where: seen < 7d"):                             `line 4: rule 1: where: seen is not allowed in a policy`,
		rule("ports: 22", "status: danger", "projects: p"):                                  `line 4: rule 1: projects: want a list of ids`,
		rule("ports: 22", "status: danger", "projects: []"):                                 `line 4: rule 1: projects: want a list of ids`,
		rule("ports: 22", "status: danger", "projects: ['']"):                               `line 4: rule 1: projects: want ids that are not empty`,
		rule("ports: [22]", "status: danger"):                                               `line 2: rule 1: ports: want a text`,
		"rules:\n" + strings.Repeat("  - {ports: 22, status: danger, where: id = a}\n", 65): `line 66: rule 65: "id = a" is not allowed: want at most 64 rules with sets of assets`,
		"expected: 3":    "line 1: expected: want a list of expected",
		"expected: [{}]": "line 1: expected 1: ports and allowed are missing",
		"expected:\n  - {name: n, ports: 80, allow: 22}":           `line 2: expected 1: field: "allow" is not allowed: want name, ports, allowed, where, projects`,
		"expected:\n  - {name: n, allowed: htps}":                  `line 2: expected 1 "n": allowed: character 1, at "htps"`,
		"expected:\n  - {ports: 80, where: seen < 7d}":             `line 2: expected 1: where: seen is not allowed`,
		"expected:\n  - {ports: 80}\n  - {name: n, ports: 1-1024}": `line 3: expected 2 "n": "1-1024" is not allowed: want at most 256 ports`,
		strings.Repeat("#", policyfile.MaxBytes+1):                 "it has more than 1048576 bytes",
	} {
		_, err := policyfile.Read(strings.NewReader(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%.60q:\n got %v\nwant %s", text, err, want)
		}
	}
	broken := errors.New("broken")
	if _, err := policyfile.Read(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestOpen: names come before files.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := policyfile.Open(path); err != nil || p.Version() != read(t, example).Version() {
		t.Errorf("%v", err)
	}
	for _, name := range engine.BuiltinPolicies() {
		if p, err := policyfile.Open(name); err != nil || len(p.Rules()) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := policyfile.Open("strict"); !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "want exposed, cloud or a file") {
		t.Errorf("%v", err)
	}
	if _, err := policyfile.Open("./strict"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(path, []byte("rules: 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := policyfile.Open(path); err == nil || err.Error() != path+": line 1: rules: want a list of rules" {
		t.Errorf("%v", err)
	}
}

// FuzzRead reads bytes that may be no policy; one that is answers questions.
func FuzzRead(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("rules: [&r {ports: 1-65535, status: danger, where: ports > 3}, *r]"))
	e, err := engine.Open(nil)
	if err != nil {
		f.Fatal(err)
	}
	report := engine.Report{Project: "p", Asset: "a", Open: []engine.Key{index.MakeKey(22, index.TCP), index.MakeKey(80, index.TCP)}}
	if _, err := e.Apply(context.Background(), []engine.Report{report}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := policyfile.Read(strings.NewReader(string(text)))
		if (p == nil) == (err == nil) || err != nil && !errors.Is(err, engine.ErrInvalid) {
			t.Fatalf("%v, %v", p, err)
		}
		if err != nil {
			return
		}
		if err := e.SetPolicy(p); err != nil {
			t.Fatal(err)
		}
		page, err := e.Ports(t.Context(), engine.PortQuery{Project: "p"})
		if err != nil || page.Total != 2 {
			t.Fatal(page, err)
		}
		a, err := e.AssetPorts(t.Context(), "p", engine.Host, "a")
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range page.Rows {
			if a.Ports[i].Status != row.Status { // there is one asset
				t.Fatalf("%v and %v", a.Ports[i], row)
			}
		}
	})
}
