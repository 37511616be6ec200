package scanfile_test

import (
	"slices"
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/scanfile"
)

// BenchmarkExport is the NDJSON of a fleet of 1 M hosts, by one core.
func BenchmarkExport(b *testing.B) {
	e, err := engine.Open(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	i := slices.IndexFunc(fleet.Workloads(), func(w fleet.Workload) bool { return w.Name == "agents" })
	var project string
	for reports := range slices.Chunk(slices.Collect(fleet.Workloads()[i].Fleet(1, 1_000_000)), 10_000) {
		project = reports[0].Project
		if _, err := e.Apply(b.Context(), reports); err != nil {
			b.Fatal(err)
		}
	}
	s, err := e.Snapshot(project, engine.Host)
	if err != nil {
		b.Fatal(err)
	}
	all, err := s.Export(b.Context(), engine.ExportQuery{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		bytes := 0
		var line []byte
		var reports []engine.Report
		for x, err := range all.All(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			reports = x.AppendReports(reports[:0])
			for i := range reports {
				line = scanfile.AppendNDJSON(line[:0], &reports[i])
				bytes += len(line)
			}
		}
		b.SetBytes(int64(bytes))
	}
}
