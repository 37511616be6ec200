package engine_test

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portolan/engine"
)

// TestWithin: a stream that is kept to some enterprise projects touches no asset of
// others and puts none there.
func TestWithin(t *testing.T) {
	e := mustOpen(t, nil)
	ssh := mustParse(t, "22/tcp")
	if _, err := e.Apply(t.Context(), []engine.Report{
		{Project: "p", Asset: "shop", EnterpriseProject: "shop", Open: ssh},
		{Project: "p", Asset: "bank", EnterpriseProject: "bank", Open: ssh},
		{Project: "p", Asset: "zero", Open: ssh},
	}); err != nil {
		t.Fatal(err)
	}
	type r = engine.Report
	web := mustParse(t, "443/tcp")
	for name, c := range map[string]struct {
		view    engine.View
		reports []r
		index   int    // of the report that is refused
		field   string // empty: none is
	}{
		"an asset of one's own":         {engine.In("shop"), []r{{Asset: "shop"}}, 0, ""},
		"another's asset":               {engine.In("shop"), []r{{Asset: "shop"}, {Asset: "bank"}}, 1, "enterprise_project_id"}, // as of one that is not known
		"taking another's asset":        {engine.In("shop"), []r{{Asset: "bank", EnterpriseProject: "shop"}}, 0, "asset"},
		"giving an asset away":          {engine.In("shop"), []r{{Asset: "shop", EnterpriseProject: "bank"}}, 0, "enterprise_project_id"},
		"moving between one's own":      {engine.In("bank", "shop"), []r{{Asset: "shop", EnterpriseProject: "bank"}, {Asset: "bank"}}, 0, ""},
		"a new asset":                   {engine.In("shop"), []r{{Asset: "new", EnterpriseProject: "shop"}, {Asset: "new"}}, 0, ""},
		"a new asset without a project": {engine.In("shop"), []r{{Asset: "new"}, {Asset: "new", EnterpriseProject: "shop"}}, 0, "enterprise_project_id"},
		"the default project":           {engine.In("0"), []r{{Asset: "new"}, {Asset: "zero"}}, 0, ""},
		"nothing at all":                {engine.In(), []r{{Asset: "zero"}}, 0, "enterprise_project_id"},
		"nothing, a new asset":          {engine.In(), []r{{Asset: "new"}}, 0, "enterprise_project_id"},
		"everything":                    {engine.All(), []r{{Asset: "bank"}, {Asset: "new", EnterpriseProject: "any"}}, 0, ""},
		"a container of the same name":  {engine.In("shop"), []r{{Asset: "shop"}, {Asset: "bank", Category: engine.Container, EnterpriseProject: "shop"}}, 0, ""},
		"the second of another part":    {engine.In("shop"), []r{{Asset: "x", Category: engine.Container, EnterpriseProject: "shop"}, {Asset: "shop"}, {Asset: "zero"}}, 2, "enterprise_project_id"},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range c.reports {
				c.reports[i].Project, c.reports[i].Open = "p", web
			}
			before, err := e.Stats()
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.ApplyWithin(t.Context(), c.view, c.reports)
			var fault *engine.ReportError
			var field *engine.FieldError
			switch {
			case c.field == "" && err != nil:
				t.Error(err)
			case c.field == "":
				for _, a := range []string{"new", "x"} { // as it was
					for _, category := range []engine.Category{engine.Host, engine.Container} {
						if _, err := e.Remove(t.Context(), "p", category, a); err != nil && !errors.Is(err, engine.ErrNoAsset) {
							t.Error(err)
						}
					}
				}
			case !errors.As(err, &fault) || fault.Index != c.index || !errors.As(err, &field) || field.Field != c.field:
				t.Errorf("%v, want a fault of report %d in %s", err, c.index, c.field)
			default:
				if after, err := e.Stats(); err != nil || after != before {
					t.Errorf("a refused call changed something: %+v, before %+v, %v", after, before, err)
				}
				if err := checkWithin(e, c.view, c.reports[c.index]); !errors.As(err, &field) || field.Field != c.field {
					t.Errorf("Check: %v, want a fault in %s", err, c.field)
				}
			}
		})
		for id, ep := range map[string]string{"shop": "shop", "bank": "bank", "zero": "0"} { // as it was
			later := engine.Report{Project: "p", Asset: id, EnterpriseProject: ep, Scope: engine.ScopeAll(), Open: ssh}
			if _, err := e.Apply(t.Context(), []engine.Report{later}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := checkWithin(e, engine.In("0"), engine.Report{Project: "nobody's", Asset: "a"}); err != nil {
		t.Error(err)
	}
	if _, err := e.ApplyWithin(t.Context(), engine.In("x"), []engine.Report{{Project: "refused", Asset: "a"}}); err == nil {
		t.Error("a new project was not refused")
	}
	if names, err := e.Projects(); err != nil || slices.Contains(names, "refused") {
		t.Errorf("a refused call left a project: %q, %v", names, err)
	}
}

// TestRemoveWithin: assets that are not in the view are not there.
func TestRemoveWithin(t *testing.T) {
	e := mustOpen(t, nil)
	if _, err := e.Apply(t.Context(), []engine.Report{
		{Project: "p", Asset: "a", EnterpriseProject: "shop"}, {Project: "p", Asset: "b", EnterpriseProject: "bank"},
	}); err != nil {
		t.Fatal(err)
	}
	n, err := e.RemoveWithin(t.Context(), engine.In("shop"), "p", engine.Host, "a", "b", "c")
	if n.Removed != 1 || !errors.Is(err, engine.ErrNoAsset) {
		t.Errorf("%d removed, %v", n.Removed, err)
	}
	if _, err := e.Asset(t.Context(), "p", engine.Host, "b"); err != nil {
		t.Errorf("another's asset: %v", err)
	}
}

// TestWithinHoldsInARace: whoever moves an asset out of a project in time is obeyed: no
// report of a writer of that project arrives at it afterwards.
func TestWithinHoldsInARace(t *testing.T) {
	e := mustOpen(t, nil)
	seen := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	move := func(round int, ep string) {
		t.Helper()
		seen = seen.Add(time.Second)
		if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "a", EnterpriseProject: ep, Seen: seen}}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	move(0, "shop")
	var wg sync.WaitGroup
	done := make(chan struct{})
	var refused, applied atomic.Int32
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			port := uint16(1 + n%1000)
			report := engine.Report{Project: "p", Asset: "a", Seen: seenOf(port), Open: []engine.Key{engine.MakeKey(port, engine.UDP)}}
			switch _, err := e.ApplyWithin(t.Context(), engine.In("shop"), []engine.Report{report}); {
			case err == nil:
				applied.Add(1)
			case errors.Is(err, engine.ErrInvalid):
				refused.Add(1)
			default:
				t.Error(err)
				return
			}
			runtime.Gosched()
		}
	})
	// Both have happened some time, however rarely the two writers run at once.
	for round := 0; round < 1000 || refused.Load() == 0 || applied.Load() == 0; round++ {
		move(round, "bank")
		runtime.Gosched()
		one, err := e.Asset(t.Context(), "p", engine.Host, "a")
		if err != nil {
			t.Fatal(err)
		}
		two, err := e.Asset(t.Context(), "p", engine.Host, "a")
		if err != nil || len(one.Open) != len(two.Open) {
			t.Fatalf("round %d: it had %d ports open and then %d, %v", round, len(one.Open), len(two.Open), err)
		}
		move(round, "shop")
		runtime.Gosched()
	}
	close(done)
	wg.Wait()
}

// seenOf is some time before the asset is moved.
func seenOf(port uint16) time.Time {
	return time.Date(2024, 1, 1, 0, 0, int(port), 0, time.UTC)
}

// checkWithin says what an import that is kept to a view would say of a report.
func checkWithin(e *engine.Engine, view engine.View, r engine.Report) error {
	return e.Import(view, func(in *engine.Import) error { return in.Check(&r) })
}
