//go:build unix

package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSmallDirectory: what few assets take on the disk is less than a megabyte, also after it was
// opened and closed several times.
func TestSmallDirectory(t *testing.T) {
	const most = 1 << 20
	dir, seq := filepath.Join(t.TempDir(), "data"), 0
	for round := range 4 {
		d := openOn(t, dir, nil, nil)
		for range 20 {
			seq++
			must(t, history{1}.step(t.Context(), d.Engine, seq))
		}
		open := blocksBelow(t, dir)
		must(t, d.Close())
		if closed := blocksBelow(t, dir); open > most || closed > most {
			t.Errorf("round %d: open, the directory takes %d bytes, closed %d; want %d at most", round, open, closed, most)
		}
	}
}

// blocksBelow returns how many bytes the disk has given to all files of a directory.
func blocksBelow(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestPipes: a pipe in place of a file never keeps anybody waiting.
func TestPipes(t *testing.T) {
	for _, name := range []string{imageName, witnessName, markerName} {
		path, want := imaged(t, history{7}, 20)
		must(t, os.Remove(filepath.Join(path, name)), syscall.Mkfifo(filepath.Join(path, name), 0o600))
		got, err := recovered(t, path)
		switch {
		case name == imageName:
			if err != nil || got != want {
				t.Errorf("%s: %v\n%s", name, err, got)
			}
		case err == nil || !strings.Contains(err.Error(), "is no file"):
			t.Errorf("%s: %v", name, err)
		}
	}
}
