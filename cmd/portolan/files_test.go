package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// reportsIn writes so many files of one report each.
func reportsIn(t *testing.T, n int) (folder string, names []string) {
	t.Helper()
	folder = t.TempDir()
	for i := range n {
		name := filepath.Join(folder, fmt.Sprintf("%04d.ndjson", i))
		if err := os.WriteFile(name, fmt.Appendf(nil, `{"asset":"h%d","scope":"all","open":["22/tcp"]}`+"\n", i), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return folder, names
}

// TestManyFiles: a folder of more files than are open at a time is read whole, also strictly, when
// each is read twice.
func TestManyFiles(t *testing.T) {
	folder, _ := reportsIn(t, 5*mostOpen)
	for _, flags := range []string{"", "--strict"} {
		r := mustCall(t, nil, strings.Fields("ports -o ndjson "+folder+" "+flags)...)
		if want := fmt.Sprintf(`{"num":%d,"port":22,"type":"TCP","status":"unknown"}`+"\n", 5*mostOpen); r.stdout != want {
			t.Errorf("%s\ngot  %swant %s", flags, r.stdout, want)
		}
	}
}

// TestShelf: no more files are open than may be, each goes on where it was, and one that was
// replaced meanwhile is not read as if it were the same.
func TestShelf(t *testing.T) {
	_, names := reportsIn(t, mostOpen+3)
	var s shelf
	var files []io.ReadCloser
	first := make([]byte, 5)
	for _, name := range names {
		f, size, err := s.openLazily(name)
		if err != nil || size <= 0 {
			t.Fatal(size, err)
		}
		if _, err := io.ReadFull(f, first); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		if s.open.Len() > mostOpen {
			t.Fatalf("%d files are open", s.open.Len())
		}
	}
	for i, f := range files[1:] {
		rest, err := io.ReadAll(f)
		if want, _ := os.ReadFile(names[i+1]); err != nil || string(first)+string(rest) != string(want) {
			t.Fatalf("%s: %q, %v", names[i+1], rest, err)
		}
	}
	if err := os.Rename(names[1], names[0]); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(files[0]); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("one that was replaced: %q, %v", rest, err)
	}
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if s.open.Len() != 0 {
		t.Errorf("%d files are still open", s.open.Len())
	}
}

// TestFolders: links to files are followed, those to folders are not; a folder without files is an
// error, and so is a pattern that is none.
func TestFolders(t *testing.T) {
	elsewhere, names := reportsIn(t, 2)
	folder := t.TempDir()
	for name, to := range map[string]string{"a.ndjson": names[1], "folder": elsewhere} {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := expand([]string{folder}); err != nil || len(files) != 1 || filepath.Base(files[0]) != "a.ndjson" {
		t.Errorf("got %q, %v", files, err)
	}
	for name, want := range map[string]string{t.TempDir(): "has no files", folder + "/[": "syntax error", folder + "/*.xml": "no file is called so"} {
		if files, err := expand([]string{name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want %s", name, files, err, want)
		}
	}
	odd := filepath.Join(folder, "[1].ndjson")
	if err := os.Rename(names[0], odd); err != nil {
		t.Fatal(err)
	}
	if files, err := expand([]string{odd}); err != nil || len(files) != 1 {
		t.Errorf("a file whose name is a pattern: %q, %v", files, err)
	}
	if err := os.Symlink(filepath.Join(folder, "gone"), filepath.Join(folder, "dangling")); err != nil {
		t.Fatal(err)
	}
	if files, err := expand([]string{folder}); err == nil {
		t.Errorf("a link to nothing: %q", files)
	}
}
