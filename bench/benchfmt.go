package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteBenchfmt writes the report in the format of Go benchmarks, which benchstat
// reads: https://go.dev/design/14313-benchmark-format. Marks become comments that
// benchstat passes over.
func (r *Report) WriteBenchfmt(w io.Writer) error {
	var b strings.Builder
	m := &r.Machine
	fmt.Fprintf(&b, "goos: %s\ngoarch: %s\npkg: portolan/bench\n", m.OS, m.Arch)
	if m.CPU != "" {
		fmt.Fprintf(&b, "cpu: %s\n", m.CPU)
	}
	fmt.Fprintf(&b, "go: %s\nprofile: %s\nseed: %d\n", m.Go, r.Profile, r.Seed)
	for _, unit := range []string{"obs/s", "reports/s", "obs/cpu-s", "MB/s"} {
		fmt.Fprintf(&b, "Unit %s better=higher\n", unit)
	}
	for i := range r.Results {
		if len(r.Results[i].Values) > 0 { // else it was left out
			r.Results[i].writeLine(&b, m.Procs)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeLine writes one benchmark line.
func (r *Result) writeLine(b *strings.Builder, procs int) {
	parts := []string{string(r.Suite), r.label(), fmt.Sprintf("hosts=%d", r.Hosts)}
	if r.Beside != "" {
		parts = append(parts, "beside="+r.Beside)
	}
	for i, part := range parts {
		parts[i] = strings.NewReplacer(" ", "_", "/", "_per_").Replace(part)
	}
	name := "Benchmark" + strings.ToUpper(parts[0][:1]) + strings.Join(parts, "/")[1:]
	if procs > 1 { // as package testing does
		name += fmt.Sprintf("-%d", procs)
	}
	fmt.Fprintf(b, "%s\t%d", name, max(r.Samples, 1))
	for _, v := range r.Values {
		fmt.Fprintf(b, "\t%s %s", strconv.FormatFloat(v.Value, 'g', -1, 64), v.Unit)
	}
	b.WriteByte('\n')
	for _, mark := range r.Marks {
		fmt.Fprintf(b, "# %s\n", mark)
	}
}
