package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/index"
)

// answersOf is what a snapshot answers, as text, but for what is not kept of the past.
func answersOf(t *testing.T, s engine.Snapshot) string {
	t.Helper()
	var b strings.Builder
	line := func(what string, answer any, err error) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		fmt.Fprintf(&b, "%s: %+v\n", what, answer)
	}
	assets, err := s.Assets(t.Context(), engine.AssetQuery{ByID: true})
	for i := range assets.Rows {
		a := &assets.Rows[i]
		a.LastSeen, a.Version = time.Time{}, 0
		p, err := s.AssetPorts(t.Context(), engine.All(), a.ID)
		for i := range p.Ports {
			p.Ports[i].Seen = time.Time{}
		}
		line(a.ID, *a, err)
		line("ports", p.Ports, nil)
		one, err := s.Asset(a.ID)
		one.LastSeen, one.Version = time.Time{}, 0
		line("alone", one, err)
	}
	line("assets", assets.Total, err)
	some := engine.AnyOf(engine.HasLabel("env", func(value string) bool { return value != "" }), engine.HasOpenCount(func(n int) bool { return n > 2 }))
	for _, q := range []engine.PortQuery{
		{}, {View: engine.In("e1")}, {View: engine.In("e1", "e2"), Descending: true}, {Status: engine.Danger}, {Where: some}, {Order: engine.ByNum, Where: engine.NoneOf(some)},
	} {
		page, err := s.Ports(t.Context(), q)
		page.Version = 0
		line("ports", page, err)
		hosts, err := s.Hosts(t.Context(), engine.HostQuery{Keys: index.AllKeys(), ByID: true, View: q.View, Where: q.Where, Status: q.Status})
		hosts.Version = 0
		line("hosts", hosts, err)
	}
	for name, n := range s.EnterpriseProjects() {
		line(name, n, nil)
	}
	labels, err := s.Labels(t.Context(), engine.All())
	line("labels", labels, err)
	return b.String()
}

// pastStates is a history with what each of its states answered, and when the last batch was.
type pastStates struct {
	past
	answers []string
	times   []time.Time
}

// livePast makes a history at random, of which some batches come at the same time, and the clock is set back at times.
func livePast(t *testing.T, seed uint64) pastStates {
	t.Helper()
	clock := time.Date(2026, time.February, 1, 0, 0, 0, 0, time.UTC)
	var latest time.Time
	e, err := engine.Open(&engine.Options{Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	rng := rand.New(rand.NewPCG(seed, 3))
	h := pastStates{past: past{engine: e}}
	for reports := enginetest.Small(seed, 200); len(reports) > 0; {
		n := min(1+rng.IntN(12), len(reports))
		if clock = clock.Add(time.Duration(rng.IntN(3)) * time.Microsecond); rng.IntN(9) == 0 {
			clock = clock.Add(-time.Millisecond)
		}
		_, err := e.Apply(t.Context(), reports[:n])
		if reports = reports[n:]; err == nil && rng.IntN(5) == 0 {
			_, err = e.Remove(t.Context(), "p", engine.Host, []string{"a", "b", "c", "d"}[rng.IntN(4)])
		}
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			t.Fatal(err)
		}
		if clock.After(latest) {
			latest = clock
		}
		if s, err := e.Snapshot("p", engine.Host); err == nil {
			h.states, h.times, h.answers = append(h.states, s), append(h.times, latest), append(h.answers, answersOf(t, s))
		}
	}
	return h
}

// TestPast: a state of the past is what it was, whichever are asked for and in which order, by number and by time.
func TestPast(t *testing.T) {
	for seed := range uint64(12) {
		h := livePast(t, seed)
		rng := rand.New(rand.NewPCG(seed, 4))
		for range 2 * len(h.states) {
			i := rng.IntN(len(h.states))
			m := engine.Moment{Sequence: h.states[i].Sequence()}
			if rng.IntN(2) == 0 { // the last state of that time
				m = engine.Moment{Time: h.times[i].Add(time.Duration(rng.IntN(1000)))}
				for i+1 < len(h.times) && h.times[i+1].Equal(h.times[i]) {
					i++
				}
			}
			s, err := h.engine.SnapshotAt(t.Context(), "p", engine.Host, m)
			if err != nil {
				t.Fatal(err)
			}
			if got := answersOf(t, s); got != h.answers[i] {
				t.Fatalf("seed %d, %v, batch %d: got\n%s\nwant\n%s", seed, m, h.states[i].Sequence(), got, h.answers[i])
			}
		}
		if err := h.engine.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
