package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// block is a fenced block of a Markdown page.
type block struct {
	lang, text string
	line       int
}

// blocks returns the fenced blocks of a page in order.
func blocks(page string) []block {
	var list []block
	var open *block
	for i, line := range strings.Split(page, "\n") {
		lang, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{lang: lang, line: i + 1}
		case fence:
			list = append(list, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return list
}

// session runs the lines of a page one after the other.
type session struct {
	env env
	url string // where the server of the last serve line really listens
	dir string // where the last program was written
}

// alertsExample is the file of alerts that the README shows.
const alertsExample = "engine/alert/testdata/alerts.yaml"

// pageAddress is where a page's server listens.
const pageAddress = "http://127.0.0.1:8080"

// TestREADME runs what the README tells people to type and compares what it
// shows of the output.
func TestREADME(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{env: env{}}
	output, ran := "", 0
	for _, b := range blocks(string(page)) {
		switch b.lang {
		case "sh":
			for line := range strings.Lines(b.text) {
				output = s.run(t, strings.TrimSpace(line))
				ran++
			}
		case "go":
			s.dir = programFolder(t, b.text)
			ran++
		case "yaml":
			if text, err := os.ReadFile(alertsExample); err != nil || string(text) != b.text {
				t.Errorf("README.md:%d: it is not %s, which is checked behind it: %v", b.line, alertsExample, err)
			}
		default:
			if diff := cmp.Diff(squeeze(b.text), squeeze(output)); diff != "" {
				t.Errorf("README.md:%d: output differs (-page +program):\n%s", b.line, diff)
			}
		}
	}
	if ran < 8 {
		t.Errorf("only %d commands found", ran)
	}
}

// squeeze leaves out how a text is spaced.
func squeeze(text string) []string { return strings.Fields(text) }

// run runs one line of a page and returns what it prints.
func (s *session) run(t *testing.T, line string) string {
	t.Helper()
	args := words(strings.TrimSuffix(line, "&"), s.env.get)
	for i := range args {
		args[i] = strings.Replace(args[i], pageAddress, s.url, 1)
	}
	command := strings.Join(args[:min(3, len(args))], " ")
	switch {
	case command == "go test ./...":
		return "" // It is running.
	case s.dir != "" && args[0] == "go":
		return runGo(t, s.dir, args[1:]...)
	case args[0] == "export":
		name, value, _ := strings.Cut(args[1], "=")
		s.env[name] = value
		return ""
	case args[0] == "curl":
		text, status := parseCurl(t, args).do(t)
		if status/100 != 2 {
			t.Errorf("%s\nanswers %d %s", line, status, text)
		}
		return text
	case command == "go run ./cmd/portolan" && args[3] == "serve":
		s.url = serve(t, s.env, args[4:]...).url
		return ""
	case command == "go run ./cmd/portolan":
		return mustCall(t, s.env, args[3:]...).stdout
	}
	t.Fatalf("the test does not know how to run %q", line)
	return ""
}

// programFolder returns a folder that holds a program of the page and nothing
// else, beside the repository.
func programFolder(t *testing.T, source string) string {
	t.Helper()
	repository, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	if err := os.Symlink(repository, filepath.Join(top, "portolan")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "empty")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runGo runs the go command in a folder and returns what it prints.
func runGo(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &complaints)
	}
	return string(out)
}
