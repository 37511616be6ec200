package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/index"
)

// long makes the fault tests run for minutes.
var long = flag.Bool("long", false, "run the tests of faults for minutes")

// rounds is how often a test of faults is repeated, so many times in .ci/run.
func rounds(n int) int {
	switch {
	case *long:
		return 50 * n
	case racing || !enginetest.Full():
		return max(1, n/4)
	}
	return n
}

const numAssets = 20

// numbered is the n-th report of a history: what an asset has open tells which one was
// its last.
func numbered(n int) engine.Report {
	open := []index.Key{index.MakeKey(uint16(n%65535+1), index.TCP)}
	if n%3 == 0 { // the same for a while, so that times alone are written
		open = open[:0]
	}
	return engine.Report{
		Project: fmt.Sprintf("p%d", n%2), Asset: fmt.Sprintf("a%d", n%numAssets), Name: fmt.Sprintf("n%d", n/7),
		Seen: time.Date(2025, 1, 1, 0, 0, n, 0, time.UTC), Scope: engine.ScopeAll(), Open: open,
	}
}

// history is batches of numbered reports, and of assets that are removed, by sequence number.
type history struct{ seed uint64 }

// step applies the batch with the sequence number, which is the next one.
func (h history) step(ctx context.Context, e *engine.Engine, seq int) error {
	rng := rand.New(rand.NewPCG(h.seed, uint64(seq)))
	if seq > 5 && rng.IntN(8) == 0 {
		r := numbered(seq)
		n, err := e.Remove(ctx, r.Project, r.Category, r.Asset)
		if n.Removed > 0 || !errors.Is(err, engine.ErrNotFound) {
			return err
		}
	}
	reports := make([]engine.Report, 1+rng.IntN(4))
	for i := range reports {
		reports[i] = numbered(seq + i*rng.IntN(3))
	}
	_, err := e.Apply(ctx, reports)
	return err
}

// after returns what an engine answers after so many batches.
func (h history) after(t *testing.T, seq uint64) string {
	t.Helper()
	return answers(t, h.engine(t, seq))
}

// whole is what a store that kept all of so many batches has.
func (h history) whole(t *testing.T, seq uint64) string {
	t.Helper()
	return mustWhole(t, h.engine(t, seq))
}

// mustWhole is whole of an engine whose past can be read.
func mustWhole(t *testing.T, e *engine.Engine) string {
	t.Helper()
	text, err := whole(t, e)
	must(t, err)
	return text
}

// engine returns one after so many batches.
func (h history) engine(t *testing.T, seq uint64) *engine.Engine {
	t.Helper()
	e, err := engine.Open(nil)
	must(t, err)
	for n := 1; n <= int(seq); n++ {
		must(t, h.step(t.Context(), e, n))
	}
	return e
}

// answers is everything that an engine holds, as text.
func answers(t *testing.T, e *engine.Engine) string {
	t.Helper()
	text := ""
	for _, project := range []string{"p0", "p1"} {
		page, err := e.Ports(t.Context(), engine.PortQuery{Project: project})
		if err != nil && !errors.Is(err, engine.ErrNoProject) {
			t.Fatal(err)
		}
		text += fmt.Sprintln(project, page.Total, page.Rows)
		for n := range numAssets {
			a, err := e.Asset(t.Context(), project, engine.Host, fmt.Sprintf("a%d", n))
			a.Version = 0
			text += fmt.Sprintln(a, err)
		}
	}
	return text
}

// whole is answers, and all that is kept of what changed, but for the times and numbers of batches, and in which
// order they changed assets. The error is that of reading the past.
func whole(t *testing.T, e *engine.Engine) (string, error) {
	t.Helper()
	text := answers(t, e)
	for _, project := range []string{"p0", "p1"} {
		list, err := e.Changes(t.Context(), engine.ChangeQuery{Project: project})
		if errors.Is(err, engine.ErrNoProject) {
			continue
		}
		if err != nil {
			return "", err
		}
		var lines []string
		last, n := uint64(0), uint64(0)
		for c, err := range list.All(t.Context(), nil) {
			if err != nil {
				return "", err
			}
			one := *c
			if one.At.Sequence != last { // numbers may have been passed over
				last = one.At.Sequence
				n++
			}
			one.Time, one.At.Asset, one.At.Sequence = time.Time{}, 0, n
			lines = append(lines, fmt.Sprintf("%+v\n", one))
		}
		slices.Sort(lines)
		text += strings.Join(lines, "")
	}
	return text, nil
}

// TestCrashes cuts the power at random moments: what was acknowledged is there, and of what
// was not, each batch is there as a whole or not at all.
func TestCrashes(t *testing.T) {
	const perSeed = 4
	for seed := range uint64(rounds(10)) {
		h := history{seed}
		rng := rand.New(rand.NewPCG(seed, 99))
		disk := vfs.NewCrashableMem()
		d := openOn(t, "data", &Options{fs: disk}, nil)
		var acknowledged, begun atomic.Uint64
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			for n := 1; ctx.Err() == nil; n++ {
				begun.Store(uint64(n))
				if err := h.step(context.Background(), d.Engine, n); err != nil {
					done <- err
					return
				}
				acknowledged.Store(uint64(n))
			}
			done <- nil
		}()
		for range perSeed {
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
			least := acknowledged.Load()
			clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			h.checkRecovered(t, clone, least, begun.Load())
		}
		stop()
		must(t, <-done)
		must(t, d.Close())
		clone := disk.CrashClone(vfs.CrashCloneCfg{})
		h.checkRecovered(t, clone, acknowledged.Load(), acknowledged.Load())
	}
}

// checkRecovered opens what a crash has left.
func (h history) checkRecovered(t *testing.T, disk vfs.FS, least, most uint64) {
	t.Helper()
	opts := &Options{fs: disk}
	if least > 0 {
		if v, err := Verify(t.Context(), "data", opts); err != nil {
			t.Fatalf("seed %d: verify: %v after batches %d to %d, %+v", h.seed, err, least, most, v)
		}
	}
	d := openOn(t, "data", opts, nil)
	seq := d.store.Sequence()
	if seq < least || seq > most {
		t.Fatalf("seed %d: recovered %d batches, acknowledged %d, begun %d", h.seed, seq, least, most)
	}
	if got, err := whole(t, d.Engine); err != nil || got != h.whole(t, seq) {
		t.Fatalf("seed %d: after %d batches: %v\n%s\nwant\n%s", h.seed, seq, err, got, h.whole(t, seq))
	}
	must(t, h.step(t.Context(), d.Engine, int(seq)+1)) // it goes on
	must(t, d.Check(t.Context()), d.Close())
	again := openOn(t, "data", opts, nil)
	if got, err := whole(t, again.Engine); err != nil || got != h.whole(t, seq+1) {
		t.Fatalf("seed %d: one batch later: %v\n%s\nwant\n%s", h.seed, err, got, h.whole(t, seq+1))
	}
	must(t, again.Close())
}
