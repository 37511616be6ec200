package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/index"
)

// listed returns what the engine tells of project p.
func listed(t *testing.T, e *engine.Engine, q engine.ChangeQuery) (list []engine.Change, err error) {
	t.Helper()
	q.Project = "p"
	c, err := e.Changes(t.Context(), q)
	if err != nil {
		return nil, err
	}
	for change, err := range c.All(t.Context(), nil) {
		if err != nil {
			return nil, err
		}
		list = append(list, *change)
	}
	return list, nil
}

func mustList(t *testing.T, e *engine.Engine, q engine.ChangeQuery) []engine.Change {
	t.Helper()
	list, err := listed(t, e, q)
	must(t, err)
	return list
}

// within orders the changes of a batch by asset: which is first depends on what was loaded.
func within(list []engine.Change) []engine.Change {
	list = slices.Clone(list)
	for i := range list {
		list[i].At.Asset = 0
	}
	slices.SortStableFunc(list, func(a, b engine.Change) int {
		if c := int(int64(a.At.Sequence) - int64(b.At.Sequence)); c != 0 {
			return c
		}
		return strings.Compare(a.Asset, b.Asset)
	})
	return list
}

// TestHistory: what a directory tells of the past is what an engine tells that kept all of it in memory, whether
// it was read from memory or from the disk, after however many starts, from any point and any time on.
func TestHistory(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 3))
		now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		want, err := engine.Open(&engine.Options{Now: clock})
		must(t, err)
		opts := &Options{fs: vfs.NewMem(), noImage: rng.IntN(2) == 0}
		start := func() durable {
			return openOn(t, "data", opts, &engine.Options{Now: clock, ChangesBytes: []int{0, 1, 2000}[rng.IntN(3)]})
		}
		d := start()
		for reports := enginetest.Small(seed, 300); len(reports) > 0; {
			n := min(1+rng.IntN(12), len(reports))
			for _, e := range []*engine.Engine{want, d.Engine} {
				_, err := e.Apply(t.Context(), reports[:n])
				must(t, err)
			}
			reports = reports[n:]
			if rng.IntN(5) == 0 {
				id := []string{"a", "b", "c", "d"}[rng.IntN(4)]
				for _, e := range []*engine.Engine{want, d.Engine} {
					if _, err := e.Remove(t.Context(), "p", engine.Host, id); err != nil && !errors.Is(err, engine.ErrNotFound) {
						t.Fatal(err)
					}
				}
			}
			if rng.IntN(3) == 0 {
				now = now.Add(time.Duration(rng.IntN(5)) * time.Second)
			}
			if rng.IntN(10) == 0 {
				must(t, d.Close())
				d = start()
			}
		}
		for _, category := range []engine.Category{engine.Host, engine.Container} {
			q := engine.ChangeQuery{Category: category}
			all := mustList(t, want, q)
			if got := mustList(t, d.Engine, q); !slices.Equal(within(got), within(all)) {
				t.Fatalf("seed %d: %d changes, want %d", seed, len(got), len(all))
			}
			for range 30 {
				one := all[rng.IntN(len(all))]
				for _, q := range []engine.ChangeQuery{{After: engine.After(one.At.Sequence)}, {Since: one.Time}, {Until: one.Time}, {After: engine.After(one.At.Sequence), Net: true}} {
					q.Category = category
					if got, want := mustList(t, d.Engine, q), mustList(t, want, q); !slices.Equal(within(got), within(want)) {
						t.Fatalf("seed %d, %+v: got %+v, want %+v", seed, q, got, want)
					}
				}
			}
			for range 20 {
				one := all[rng.IntN(len(all))]
				for _, m := range []engine.Moment{{Sequence: one.At.Sequence}, {Time: one.Time}} {
					if got, want := stateAt(t, d.Engine, category, m), stateAt(t, want, category, m); got != want {
						t.Fatalf("seed %d, as of %v: got\n%s\nwant\n%s", seed, m, got, want)
					}
				}
			}
			own := mustList(t, d.Engine, q)
			for i := 0; i < len(own); i += 7 {
				if got := mustList(t, d.Engine, engine.ChangeQuery{Category: category, After: own[i].At}); !slices.Equal(got, own[i+1:]) {
					t.Fatalf("seed %d: after %v: got %+v, want %+v", seed, own[i].At, got, own[i+1:])
				}
			}
		}
		must(t, d.Close())
		if _, err := Verify(t.Context(), "data", opts); err != nil {
			t.Fatal(err)
		}
	}
}

// stateAt is a state of project p in the past, as text.
func stateAt(t *testing.T, e *engine.Engine, category engine.Category, m engine.Moment) string {
	t.Helper()
	s, err := e.SnapshotAt(t.Context(), "p", category, m)
	must(t, err)
	return stateText(t, s)
}

func stateText(t *testing.T, s engine.Snapshot) string {
	t.Helper()
	page, err := s.Assets(t.Context(), engine.AssetQuery{ByID: true})
	must(t, err)
	var b strings.Builder
	for i := range page.Rows {
		a := &page.Rows[i]
		fmt.Fprintln(&b, a.ID, a.Name, a.Address, a.EnterpriseProject, a.Labels, a.Open)
	}
	ports, err := s.Ports(t.Context(), engine.PortQuery{})
	must(t, err)
	fmt.Fprintln(&b, ports.Rows)
	return b.String()
}

// TestHistoryOfMany: a batch of many parts is read in pieces, from any of its changes on.
func TestHistoryOfMany(t *testing.T) {
	d := openOn(t, "data", &Options{fs: vfs.NewMem()}, &engine.Options{ChangesBytes: 1})
	reports := make([]engine.Report, 40_000)
	for i := range reports {
		reports[i] = engine.Report{Project: "p", Asset: fmt.Sprintf("asset-%d-%s", i, strings.Repeat("x", 40)), Scope: engine.ScopeAll(), Open: []engine.Key{index.MakeKey(uint16(i+1), index.TCP)}}
	}
	_, err := d.Apply(t.Context(), reports)
	must(t, err)
	all := mustList(t, d.Engine, engine.ChangeQuery{})
	if len(all) != 80_000 {
		t.Fatalf("%d changes", len(all))
	}
	for i := 0; i < len(all); i += 7919 {
		if got := mustList(t, d.Engine, engine.ChangeQuery{After: all[i].At}); !slices.Equal(got, all[i+1:]) {
			t.Fatalf("after %v: %d changes, want %d", all[i].At, len(got), len(all)-i-1)
		}
	}
	must(t, d.Close())
}

// daily opens a directory to which a batch comes every hour.
type daily struct {
	durable
	now *time.Time
	n   int
}

func openDaily(t *testing.T, opts *Options) daily {
	t.Helper()
	now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	return daily{openOn(t, "data", opts, &engine.Options{Now: func() time.Time { return now }, ChangesBytes: 1}), &now, 0}
}

func (d *daily) hours(t *testing.T, n, assets int) {
	t.Helper()
	for range n {
		rng := rand.New(rand.NewPCG(uint64(d.n), 1))
		reports := make([]engine.Report, assets)
		for i := range reports {
			reports[i] = engine.Report{Project: "p", Asset: fmt.Sprintf("%016x-%d", rng.Uint64(), i), Scope: engine.ScopeAll(), Open: []engine.Key{index.MakeKey(uint16(d.n%60_000+1), index.TCP)}}
		}
		_, err := d.Apply(t.Context(), reports)
		must(t, err)
		d.store.counter.wait() // what is not counted yet stays
		*d.now = d.now.Add(time.Hour)
		d.n++
	}
}

// wantFrom holds what is kept against the batch from which on it is to be.
func wantFrom(t *testing.T, e *engine.Engine, most int) (first engine.Change) {
	t.Helper()
	list := mustList(t, e, engine.ChangeQuery{})
	if len(list) == 0 || len(list) > most {
		t.Fatalf("%d changes are kept, want 1 to %d", len(list), most)
	}
	first = list[0]
	var old *engine.TooOldError
	if _, err := listed(t, e, engine.ChangeQuery{After: engine.After(1)}); !errors.As(err, &old) || old.Sequence != first.At.Sequence-1 {
		t.Fatalf("%v, where the first is %+v", err, first)
	}
	if _, err := listed(t, e, engine.ChangeQuery{Since: old.Time}); !errors.Is(err, engine.ErrTooOld) {
		t.Fatal(err)
	}
	if got := mustList(t, e, engine.ChangeQuery{Since: old.Time.Add(1000)}); !slices.Equal(got, list) {
		t.Fatalf("%d changes of %d", len(got), len(list))
	}
	return first
}

// TestHistoryEnds: what is too old goes, also of a directory that is opened again, and who asks for it is told
// from where on there is something; what is not yet too old stays.
func TestHistoryEnds(t *testing.T) {
	opts := &Options{fs: vfs.NewMem(), History: 64 * time.Hour}
	d := openDaily(t, opts)
	d.hours(t, 60, 1)
	if got := mustList(t, d.Engine, engine.ChangeQuery{After: engine.After(1)}); len(got) != 2*59 {
		t.Fatalf("%d changes", len(got))
	}
	d.hours(t, 240, 1)
	first := wantFrom(t, d.Engine, 2*66)
	if age := d.now.Add(-time.Hour).Sub(first.Time); age < 63*time.Hour {
		t.Errorf("the oldest is %v old", age)
	}
	must(t, d.Close())
	v, err := Verify(t.Context(), "data", opts)
	must(t, err)
	again := openOn(t, "data", opts, &engine.Options{Now: func() time.Time { return *d.now }})
	if got := wantFrom(t, again.Engine, 2*66); got != first || v.Sequence != 300 {
		t.Errorf("opened again: from %+v on, before %+v; %+v", got, first, v)
	}
	must(t, again.Close())
}

// TestHistoryBytes: the past takes no more of the disk than it may.
func TestHistoryBytes(t *testing.T) {
	opts := &Options{fs: vfs.NewMem(), HistoryBytes: 256 << 10}
	d := openDaily(t, opts)
	for range 40 {
		d.hours(t, 2, 1000)
		must(t, d.store.db.Flush())
	}
	d.hours(t, 1, 1)
	first := wantFrom(t, d.Engine, 2*1000*79)
	if first.At.Sequence < 20 {
		t.Errorf("everything is kept from %+v on", first)
	}
	must(t, d.Close())
	if _, err := Verify(t.Context(), "data", opts); err != nil {
		t.Error(err)
	}
}

// TestHistoryGivesWay: where the disk has no room for writes, the past gives way, and says so.
func TestHistoryGivesWay(t *testing.T) {
	const floor = 8 << 20
	crowd := newSmall(vfs.NewMem())
	var log bytes.Buffer
	d := openDaily(t, &Options{fs: crowd, MinFree: floor, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 30 {
		d.hours(t, 1, 5000)
		must(t, d.store.db.Flush())
	}
	must(t, d.store.db.Compact(t.Context(), []byte{0}, []byte{255}, false))
	before := mustList(t, d.Engine, engine.ChangeQuery{})
	now := time.Now()
	d.store.floor.now = func() time.Time { return now }
	crowd.other.Store(crowd.total - crowd.size("data") - crowd.size("data/db") - floor + 100<<10) // a little less than the floor is free
	refused := 0
	for ; refused < 20; refused++ {
		now = now.Add(giveUpAfter)
		_, err := d.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "late", Scope: engine.ScopeAll()}})
		if err == nil {
			break
		}
		if !errors.Is(err, engine.ErrRefused) {
			t.Fatal(err)
		}
	}
	kept := mustList(t, d.Engine, engine.ChangeQuery{})
	if refused == 20 || len(kept) >= len(before) || !strings.Contains(log.String(), "was given up for room") {
		t.Errorf("refused %d times, %d changes of %d are kept: %s", refused, len(kept), len(before), &log)
	}
	must(t, d.Close())
}

// TestHistoryOff: a directory that is opened without a past has none, and one that is opened with one again
// begins then; and a batch of an engine that records nothing is not passed over in silence.
func TestHistoryOff(t *testing.T) {
	disk := vfs.NewMem()
	on, off := &Options{fs: disk}, &Options{fs: disk, History: -1}
	apply := func(d durable, asset string) {
		t.Helper()
		_, err := d.Apply(t.Context(), []engine.Report{{Project: "p", Asset: asset, Scope: engine.ScopeAll()}})
		must(t, err)
	}
	d := openOn(t, "data", on, nil)
	apply(d, "a")
	must(t, d.Close())
	d = openOn(t, "data", off, &engine.Options{ChangesBytes: -1})
	apply(d, "b")
	if _, err := d.store.Past(t.Context(), "p", engine.Host, 0, 0, 9); !errors.Is(err, ErrNoHistory) {
		t.Error(err)
	}
	must(t, d.Close())
	d = openOn(t, "data", on, nil)
	apply(d, "c")
	if got := mustList(t, d.Engine, engine.ChangeQuery{}); len(got) != 1 || got[0].Asset != "c" {
		t.Errorf("%+v", got)
	}
	if _, err := listed(t, d.Engine, engine.ChangeQuery{After: engine.After(1)}); !errors.Is(err, engine.ErrTooOld) {
		t.Error(err)
	}
	must(t, d.Close())
	d = openOn(t, "data", on, &engine.Options{ChangesBytes: -1})
	apply(d, "d")
	must(t, d.Close())
	d = openOn(t, "data", on, nil)
	apply(d, "e")
	if got := mustList(t, d.Engine, engine.ChangeQuery{}); len(got) != 1 || got[0].Asset != "e" {
		t.Errorf("%+v", got)
	}
	if _, err := listed(t, d.Engine, engine.ChangeQuery{After: engine.After(3)}); !errors.Is(err, engine.ErrTooOld) {
		t.Error(err)
	}
	must(t, d.Close())
}

// TestHistoryDamage: a damaged part of the past is an error for who asks for it, and what verify finds, and
// nothing else suffers.
func TestHistoryDamage(t *testing.T) {
	for name, spoil := range map[string]func(key, record []byte) (newKey, newRecord []byte){
		"flipped": func(k, r []byte) ([]byte, []byte) { r[len(r)-1] ^= 1; return k, r },
		"cut":     func(k, r []byte) ([]byte, []byte) { return k, r[:len(r)-3] },
		"of another time": func(k, r []byte) ([]byte, []byte) {
			return k, appendRecord(nil, k, append([]byte{partVersion, 0}, r[4+9:]...))
		},
		"without its end": func(k, r []byte) ([]byte, []byte) { return k, appendRecord(nil, k, r[4:len(r)-3]) },
		"of the future": func(k, r []byte) ([]byte, []byte) {
			binary.BigEndian.PutUint64(k[keyBytes:], 99)
			return k, appendRecord(nil, k, r[4:])
		},
		"a part that is missing": func(k, r []byte) ([]byte, []byte) {
			binary.BigEndian.PutUint32(k[keyBytes+8:], 7)
			return k, appendRecord(nil, k, r[4:])
		},
		"of no inventory": func(k, r []byte) ([]byte, []byte) {
			binary.BigEndian.PutUint32(k[1:], 9)
			return k, appendRecord(nil, k, r[4:])
		},
		"a short key": func(k, r []byte) ([]byte, []byte) { return k[:8], appendRecord(nil, k[:8], r[4:]) },
	} {
		opts := &Options{fs: vfs.NewMem()}
		d := openDaily(t, opts)
		d.hours(t, 5, 3)
		key := appendHistoryKey(nil, 1, 3, 0)
		record, closer, err := d.store.db.Get(key)
		must(t, err)
		newKey, newRecord := spoil(slices.Clone(key), slices.Clone(record))
		must(t, closer.Close(), d.store.db.Delete(key, pebble.Sync), d.store.db.Set(newKey, newRecord, pebble.Sync))
		want := answers(t, d.Engine)
		must(t, d.Close())
		if _, err := Verify(t.Context(), "data", opts); !errors.Is(err, errDamaged) {
			t.Errorf("%s: verify finds %v", name, err)
		}
		if name == "of no inventory" {
			continue // nothing loads that
		}
		d.durable = openOn(t, "data", opts, nil)
		got, err := listed(t, d.Engine, engine.ChangeQuery{})
		if name != "of another time" && name != "of the future" && name != "a part that is missing" && name != "a short key" && err == nil {
			t.Errorf("%s: %d changes without an error", name, len(got))
		}
		if answers(t, d.Engine) != want {
			t.Errorf("%s: other answers", name)
		}
		d.hours(t, 1, 1)
		must(t, d.Close())
	}
}

// FuzzPart: whatever bytes are a record of the past, they are read or are damaged.
func FuzzPart(f *testing.F) {
	key := appendHistoryKey(nil, 1, 2, 3)
	f.Add(key, []byte{1, 2, 1, 9})
	f.Add(key[:5], []byte{})
	f.Fuzz(func(t *testing.T, key, payload []byte) {
		p, err := readPart(key, appendRecord(nil, key, payload), true)
		if err == nil && (len(key) != historyBytes || p.End <= p.First) {
			t.Errorf("%+v of %x", p, payload)
		}
		_, _ = parsePoint(payload)
		_, _ = parseSequence(payload)
	})
}

// TestHistoryOfRemovedProject: a project that comes again has its own past, on the disk, too.
func TestHistoryOfRemovedProject(t *testing.T) {
	opts := &Options{fs: vfs.NewMem()}
	d := openDaily(t, opts)
	d.hours(t, 3, 2)
	_, err := d.RemoveProject(t.Context(), "p")
	must(t, err)
	d.hours(t, 1, 2)
	if _, err := listed(t, d.Engine, engine.ChangeQuery{After: engine.After(2)}); !errors.Is(err, engine.ErrTooOld) {
		t.Error(err)
	}
	must(t, d.Close())
	d.durable = openOn(t, "data", opts, nil)
	if list := mustList(t, d.Engine, engine.ChangeQuery{}); len(list) != 4 || list[0].At.Sequence != 5 {
		t.Errorf("%+v", list)
	}
	must(t, d.Close())
	if _, err := Verify(t.Context(), "data", opts); err != nil {
		t.Error(err)
	}
}
