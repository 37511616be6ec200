package engine_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/enginetest/oracle"
)

// TestExportAgain: an engine that is given what another exports answers as that one does, about what was
// looked at, and when, too.
func TestExportAgain(t *testing.T) {
	histories := map[string][]engine.Report{}
	for seed := range uint64(20) {
		histories[fmt.Sprint("seed=", seed)] = enginetest.Small(seed, 10+int(seed)*15)
	}
	for _, w := range fleet.Workloads() {
		histories[w.Name] = slices.Collect(w.Fleet(3, 300))
	}
	for name, reports := range histories {
		t.Run(name, func(t *testing.T) {
			from, to := openWith(t, reports), openWith(t, nil)
			for _, project := range projectsOf(t, from) {
				for _, category := range []engine.Category{engine.Host, engine.Container} {
					s, err := from.Snapshot(project, category)
					if err != nil {
						t.Fatal(err)
					}
					for x, err := range exported(t, s, engine.ExportQuery{}) {
						if err != nil {
							t.Fatal(err)
						}
						some := x.AppendReports(nil)
						for i := range some {
							some[i].Project = project
						}
						if _, err := to.Apply(t.Context(), some); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			want := oracle.NewReference(&engine.Options{})
			if _, err := want.Apply(t.Context(), reports); err != nil {
				t.Fatal(err)
			}
			if diff := enginetest.Diff(t.Context(), want, to); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func openWith(t *testing.T, reports []engine.Report) *engine.Engine {
	t.Helper()
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if len(reports) > 0 {
		if _, err := e.Apply(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func projectsOf(t *testing.T, e *engine.Engine) []string {
	t.Helper()
	names, err := e.Projects()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestExportSome: what is asked for comes, with the statuses that rows have, as one report that tells of
// nothing else; and it agrees with the list of hosts in every way to ask.
func TestExportSome(t *testing.T) {
	e := openWith(t, enginetest.Small(7, 400))
	some := engine.KeysOf(rangeOf(t, "1-1023/tcp"), rangeOf(t, "60-70/udp"))
	name := engine.HasName(func(name []byte) bool { return len(name) > 0 })
	policy, err := engine.NewPolicy([]engine.Rule{
		{Keys: engine.KeysOf(rangeOf(t, "1-500/tcp")), Status: engine.Danger},
		{Keys: some, Status: engine.Danger, Where: engine.HasOpenCount(func(n int) bool { return n > 2 }), WhereText: "ports > 2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	s, err := e.Snapshot("p", engine.Host)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []engine.ExportQuery{
		{Keys: some},
		{Type: engine.UDP},
		{Status: engine.Danger},
		{Keys: some, Type: engine.TCP, Status: engine.Danger, Where: name},
		{Keys: some, View: engine.In("e1")},
		{Where: name},
	} {
		var got, want []string
		for x, err := range exported(t, s, q) {
			if err != nil {
				t.Fatal(err)
			}
			reports := x.AppendReports(nil)
			if q.Keys != nil && (len(reports) != 1 || !reports[0].Scope.IsNone() || len(reports[0].Open) == 0) {
				t.Errorf("%+v: %v", q, reports)
			}
			for _, k := range x.Open {
				got = append(got, fmt.Sprint(x.ID, x.Name, x.Address, x.EnterpriseProject, k, x.Status(k)))
			}
		}
		hosts := engine.HostQuery{View: q.View, Where: q.Where, Keys: q.Keys, Type: q.Type, Status: q.Status}
		if hosts.Keys == nil {
			hosts.Keys = engine.KeysOf(everyKey()...)
		}
		page, err := s.Hosts(t.Context(), hosts)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rows {
			want = append(want, fmt.Sprint(r.Asset, r.Name, r.Address, r.EnterpriseProject, r.Key(), r.Status))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%+v: %d rows, want %d", q, len(got), len(want))
		}
	}
}

func everyKey() (all []engine.Range) {
	for _, typ := range []engine.Type{engine.SCTP, engine.SCTP6, engine.TCP, engine.TCP6, engine.UDP, engine.UDP6} {
		all = append(all, engine.Range{Type: typ, Lo: 1, Hi: 65535})
	}
	return all
}

// TestExportEnds: with its context, with whoever asks, and with a word where it cannot be.
func TestExportEnds(t *testing.T) {
	var reports []engine.Report
	for i := range 10_000 {
		reports = append(reports, engine.Report{Project: "p", Asset: fmt.Sprint(i)})
	}
	e := openWith(t, reports)
	s, err := e.Snapshot("p", engine.Host)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	all, err := s.Export(ctx, engine.ExportQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range all.All(ctx) {
		n, last = n+1, err
		cancel()
	}
	if n > 5000 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d assets after the end, %v", n, last)
	}
	for range exported(t, s, engine.ExportQuery{}) {
		break
	}
	if _, err := s.Export(t.Context(), engine.ExportQuery{Type: 99}); !errors.Is(err, engine.ErrInvalid) {
		t.Error(err)
	}
	if _, err := (engine.Snapshot{}).Export(t.Context(), engine.ExportQuery{}); !errors.Is(err, engine.ErrNoProject) {
		t.Error(err)
	}
	nobody, _ := e.Snapshot("nobody", engine.Host)
	for x, err := range exported(t, nobody, engine.ExportQuery{}) {
		t.Errorf("%v, %v", x, err)
	}
}

func exported(t *testing.T, s engine.Snapshot, q engine.ExportQuery) iter.Seq2[*engine.Exported, error] {
	t.Helper()
	e, err := s.Export(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return e.All(t.Context())
}
