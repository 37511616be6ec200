package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteText writes the result in the format of Go benchmarks, one line per
// round and side, and after it a summary for people, which benchstat passes over.
func (r *HTTPResult) WriteText(w io.Writer) error {
	var b strings.Builder
	r.writeLines(&b)
	b.WriteByte('\n')
	r.writeSummary(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *HTTPResult) writeLines(b *strings.Builder) {
	m := &r.Machine
	fmt.Fprintf(b, "goos: %s\ngoarch: %s\npkg: portolan/bench\n", m.OS, m.Arch)
	if m.CPU != "" {
		fmt.Fprintf(b, "cpu: %s\n", m.CPU)
	}
	fmt.Fprintf(b, "go: %s\nassets: %d\nconnections: %d\nUnit req/s better=higher\n", m.Go, r.Assets, r.Connections)
	for i := range r.Ours.Rounds {
		r.writeLine(b, "ours", &r.Ours.Rounds[i])
		r.writeLine(b, "bare", &r.Bare.Rounds[i])
	}
}

// writeLine writes one line. A request's time is what the machine needs for
// one, while latencies are what its client waits among all the others.
func (r *HTTPResult) writeLine(b *strings.Builder, side string, x *Round) {
	name := "BenchmarkHTTP/" + side
	if r.Machine.Procs > 1 { // as package testing does
		name += fmt.Sprintf("-%d", r.Machine.Procs)
	}
	fmt.Fprintf(b, "%-20s\t%8d\t%8.0f ns/op\t%8.0f req/s\t%8d p50-ns\t%8d p99-ns\t%8d p99.9-ns\t%6.0f B/op\t%6.2f allocs/op\n",
		name, x.Requests, 1e9/x.PerSecond, x.PerSecond, x.P50, x.P99, x.P999, x.Bytes, x.Allocs)
}

func (r *HTTPResult) writeSummary(b *strings.Builder) {
	m := &r.Machine
	cpu := m.CPU
	if cpu == "" {
		cpu = m.Arch
	}
	fmt.Fprintf(b, "Medians of %d rounds, %d connections, bodies of %d bytes, %d assets, on %s, GOMAXPROCS %d, %s.\n\n",
		len(r.Ours.Rounds), r.Connections, r.Body, r.Assets, cpu, m.Procs, m.Go)
	fmt.Fprintf(b, "%-6s %12s %10s %10s %10s %16s\n", "", "requests/s", "p50", "p99", "p99.9", "allocs/request")
	for _, s := range []struct {
		name string
		*Round
	}{{"ours", &r.Ours.Median}, {"bare", &r.Bare.Median}} {
		fmt.Fprintf(b, "%-6s %12.0f %10s %10s %10s %16.1f\n", s.name, s.PerSecond, short(s.P50), short(s.P99), short(s.P999), s.Allocs)
	}
	fmt.Fprintf(b, "\n%-28s %10s %10s\n", "", "measured", "target")
	for _, t := range r.Targets {
		sign, met := "≤", "met"
		if t.AtLeast {
			sign = "≥"
		}
		if !t.Met {
			met = "MISSED"
		}
		fmt.Fprintf(b, "%-28s %10.3f %10s  %s\n", t.What, t.Measured, fmt.Sprintf("%s %g", sign, t.Bound), met)
	}
}

// short writes a latency to the microsecond.
func short(d time.Duration) string { return d.Round(time.Microsecond).String() }
