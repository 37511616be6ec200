package engine_test

import (
	"fmt"
	"sync"
	"testing"

	"portolan/engine"
)

// TestPolicyUnderLoad: while policies take turns and reports come, every answer is by one policy: that
// of its snapshot, to rows, totals and orders alike, and its assets agree with its rows.
func TestPolicyUnderLoad(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	keys := engine.KeysOf(rangeOf(t, "1-40/tcp"))
	label := func(value string) *engine.HostSet {
		return engine.HasLabel("env", func(v string) bool { return v == value })
	}
	var policies []*engine.Policy
	for _, rules := range [][]engine.Rule{
		{{Keys: keys, Status: engine.Danger, Where: label("a"), WhereText: "a"}},
		{{Keys: keys, Status: engine.Normal}, {Keys: keys, Status: engine.Danger, Where: label("b"), WhereText: "b"}},
	} {
		p, err := engine.NewPolicy(rules)
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, p)
	}
	apply := func(round int) {
		reports := make([]engine.Report, 200)
		for i := range reports {
			reports[i] = engine.Report{
				Project: "p", Asset: fmt.Sprint(i), Labels: map[string]string{"env": []string{"a", "b", "c"}[(i+round)%3]}, Scope: engine.ScopeAll(),
				Open: []engine.Key{engine.MakeKey(uint16(1+i%40), engine.TCP), engine.MakeKey(uint16(1+(i+round)%80), engine.TCP)},
			}
		}
		if _, err := e.Apply(t.Context(), reports); err != nil {
			t.Error(err)
		}
	}
	apply(0)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := agrees(t, e); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for round := range 60 {
		if err := e.SetPolicy(policies[round%2]); err != nil {
			t.Error(err)
		}
		apply(round)
	}
	close(done)
	readers.Wait()
}

// agrees holds what one snapshot says of statuses in several ways against each other.
func agrees(t *testing.T, e *engine.Engine) error {
	t.Helper()
	s, err := e.Snapshot("p", engine.Host)
	if err != nil {
		return err
	}
	all, err := s.Ports(t.Context(), engine.PortQuery{Order: engine.ByStatus})
	if err != nil {
		return err
	}
	parts := 0
	for _, status := range []engine.Status{engine.Danger, engine.Normal, engine.Unknown} {
		some, err := s.Ports(t.Context(), engine.PortQuery{Status: status})
		if err != nil {
			return err
		}
		for i, row := range some.Rows {
			if all.Rows[parts+i] != row {
				return fmt.Errorf("%v is %v by filter, %v by order", row, status, all.Rows[parts+i])
			}
		}
		parts += some.Total
		assets, err := s.Assets(t.Context(), engine.AssetQuery{Where: s.Policy().Assets(status)})
		if err != nil {
			return err
		}
		hosts, err := s.Hosts(t.Context(), engine.HostQuery{Keys: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 1, Hi: 65535}), Status: status})
		if err != nil {
			return err
		}
		having := map[string]bool{}
		for _, row := range hosts.Rows {
			having[row.Asset] = true
		}
		if len(having) != assets.Total {
			return fmt.Errorf("%d assets have %v in rows, %d are in the set", len(having), status, assets.Total)
		}
	}
	if parts != all.Total {
		return fmt.Errorf("%d rows by status, %d in all", parts, all.Total)
	}
	return nil
}
