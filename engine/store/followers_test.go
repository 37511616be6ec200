package store

import (
	"bytes"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestFollowers: what a follower has kept is there after a crash, a restart and in a backup, until it is
// forgotten; what cannot be kept is refused and changes nothing.
func TestFollowers(t *testing.T) {
	disk := vfs.NewCrashableMem()
	d := openOn(t, "data", &Options{fs: disk}, nil)
	wrote(t, d, 1)
	want := map[string][]byte{}
	hold := func(when string, of *Store) {
		t.Helper()
		if got, err := of.Followers(); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %q, %v, want %q", when, got, err, want)
		}
	}
	hold("at first", d.store)
	for name, data := range map[string][]byte{"one": {1, 2}, "two": {}, "rule \"x\"\x00": []byte("three")} {
		must(t, d.store.KeepFollower(name, []byte("before")), d.store.KeepFollower(name, data))
		want[name] = data
	}
	hold("kept", d.store)
	for _, wrong := range []struct {
		name string
		data []byte
	}{{"", nil}, {strings.Repeat("n", maxFollowerName+1), nil}, {"x", make([]byte, maxFollowerData+1)}} {
		if err := d.store.KeepFollower(wrong.name, wrong.data); err == nil {
			t.Errorf("%.20q with %d bytes is taken", wrong.name, len(wrong.data))
		}
	}

	d2 := openOn(t, "data", &Options{fs: disk.CrashClone(vfs.CrashCloneCfg{})}, nil)
	hold("after a crash", d2.store)
	must(t, d2.store.KeepFollower("two", nil), d2.store.KeepFollower("none", nil))
	delete(want, "two")
	hold("forgotten", d2.store)

	var archive bytes.Buffer
	must(t, d2.store.Backup(t.Context(), &archive))
	path := filepath.Join(t.TempDir(), "restored")
	_, err := Unpack(t.Context(), path, &archive, nil)
	must(t, err)
	restored := openOn(t, path, nil, nil)
	hold("restored", restored.store)
	must(t, restored.Close())
	if _, err := Verify(t.Context(), path, nil); err != nil {
		t.Error(err)
	}
	must(t, d2.Close())
	if err := d2.store.KeepFollower("late", nil); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if _, err := d2.store.Followers(); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	must(t, d.Close())
}
