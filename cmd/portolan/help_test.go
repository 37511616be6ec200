package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHelpFits: help is at most so wide, and lists every flag of a command once.
func TestHelpFits(t *testing.T) {
	commands := []string{
		"", "ports", "hosts", "host", "assets", "serve", "import", "remove", "token create", "token list", "token revoke", "verify", "backup", "restore",
		"convert", "bench", "man", "version", "completion",
	}
	for _, command := range commands {
		help := mustCall(t, nil, append(strings.Fields(command), "--help")...).stdout
		for line := range strings.Lines(help) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("%s --help: %d characters: %s", command, n, line)
			}
		}
		seen := map[string]int{}
		for line := range strings.Lines(help) {
			if strings.HasPrefix(line, "      --") || strings.HasPrefix(line, "  -") {
				seen[strings.Fields(strings.TrimSpace(line))[0]]++
			}
		}
		for name, n := range seen {
			if n > 1 {
				t.Errorf("%s --help has %s %d times", command, name, n)
			}
		}
	}
}

// TestMisspelt: a variable whose name is nearly that of one that is read is told of; those that
// Kubernetes makes of a service called portolan are not, and others are somebody else's.
func TestMisspelt(t *testing.T) {
	vars := env{
		"PORTOLAN_OUTPUTS": "json", "PORTOLAN_LIMITS": "3", "PORTOLAN_TOKEN": "x", "PORTOLAN_SERVICE_HOST": "10.0.0.1", "PORTOLAN_SERVICE_PORT": "80",
		"PORTOLAN_PORT": "tcp://10.0.0.1:80", "PORTOLAN_PORT_80_TCP": "tcp://10.0.0.1:80", "PORTOLAN_PORT_80_TCP_ADDR": "10.0.0.1",
		"PORTOLAN_TEAM_TOKEN": "y", "PORTOLAN_LIMIT": "1", "HOME": "/",
	}
	r := mustCall(t, vars, "ports", scanXML)
	for name, near := range map[string]string{"PORTOLAN_OUTPUTS": "PORTOLAN_OUTPUT", "PORTOLAN_LIMITS": "PORTOLAN_LIMIT"} {
		if want := "warning: nothing reads the variable " + name + ": is it " + near + "?"; !strings.Contains(r.stderr, want) {
			t.Errorf("no %q in\n%s", want, r.stderr)
		}
	}
	if n := strings.Count(r.stderr, "warning: nothing reads"); n != 2 {
		t.Errorf("%d warnings:\n%s", n, r.stderr)
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ac", 1}, {"abc", "xabc", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 2}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// TestMan: there is a page for every command, with its date, and nothing is written where there is
// no directory.
func TestMan(t *testing.T) {
	dir := t.TempDir()
	mustCall(t, env{"SOURCE_DATE_EPOCH": "1700000000"}, "man", dir)
	for _, page := range []string{"portolan.1", "portolan-ports.1", "portolan-token-create.1"} {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil || !strings.Contains(string(text), "Nov 2023") || !strings.Contains(string(text), ".SH SYNOPSIS") {
			t.Errorf("%s: %.200s, %v", page, text, err)
		}
	}
	for arg, want := range map[string]string{filepath.Join(dir, "none"): "no such file", filepath.Join(dir, "portolan.1"): "is no directory"} {
		if r := call(t, nil, "man", arg); r.code == exitOK || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit %d %s", arg, r.code, r.stderr)
		}
	}
	if r := call(t, env{"SOURCE_DATE_EPOCH": "soon"}, "man", dir); r.code != exitUsage {
		t.Errorf("a wrong date: exit %d %s", r.code, r.stderr)
	}
}

// TestTableFits: a table that is wider than the terminal is made narrower, the widest columns
// first; a column that is empty in every row is left out.
func TestTableFits(t *testing.T) {
	rows := []hostRow{
		{Asset: "0189c0de-0000-4000-8000-000000000001", Name: "a-name-that-is-rather-long.example", EnterpriseProject: "0", Port: 22, Type: "TCP", Status: "danger"},
		{Asset: "h2", Name: "ä", EnterpriseProject: "0", Port: 22, Type: "TCP", Status: "unknown"},
	}
	for width, want := range map[int]string{
		0: `ASSET                                 NAME                                ENTERPRISE_PROJECT  PORT  TYPE  STATUS
0189c0de-0000-4000-8000-000000000001  a-name-that-is-rather-long.example  0                   22    TCP   danger
h2                                    ä                                   0                   22    TCP   unknown
`,
		80: "",
		10: `ASSET         NAME          ENTERPRISE_…  PORT  TYPE  STATUS
0189c0de-00…  a-name-that…  0             22    TCP   danger
h2            ä             0             22    TCP   unknown
`,
	} {
		var b bytes.Buffer
		w := bufio.NewWriter(&b)
		if err := writeTable(w, hostColumns, rows, tableLook{width: width}); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		if width == 80 {
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%d characters: %s", n, line)
				}
			}
			continue
		}
		if b.String() != want {
			t.Errorf("%d wide:\ngot\n%swant\n%s", width, b.String(), want)
		}
	}
}

// TestColor: there is colour where a flag asks for it; what is no terminal gets none by itself.
func TestColor(t *testing.T) {
	c := &cli{getenv: env(nil).get, stdout: new(bytes.Buffer)}
	for color, want := range map[string]bool{colorAuto: false, colorAlways: true, colorNever: false} {
		if got := c.look(color); got.color != want || got.width != 0 {
			t.Errorf("%s: %+v", color, got)
		}
	}
}
