package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"portolan/engine"
)

// TestStandingRecalled: what the sets of a policy's rules hold after a batch is what they would hold
// by a policy that was never asked before, and only assets near those that have changed are looked at.
func TestStandingRecalled(t *testing.T) {
	const assets = 6400
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var looks atomic.Int64
	policy := func(looks *atomic.Int64) *engine.Policy {
		named := func(last byte) *engine.HostSet {
			return engine.HasName(func(name []byte) bool { looks.Add(1); return len(name) > 0 && name[len(name)-1] == last })
		}
		p, err := engine.NewPolicy([]engine.Rule{
			{Keys: engine.KeysOf(rangeOf(t, "1-65535/tcp")), Status: engine.Normal, Where: named('1'), WhereText: "1"},
			{Keys: engine.KeysOf(rangeOf(t, "1-500/tcp")), Status: engine.Danger, Where: named('2'), WhereText: "2"},
			{Keys: engine.KeysOf(rangeOf(t, "22/tcp")), Status: engine.Danger, Where: engine.AnyOf(named('3'), engine.SeenSince(at(3))), WhereText: "3"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	kept := policy(&looks)
	rng := rand.New(rand.NewPCG(1, 2))
	apply := func(round int, ids []int) {
		t.Helper()
		reports := make([]engine.Report, len(ids))
		for i, id := range ids {
			reports[i] = engine.Report{
				Project: "p", Asset: fmt.Sprint("host-", id), Name: fmt.Sprint("n", rng.IntN(6)), Seen: at(round), Scope: engine.ScopeAll(),
				Open: []engine.Key{keyOf(t, "22/tcp"), engine.MakeKey(uint16(1+rng.IntN(900)), engine.TCP)},
			}
		}
		if _, err := e.Apply(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
	}
	all := make([]int, assets)
	for i := range all {
		all[i] = i
	}
	apply(0, all)
	for round := 1; round < 12; round++ {
		some := all[:1]
		if round%3 == 0 {
			some = []int{rng.IntN(assets), rng.IntN(assets), rng.IntN(assets), assets + round}
		}
		apply(round, some)
		if round%4 == 0 {
			if _, err := e.Remove(t.Context(), "p", engine.Host, fmt.Sprint("host-", rng.IntN(assets))); err != nil {
				t.Fatal(err)
			}
		}
		var rows [2][]engine.PortCount
		var danger [2][]engine.HostPort
		before := looks.Load()
		for i, p := range []*engine.Policy{kept, policy(new(atomic.Int64))} {
			if err := e.SetPolicy(p); err != nil {
				t.Fatal(err)
			}
			s, err := e.Snapshot("p", engine.Host)
			if err != nil {
				t.Fatal(err)
			}
			page, err := s.Ports(t.Context(), engine.PortQuery{})
			if err != nil {
				t.Fatal(err)
			}
			hosts, err := s.Hosts(t.Context(), engine.HostQuery{Keys: engine.KeysOf(rangeOf(t, "1-65535/tcp")), Status: engine.Danger})
			if err != nil {
				t.Fatal(err)
			}
			rows[i], danger[i] = page.Rows, hosts.Rows
		}
		if !slices.Equal(rows[0], rows[1]) || !slices.Equal(danger[0], danger[1]) {
			t.Fatalf("round %d: %d rows and %d assets, want %d and %d", round, len(rows[0]), len(danger[0]), len(rows[1]), len(danger[1]))
		}
		if n := looks.Load() - before; round > 1 && n > assets {
			t.Errorf("round %d: %d looks at names", round, n)
		}
	}
}

// TestStandingOfManyViews: views that were judged since do not make a snapshot forget what the sets of
// the rules hold.
func TestStandingOfManyViews(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var looks atomic.Int64
	p, err := engine.NewPolicy([]engine.Rule{{
		Keys: engine.KeysOf(rangeOf(t, "22/tcp")), Status: engine.Danger, WhereText: "all",
		Where: engine.HasName(func([]byte) bool { looks.Add(1); return true }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	var reports []engine.Report
	for i := range 50 {
		reports = append(reports, engine.Report{Project: "p", Asset: fmt.Sprint(i), EnterpriseProject: fmt.Sprint("e", i), Open: []engine.Key{keyOf(t, "22/tcp")}})
	}
	if _, err := e.Apply(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	s, err := e.Snapshot("p", engine.Host)
	if err != nil {
		t.Fatal(err)
	}
	if s.Settled() {
		t.Error("settled before anybody asked")
	}
	for i := range 50 {
		page, err := s.Ports(t.Context(), engine.PortQuery{View: engine.In(fmt.Sprint("e", i))})
		if err != nil || page.Total != 1 || page.Rows[0].Status != engine.Danger {
			t.Fatal(page, err)
		}
	}
	if n := looks.Load(); n != 50 || !s.Settled() {
		t.Errorf("%d looks at 50 assets; settled %v", n, s.Settled())
	}
}

// at is so many minutes after a time of day.
func at(minutes int) time.Time {
	return time.Date(2026, 9, 1, 12, minutes, 0, 0, time.UTC)
}
