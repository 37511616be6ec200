package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const inventory = "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nudp UNCONN 0 0 127.0.0.1:53 0.0.0.0:*\n"

// write writes a file of the test.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConvert: what is converted says the same as the file, in any project.
func TestConvert(t *testing.T) {
	direct := mustCall(t, nil, "ports", "--import", "testdata/scan.xml", "-o", "json", "--limit", "0").stdout
	lines := mustCall(t, nil, "convert", "testdata/scan.xml").stdout
	if strings.Contains(lines, "project_id\":\"default") || !strings.HasPrefix(lines, `{"category":"host","asset":"192.0.2.10"`) {
		t.Errorf("got %s", lines)
	}
	again := callWith(t, nil, lines, "ports", "--import", "-", "-o", "json", "--limit", "0").stdout
	if direct != again {
		t.Errorf("got %s, want %s", again, direct)
	}
	if twice := callWith(t, nil, lines, "convert", "-", "-o", "ndjson").stdout; twice != lines {
		t.Errorf("converted again: %s", twice)
	}
	host := mustCall(t, nil, "convert", write(t, "ss.txt", inventory), "--asset-id", "h1", "--include-loopback", "--enterprise-project", "shop", "--category", "container").stdout
	if want := `{"enterprise_project_id":"shop","category":"container","asset":"h1","scope":["1-65535/tcp","1-65535/tcp6","1-65535/udp","1-65535/udp6"],"open":["22/tcp","53/udp"]}` + "\n"; host != want {
		t.Errorf("got %s, want %s", host, want)
	}
}

// TestDryRunHasClock: what an import would refuse for its time, a dry run refuses.
func TestDryRunHasClock(t *testing.T) {
	late := `{"asset":"a","open":[],"seen":"` + time.Now().Add(48*time.Hour).UTC().Format(time.RFC3339) + `"}` + "\n"
	for _, c := range []struct {
		text string
		code int
	}{{late, exitFailed}, {late + `{"asset":"b","open":[]}` + "\n", exitPartly}, {`{"asset":"b","open":[]}` + "\n", exitOK}, {"", exitFailed}, {"\n\n", exitFailed}} {
		if r := callWith(t, nil, c.text, "import", "--dry-run", "-"); r.code != c.code {
			t.Errorf("%q: exit %d, want %d\n%s%s", c.text, r.code, c.code, r.stdout, r.stderr)
		}
	}
}

// TestDryRun: a dry run says what each file holds and sends nothing.
func TestDryRun(t *testing.T) {
	out := mustCall(t, nil, "import", "--dry-run", "-o", "json", "testdata/scan.xml", "testdata/agents.ndjson").stdout
	answers := strings.Split(strings.TrimSpace(out), "\n")
	if len(answers) != 2 {
		t.Fatalf("got %s", out)
	}
	for i, format := range []string{"nmap-xml", "ndjson"} {
		var sum struct {
			File    string
			Records int
			Applied int
			Files   []struct{ Format string }
		}
		if err := json.Unmarshal([]byte(answers[i]), &sum); err != nil || sum.Records == 0 || sum.Applied != 0 || sum.Files[0].Format != format {
			t.Errorf("%v in %s", err, answers[i])
		}
	}
	if text := mustCall(t, nil, "import", "--dry-run", write(t, "ss.txt", inventory), "--asset-id", "h1").stdout; !strings.Contains(text, "ss, 1 records, 1 open ports, 0 rejected") {
		t.Errorf("got %s", text)
	}
}
