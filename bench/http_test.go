package bench_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"portolan/bench"
	"portolan/engine"
	"portolan/index"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// withPorts returns an engine whose project p has one host with so many ports.
func withPorts(t *testing.T, ports int) *engine.Engine {
	t.Helper()
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	report := engine.Report{Project: "p", Asset: "h", Scope: engine.ScopeAll()}
	for port := range ports {
		report.Open = append(report.Open, index.MakeKey(uint16(port+1), index.TCP))
	}
	if _, err := e.Apply(t.Context(), []engine.Report{report}); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestHTTP: a short run counts every request of both sides and says so.
func TestHTTP(t *testing.T) {
	result, err := bench.HTTP(t.Context(), &bench.HTTPConfig{
		Engine: withPorts(t, 10), Project: "p", Rounds: 2, Connections: 2, Requests: 40, Duration: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, side := range map[string]bench.Side{"ours": result.Ours, "bare": result.Bare} {
		if len(side.Rounds) != 2 {
			t.Fatalf("%s: %d rounds, want 2", name, len(side.Rounds))
		}
		for _, r := range append(side.Rounds, side.Median) {
			if r.Requests != 40 || r.PerSecond <= 0 || r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.P999 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if result.Throughput <= 0 || result.P99 <= 0 || result.Assets != 1 || result.Connections != 2 || len(result.Targets) != 3 {
		t.Errorf("got %+v", result)
	}
	var text strings.Builder
	if err := result.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "\nBenchmarkHTTP/"); n != 4 {
		t.Errorf("%d benchmark lines, want 4:\n%s", n, text.String())
	}
}

// TestHTTPRefuses: what cannot be measured is an error, never a figure.
func TestHTTPRefuses(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		config *bench.HTTPConfig
		says   string
	}{
		{"no config", t.Context(), nil, "Engine is required"},
		{"no engine", t.Context(), &bench.HTTPConfig{Project: "p"}, "Engine is required"},
		{"less than nothing", t.Context(), &bench.HTTPConfig{Engine: withPorts(t, 1), Rounds: -1, Requests: -2}, "Rounds is -1: want 0 or more"},
		{"too few rows", t.Context(), &bench.HTTPConfig{Engine: withPorts(t, 9), Project: "p"}, "9 rows: want at least 10"},
		{"an ended context", ended, &bench.HTTPConfig{Engine: withPorts(t, 10), Project: "p"}, "canceled"},
	} {
		if _, err := bench.HTTP(c.ctx, c.config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q in it", c.name, err, c.says)
		}
	}
}

// TestHTTPStops: a measurement ends when its context does.
func TestHTTPStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := bench.HTTP(ctx, &bench.HTTPConfig{Engine: withPorts(t, 10), Project: "p", Duration: time.Hour})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
