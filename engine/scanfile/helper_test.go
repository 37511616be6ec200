package scanfile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/index"
)

// project is the one that all tests read for.
const project = "p1"

// fakeSink records what it is given.
type fakeSink struct {
	reports []engine.Report
	batches int
	refuse  string // an asset that Check does not accept
	err     error  // what Apply returns
}

func (s *fakeSink) Check(r *engine.Report) error {
	if s.refuse != "" && r.Asset == s.refuse {
		return &engine.FieldError{Field: "asset", Value: r.Asset, Allowed: "another"}
	}
	if r.Project != project {
		return &engine.FieldError{Field: "project_id", Value: r.Project, Allowed: project}
	}
	return r.Validate()
}

func (s *fakeSink) Apply(ctx context.Context, reports []engine.Report) (engine.Result, error) {
	if s.err != nil || ctx.Err() != nil {
		return engine.Result{}, cmpErr(s.err, ctx.Err())
	}
	s.batches++
	s.reports = append(s.reports, slices.Clone(reports)...)
	return engine.Result{Applied: len(reports)}, nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func options() *scanfile.Options { return &scanfile.Options{Project: project, AssetID: "me"} }

func source(text string) scanfile.Source {
	return scanfile.Source{Name: "in", Reader: strings.NewReader(text)}
}

// load loads one text and returns all that came of it. That nothing did is no
// failure here.
func load(t *testing.T, text string, opts *scanfile.Options) ([]engine.Report, *scanfile.Summary) {
	t.Helper()
	var sink fakeSink
	sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{source(text)}, opts)
	if err != nil && (!errors.Is(err, scanfile.ErrNothing) || len(sink.reports) > 0) {
		t.Fatalf("load: %v", err)
	}
	return sink.reports, sum
}

// lines writes reports as text: one line each, comparable and readable.
func lines(reports []engine.Report) string {
	var b strings.Builder
	for i := range reports {
		r := &reports[i]
		fmt.Fprintf(&b, "%s %s open=%s scope=%s", r.Category, r.Asset, keysText(r.Open), r.Scope)
		for _, f := range []struct{ name, value string }{
			{"name", r.Name}, {"address", r.Address}, {"ep", r.EnterpriseProject},
		} {
			if f.value != "" {
				fmt.Fprintf(&b, " %s=%q", f.name, f.value)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
			fmt.Fprintf(&b, " label.%s=%q", name, r.Labels[name])
		}
		if !r.Seen.IsZero() {
			fmt.Fprintf(&b, " seen=%s", r.Seen.UTC().Format(time.RFC3339Nano))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func keysText(keys []index.Key) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.String()
	}
	return "[" + strings.Join(texts, " ") + "]"
}

// same compares texts line by line.
func same(t *testing.T, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

var _ scanfile.Sink = (*engine.Import)(nil)

// loadInto loads sources into an engine, as one import.
func loadInto(t *testing.T, e *engine.Engine, from []scanfile.Source, opts *scanfile.Options) (sum *scanfile.Summary, err error) {
	t.Helper()
	err = e.Import(engine.All(), func(to *engine.Import) (err error) {
		sum, err = scanfile.Load(t.Context(), to, from, opts)
		return err
	})
	return sum, err
}
