package scanfile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"portolan/engine"
)

// fickle is a sink that refuses some assets only when their reports are applied, as a
// import does whose asset was moved in between.
type fickle struct {
	*engine.Import
	refuses func(asset string) bool
}

func (f fickle) Apply(ctx context.Context, reports []engine.Report) (engine.Result, error) {
	for i := range reports {
		if f.refuses(reports[i].Asset) {
			return engine.Result{}, &engine.ReportError{Index: i, Err: &engine.FieldError{Field: "asset", Value: reports[i].Asset, Allowed: "another"}}
		}
	}
	return f.Import.Apply(ctx, reports)
}

// TestRefusedWhenApplied: a report that is refused when it is applied is rejected with
// its line, and the others are applied.
func TestRefusedWhenApplied(t *testing.T) {
	var text strings.Builder
	for i := range 10 {
		fmt.Fprintf(&text, "{\"asset\":\"h%d\",\"open\":[\"22/tcp\",\"80/tcp\"]}\n", i)
	}
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	err = e.Import(engine.All(), func(in *engine.Import) error { refusedWhenApplied(t, e, in, text.String()); return nil })
	if err != nil {
		t.Error(err)
	}
}

func refusedWhenApplied(t *testing.T, e *engine.Engine, in *engine.Import, text string) {
	t.Helper()
	sink := fickle{in, func(asset string) bool { return asset == "h3" || asset == "h9" }}
	sources := func() []Source { return []Source{{Name: "a", Reader: strings.NewReader(text)}} }
	sum, err := Load(t.Context(), sink, sources(), &Options{Project: "p"})
	if err != nil || sum.Records != 8 || sum.Observations != 16 || sum.Result.Applied != 8 || sum.Rejected != 2 {
		t.Errorf("%+v, %v", sum, err)
	}
	for i, line := range []int{4, 10} {
		if bad := sum.Errors[i]; bad.File != "a" || bad.Line != line || !strings.Contains(bad.Reason, "asset") {
			t.Errorf("%+v, want line %d", bad, line)
		}
	}
	if held, err := e.Stats(); err != nil || held.Assets != 8 {
		t.Errorf("%+v, %v", held, err)
	}
	sink.refuses = func(string) bool { return true }
	if sum, err := Load(t.Context(), sink, sources(), &Options{Project: "p"}); err != nil || sum.Records != 0 || sum.Rejected != 10 {
		t.Errorf("all refused: %+v, %v", sum, err)
	}
	var fault *engine.ReportError
	if _, err := Load(t.Context(), sink, sources(), &Options{Project: "p", Strict: true}); !errors.As(err, &fault) {
		t.Errorf("strict: %v", err)
	}
}
