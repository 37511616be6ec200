package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamageIsNamed spoils every file of a database in every way: then either all answers are
// as they were, or the error names the file.
func TestDamageIsNamed(t *testing.T) {
	h := history{7}
	path, _ := imaged(t, h, 40)
	d := openOn(t, path, nil, nil)
	for n := 40; n < 60; n++ {
		must(t, h.step(t.Context(), d.Engine, n+1))
	}
	want := mustWhole(t, d.Engine)
	cut := copyOf(t, path) // as a process that was killed leaves it
	must(t, d.Close(), os.RemoveAll(filepath.Join(cut, imageName)))
	files, err := os.ReadDir(filepath.Join(cut, databaseName))
	must(t, err)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasPrefix(file.Name(), "marker.") || file.Name() == lockName {
			continue // their names are all they say
		}
		for how, spoil := range map[string]func(name string, data []byte) error{
			"removed": func(name string, _ []byte) error { return os.Remove(name) },
			"emptied": func(name string, _ []byte) error { return os.WriteFile(name, nil, 0o600) },
			"cut":     func(name string, data []byte) error { return os.WriteFile(name, data[:len(data)/2], 0o600) },
			"changed": func(name string, data []byte) error {
				for i := len(data) / 3; i < len(data)/2; i++ {
					data[i] ^= 0x55
				}
				return os.WriteFile(name, data, 0o600)
			},
		} {
			spoilt := scratch(t)
			must(t, copyDirectory(spoilt, cut))
			name := filepath.Join(spoilt, databaseName, file.Name())
			data, err := os.ReadFile(name)
			must(t, err, spoil(name, data))
			_, verified := Verify(t.Context(), spoilt, nil)
			got, err := recovered(t, spoilt)
			switch {
			case err == nil && got != want:
				t.Errorf("%s was %s: other answers", file.Name(), how)
			case err != nil && !strings.Contains(err.Error(), file.Name()):
				t.Errorf("%s was %s: %v", file.Name(), how, err)
			case err != nil:
				kind, _, _ := strings.Cut(file.Name(), "-")
				found[filepath.Ext(kind)+strings.TrimRight(kind, "0123456789.logst")] = true
				if verified == nil || !strings.Contains(verified.Error(), file.Name()) {
					t.Errorf("%s was %s: verify says %v", file.Name(), how, verified)
				}
			}
		}
	}
	for _, kind := range []string{".log", ".sst", "MANIFEST", "OPTIONS"} {
		if !found[kind] {
			t.Errorf("no damage of %s was found: %v", kind, found)
		}
	}
}
