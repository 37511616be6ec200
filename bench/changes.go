package bench

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/scanfile"
	"portolan/index"
)

// changedParts are the parts of a fleet that change between two snapshots.
var changedParts = []float64{0.001, 0.01}

// changesPort is open nowhere in a fleet.
const changesPort = 7

// changes times what differs between two snapshots of a fleet, and between two files of it, and what was long ago. Before it
// is timed, it is held against what is known.
func (run *run) changes(ctx context.Context, hosts int) error {
	run.progress("changes: a fleet of %d", hosts)
	r, err := newRig(ctx, run.c, hosts)
	if err != nil {
		return err
	}
	for _, part := range changedParts {
		if err := run.between(ctx, r, part); err != nil {
			return err
		}
	}
	if err := run.betweenFiles(ctx, min(hosts, textHosts)); err != nil {
		return err
	}
	return run.past(ctx, hosts)
}

// between times the difference of two snapshots, of which a part of the assets changed.
func (run *run) between(ctx context.Context, r *rig, part float64) error {
	every := int(1 / part)
	old, err := r.e.Snapshot(fleet.Project, r.category)
	if err != nil {
		return err
	}
	r.round++
	want, n := 0, 0
	var batch []engine.Report
	for report := range run.c.workload().Fleet(run.c.Seed, r.hosts) {
		if n++; int(uint32(n)*0x9e3779b1>>8)%every != 0 {
			continue
		}
		want++
		batch = append(batch, engine.Report{
			Project: report.Project, Category: report.Category, Asset: report.Asset, Seen: report.Seen.Add(time.Duration(r.round) * time.Second),
			Open: []engine.Key{index.MakeKey(uint16(changesPort+r.round), index.SCTP)},
		})
	}
	if _, err := r.e.Apply(ctx, batch); err != nil {
		return err
	}
	s, err := r.e.Snapshot(fleet.Project, r.category)
	if err != nil {
		return err
	}
	diff := func(int) error {
		got, err := countChanges(ctx, s, old, engine.DiffQuery{})
		if err == nil && got != want {
			err = fmt.Errorf("%w: %d changes, of %d", errWrong, got, want)
		}
		return err
	}
	if err := diff(0); err != nil {
		return err
	}
	return run.measureFacets(ctx, r, SuiteChanges, []facet{{fmt.Sprintf("difference of two snapshots, %g %% of the hosts changed", 100*part), &subject{ask: diff}, want}})
}

func countChanges(ctx context.Context, s, old engine.Snapshot, q engine.DiffQuery) (n int, err error) {
	d, err := s.Diff(ctx, old, q)
	if err != nil {
		return 0, err
	}
	for _, err := range d.All(ctx, nil) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// betweenFiles times the difference of two files of NDJSON, beside reading and applying them.
func (run *run) betweenFiles(ctx context.Context, hosts int) error {
	run.progress("changes: two files of %d hosts", hosts)
	first := run.c.workload().Fleet(run.c.Seed, hosts)
	var texts [2]bytes.Buffer
	writeNDJSON(&texts[0], first)
	writeNDJSON(&texts[1], fleet.Churn(run.c.Seed+1, 0.01, first))
	var reading, all []time.Duration
	changes := 0
	for range 5 {
		start := time.Now()
		var states [2]engine.Snapshot
		for i := range texts {
			s, err := snapshotOfText(ctx, texts[i].Bytes())
			if err != nil {
				return err
			}
			states[i] = s
		}
		read := time.Since(start)
		var err error
		if changes, err = countChanges(ctx, states[1], states[0], engine.DiffQuery{Apart: true}); err != nil {
			return err
		}
		reading, all = append(reading, read), append(all, time.Since(start))
	}
	result := Result{Suite: SuiteChanges, Name: "difference of two files, 1 % of the hosts changed", Hosts: hosts, Samples: 5}
	result.add("ns/op", float64(median(all)))
	result.add("of-reading", float64(median(all))/float64(median(reading)))
	result.add("changes", float64(changes))
	run.report.Results = append(run.report.Results, result)
	return nil
}

// snapshotOfText reads a file of hosts into an engine of its own.
func snapshotOfText(ctx context.Context, text []byte) (s engine.Snapshot, err error) {
	e, err := engine.Open(nil)
	if err != nil {
		return s, err
	}
	var sum *scanfile.Summary
	err = e.Import(engine.All(), func(to *engine.Import) (err error) {
		sum, err = scanfile.Load(ctx, to, []scanfile.Source{{Name: "file", Reader: bytes.NewReader(text)}}, &scanfile.Options{Project: fleet.Project, Format: "ndjson"})
		return err
	})
	if err == nil && !sum.Complete {
		err = fmt.Errorf("%w: the file is incomplete", errWrong)
	}
	if err != nil {
		return s, err
	}
	for _, category := range []engine.Category{engine.Host, engine.Container} {
		if s, err = e.Snapshot(fleet.Project, category); err != nil || s.NumAssets() > 0 {
			return s, err
		}
	}
	return s, nil
}
