package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
	"portolan/engine/journal"
	"portolan/index"
)

// wait returns when nothing is being counted.
func (c *counter) wait() {
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	if done != nil {
		<-done
	}
}

// course is a directory and an engine that keeps all of the past in memory, which are told the same.
type course struct {
	t    *testing.T
	rng  *rand.Rand
	now  time.Time
	opts *Options
	durable
	want *engine.Engine
}

func newCourse(t *testing.T, seed uint64, opts *Options) *course {
	t.Helper()
	c := &course{t: t, rng: rand.New(rand.NewPCG(seed, 9)), now: time.Date(2026, 2, 1, 13, 7, 0, 0, time.UTC), opts: opts}
	var err error
	c.want, err = engine.Open(&engine.Options{Now: c.clock})
	must(t, err)
	c.start()
	return c
}

func (c *course) clock() time.Time { return c.now }

func (c *course) start() {
	c.t.Helper()
	c.durable = openOn(c.t, "data", c.opts, &engine.Options{Now: c.clock, ChangesBytes: []int{0, 1, 2000}[c.rng.IntN(3)]})
}

// both does the same to both engines.
func (c *course) both(f func(e *engine.Engine) error) {
	c.t.Helper()
	for _, e := range []*engine.Engine{c.want, c.Engine} {
		if err := f(e); err != nil && !errors.Is(err, engine.ErrNotFound) {
			c.t.Fatal(err)
		}
	}
}

// goOn has so many batches come, and time pass; a restart comes now and then.
func (c *course) goOn(batches int) {
	c.t.Helper()
	rng := c.rng
	for range batches {
		reports := make([]engine.Report, 1+rng.IntN(4))
		for i := range reports {
			r := &reports[i]
			*r = engine.Report{Project: "p", Asset: fmt.Sprint("a", rng.IntN(12)), Category: engine.Category(rng.IntN(8) / 7), Scope: engine.ScopeAll()}
			for range rng.IntN(5) {
				r.Open = append(r.Open, index.MakeKey([]uint16{22, 80, 443, 8080, 65535}[rng.IntN(5)], []index.Type{index.TCP, index.UDP}[rng.IntN(2)]))
			}
			if rng.IntN(3) == 0 {
				r.EnterpriseProject = []string{"e1", "e2", "e3"}[rng.IntN(3)]
			}
		}
		c.both(func(e *engine.Engine) error { _, err := e.Apply(c.t.Context(), reports); return err })
		if rng.IntN(6) == 0 {
			id := fmt.Sprint("a", rng.IntN(12))
			c.both(func(e *engine.Engine) error { _, err := e.Remove(c.t.Context(), "p", engine.Host, id); return err })
		}
		if rng.IntN(3) == 0 {
			c.store.counter.wait() // or it counts several hours at once, or is ended
		}
		switch rng.IntN(20) {
		case 0:
			must(c.t, c.Close())
			c.start()
		case 1, 2, 3, 4, 5:
			c.now = c.now.Add(time.Duration(rng.IntN(90)) * time.Minute)
		case 6:
			c.now = c.now.Add(time.Duration(rng.IntN(50)) * time.Hour)
		default:
			c.now = c.now.Add(time.Duration(rng.IntN(1000)) * time.Second)
		}
	}
}

// counted has everything counted that is past.
func (c *course) counted() {
	c.t.Helper()
	c.now = c.now.Add(time.Minute)
	c.both(func(e *engine.Engine) error {
		_, err := e.Apply(c.t.Context(), []engine.Report{{Project: "other", Asset: fmt.Sprint(c.now), Scope: engine.ScopeAll()}})
		return err
	})
	c.store.counter.wait()
}

var courseViews = []engine.View{engine.All(), engine.In("e1"), engine.In("e1", "e3"), engine.In("none"), engine.In()}

// trends holds trends from a time on against those of the engine that keeps all single changes. Where the directory
// does not, sums are of the ends of hours or days.
func (c *course) trends(since time.Time, step time.Duration) {
	c.t.Helper()
	for _, view := range courseViews {
		for by := engine.ByKey; by <= engine.ByEnterpriseProject; by++ {
			q := engine.TrendQuery{Project: "p", Category: engine.Category(c.rng.IntN(2)), View: view, Since: since, Step: step, By: by}
			if c.rng.IntN(2) == 0 {
				var b index.KeySetBuilder
				b.AddRange(index.Range{Type: index.TCP, Lo: 22, Hi: uint16(22 + c.rng.IntN(500))})
				q.Keys = b.Build()
			}
			if c.rng.IntN(3) == 0 {
				q.Status = engine.Status(1 + c.rng.IntN(3))
			}
			if c.rng.IntN(3) == 0 {
				q.Until = since.Add(c.now.Sub(since) / 2)
			}
			got, err := c.Trend(c.t.Context(), q)
			must(c.t, err)
			want, err := c.want.Trend(c.t.Context(), q)
			must(c.t, err)
			single := by == engine.ByKey && (view.IsAll() || len(view.Names()) == 1)
			resolution := time.Duration(0)
			if begins := c.store.Begins("p", q.Category); !single && begins.Time >= since.Truncate(step).UnixMicro() {
				resolution = time.Hour
				if step%(24*time.Hour) == 0 {
					resolution = 24 * time.Hour
				}
			}
			if got.Resolution != resolution {
				c.t.Fatalf("%+v: resolution %v, want %v", q, got.Resolution, resolution)
			}
			if text := trendText(&got, got.Resolution == 0); text != trendText(&want, got.Resolution == 0) {
				c.t.Fatalf("since %v by %v of %v, status %v: got\n%s\nwant\n%s", since, step, view.Names(), q.Status, text, trendText(&want, got.Resolution == 0))
			}
			if got.Resolution > 0 {
				c.ends(&got)
			}
		}
	}
}

// ends checks that the least and the most are those at the beginning and at the end of the step where it is no longer than the
// resolution, and not beyond what they may be.
func (c *course) ends(got *engine.Trend) {
	c.t.Helper()
	kept, _, _ := c.store.history.keptCounts()
	known := kept.counted
	if got.Resolution > time.Hour {
		known = kept.daily
	}
	for i := range got.Lines {
		before := -1
		for n, p := range got.Lines[i].Points {
			summed := got.Step == got.Resolution && got.Start.Add(time.Duration(n+1)*got.Step).UnixMicro() <= known
			if summed && before >= 0 && (p.Least != min(before, p.Last) || p.Most != max(before, p.Last)) || p.Least > p.Last || p.Most < p.Last || p.Least < 0 {
				c.t.Fatalf("%+v after %d", p, before)
			}
			before = p.Last
		}
	}
}

// trendText is a trend as text: of each line the steps that are not as the one before, with the least and the most or without.
// Lines that have none at any end are left out without.
func trendText(trend *engine.Trend, all bool) string {
	text := fmt.Sprintln(trend.Start, trend.Step)
	for _, l := range trend.Lines {
		line, some := fmt.Sprintf("%v %v %q of %d:", l.Key, l.Status, l.EnterpriseProject, len(l.Points)), all
		before := engine.TrendPoint{}
		for i, p := range l.Points {
			if !all {
				p.Least, p.Most = p.Last, p.Last
			}
			if p != before {
				line += fmt.Sprintf(" %d: %d-%d %d", i, p.Least, p.Most, p.Last)
			}
			before, some = p, some || p.Last > 0
		}
		if some {
			text += line + "\n"
		}
	}
	return text
}

// pages holds pages of ports at moments since a time against those of the engine that keeps all.
func (c *course) pages(since time.Time) {
	c.t.Helper()
	for range 12 {
		m := engine.Moment{Time: since.Add(time.Duration(c.rng.Int64N(int64(c.now.Sub(since)) + 1)))}
		if c.rng.IntN(3) == 0 {
			m.Time = m.Time.Truncate(time.Hour).Add(time.Duration(c.rng.IntN(2)) * time.Hour)
			if m.Time.After(c.now) || m.Time.Before(since) {
				m.Time = since
			}
		}
		category := engine.Category(c.rng.IntN(2))
		past, err := c.At(c.t.Context(), "p", category, m)
		must(c.t, err)
		if seq := past.Head().Sequence(); c.rng.IntN(2) == 0 && seq > 0 {
			m = engine.Moment{Sequence: seq}
			past, err = c.At(c.t.Context(), "p", category, m)
			must(c.t, err)
		}
		state, err := c.want.SnapshotAt(c.t.Context(), "p", category, m)
		must(c.t, err)
		for _, view := range courseViews {
			q := engine.PortQuery{View: view, Order: engine.Order(c.rng.IntN(4)), Descending: c.rng.IntN(2) == 0, Offset: c.rng.IntN(3), Limit: c.rng.IntN(4)}
			got, err := past.Ports(c.t.Context(), q)
			must(c.t, err)
			want, err := state.Ports(c.t.Context(), q)
			must(c.t, err)
			if got.Total != want.Total || !slices.Equal(got.Rows, want.Rows) {
				c.t.Fatalf("as of %v, %v of %v: got %d %v, want %d %v", m, category, view.Names(), got.Total, got.Rows, want.Total, want.Rows)
			}
		}
	}
}

// TestCounts: counts in the course of time, and pages of ports of the past, are those of an engine that keeps all
// single changes, after however many starts, and with hours that are counted at once or one by one; also
// where single changes are not kept any more, and hours neither.
func TestCounts(t *testing.T) {
	const day = 24 * time.Hour
	for seed := range uint64(6) {
		opts := &Options{fs: vfs.NewMem(), noImage: seed%2 == 0}
		c := newCourse(t, seed, opts)
		begin := c.now
		for range 3 {
			c.goOn(60)
			for _, step := range []time.Duration{time.Hour, 7 * time.Hour, day, 7 * day, 40 * time.Minute, 90 * time.Minute} {
				c.trends(begin.Add(-3*time.Hour), step)
			}
			c.pages(begin)
		}
		must(t, c.Close())
		opts.History = 3 * day // from now on
		c.start()
		c.goOn(60)
		c.counted()
		c.counted() // what is counted by now goes
		if _, err := c.Trend(t.Context(), engine.TrendQuery{Project: "p", Since: begin, Step: time.Minute * 40}); err == nil {
			t.Fatal("there is no log of single changes, but a trend of 40 minutes")
		}
		kept := time.UnixMicro(c.store.Begins("p", engine.Host).Time).Add(time.Millisecond)
		hours, _, _ := c.store.history.keptCounts()
		c.trends(begin, day)
		c.trends(begin, 7*day)
		c.trends(time.UnixMicro(hours.hourly), time.Hour)
		c.trends(kept.Add(5*time.Hour), 5*time.Hour)
		c.pages(kept)
		var old *engine.TooOldError
		if _, err := c.At(t.Context(), "p", engine.Host, engine.Moment{Time: begin}); !errors.As(err, &old) {
			t.Fatal(err)
		}
		must(t, c.Close())
		if _, err := Verify(t.Context(), "data", opts); err != nil {
			t.Fatal(err)
		}
		opts.Trends = 10 * day
		c.start()
		c.now = c.now.Add(day)
		c.counted()
		since := time.UnixMicro(dayOf(c.store.time - opts.Trends.Microseconds()))
		c.trends(since, day)
		if _, err := c.Trend(t.Context(), engine.TrendQuery{Project: "p", Since: since.Add(-time.Hour), Step: day}); !errors.As(err, &old) || old.Time.After(since) {
			t.Fatal(err, since)
		}
		must(t, c.Close())
	}
}

// TestCountsOfOlderFormats: counts of a directory of an earlier version begin when it is opened; what was before is
// answered from its log, and where only counts would do, that says since when they are kept.
func TestCountsOfOlderFormats(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	must(t, os.CopyFS(path, os.DirFS(filepath.Join("testdata", "format7", "killed", "data"))))
	var now time.Time
	clock := &engine.Options{Now: func() time.Time { return now }}
	opts := &Options{History: 1000 * 24 * time.Hour}
	d := openOn(t, path, opts, clock)
	begun := time.UnixMicro(d.store.time)
	opened := begun.Truncate(24 * time.Hour).Add(24 * time.Hour) // after all batches
	now = opened
	if at := d.store.Counted(); at.Seq != goldenBatches+3 {
		t.Errorf("counted to %v", at)
	}
	trend := func(since time.Time) (engine.Trend, error) {
		return d.Trend(t.Context(), engine.TrendQuery{Project: "p0", Since: since, Until: opened.Add(2 * time.Hour), Step: time.Hour})
	}
	before, err := trend(begun.Add(-time.Hour))
	must(t, err)
	for n := range 30 {
		now = opened.Add(time.Duration(n) * time.Hour)
		_, err := d.Apply(t.Context(), []engine.Report{{Project: "p0", Asset: "new", Scope: engine.ScopeAll(), Open: []engine.Key{index.MakeKey(uint16(9000+n), index.TCP)}}})
		must(t, err)
		d.store.counter.wait()
	}
	again, err := trend(begun.Add(-time.Hour))
	must(t, err)
	for i, l := range before.Lines { // in the hours before, the same
		j := slices.IndexFunc(again.Lines, func(o engine.TrendLine) bool { return o.Key == l.Key })
		if hours := int(opened.Sub(before.Start) / time.Hour); j < 0 || !slices.Equal(again.Lines[j].Points[:hours], before.Lines[i].Points[:hours]) {
			t.Errorf("%v, and now %v", l, again.Lines)
		}
	}
	must(t, d.Close())
	opts.History = 2 * time.Hour
	d = openOn(t, path, opts, clock)
	now = now.Add(time.Hour)
	_, err = d.Apply(t.Context(), []engine.Report{{Project: "p1", Asset: "new", Scope: engine.ScopeAll()}})
	must(t, err)
	var old *engine.TooOldError
	if _, err := trend(begun.Add(-time.Hour)); !errors.As(err, &old) || !old.Time.Equal(begun) {
		t.Errorf("%v, want since %v", err, begun)
	}
	got, err := trend(opened)
	if err != nil || !slices.ContainsFunc(got.Lines, func(l engine.TrendLine) bool { return l.Key == index.MakeKey(9001, index.TCP) }) {
		t.Errorf("%+v, %v", got, err)
	}
	must(t, d.Close())
}

// hourly is a directory of project p with counts of some hours, of which the log is there, too.
func hourly(t *testing.T, opts *Options, hours int) daily {
	t.Helper()
	d := openDaily(t, opts)
	d.hours(t, hours, 2)
	return d
}

func (d *daily) trend(t *testing.T, step time.Duration) (engine.Trend, error) {
	t.Helper()
	return d.Trend(t.Context(), engine.TrendQuery{Project: "p", Since: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Step: step})
}

// TestCountsOff: without trends there are no counts, what there was of them goes, and later ones begin then.
func TestCountsOff(t *testing.T) {
	opts := &Options{fs: vfs.NewMem()}
	d := hourly(t, opts, 30)
	records := func() (n int) {
		it, err := d.store.db.NewIter(&pebble.IterOptions{LowerBound: []byte{countedTag}, UpperBound: []byte{countsTag + 1}})
		must(t, err)
		for ok := it.First(); ok; ok = it.Next() {
			n++
		}
		must(t, it.Close())
		return n
	}
	if n := records(); n < 30 {
		t.Fatalf("%d records", n)
	}
	clock := &engine.Options{Now: func() time.Time { return *d.now }}
	for _, without := range []Options{{Trends: -1}, {History: -1}} {
		must(t, d.Close())
		without.fs = opts.fs
		d.durable = openOn(t, "data", &without, clock)
		d.hours(t, 1, 1)
		if n, at := records(), d.store.Counted(); n > 0 || at != (journal.Point{}) {
			t.Fatalf("%+v: %d records, counted to %v", without, n, at)
		}
		must(t, d.Close())
		d.durable = openOn(t, "data", opts, clock)
		d.hours(t, 3, 1)
		if begins, _ := d.store.CountsBegin("p", engine.Host); begins.Seq != uint64(d.n-3) || records() == 0 {
			t.Errorf("%+v: counts begin after %v of %d", without, begins, d.n)
		}
	}
	must(t, d.Close())
}

// TestCountsOfRemovedProject: a project that comes again has its own counts, and none of another of its name.
func TestCountsOfRemovedProject(t *testing.T) {
	opts := &Options{fs: vfs.NewMem(), History: 3 * time.Hour}
	d := hourly(t, opts, 30)
	if _, err := d.trend(t, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	_, err := d.RemoveProject(t.Context(), "p")
	must(t, err)
	d.hours(t, 30, 2)
	for range 2 {
		var old *engine.TooOldError
		if _, err := d.trend(t, 24*time.Hour); !errors.As(err, &old) || old.Sequence != 31 {
			t.Errorf("%v", err)
		}
		trend, err := d.Trend(t.Context(), engine.TrendQuery{Project: "p", Since: time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC), Step: 24 * time.Hour})
		if err != nil || len(trend.Lines) != 30 {
			t.Errorf("%d lines, %v", len(trend.Lines), err)
		}
		must(t, d.Close())
		d.durable = openOn(t, "data", opts, &engine.Options{Now: func() time.Time { return *d.now }})
	}
	must(t, d.Close())
	if _, err := Verify(t.Context(), "data", opts); err != nil {
		t.Error(err)
	}
}

// TestCountsDamage: damaged counts are an error for who asks for them and what verify finds, and nothing else suffers; of a
// damaged log counts begin anew, and those of other projects do not.
func TestCountsDamage(t *testing.T) {
	spoiled := 0
	for name, spoil := range map[string]func(key, record []byte) (newKey, newRecord []byte){
		"flipped":         func(k, r []byte) ([]byte, []byte) { r[len(r)-1] ^= 1; return k, r },
		"cut":             func(k, r []byte) ([]byte, []byte) { return k, r[:len(r)-2] },
		"without its end": func(k, r []byte) ([]byte, []byte) { return k, appendRecord(nil, k, r[4:len(r)-1]) },
		"of another key": func(k, r []byte) ([]byte, []byte) {
			k[len(k)-1]++
			return k, appendRecord(nil, k, r[4:])
		},
		"of the future": func(k, r []byte) ([]byte, []byte) {
			binary.BigEndian.PutUint32(k[keyBytes+1:], math.MaxInt32)
			return k, appendRecord(nil, k, r[4:])
		},
		"of no inventory": func(k, r []byte) ([]byte, []byte) {
			binary.BigEndian.PutUint32(k[1:], 9)
			return k, appendRecord(nil, k, r[4:])
		},
		"of a newer version": func(k, r []byte) ([]byte, []byte) {
			r[4]++
			return k, appendRecord(nil, k, r[4:])
		},
		"a short key": func(k, r []byte) ([]byte, []byte) { return k[:8], appendRecord(nil, k[:8], r[4:]) },
		"of no kind": func(k, r []byte) ([]byte, []byte) {
			k[keyBytes] = 'x'
			return k, appendRecord(nil, k, r[4:])
		},
	} {
		kind, view := ofHour, engine.All()
		if spoiled++; spoiled%2 == 0 {
			kind, view = ofEachHour, engine.In(engine.DefaultEnterpriseProject)
		}
		opts := &Options{fs: vfs.NewMem()}
		d := hourly(t, opts, 5)
		var key []byte
		err := d.store.walk(1, func(it *pebble.Iterator) error {
			it.SeekGE(appendCountsKey(nil, 1, kind, 0, journal.CountsPlace{}))
			it.Next()
			key = bytes.Clone(it.Key())
			return nil
		})
		must(t, err)
		record, closer, err := d.store.db.Get(key)
		must(t, err)
		newKey, newRecord := spoil(bytes.Clone(key), bytes.Clone(record))
		must(t, closer.Close(), d.store.db.Delete(key, pebble.Sync), d.store.db.Set(newKey, newRecord, pebble.Sync))
		want := answers(t, d.Engine)
		_, err = d.Trend(t.Context(), engine.TrendQuery{Project: "p", View: view, Since: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Step: time.Hour})
		if err == nil && slices.Contains([]string{"flipped", "cut", "without its end", "of a newer version"}, name) {
			t.Errorf("%s: a trend without an error", name)
		}
		must(t, d.Close())
		if _, err := Verify(t.Context(), "data", opts); !errors.Is(err, errDamaged) {
			t.Errorf("%s: verify finds %v", name, err)
		}
		if name == "of no inventory" {
			continue // nothing loads that
		}
		d.durable = openOn(t, "data", opts, &engine.Options{Now: func() time.Time { return *d.now }})
		if answers(t, d.Engine) != want {
			t.Errorf("%s: other answers", name)
		}
		d.hours(t, 30, 1)
		if at := d.store.Counted(); at.Time < d.now.Add(-2*time.Hour).UnixMicro() {
			t.Errorf("%s: counted to %v only", name, time.UnixMicro(at.Time).UTC())
		}
		must(t, d.Close())
	}

	opts := &Options{fs: vfs.NewMem()}
	d := hourly(t, opts, 5)
	_, err := d.Apply(t.Context(), []engine.Report{{Project: "q", Asset: "a", Scope: engine.ScopeAll(), Open: []engine.Key{index.MakeKey(1, index.TCP)}}})
	must(t, err)
	*d.now = d.now.Add(-time.Minute)
	d.hours(t, 1, 1)
	key := appendHistoryKey(nil, 1, 7, 0)
	record, closer, err := d.store.db.Get(key)
	must(t, err)
	newRecord := bytes.Clone(record)
	newRecord[len(newRecord)-1] ^= 1
	must(t, closer.Close(), d.store.db.Set(key, newRecord, pebble.Sync))
	d.hours(t, 3, 1)
	begun, _ := d.store.CountsBegin("p", engine.Host)
	if begun.Seq < 7 {
		t.Errorf("counts of p begin after %v", begun)
	}
	d.hours(t, 30, 1)
	if again, _ := d.store.CountsBegin("p", engine.Host); again != begun {
		t.Errorf("counts of p began after %v, and then after %v", begun, again)
	}
	if begins, _ := d.store.CountsBegin("q", engine.Host); begins.Seq != 0 {
		t.Errorf("counts of q begin after %v", begins)
	}
	trend, err := d.Trend(t.Context(), engine.TrendQuery{Project: "q", Since: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Step: time.Hour})
	if err != nil || len(trend.Lines) != 1 {
		t.Errorf("%+v, %v", trend, err)
	}
	must(t, d.Close())
}

// TestCountsWhileWritten: who asks while it is counted, thinned and written gets what was, or that it is not kept.
func TestCountsWhileWritten(t *testing.T) {
	opts := &Options{fs: vfs.NewMem(), History: 30 * time.Hour, Trends: 5 * 24 * time.Hour}
	now := new(atomic.Int64)
	now.Store(time.Date(2026, 2, 1, 0, 30, 0, 0, time.UTC).UnixMicro())
	d := openOn(t, "data", opts, &engine.Options{Now: func() time.Time { return time.UnixMicro(now.Load()).UTC() }})
	write := func(n int) {
		_, err := d.Apply(t.Context(), []engine.Report{{Project: "p", Asset: fmt.Sprint("a", n), Scope: engine.ScopeAll(), Open: []engine.Key{index.MakeKey(22, index.TCP)}}})
		must(t, err)
	}
	write(0)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for reader := range 2 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				step := []time.Duration{time.Hour, 24 * time.Hour}[n%2]
				at := time.UnixMicro(now.Load()).UTC()
				trend, err := d.Trend(t.Context(), engine.TrendQuery{Project: "p", Since: at.Add(-24 * time.Hour), Step: step})
				later := time.UnixMicro(now.Load()).Sub(at) > 5*time.Hour // it goes on while the question is answered
				switch {
				case errors.Is(err, engine.ErrTooOld), err != nil && later:
					continue
				case err != nil:
					t.Error(err)
					return
				}
				// An asset comes with every hour.
				for i, p := range trend.Lines[0].Points {
					end := trend.Start.Add(time.Duration(i+1) * step)
					hours := int(end.Sub(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)) / time.Hour)
					if i+1 < len(trend.Lines[0].Points) && p.Last != max(hours, 0) {
						t.Errorf("%d at %v", p.Last, end)
						return
					}
				}
				if reader == 0 {
					continue
				}
				past, err := d.At(t.Context(), "p", engine.Host, engine.Moment{Time: at.Add(-10 * time.Hour)})
				if err == nil {
					var page engine.PortPage
					page, err = past.Ports(t.Context(), engine.PortQuery{})
					hours := int(at.Add(-10*time.Hour).Sub(time.Date(2026, 2, 1, 0, 30, 0, 0, time.UTC))/time.Hour) + 1
					if err == nil && hours > 0 && page.Rows[0].Num != hours {
						t.Errorf("%d assets of %d", page.Rows[0].Num, hours)
						return
					}
				}
				if err != nil && !errors.Is(err, engine.ErrTooOld) {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := 1; n < 400; n++ {
		at := time.UnixMicro(now.Load()).Add(time.Hour).UnixMicro()
		now.Store(at)
		write(n)
	}
	stop.Store(true)
	wg.Wait()
	must(t, d.Close())
	if _, err := Verify(t.Context(), "data", opts); err != nil {
		t.Error(err)
	}
}

// TestCountsEnd: closing does not wait for counting, and what was not counted then is the next time.
func TestCountsEnd(t *testing.T) {
	opts := &Options{fs: vfs.NewMem()}
	d := openDaily(t, opts)
	for range 20 {
		for range 12 {
			_, err := d.Apply(t.Context(), []engine.Report{{Project: "p", Asset: fmt.Sprint("a", d.n), Scope: engine.ScopeAll(), Open: []engine.Key{index.MakeKey(22, index.TCP)}}})
			must(t, err)
			*d.now = d.now.Add(time.Hour)
			d.n++
		}
		must(t, d.Close()) // in the midst of it
		d.durable = openOn(t, "data", opts, &engine.Options{Now: func() time.Time { return *d.now }})
	}
	d.hours(t, 1, 0)
	d.hours(t, 1, 1)
	if at := d.store.Counted(); at.Time < d.now.Add(-2*time.Hour).UnixMicro() {
		t.Errorf("counted to %v", time.UnixMicro(at.Time).UTC())
	}
	trend, err := d.trend(t, time.Hour)
	must(t, err)
	for i, p := range trend.Lines[0].Points[:12*20] {
		if p != (engine.TrendPoint{Least: i, Most: i + 1, Last: i + 1}) {
			t.Fatalf("hour %d: %+v", i, p)
		}
	}
	must(t, d.Close())
}

// TestCountsBeginAnew: counts that begin anew while they are counted, at any point of that, are of what came after, whole.
func TestCountsBeginAnew(t *testing.T) {
	for point := range 2 {
		for late := range 6 { // what is counted already is never what is lost
			opts := &Options{fs: vfs.NewMem()}
			d := openDaily(t, opts)
			d.hours(t, 3, 1)
			d.store.counter.ended = true // it is counted here
			d.hours(t, 6, 1)
			s := d.store
			run := counting{store: s, to: hourOf(s.time), last: journal.Point{Seq: s.last, Time: s.time}, dirty: map[uint32]bool{1: true}, list: []content{{number: 1, mark: place("p", engine.Host)}}}
			at := engine.TrendQuery{Project: "p", Since: time.UnixMicro(s.time).Add(-time.Duration(late) * time.Hour), Step: time.Hour}
			restart := func(here int) {
				if here == point {
					must(t, s.apply(func(w *writer) error {
						seq := uint64(d.n - late - 1) // the batch before that hour's
						w.restartCounts(1, journal.Point{Seq: seq, Time: time.Date(2026, 2, 1, int(seq)-1, 0, 0, 0, time.UTC).UnixMicro()})
						return nil
					}))
				}
			}
			want, err := d.Trend(t.Context(), at)
			must(t, err)
			restart(0)
			must(t, run.count(t.Context(), run.dirty))
			restart(1)
			todo, err := run.finish()
			if !errors.Is(err, errRestarted) {
				t.Fatalf("%d, %d: %v", point, late, err)
			}
			must(t, run.count(t.Context(), todo))
			_, err = run.finish()
			must(t, err)
			if err := run.keep(&run.list[0], journal.Point{Seq: 99}, ofHour, 0, []journal.Counts{{}}); !errors.Is(err, errRestarted) {
				t.Errorf("what was counted since counts began elsewhere is kept: %v", err)
			}
			got, err := d.Trend(t.Context(), at)
			must(t, err)
			if trendText(&got, true) != trendText(&want, true) {
				t.Errorf("%d, %d: got\n%s\nwant\n%s", point, late, trendText(&got, true), trendText(&want, true))
			}
			must(t, d.Close())
		}
	}
}
