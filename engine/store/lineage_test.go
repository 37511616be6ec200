package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
)

// wrote applies a report and returns its sequence number.
func wrote(t *testing.T, d durable, n int) uint64 {
	t.Helper()
	result, err := d.Apply(t.Context(), []engine.Report{numbered(n)})
	must(t, err)
	return result.Sequence
}

// wantKnown asks for an answer that includes a batch, of the engine and of a snapshot.
func wantKnown(t *testing.T, d durable, seq uint64, known bool) {
	t.Helper()
	_, err := d.Ports(t.Context(), engine.PortQuery{Project: "p1", AtLeast: seq})
	s, err2 := d.Snapshot("p1", engine.Host)
	must(t, err2)
	_, err2 = s.Assets(t.Context(), engine.AssetQuery{AtLeast: seq})
	await := d.Await(t.Context(), seq)
	for _, err := range []error{err, err2, await} {
		if known && err != nil || !known && !errors.Is(err, engine.ErrBehind) {
			t.Errorf("batch %d: %v, want it known: %t", seq, err, known)
		}
	}
}

// TestLineageAfterLag: numbers that were told before their batches were kept, and were lost
// with those, are given to no other batch, and known to be lost.
func TestLineageAfterLag(t *testing.T) {
	for _, kept := range []bool{true, false} { // before the first loss
		disk := vfs.NewCrashableMem()
		late := &engine.Options{DurableWithin: time.Hour}
		d := openOn(t, "data", &Options{fs: disk}, late)
		var sound, told []uint64
		if kept {
			sound = append(sound, wrote(t, d, 1), wrote(t, d, 3))
			must(t, d.Sync(t.Context()))
		}
		for round := range 3 {
			for n := range 3 {
				told = append(told, wrote(t, d, 5+2*n))
			}
			cut := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * round, RNG: rand.New(rand.NewPCG(1, 1))})
			must(t, d.Close())
			disk = cut
			d = openOn(t, "data", &Options{fs: disk}, late)
			next := wrote(t, d, 7)
			must(t, d.Sync(t.Context()))
			for _, seq := range told {
				wantKnown(t, d, seq, false)
			}
			if next <= slices.Max(told) {
				t.Errorf("batch %d after %d", next, told)
			}
			sound = append(sound, next)
			for _, seq := range sound {
				wantKnown(t, d, seq, true)
			}
			wantKnown(t, d, next+1, false)
		}
		must(t, d.Close())
		// An end that is none of a fault loses nothing.
		d = openOn(t, "data", &Options{fs: disk}, late)
		if last, next := slices.Max(sound), wrote(t, d, 9); next != last+1 {
			t.Errorf("batch %d after %d", next, last)
		}
		must(t, d.Close())
		d = openOn(t, "data", &Options{fs: disk}, nil)
		if last, next := slices.Max(sound), wrote(t, d, 11); next != last+2 {
			t.Errorf("batch %d after %d", next, last+1)
		}
		must(t, d.Close())
	}
}

// TestLineageOfCopies: a backup that is restored, however it is unpacked, and a directory
// whose witness was removed, may lack batches that were acknowledged. A process that was
// killed lacks none.
func TestLineageOfCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := openOn(t, path, nil, nil)
	first := wrote(t, d, 1)
	var archive bytes.Buffer
	must(t, d.store.Backup(t.Context(), &archive))
	later := wrote(t, d, 3)
	killed := copyOf(t, path)
	must(t, d.Close())

	copies := map[string]string{}
	for _, name := range []string{"one", "another"} {
		copies[name] = filepath.Join(t.TempDir(), "data")
		_, err := Unpack(t.Context(), copies[name], bytes.NewReader(archive.Bytes()), nil)
		must(t, err)
	}
	copies["restored"] = filepath.Join(t.TempDir(), "data")
	_, err := Restore(t.Context(), copies["one"], copies["restored"], nil)
	must(t, err)
	given := map[uint64]string{}
	for name, path := range copies {
		d := openOn(t, path, nil, nil)
		from := d.store.seq
		must(t, d.Close())
		if d = openOn(t, path, nil, nil); d.store.seq != from {
			t.Errorf("%s: goes on at %d, then at %d", name, from, d.store.seq)
		}
		wantKnown(t, d, first, true)
		wantKnown(t, d, later, false)
		next := wrote(t, d, 5)
		wantKnown(t, d, later, false)
		wantKnown(t, d, next, true)
		if other := given[next]; other != "" {
			t.Errorf("%s and %s both gave %d", name, other, next)
		}
		given[next] = name
		must(t, d.Close())
		d = openOn(t, path, nil, nil) // once is enough
		if again := wrote(t, d, 7); again != next+1 {
			t.Errorf("%s: batch %d after %d", name, again, next)
		}
		must(t, d.Close())
	}
	d = openOn(t, killed, nil, nil)
	if next := wrote(t, d, 5); next != later+1 {
		t.Errorf("killed: batch %d after %d", next, later)
	}
	must(t, d.Close(), os.Remove(filepath.Join(killed, witnessName)))
	d = openOn(t, killed, nil, nil)
	if next := wrote(t, d, 7); next <= later+2 {
		t.Errorf("without its witness: batch %d after %d", next, later+1)
	}
	wantKnown(t, d, later, true)
	must(t, d.Close())
}

// TestManyGaps: gaps are bounded, and what is forgotten is taken for lost.
func TestManyGaps(t *testing.T) {
	var l lineage
	for n := range uint64(3 * maxGaps) {
		l.begin(max(l.base(), n) + 1)
		again, err := parseLineage(l.bytes())
		must(t, err)
		if !slices.Equal(again.gaps, l.gaps) || len(l.gaps) > maxGaps {
			t.Fatalf("%d gaps, read as %d", len(l.gaps), len(again.gaps))
		}
	}
	if l.gaps[0].after != 1 || !slices.IsSortedFunc(l.gaps, func(a, b lost) int { return int(a.before) - int(b.after) }) {
		t.Errorf("%v", l.gaps[:3])
	}
}

// FuzzLineage: whatever is read is written as it was, or refused.
func FuzzLineage(f *testing.F) {
	var l lineage
	l.begin(7)
	f.Add(l.bytes())
	l.lagging = true
	l.begin(l.base() + 1)
	f.Add(l.bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLineage(data)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Error(err)
			}
			return
		}
		again, err := parseLineage(l.bytes())
		if err != nil || again.lagging != l.lagging || !slices.Equal(again.gaps, l.gaps) {
			t.Errorf("%+v, then %+v, %v", l, again, err)
		}
	})
}
