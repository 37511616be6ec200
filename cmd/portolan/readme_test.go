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
}

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
			output = runProgram(t, b.text)
			ran++
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

// runProgram runs a program of the page inside this module.
func runProgram(t *testing.T, source string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", file).CombinedOutput()
	if err != nil {
		t.Fatalf("go run: %v\n%s", err, out)
	}
	return string(out)
}
