package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every flag of every command has a variable, and the help names it.
func TestEveryFlagHasAVariable(t *testing.T) {
	c := &cli{getenv: env{}.get}
	for _, cmd := range c.root().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if name := envName(f.Name); !strings.Contains(f.Usage, "["+name+"]") {
				t.Errorf("%s --%s: help %q does not name %s", cmd.Name(), f.Name, f.Usage, name)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	const question = "ports --import " + scanXML + " -o ndjson "
	for _, c := range []struct {
		name  string
		env   env
		given string // on the command line instead
		extra string
	}{
		{"port", env{"PORTOLAN_PORT": "123"}, "--port 123", ""},
		{"bool", env{"PORTOLAN_DESC": "true"}, "--desc", ""},
		{"choice", env{"PORTOLAN_TYPE": "udp"}, "--type udp", ""},
		{"list", env{"PORTOLAN_ENTERPRISE_PROJECT": "0,shop"}, "--enterprise-project 0 --enterprise-project shop", ""},
		{"the command line wins", env{"PORTOLAN_PORT": "123", "PORTOLAN_TYPE": "udp"}, "--port 22", "--port 22 --type tcp"},
		{"empty is unset", env{"PORTOLAN_PORT": ""}, "", ""},
		{"help is no variable", env{"PORTOLAN_HELP": "true"}, "", ""},
		{"Kubernetes' port", env{"PORTOLAN_PORT": "tcp://10.0.0.1:80"}, "", ""},
		{"a file silences the server", env{"PORTOLAN_SERVER": "http://127.0.0.1:1"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := mustCall(t, c.env, strings.Fields(question+c.extra)...)
			want := mustCall(t, nil, strings.Fields(question+c.given)...)
			if got.stdout != want.stdout {
				t.Errorf("got\n%swant\n%s", got.stdout, want.stdout)
			}
		})
	}
}

func TestFilesFromVariable(t *testing.T) {
	got := mustCall(t, env{"PORTOLAN_IMPORT": scanXML + ":" + agentsFile}, "ports", "--limit", "0")
	want := mustCall(t, nil, "ports", "--limit", "0", "--import", scanXML, "--import", agentsFile)
	if got.stdout != want.stdout {
		t.Errorf("got\n%swant\n%s", got.stdout, want.stdout)
	}
}

func TestBadVariable(t *testing.T) {
	r := call(t, env{"PORTOLAN_LIMIT": "many"}, "ports", "--import", scanXML)
	if r.code != exitUsage || !strings.Contains(r.stderr, "PORTOLAN_LIMIT") {
		t.Errorf("exit %d, %q; want 2 and the variable's name", r.code, r.stderr)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := mustCall(t, nil, "completion", shell); !strings.Contains(r.stdout, "portolan") {
			t.Errorf("%s: %q", shell, r.stdout)
		}
	}
	r := mustCall(t, nil, cobra.ShellCompRequestCmd, "ports", "--status", "")
	for _, want := range []string{"danger\n", "normal\n", "unknown\n"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("completion of --status lacks %q: %q", want, r.stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	if r := mustCall(t, nil, "--version"); r.stdout != mustCall(t, nil, "version").stdout {
		t.Errorf("--version: %q", r.stdout)
	}
	if r := mustCall(t, nil, "version"); !strings.HasPrefix(r.stdout, "portolan ") || !strings.Contains(r.stdout, " go1.") {
		t.Errorf("got %q", r.stdout)
	}
}
