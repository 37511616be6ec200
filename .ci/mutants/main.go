// Mutants runs mutation tests over packages of the module: it changes the code in
// small ways and wants the package's own tests to fail each time.
//
//	go run ./.ci/mutants engine index
//
// The work is done by gremlins, which leaves out mutants that no test covers. It
// goes by Go's coverage, which does not count the conditions of a switch; so they
// are added here: gremlins finds this program in place of the go command, and its
// coverage profile is completed before gremlins reads it.
package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// gremlins is the tool, pinned.
const gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0"

// realGo is the variable that holds the path of the go command.
const realGo = "MUTANTS_GO"

func main() {
	err := error(nil)
	if filepath.Base(os.Args[0]) == "go" {
		err = goCommand(os.Args[1:])
	} else {
		err = unleash(os.Args[1:])
	}
	if failed, ok := err.(*exec.ExitError); ok {
		os.Exit(failed.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// unleash runs gremlins over each package, without those below it.
func unleash(packages []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	path, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Symlink(self, filepath.Join(dir, "go")); err != nil {
		return err
	}
	// Built first, as "go run" puts the real go command in front of the path.
	install := exec.Command(path, "install", gremlins)
	if err := run(install, append(os.Environ(), "GOBIN="+dir)); err != nil {
		return err
	}
	env := append(os.Environ(), realGo+"="+path, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, name := range packages {
		fmt.Println("==", name)
		args := []string{"unleash", "./" + name, "--timeout-coefficient", "10", "--output", name + ".mutants.json"}
		below, err := os.ReadDir(name)
		if err != nil {
			return err
		}
		for _, entry := range below {
			if entry.IsDir() {
				args = append(args, "--exclude-files", "^"+entry.Name()+"/")
			}
		}
		// A cached result takes no time, and then everything would be too slow.
		for _, cmd := range []*exec.Cmd{exec.Command(path, "clean", "-testcache"), exec.Command(filepath.Join(dir, "gremlins"), args...)} {
			if err := run(cmd, env); err != nil {
				return err
			}
		}
	}
	return nil
}

func run(cmd *exec.Cmd, env []string) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, os.Stdout, os.Stderr, env
	return cmd.Run()
}

// goCommand is the go command as gremlins sees it.
func goCommand(args []string) error {
	if len(args) > 0 && args[0] == "test" {
		args = slices.Insert(args, 1, "-failfast")
		if !slices.Contains(args, "-coverprofile") {
			args = append(args, "-args", "-rapid.shrinktime=1ms") // Nobody reads the example.
		}
	}
	if err := run(exec.Command(os.Getenv(realGo), args...), os.Environ()); err != nil {
		return err
	}
	if i := slices.Index(args, "-coverprofile"); i >= 0 && i+1 < len(args) {
		return complete(args[i+1])
	}
	return nil
}

// block is one line of a coverage profile.
type block struct {
	file                           string
	fromLine, fromCol, toLine, col int
	statements, count              int
}

// complete adds the conditions of switches to a coverage profile.
func complete(profile string) error {
	f, err := os.OpenFile(profile, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	files := map[string][]block{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var b block
		file, rest, ok := strings.Cut(lines.Text(), ":")
		if n, _ := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.fromLine, &b.fromCol, &b.toLine, &b.col, &b.statements, &b.count); ok && n == 6 {
			files[file] = append(files[file], b)
		}
	}
	for file, blocks := range files {
		_, path, _ := strings.Cut(file, "/") // below the module
		if err := conditions(path, blocks, func(from, to token.Position) {
			fmt.Fprintf(f, "%s:%d.%d,%d.%d 1 1\n", file, from.Line, from.Column, to.Line, to.Column)
		}); err != nil {
			return err
		}
	}
	return nil
}

// conditions calls add for every case of a switch whose condition was evaluated:
// it was chosen, or a later one was, or it is the first of a switch that ran.
func conditions(path string, blocks []block, add func(from, to token.Position)) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		return err
	}
	ran := func(pos token.Pos) bool {
		at := set.Position(pos)
		return slices.ContainsFunc(blocks, func(b block) bool {
			after := at.Line > b.fromLine || at.Line == b.fromLine && at.Column >= b.fromCol
			before := at.Line < b.toLine || at.Line == b.toLine && at.Column < b.col
			return b.count > 0 && after && before
		})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SwitchStmt)
		if !ok {
			return true
		}
		chosen := false
		for i, stmt := range slices.Backward(s.Body.List) {
			clause := stmt.(*ast.CaseClause)
			chosen = chosen || ran(clause.Colon+1)
			if len(clause.List) > 0 && (chosen || i == 0 && ran(s.Switch)) {
				add(set.Position(clause.Case), set.Position(clause.Colon))
			}
		}
		return true
	})
	return nil
}
