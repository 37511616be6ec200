package alert

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"portolan/engine"
)

// TestDigests: with every, all changes of that time are one notice; so are those of a batch with more than burst, but
// not those before it; what comes later is told again one by one.
func TestDigests(t *testing.T) {
	t.Run("every", func(t *testing.T) {
		r := newRig(t, nil)
		r.start(r.file("every: 1s, first: 2, kinds: [found, closed]"))
		r.write("p", "a", 1, 2, 3)
		r.write("p", "a", 4)
		r.eventually("the digest", func() bool { return len(r.hook.got()) == 1 })
		r.write("p", "b", 1)
		r.eventually("the next digest", func() bool { return len(r.hook.got()) == 2 })
		r.wants("digest of 6 map[closed:3 found:3], 2 listed", "digest of 1 map[found:1], 1 listed")
	})
	t.Run("restarts", func(t *testing.T) { // in the making, with nothing that comes later
		r := newRig(t, nil)
		f := r.file("every: 1s, kinds: [found]")
		r.start(f)
		r.write("p", "a", 1, 2)
		r.settle()
		r.write("q", "a", 1)
		r.settle()
		r.alerts.Stop()
		r.start(f)
		r.settle()
		if err := r.alerts.Replace(f); err != nil {
			t.Fatal(err)
		}
		r.eventually("the digests", func() bool { return len(r.hook.got()) == 2 })
		r.wants("digest of 2 map[found:2], 2 listed", "digest of 1 map[found:1], 1 listed")
	})
	t.Run("burst", func(t *testing.T) {
		shorten(t, time.Second)
		r := newRig(t, nil)
		r.start(r.file("burst: 3, first: 4, ports: '80,81'"))
		r.load(0, 3, 80)     // as many as may be
		r.load(10, 14, 80)   // more
		r.load(20, 21, 81)   // in the same digest
		r.load(100, 300, 82) // not meant
		r.eventually("the digest", func() bool { return len(r.hook.got()) == 4 })
		r.load(30, 31, 80)
		r.wants("found h0 80/TCP unknown", "found h1 80/TCP unknown", "found h2 80/TCP unknown",
			"digest of 5 map[found:5], 4 listed", "found h30 80/TCP unknown")
	})
	t.Run("a fleet", func(t *testing.T) { // what its first load tells is bounded
		shorten(t, time.Second)
		r := newRig(t, nil)
		r.start(r.file(""))
		for i := range 20 {
			r.load(1000*i, 1000*i+1000, 80, 443)
		}
		r.eventually("the digests", func() bool {
			total := 0
			for _, e := range r.hook.got() {
				var d digestData
				if e.Type() == digestType && e.DataAs(&d) == nil {
					total += d.Total
				}
			}
			return total == 40_000
		})
		if n := len(r.hook.got()); n > 10 {
			t.Errorf("%d notices", n)
		}
	})
}

// shorten has bursts be over sooner.
func shorten(t *testing.T, d time.Duration) {
	t.Helper()
	was := burstTime
	burstTime = d
	t.Cleanup(func() { burstTime = was })
}

// TestRestarts: a process that ends at any moment, after anything was kept or not, and another that goes on: every
// change comes, for the first time in order, and what comes again has the id that it had.
func TestRestarts(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 28))
		r := newRig(t, nil)
		flaky := rand.New(rand.NewPCG(seed, 29))
		r.hook.fail(func(_ int, w http.ResponseWriter) bool {
			return flaky.IntN(5) == 0 && status(503)(0, w) // the hook's lock is held
		})
		f := r.file("kinds: [opened, found, closed, appeared]", "silences: []")
		if seed%2 == 1 {
			f.Receivers[0].Batch = 1 + rng.IntN(5)
		}
		r.start(f)
		var old map[string][]byte
		for n := range 60 {
			r.write([]string{"p", "q"}[n%2], fmt.Sprintf("h%d", n%7), uint16(1+n%5), uint16(10+n))
			switch rng.IntN(8) {
			case 0, 1: // it is killed: what it has kept since is what there is, or what there was before
				time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
				kept, _ := r.keeper.Followers()
				if old != nil && rng.IntN(2) == 0 {
					kept = old
				}
				r.alerts.Stop()
				r.keeper = &memory{kept: maps.Clone(kept)}
				r.start(f)
			case 2:
				old, _ = r.keeper.Followers()
			case 3:
				if err := r.alerts.Replace(f); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.settle()
		for _, project := range []string{"p", "q"} {
			wantAll(t, r, project, r.hook.got())
		}
	}
}

// wantAll holds what was told of a project against its log.
func wantAll(t *testing.T, r *rig, project string, told []event.Event) {
	t.Helper()
	changes, err := r.engine.Changes(t.Context(), engine.ChangeQuery{Project: project, Kinds: []engine.ChangeKind{engine.Opened, engine.Found, engine.Closed, engine.Appeared}})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for c, err := range changes.All(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(c.At.Sequence, " ", c.Kind, " ", c.Asset, " ", c.Port))
	}
	ids, last := map[string]string{}, map[string]string{}
	var first []string
	for _, e := range told {
		var c row
		if err := e.DataAs(&c); err != nil || e.Extensions()["project"] != project {
			continue
		}
		line := fmt.Sprint(c.Sequence, " ", c.Change, " ", c.Asset, " ", c.Port)
		if was, again := ids[e.ID()]; again && was != line {
			t.Errorf("%s is the id of %q and %q", e.ID(), was, line)
		}
		if was, again := last[line]; again && was != e.ID() {
			t.Errorf("%q has the ids %s and %s", line, was, e.ID())
		}
		if ids[e.ID()], last[line] = line, e.ID(); !slices.Contains(first, line) {
			first = append(first, line)
		}
	}
	if !slices.Equal(first, want) {
		t.Errorf("%s: told %q, want %q", project, first, want)
	}
}

// TestLost: changes that are not kept any more when a receiver is there again are said to be lost, once, and what
// is kept is told.
func TestLost(t *testing.T) {
	r := newRig(t, &engine.Options{ChangesBytes: 4 << 10})
	r.hook.fail(status(503))
	r.start(r.file("ports: 80"))
	for i := range 300 {
		r.write("p", fmt.Sprintf("h%d", i), 80)
		if i == 0 {
			r.eventually("to fail", func() bool { return r.alerts.State()[0].Failures > 0 })
		}
	}
	r.hook.fail(nil)
	r.settle()
	got := texts(r.hook.got())
	at := slices.Index(got, "lost")
	if at < 1 || at > pieceNotices || slices.Index(got[at+1:], "lost") >= 0 {
		t.Fatalf("lost is told at %d of %q", at, got)
	}
	for i, text := range got[at+1:] {
		if want := fmt.Sprintf("found h%d 80/TCP unknown", 300-len(got[at+1:])+i); text != want {
			t.Fatalf("after what is lost comes %q, want %q", text, want)
		}
	}
	if s := r.alerts.State()[0]; s.Lost != 1 || len(got[at+1:]) < 10 {
		t.Errorf("%+v, %q", s, got)
	}
}

// TestReplace: rules that stay go on where they are, new ones begin with what is to come, what is gone is forgotten, and
// what waits for a receiver that is mended does not wait any longer.
func TestReplace(t *testing.T) {
	r := newRig(t, nil)
	f := r.file("ports: 80")
	dead := r.read(strings.ReplaceAll(`
receivers: [{name: hook, type: webhook, url: "http://127.0.0.1:1/", secret_env: SECRET}]
rules: [{name: r, ports: 80, send: [hook]}, {name: gone, send: [hook]}]`, "\t", ""))
	r.start(dead)
	r.write("p", "a", 80, 81)
	r.eventually("to fail", func() bool { return r.alerts.State()[1].Failures > 0 })
	if kept, _ := r.keeper.Followers(); len(kept) != 3 {
		t.Errorf("kept %q", kept)
	}
	r.alerts.mu.Lock()
	r.alerts.firstPause = time.Hour // a pause would not end by itself
	r.alerts.mu.Unlock()
	both := r.file("ports: 80", "  - {name: new, ports: 81, send: [hook]}")
	if err := r.alerts.Replace(both); err != nil {
		t.Fatal(err)
	}
	r.eventually("what waited", func() bool { return len(r.hook.got()) == 1 })
	r.write("p", "b", 81)
	r.wants("found a 80/TCP unknown", "found b 81/TCP unknown")
	if kept, _ := r.keeper.Followers(); len(kept) != 3 || kept[routeName("gone", "hook")] != nil {
		t.Errorf("kept %q", kept)
	}
	r.alerts.Stop()
	if err := r.alerts.Replace(f); err == nil {
		t.Error("alerts that are stopped go on")
	}
	r.alerts.Stop()
}

// TestCounting: a rule that is sent to nobody counts.
func TestCounting(t *testing.T) {
	r := newRig(t, nil)
	r.start(r.read("rules: [{name: count, ports: '80,81'}]"))
	r.write("p", "a", 80, 81, 82)
	r.eventually("the count", func() bool { return r.alerts.State()[0].Changes == 2 })
	if s := r.alerts.State(); len(s) != 1 || s[0].Receiver != "" || s[0].Sent != 0 {
		t.Errorf("%+v", s)
	}
}

// failing is a keeper on a disk that is full.
type failing struct {
	memory
	full    bool
	refused atomic.Int32
}

func (f *failing) KeepFollower(name string, data []byte) error {
	if f.mu.Lock(); f.full {
		f.mu.Unlock()
		f.refused.Add(1)
		return errors.New("no room")
	}
	f.mu.Unlock()
	return f.memory.KeepFollower(name, data)
}

// TestFullDisk: where how far alerts have come cannot be kept, they go on, and after a restart tell again what they have
// told since.
func TestFullDisk(t *testing.T) {
	r := newRig(t, nil)
	keeper := new(failing)
	r.keeper = keeper
	r.start(r.file(""))
	r.write("p", "a", 1)
	r.wants("found a 1/TCP unknown")
	r.alerts.Stop()
	r.start(r.file(""))
	keeper.mu.Lock()
	keeper.full = true
	keeper.mu.Unlock()
	r.write("p", "b", 1)
	r.wants("found a 1/TCP unknown", "found b 1/TCP unknown")
	r.eventually("a refusal", func() bool { return keeper.refused.Load() > 0 })
	time.Sleep(5 * keepTime)
	if n := keeper.refused.Load(); n > 3 { // not with every round, of which each may be logged
		t.Errorf("it was refused %d times", n)
	}
	if err := r.alerts.Replace(r.file("")); err != nil {
		t.Fatal(err)
	}
	r.wants("found a 1/TCP unknown", "found b 1/TCP unknown")
	r.alerts.Stop()
	keeper.full = false
	r.start(r.file(""))
	r.wants("found a 1/TCP unknown", "found b 1/TCP unknown", "found b 1/TCP unknown")
}

// TestNoChanges: an engine that records nothing has nothing to tell, and that is said.
func TestNoChanges(t *testing.T) {
	r := newRig(t, &engine.Options{ChangesBytes: -1})
	if _, err := Start(r.engine, r.file(""), nil); !errors.Is(err, engine.ErrNoChanges) {
		t.Error(err)
	}
}
