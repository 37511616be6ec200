package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/engine/journal"
	"portolan/index"
)

// attach opens an engine on a journal, with a clock that stands in 2030.
func attach(t *testing.T, j journal.Log) *engine.Engine {
	t.Helper()
	opts := &engine.Options{Now: func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }}
	e, err := engine.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Attach(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return e
}

// seenOn is a report about a host of project p that lists everything.
func seenOn(id string, at time.Time, ports ...uint16) engine.Report {
	r := engine.Report{Project: "p", Asset: id, Seen: at, Scope: engine.ScopeAll()}
	for _, p := range ports {
		r.Open = append(r.Open, index.MakeKey(p, index.TCP))
	}
	return r
}

var someDay = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// manyLooks are reports about one asset with more scopes than it keeps, many of them at
// the same time, so that which of them merge depends on their order.
func manyLooks(seed uint64, n int) []engine.Report {
	rng := rand.New(rand.NewPCG(seed, 1))
	reports := make([]engine.Report, n)
	for i := range reports {
		lo := uint16(1 + rng.IntN(400))
		reports[i] = engine.Report{
			Project: "p", Asset: "looked-at", Seen: someDay.Add(time.Duration(rng.IntN(20)) * time.Microsecond),
			Scope: engine.ScopeOf(index.Range{Type: index.TCP, Lo: lo, Hi: lo + uint16(rng.IntN(3))}),
			Open:  []index.Key{index.MakeKey(lo, index.TCP)},
		}
	}
	return reports
}

// TestHistoryCutAnywhere: engines that are restarted here and there keep the same bytes,
// at the end, as one that never was.
func TestHistoryCutAnywhere(t *testing.T) {
	for seed := range uint64(8) {
		reports := slices.Concat(enginetest.Small(seed, 120), manyLooks(seed, 200))
		rng := rand.New(rand.NewPCG(seed, 2))
		whole, cut := enginetest.NewJournal(), enginetest.NewJournal()
		a, b := attach(t, whole), attach(t, cut)
		for len(reports) > 0 {
			n := min(1+rng.IntN(9), len(reports))
			for _, e := range []*engine.Engine{a, b} {
				if _, err := e.Apply(t.Context(), reports[:n]); err != nil {
					t.Fatal(err)
				}
			}
			gone := reports[rng.IntN(n)]
			if rng.IntN(6) == 0 && gone.Asset != "looked-at" {
				for _, e := range []*engine.Engine{a, b} {
					if _, err := e.Remove(t.Context(), gone.Project, gone.Category, gone.Asset); err != nil {
						t.Fatal(err)
					}
				}
			}
			if rng.IntN(4) == 0 {
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				b = attach(t, cut)
			}
			reports = reports[n:]
		}
		if diff := whole.SameAs(cut); diff != "" {
			t.Errorf("seed %d: never restarted and restarted differ: %s", seed, diff)
		}
		for _, e := range []*engine.Engine{a, b} {
			if err := errors.Join(e.Check(t.Context()), e.Close()); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
	}
}

// TestGroupCommit: nothing is visible before it is committed, and what arrives in the
// meantime shares the next commit.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, release := enginetest.NewJournal(), make(chan struct{})
		j.Before = func([]journal.Batch) error { <-release; return nil }
		e := attach(t, j)
		var done sync.WaitGroup
		for i := range 50 {
			done.Go(func() {
				if _, err := e.Apply(t.Context(), []engine.Report{seenOn(fmt.Sprint(i), someDay, 22)}); err != nil {
					t.Error(err)
				}
				if page, err := e.Ports(t.Context(), engine.PortQuery{Project: "p"}); err != nil || page.Rows[0].Num == 0 {
					t.Errorf("what was acknowledged is not visible: %+v, %v", page, err)
				}
			})
			synctest.Wait() // the first leads, the others wait
		}
		if _, err := e.Ports(t.Context(), engine.PortQuery{Project: "p"}); !errors.Is(err, engine.ErrNoProject) {
			t.Errorf("the project is there before the commit: %v", err)
		}
		if names, err := e.Projects(); err != nil || len(names) != 0 {
			t.Errorf("projects %v, %v before the commit", names, err)
		}
		close(release)
		done.Wait()
		if n := j.Groups(); n != 2 {
			t.Errorf("%d groups for one call and 49 behind it, want 2", n)
		}
		if err := errors.Join(e.Check(t.Context()), e.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestFailedCommit: what cannot be committed is never visible, and everything behind it
// is refused, while questions are answered as before.
func TestFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the disk is gone")
		j, release := enginetest.NewJournal(), make(chan struct{})
		e := attach(t, j)
		if _, err := e.Apply(t.Context(), []engine.Report{seenOn("a", someDay, 22)}); err != nil {
			t.Fatal(err)
		}
		j.Before = func([]journal.Batch) error { <-release; return cause }
		ask := func() string {
			page, err := e.Ports(t.Context(), engine.PortQuery{Project: "p"})
			names, err2 := e.Projects()
			stats, err3 := e.Stats()
			return fmt.Sprint(page, names, stats, errors.Join(err, err2, err3))
		}
		before := ask()
		var done sync.WaitGroup
		for _, write := range []func() error{
			func() error {
				_, err := e.Apply(t.Context(), []engine.Report{seenOn("a", someDay.Add(time.Hour), 80), seenOn("b", someDay, 80)})
				return err
			},
			func() error {
				r := seenOn("x", someDay, 7)
				r.Project = "new"
				_, err := e.Apply(t.Context(), []engine.Report{r})
				return err
			},
			func() error { _, err := e.Remove(t.Context(), "p", engine.Host, "a"); return err },
		} {
			done.Go(func() {
				if err := write(); !errors.Is(err, engine.ErrReadOnly) || !errors.Is(err, cause) {
					t.Errorf("error %v, want %v with its cause", err, engine.ErrReadOnly)
				}
			})
			synctest.Wait()
		}
		close(release)
		done.Wait()
		if after := ask(); after != before {
			t.Errorf("after the failure:\n%s\nbefore:\n%s", after, before)
		}
		j.Before = nil // the disk is back, but nobody knows what is on it
		if _, err := e.Apply(t.Context(), []engine.Report{seenOn("c", someDay, 1)}); !errors.Is(err, engine.ErrReadOnly) || !strings.Contains(err.Error(), cause.Error()) {
			t.Errorf("a later write: %v", err)
		}
		if err := errors.Join(e.Check(t.Context()), e.Close()); err != nil {
			t.Error(err)
		}
		again := attach(t, j)
		e = again
		if after := ask(); after != before {
			t.Errorf("loaded again:\n%s\nbefore:\n%s", after, before)
		}
	})
}

// TestRefusedWrite: what a journal refuses beforehand changes nothing, and the next write
// is as welcome as ever.
func TestRefusedWrite(t *testing.T) {
	full := errors.New("no room")
	j := enginetest.NewJournal()
	e := attach(t, j)
	j.Refuse = func(bool) error { return full }
	if _, err := e.Apply(t.Context(), []engine.Report{seenOn("a", someDay, 22)}); !errors.Is(err, full) || !errors.Is(err, engine.ErrRefused) || errors.Is(err, engine.ErrReadOnly) {
		t.Errorf("error %v, want %v", err, full)
	}
	if _, err := e.Remove(t.Context(), "p", engine.Host, "a"); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	j.Refuse = nil
	for _, bad := range []engine.Report{{Project: "p"}, seenOn("a", someDay.Add(1e6*time.Hour), 1)} {
		if _, err := e.Apply(t.Context(), []engine.Report{seenOn("b", someDay, 1), bad}); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("error %v, want %v", err, engine.ErrInvalid)
		}
	}
	if names, err := e.Projects(); err != nil || len(names) > 0 || j.Groups() > 0 {
		t.Errorf("projects %v, %v and %d commits after refusals", names, err, j.Groups())
	}
	if _, err := e.Apply(t.Context(), []engine.Report{seenOn("a", someDay, 22)}); err != nil {
		t.Error(err)
	}
	if log := j.Log(); len(log) != 1 || log[0].Asset != "a" {
		t.Errorf("logged: %+v", log)
	}
}

// TestRefusedForGood: a journal may take removals alone, and may come to its end before a
// commit has failed; then every write hears of the same.
func TestRefusedForGood(t *testing.T) {
	full, over := errors.New("no room"), fmt.Errorf("%w: rotten", engine.ErrReadOnly)
	j := enginetest.NewJournal()
	e := attach(t, j)
	must := func(_ engine.Result, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(e.Apply(t.Context(), []engine.Report{seenOn("a", someDay, 22), seenOn("b", someDay, 22), seenOn("c", someDay, 22)}))
	j.Refuse = func(removal bool) error {
		if removal {
			return nil
		}
		return full
	}
	_, err := e.Apply(t.Context(), []engine.Report{seenOn("d", someDay, 22)})
	if !errors.Is(err, full) || !errors.Is(err, engine.ErrRefused) || !errors.Is(e.Writable(t.Context()), full) {
		t.Errorf("%v and %v, want %v", err, e.Writable(t.Context()), full)
	}
	must(e.Remove(t.Context(), "p", engine.Host, "a"))
	j.Refuse = func(bool) error { return over }
	var says []string
	for range 2 {
		_, err = e.Apply(t.Context(), []engine.Report{seenOn("d", someDay, 22)})
		_, err2 := e.Remove(t.Context(), "p", engine.Host, "b")
		for _, err := range []error{err, err2, e.Writable(t.Context())} {
			if !errors.Is(err, engine.ErrReadOnly) || errors.Is(err, engine.ErrRefused) {
				t.Errorf("error %v, want %v", err, over)
			}
			says = append(says, fmt.Sprint(err))
		}
		j.Refuse = nil // what has come to its end stays so
	}
	if slices.Sort(says); says[0] != says[len(says)-1] {
		t.Errorf("not the same each time: %q", says)
	}
	if stats, err := e.Stats(); err != nil || stats.Assets != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
}

// TestSnapshotsAgree: hosts and containers of one call are in both snapshots or in neither,
// with and without a journal, while calls are shown.
func TestSnapshotsAgree(t *testing.T) {
	for name, opts := range map[string]*engine.Options{"in memory": nil, "with a journal": {}, "lagging": {DurableWithin: time.Millisecond}} {
		e := mustOpen(t, opts)
		if opts != nil {
			if err := e.Attach(t.Context(), enginetest.NewJournal()); err != nil {
				t.Fatal(err)
			}
		}
		written := make(chan error, 1)
		go func() {
			var failed error
			for n := 0; n < 2000 && failed == nil; n++ {
				r := seenOn(fmt.Sprint("a", n), someDay, 22)
				c := r
				c.Category = engine.Container
				_, failed = e.Apply(context.Background(), []engine.Report{r, c})
			}
			written <- failed
		}()
		for done := false; !done; {
			select {
			case err := <-written:
				if done = true; err != nil {
					t.Fatal(err)
				}
			default:
			}
			hosts, containers, err := e.Snapshots("p")
			if err != nil && !errors.Is(err, engine.ErrNoProject) || hosts.NumAssets() != containers.NumAssets() {
				t.Fatalf("%s: %d hosts and %d containers, %v", name, hosts.NumAssets(), containers.NumAssets(), err)
			}
		}
	}
}

// TestContextEndsTheWait: a write whose context ends while it is being committed returns at
// once and says that its outcome is unknown; it is applied all the same, in order, and Close
// waits for it.
func TestContextEndsTheWait(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Nanosecond} {
		j, committing, release := enginetest.NewJournal(), make(chan struct{}, 9), make(chan struct{})
		e := mustOpen(t, &engine.Options{DurableWithin: lag})
		if err := e.Attach(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		j.Before = func([]journal.Batch) error { committing <- struct{}{}; <-release; return nil }
		ctx, cancel := context.WithCancel(t.Context())
		type outcome struct {
			engine.Result
			error
		}
		ended := make(chan outcome, 3)
		begin := func(f func() (engine.Result, error)) {
			go func() { r, err := f(); ended <- outcome{r, err} }()
		}
		begin(func() (engine.Result, error) { return e.Apply(ctx, []engine.Report{seenOn("a", someDay, 22)}) })
		<-committing
		begin(func() (engine.Result, error) { return e.Apply(ctx, []engine.Report{seenOn("b", someDay, 22)}) })
		begin(func() (engine.Result, error) { return e.Apply(ctx, []engine.Report{seenOn("c", someDay, 22)}) })
		time.Sleep(time.Millisecond) // mostly enough for them to wait
		cancel()
		var last uint64
		for range 3 {
			o := <-ended
			if o.error == nil && lag > 0 || errors.Is(o.error, context.Canceled) && !errors.Is(o.error, engine.ErrUnknown) {
				continue // it had not begun, or is visible
			}
			if !errors.Is(o.error, engine.ErrUnknown) || !errors.Is(o.error, context.Canceled) || o.Sequence == 0 || o.Applied != 0 {
				t.Errorf("%+v, %v, want %v", o.Result, o.error, engine.ErrUnknown)
			}
			last = max(last, o.Sequence)
		}
		if last == 0 && lag == 0 {
			t.Error("no write has waited")
		}
		closed := make(chan error, 1)
		go func() {
			if err := e.Await(t.Context(), last); err != nil {
				t.Error(err)
			}
			closed <- e.Close()
		}()
		close(release)
		if err := <-closed; err != nil || uint64(len(j.Log())) < last {
			t.Errorf("closed: %v, with %d batches of %d", err, len(j.Log()), last)
		}
	}
}

// TestCloseWaitsForWriters: Close returns when what has begun is committed.
func TestCloseWaitsForWriters(t *testing.T) {
	j, committing, release := enginetest.NewJournal(), make(chan struct{}), make(chan struct{})
	e := attach(t, j)
	j.Before = func([]journal.Batch) error { close(committing); <-release; return nil }
	applied, closed := make(chan error, 1), make(chan int, 1)
	go func() {
		_, err := e.Apply(t.Context(), []engine.Report{seenOn("a", someDay, 22)})
		applied <- err
	}()
	<-committing
	go func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		closed <- j.Groups()
	}()
	for {
		if _, err := e.Stats(); errors.Is(err, engine.ErrClosed) {
			break
		}
		runtime.Gosched()
	}
	if len(closed) > 0 || len(applied) > 0 {
		t.Error("Close returned while a commit was on its way")
	}
	close(release)
	if err, groups := <-applied, <-closed; err != nil || groups != 1 {
		t.Errorf("error %v, %d commits when Close returned", err, groups)
	}
}

// TestWhatIsWritten: a report that confirms what is known writes times alone, one that
// says nothing new nothing, however much it repeats.
func TestWhatIsWritten(t *testing.T) {
	j := enginetest.NewJournal()
	e := attach(t, j)
	scope, other := engine.ScopeOf(index.Range{Type: index.TCP, Lo: 1, Hi: 100}), engine.ScopeOf(index.Range{Type: index.TCP, Lo: 50, Hi: 200})
	scan := func(id string, s engine.Scope, minute int, ports ...uint16) engine.Report {
		r := seenOn(id, someDay.Add(time.Duration(minute)*time.Minute), ports...)
		r.Scope = s
		return r
	}
	full := engine.ScopeAll()
	for _, c := range []struct {
		what           string
		reports        []engine.Report
		states, timing int // written by it
	}{
		{"new assets", []engine.Report{scan("a", full, 1, 22), scan("s", scope, 1, 22), scan("t", scope, 1)}, 3, 3},
		{"the same later", []engine.Report{scan("a", full, 2, 22), scan("s", scope, 2, 22)}, 0, 2},
		{"the same again", []engine.Report{scan("a", full, 2, 22), scan("s", scope, 2, 22)}, 0, 0},
		{"what was long known", []engine.Report{scan("a", full, 1, 22), scan("s", scope, 1, 22)}, 0, 0},
		{"the same thrice in one call", []engine.Report{scan("a", full, 3, 22), scan("a", full, 4, 22), scan("a", full, 5, 22)}, 0, 1},
		{"a port and back", []engine.Report{scan("a", full, 6, 22, 23), scan("a", full, 7, 22)}, 0, 1},
		{"another scope", []engine.Report{scan("s", other, 3)}, 1, 1},
		{"both scopes again", []engine.Report{scan("s", scope, 4, 22), scan("s", other, 5)}, 0, 1},
		{"another port", []engine.Report{scan("a", full, 8, 23)}, 1, 1},
		{"a name", []engine.Report{func() engine.Report { r := scan("a", full, 9, 23); r.Name = "web"; return r }()}, 1, 1},
		{"the name again", []engine.Report{func() engine.Report { r := scan("a", full, 10, 23); r.Name = "web"; return r }()}, 0, 1},
	} {
		states, times := j.Written()
		if _, err := e.Apply(t.Context(), c.reports); err != nil {
			t.Fatal(err)
		}
		s, n := j.Written()
		if s -= states; s != c.states || n-times != c.timing {
			t.Errorf("%s: wrote %d states and %d times, want %d and %d", c.what, s, n-times, c.states, c.timing)
		}
	}
}

// brokenJournal gives a loader what is not as it should be.
type brokenJournal struct {
	journal.Log
	load func(into journal.Loader) error
}

func (j brokenJournal) Load(_ context.Context, into journal.Loader) (uint64, error) {
	return 7, j.load(into)
}

// TestAttachRefuses: an engine with assets, or a journal that is damaged, is refused, and
// the engine is as it was.
func TestAttachRefuses(t *testing.T) {
	mark := journal.Mark{Project: "p", Version: 3}
	asset := func(id, state, times string) func(journal.Loader) error {
		return func(into journal.Loader) error {
			f, err := into.Inventory(mark)
			if err != nil {
				return err
			}
			if err := f.Add("fine", []byte("\x01\x00\x00\x010\x01\x00"), []byte("\x01\x01\x00")); err != nil {
				return fmt.Errorf("one that is fine: %w", err)
			}
			return f.Add(id, []byte(state), []byte(times))
		}
	}
	for name, c := range map[string]struct {
		load func(journal.Loader) error
		want string
	}{
		"an error of its own": {func(journal.Loader) error { return errors.New("it burns") }, "it burns"},
		"an inventory twice": {func(into journal.Loader) error {
			_, err := into.Inventory(mark)
			_, err2 := into.Inventory(mark)
			return errors.Join(err, err2)
		}, `project "p" has its hosts twice`},
		"no project": {func(into journal.Loader) error { _, err := into.Inventory(journal.Mark{}); return err }, "project_id"},
		"no such category": {func(into journal.Loader) error {
			_, err := into.Inventory(journal.Mark{Project: "p", Category: 9})
			return err
		}, "category"},
		"an asset too few": {func(into journal.Loader) error {
			_, err := into.Inventory(journal.Mark{Project: "p", Assets: 2})
			return err
		}, "0 hosts were loaded, but there were 2"},
		"an asset twice":        {asset("fine", "\x01\x00\x00\x010\x01\x00", "\x01\x01\x00"), `project "p", host "fine": it is there twice`},
		"an asset without id":   {asset("", "\x01\x00\x00\x010\x01\x00", "\x01\x01\x00"), `project "p", host ""`},
		"no state":              {asset("x", "", "\x01\x01\x00"), "damaged state"},
		"a later state":         {asset("x", "\x09\x00\x00\x010\x01\x00", "\x01\x01\x00"), "version 9"},
		"a state that is cut":   {asset("x", "\x01\x00\x00\x09", "\x01\x01\x00"), "damaged state"},
		"no enterprise project": {asset("x", "\x01\x00\x00\x00\x01\x00", "\x01\x01\x00"), "damaged state"},
		"no times":              {asset("x", "\x01\x00\x00\x010\x01\x00", ""), "damaged times"},
		"times of no look":      {asset("x", "\x01\x00\x00\x010\x01\x00", "\x01\x00\x00"), "damaged times"},
		"own times of no key":   {asset("x", "\x01\x00\x00\x010\x01\x00", "\x01\x01\x00\x00\x00\x05"), "damaged times"},
		"keys that are none":    {asset("x", "\x01\x00\x00\x010\x01\x00\xff", "\x01\x01\x00"), "damaged keys"},
	} {
		e, err := engine.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Attach(t.Context(), brokenJournal{enginetest.NewJournal(), c.load}); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "that is fine") {
			t.Errorf("%s: error %v, want %s", name, err, c.want)
		}
		if names, err := e.Projects(); err != nil || len(names) > 0 {
			t.Errorf("%s: projects %v, %v", name, names, err)
		}
		j := enginetest.NewJournal()
		if err := e.Attach(t.Context(), j); err != nil {
			t.Errorf("%s: the next journal: %v", name, err)
		}
		if _, err := e.Apply(t.Context(), []engine.Report{seenOn("a", someDay, 22)}); err != nil || j.Groups() != 1 {
			t.Errorf("%s: %v, %d commits", name, err, j.Groups())
		}
		if err := e.Attach(t.Context(), j); err == nil {
			t.Errorf("%s: a second journal is attached", name)
		}
	}
}
