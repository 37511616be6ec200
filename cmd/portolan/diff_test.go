package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mondayFile  = "testdata/monday.ndjson"
	tuesdayFile = "testdata/tuesday.ndjson"
)

// TestDiffOfServer: what changed since a file is told of a server as of a file.
func TestDiffOfServer(t *testing.T) {
	var log safeBuffer
	e := env{"PORTOLAN_TOKEN": testToken}
	s := serveTo(t, &log, e, "--import", tuesdayFile)
	for _, line := range []string{"diff", "diff --by port -o csv", "diff --kind opened,closed -o ndjson", "diff --status danger", "diff --where open(22) -o markdown", "diff --enterprise-project shop -o json"} {
		local := call(t, nil, append(strings.Fields(line), mondayFile, tuesdayFile)...)
		remote := call(t, e, append(strings.Fields(line), mondayFile, "--server", s.url)...)
		if local.code != exitOK || remote.code != exitOK || local.stdout != remote.stdout || local.stderr != remote.stderr {
			t.Errorf("portolan %s, exit %d:\n%s%swith a server, exit %d:\n%s%s", line, local.code, local.stdout, local.stderr, remote.code, remote.stdout, remote.stderr)
		}
	}
}

// TestDiffExitCode: changes end with 4 only where that is asked for; and folders are files together.
func TestDiffExitCode(t *testing.T) {
	for line, want := range map[string]int{
		mondayFile + " " + tuesdayFile:                            exitOK,
		mondayFile + " " + tuesdayFile + " --exit-code":           exitDiffers,
		mondayFile + " " + mondayFile + " --exit-code":            exitOK,
		mondayFile + " " + tuesdayFile + " --exit-code --ports 9": exitOK,
		mondayFile: exitUsage,
		mondayFile + " " + tuesdayFile + " " + tuesdayFile:          exitUsage,
		mondayFile + " " + tuesdayFile + " --kind new":              exitUsage,
		mondayFile + " testdata/none.ndjson":                        exitFailed,
		mondayFile + " " + tuesdayFile + " --server http://[::1]:1": exitUsage,
	} {
		if r := call(t, nil, append([]string{"diff"}, strings.Fields(line)...)...); r.code != want {
			t.Errorf("diff %s: exit %d, want %d\n%s%s", line, r.code, want, r.stdout, r.stderr)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{scanXML, mondayFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := call(t, nil, "diff", mondayFile, dir, "-o", "csv")
	if r.code != exitOK || !strings.Contains(r.stdout, "appeared,192.0.2.11,") || strings.Contains(r.stdout, "appeared,192.0.2.10,") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
