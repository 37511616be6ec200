package engine_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/index"
)

// TestZeroValues: what nobody made gives errors, and neither panics nor answers that look
// right.
func TestZeroValues(t *testing.T) {
	ctx := t.Context()
	if _, err := engine.Open(&engine.Options{Policy: &engine.Policy{}}); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("a zero policy: %v", err)
	}
	if s := new(engine.Policy).Status(engine.MakeKey(23, engine.TCP)); s != engine.Unknown {
		t.Errorf("status %v by a zero policy", s)
	}
	var snapshot engine.Snapshot
	for name, ask := range map[string]func() error{
		"Ports":  func() error { _, err := snapshot.Ports(ctx, engine.PortQuery{Status: engine.Danger}); return err },
		"Hosts":  func() error { _, err := snapshot.Hosts(ctx, engine.HostQuery{Port: 22}); return err },
		"Assets": func() error { _, err := snapshot.Assets(ctx, engine.AssetQuery{}); return err },
		"Asset":  func() error { _, err := snapshot.Asset("a"); return err },
	} {
		if err := ask(); err == nil {
			t.Errorf("%s of a zero snapshot gives an answer", name)
		}
	}
	if snapshot.NumAssets() != 0 || snapshot.Version() != 0 || snapshot.Policy() != nil {
		t.Error("a zero snapshot has something")
	}
	e := new(engine.Engine)
	for name, ask := range map[string]func() error{
		"Apply":        func() error { _, err := e.Apply(ctx, []engine.Report{{Project: "p", Asset: "a"}}); return err },
		"Check":        func() error { return checkWithin(e, engine.All(), engine.Report{Project: "p", Asset: "a"}) },
		"Remove":       func() error { _, err := e.Remove(ctx, "p", engine.Host, "a"); return err },
		"Expire":       func() error { _, err := e.Expire(ctx); return err },
		"Ports":        func() error { _, err := e.Ports(ctx, engine.PortQuery{Project: "p"}); return err },
		"Asset":        func() error { _, err := e.Asset(ctx, "p", engine.Host, "a"); return err },
		"AssetPorts":   func() error { _, err := e.AssetPorts(ctx, "p", engine.Host, "a"); return err },
		"Projects":     func() error { _, err := e.Projects(); return err },
		"Stats":        func() error { _, err := e.Stats(); return err },
		"Sync":         func() error { return e.Sync(ctx) },
		"Await":        func() error { return e.Await(ctx, 1) },
		"Attach":       func() error { return e.Attach(ctx, enginetest.NewJournal()) },
		"Engine.Check": func() error { return e.Check(ctx) },
		"Close":        e.Close,
	} {
		if err := ask(); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%s of a zero engine: %v, want %v", name, err, engine.ErrClosed)
		}
	}
	imported(t, e, func(in *engine.Import) {
		if n := in.Assets("p", engine.Host); n != 0 {
			t.Errorf("a zero engine has %d assets", n)
		}
	})
	if err := mustOpen(t, nil).Attach(ctx, nil); err == nil {
		t.Error("no journal is attached")
	}
	for _, k := range []engine.Key{engine.MakeKey(80, 0), engine.MakeKey(80, 7), engine.MakeKey(80, 9), engine.MakeKey(0, engine.TCP)} {
		if k.Valid() {
			t.Errorf("%v is a key", k)
		}
		if n := index.New().Snapshot().View(index.Groups{}).Count(k); n != 0 {
			t.Errorf("%d assets have %v open", n, k)
		}
	}
	if n := index.New().Snapshot().View(index.Groups{}).Count(engine.Key(80<<3 | 7)); n != 0 {
		t.Errorf("%d assets have a key of no type open", n)
	}
}

// TestScopeOfInvalidRange: a scope that was made of an invalid range is refused, as its text
// is, and not taken for what is left of it.
func TestScopeOfInvalidRange(t *testing.T) {
	e := mustOpen(t, nil)
	good := engine.Range{Type: engine.TCP, Lo: 1, Hi: 100}
	for _, bad := range []engine.Range{{Type: engine.TCP, Lo: 0, Hi: 5}, {Type: engine.TCP, Lo: 9, Hi: 3}, {Type: 9, Lo: 1, Hi: 2}, {Lo: 1, Hi: 2}} {
		one := engine.ScopeOf(bad)
		for _, scope := range []engine.Scope{
			one, engine.ScopeOf(good, bad), engine.ScopeOf(bad, good), one.Minus([]engine.Range{good}), one.Union(engine.ScopeAll()),
			engine.ScopeOf(good).Union(one), one.Intersect(engine.ScopeOf(good)), engine.ScopeOf(good).Intersect(one), engine.ScopeAll().Intersect(one),
		} {
			var field *engine.FieldError
			_, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "a", Scope: scope}})
			if !errors.As(err, &field) || field.Field != "scope" || scope.Err() == nil {
				t.Errorf("%v: %v", bad, err)
			}
		}
	}
	if err := engine.ScopeOf(good).Err(); err != nil {
		t.Error(err)
	}
}

// TestInternalsStayInside: what a caller is given is the caller's.
func TestInternalsStayInside(t *testing.T) {
	scope := engine.ScopeOf(engine.Range{Type: engine.TCP, Lo: 1, Hi: 100})
	scope.Ranges()[0].Hi = 5
	if scope.String() != "1-100/tcp" {
		t.Errorf("scope is %v", scope)
	}
	view := engine.In("a", "b")
	view.Names()[0] = "z"
	if !view.Has("a") || view.Has("z") {
		t.Errorf("view has %v", view.Names())
	}
}

// TestAttachBesideQuestions: a journal is attached while others ask and wait.
func TestAttachBesideQuestions(t *testing.T) {
	for range 20 {
		e := mustOpen(t, &engine.Options{DurableWithin: time.Millisecond})
		var done sync.WaitGroup
		for range 4 {
			done.Go(func() {
				for range 50 {
					if err := e.Sync(t.Context()); err != nil {
						t.Error(err)
					}
					_, _ = e.Ports(t.Context(), engine.PortQuery{Project: "p", AtLeast: 1}) // It may be behind.
				}
			})
		}
		if err := e.Attach(t.Context(), enginetest.NewJournal()); err != nil {
			t.Error(err)
		}
		if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "a"}}); err != nil {
			t.Error(err)
		}
		done.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
