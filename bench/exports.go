package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/scanfile"
)

// exportTurns is how often a whole fleet is exported.
const exportTurns = 5

// exports times exports of the whole fleet by one goroutine, of which it is held before that that all is
// in them.
func (run *run) exports(ctx context.Context, r *rig) error {
	s, err := r.e.Snapshot(fleet.Project, r.category)
	if err != nil {
		return err
	}
	all, err := s.Export(ctx, engine.ExportQuery{})
	if err != nil {
		return err
	}
	if err := r.verifyExport(ctx, all); err != nil {
		return err
	}
	for _, format := range []string{scanfile.ExportNDJSON, scanfile.ExportCSV} {
		run.progress("facets: export as %s", format)
		var took []time.Duration
		var to counter
		var allocated uint64
		for range exportTurns {
			to = 0
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err = scanfile.Export(&to, format, all.All(ctx))
			took = append(took, time.Since(start))
			if err != nil {
				return err
			}
			runtime.ReadMemStats(&after)
			allocated = after.TotalAlloc - before.TotalAlloc
		}
		result := Result{Suite: SuiteFacets, Name: "export as " + format, Hosts: r.hosts, Samples: exportTurns}
		result.add("MB/s", float64(to)/1e6/median(took).Seconds())
		result.add("assets/s", float64(r.hosts)/median(took).Seconds())
		result.add("allocated-B/asset", float64(allocated)/float64(r.hosts))
		run.report.Results = append(run.report.Results, result)
	}
	return nil
}

// verifyExport holds what an export has against the fleet.
func (r *rig) verifyExport(ctx context.Context, e *engine.Export) error {
	all, err := r.tally.Ports(ctx, engine.PortQuery{Project: fleet.Project, Category: r.category})
	if err != nil {
		return err
	}
	want := 0
	for _, row := range all.Rows {
		want += row.Num
	}
	assets, ports := 0, 0
	for x, err := range e.All(ctx) {
		if err != nil {
			return err
		}
		assets++
		for _, report := range x.AppendReports(nil) {
			ports += len(report.Open)
		}
	}
	if assets != r.hosts || ports != want {
		return fmt.Errorf("%w: %d assets with %d open ports are exported of %d with %d", errWrong, assets, ports, r.hosts, want)
	}
	return nil
}

// counter counts the bytes that are written.
type counter int

// Write counts.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
