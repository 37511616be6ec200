package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/engine/journal"
)

// expiring opens an engine on a journal whose assets expire after an hour of the clock.
func expiring(t *testing.T, j journal.Log, clock *testClock) *engine.Engine {
	t.Helper()
	e := mustOpen(t, &engine.Options{Now: clock.now, Expire: time.Hour})
	if err := e.Attach(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestExpireMany: many assets expire in several batches, each of which is kept.
func TestExpireMany(t *testing.T) {
	clock, j := newTestClock(), enginetest.NewJournal()
	e := expiring(t, j, clock)
	const old, young = 25_000, 100
	reports := make([]engine.Report, old+young)
	for i := range reports {
		reports[i] = seenOn(fmt.Sprint("h", i), clock.at, 22)
		if i >= old {
			reports[i].Seen = clock.at.Add(time.Minute)
		}
	}
	if _, err := e.Apply(t.Context(), reports[:old]); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Minute)
	if _, err := e.Apply(t.Context(), reports[old:]); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Hour - time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	j.Before = func([]journal.Batch) error { cancel(); return nil }
	first, err := e.Expire(ctx)
	if !errors.Is(err, context.Canceled) || first.Removed == 0 || first.Removed == old {
		t.Fatalf("given up half way: %+v, %v", first, err)
	}
	j.Before = nil
	rest, err := e.Expire(t.Context())
	if err != nil || first.Removed+rest.Removed != old || rest.Sequence != 5 {
		t.Errorf("the rest: %+v, %v", rest, err)
	}
	if stats, err := e.Stats(); err != nil || stats.Assets != young || stats.Expired != old {
		t.Errorf("%+v, %v", stats, err)
	}
	if stats, err := expiring(t, j, clock).Stats(); err != nil || stats.Assets != young || stats.Expired != 0 {
		t.Errorf("loaded again: %+v, %v", stats, err)
	}
	if removed := len(j.Log()) - len(reports); removed != old {
		t.Errorf("%d removals were logged, want %d", removed, old)
	}
}

// TestExpireSpares: an asset that is reported on, or removed, while others expire is not
// one that has expired.
func TestExpireSpares(t *testing.T) {
	clock, j := newTestClock(), enginetest.NewJournal()
	e := expiring(t, j, clock)
	reports := make([]engine.Report, 10_003)
	for i := range reports {
		reports[i] = seenOn(fmt.Sprint("h", i), clock.at, 22)
	}
	if _, err := e.Apply(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	clock.advance(2 * time.Hour)
	// The last two assets are in the second batch; before it begins, one is reported on and
	// the other is removed.
	asked := 0
	j.Refuse = func(bool) error {
		if asked++; asked == 2 {
			_, err := e.Apply(t.Context(), []engine.Report{seenOn(reports[len(reports)-1].Asset, clock.at, 80)})
			_, err2 := e.Remove(t.Context(), "p", engine.Host, reports[len(reports)-2].Asset)
			return errors.Join(err, err2)
		}
		return nil
	}
	result, err := e.Expire(t.Context())
	if err != nil || result.Removed != len(reports)-2 {
		t.Fatalf("%+v, %v", result, err)
	}
	if stats, err := e.Stats(); err != nil || stats.Assets != 1 || stats.Expired != result.Removed {
		t.Errorf("%+v, %v", stats, err)
	}
	if a, err := e.Asset(t.Context(), "p", engine.Host, reports[len(reports)-1].Asset); err != nil || len(a.Open) != 1 || a.Open[0].Port() != 80 {
		t.Errorf("the one that was reported on: %+v, %v", a, err)
	}
}

// TestCheckAge: an import refuses beforehand what Apply would refuse.
func TestCheckAge(t *testing.T) {
	clock := newTestClock()
	e := mustOpen(t, &engine.Options{Now: clock.now, Expire: time.Hour})
	for age, want := range map[time.Duration]bool{0: true, time.Hour: true, time.Hour + time.Microsecond: false} {
		r := seenOn("a", clock.at.Add(-age), 22)
		err := e.Import(engine.All(), func(in *engine.Import) error { return in.Check(&r) })
		_, applied := e.Apply(t.Context(), []engine.Report{r})
		if errors.Is(err, engine.ErrInvalid) == want || errors.Is(applied, engine.ErrInvalid) == want {
			t.Errorf("a report %v old: Check says %v, Apply %v", age, err, applied)
		}
	}
}

// TestOptions: every option that is not allowed is named, with what is.
func TestOptions(t *testing.T) {
	_, err := engine.Open(&engine.Options{MaxAssets: -1, DurableWithin: 2 * time.Hour, Expire: -time.Second})
	want := "MaxAssets: \"-1\" is not allowed: want 0 to 2147483647\n" +
		"DurableWithin: \"2h0m0s\" is not allowed: want 0 to 1h0m0s\n" +
		"Expire: \"-1s\" is not allowed: want 0 or more"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
