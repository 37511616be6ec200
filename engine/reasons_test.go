package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// TestRules: the rule beside a row of counts is the last one that gives one of its assets that status,
// and the one beside an asset and port is the asset's own.
func TestRules(t *testing.T) {
	label := func(value string) *engine.HostSet {
		return engine.HasLabel("env", func(v string) bool { return v == value })
	}
	many := engine.HasOpenCount(func(n int) bool { return n > 3 })
	rules := []engine.Rule{
		{Keys: engine.KeysOf(rangeOf(t, "1-70/tcp")), Status: engine.Normal},
		{Keys: engine.KeysOf(rangeOf(t, "1-1023/tcp"), rangeOf(t, "1-64/udp")), Status: engine.Danger, Where: label("prod"), WhereText: "prod"},
		{Keys: engine.KeysOf(rangeOf(t, "63-1024/tcp")), Status: engine.Danger, Where: many, WhereText: "many"},
		{Keys: engine.KeysOf(rangeOf(t, "64-80/tcp")), Status: engine.Unknown, Where: label("test"), WhereText: "test"},
		{Keys: engine.KeysOf(rangeOf(t, "65/tcp")), Status: engine.Danger},
	}
	names := []string{""}
	for i := range rules {
		rules[i].Name = fmt.Sprint("rule ", i)
		names = append(names, rules[i].Name)
	}
	policy, err := engine.NewPolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for seed := range uint64(30) {
		e := openWith(t, enginetest.Small(seed, 60))
		if err := e.SetPolicy(policy); err != nil {
			t.Fatal(err)
		}
		s, err := e.Snapshot("p", engine.Host)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []engine.PortQuery{{}, {View: engine.In("e1")}, {Where: many}, {Status: engine.Danger}} {
			page, err := s.Ports(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.PortRules(t.Context(), q, page.Rows)
			if err != nil {
				t.Fatal(err)
			}
			for i, row := range page.Rows {
				hosts, err := s.Hosts(t.Context(), engine.HostQuery{View: q.View, Where: q.Where, Port: int(row.Port), Type: row.Type})
				if err != nil {
					t.Fatal(err)
				}
				own, err := s.HostReasons(t.Context(), hosts.Rows)
				if err != nil {
					t.Fatal(err)
				}
				want := ""
				for j, host := range hosts.Rows {
					alone, seen := ruleOf(t, s, host)
					if name := nameOf(own[j].Rule); name != alone || !own[j].Seen.Equal(seen) {
						t.Errorf("seed %d: %v: %q at %v, of the asset alone %q at %v", seed, host, name, own[j].Seen, alone, seen)
					}
					if host.Status == row.Status && slices.Index(names, alone) > slices.Index(names, want) {
						want = alone
					}
				}
				if nameOf(got[i]) != want {
					t.Errorf("seed %d: %+v: %q, want %q", seed, row, nameOf(got[i]), want)
				}
				if want != "" {
					told++
				}
			}
		}
	}
	if told < 200 {
		t.Errorf("%d rows have a rule", told)
	}
}

func nameOf(r *engine.Rule) string {
	if r == nil {
		return ""
	}
	return r.Name
}

// ruleOf returns the name of the rule of an open port, and when it was seen, from all that is known of its
// asset.
func ruleOf(t *testing.T, s engine.Snapshot, row engine.HostPort) (string, time.Time) {
	t.Helper()
	a, err := s.AssetPorts(t.Context(), engine.All(), row.Asset)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range a.Ports {
		if p.Key() == row.Key() {
			return p.Rule, p.Seen
		}
	}
	t.Fatalf("%v is not open", row)
	return "", time.Time{}
}
