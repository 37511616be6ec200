package bench

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/enginetest/oracle"
	"portolan/engine/scanfile"
)

const (
	// changedFraction is how many open keys change between two reports of the fleet.
	changedFraction = 0.01
	// textHosts is the most assets whose reports are read from text.
	textHosts = 30_000
	// oneByOne is how many times as long as other figures calls of one report are
	// measured: each is a publication.
	oneByOne = 4
	// readRounds is how often a text is read alone.
	readRounds = 3
)

// load measures how fast reports are applied.
func (run *run) load(ctx context.Context, hosts int) error {
	reports := run.c.workload().Fleet(run.c.Seed, hosts)
	var e *engine.Engine
	for _, size := range []int{1, 1000, loadBatch} {
		name := fmt.Sprintf("calls of %d", size)
		enough := time.Duration(0)
		if size == 1 {
			enough = oneByOne * run.c.figureTime(hosts)
		}
		var err error
		if e, err = engine.Open(nil); err != nil {
			return err
		}
		if err := run.loadBatches(ctx, SuiteLoad, name, hosts, e, reports, size, enough); err != nil {
			return err
		}
	}
	again := fleet.Churn(run.c.Seed, 0, reports)
	if err := run.loadBatches(ctx, SuiteLoad, "the same again", hosts, e, again, loadBatch, 0); err != nil {
		return err
	}
	changed := fleet.Churn(run.c.Seed, changedFraction, again)
	if err := run.loadBatches(ctx, SuiteLoad, "1 % changed", hosts, e, changed, loadBatch, 0); err != nil {
		return err
	}
	if err := run.loadRecords(ctx, hosts); err != nil {
		return err
	}
	if run.c.Growth && hosts/10 >= textHosts {
		return nil // as many were read with a smaller fleet
	}
	return run.loadTexts(ctx, hosts)
}

// loadBatches applies reports in calls of so many, for enough time where that is not
// 0, and adds the result. Making the reports up is not timed.
func (run *run) loadBatches(ctx context.Context, suite Suite, name string, hosts int, e *engine.Engine, reports iter.Seq[engine.Report], size int, enough time.Duration) error {
	run.progress("%s: %s", suite, name)
	var took []time.Duration
	var total time.Duration
	var spent usage
	assets, observations := 0, 0
	for batch := range batches(reports, max(size, 1000)) {
		before := usedSoFar()
		for part := range slices.Chunk(batch, size) {
			start := run.timer.now()
			if _, err := e.Apply(ctx, part); err != nil {
				return fmt.Errorf("%s: %s: %w", suite, name, err)
			}
			one := run.timer.now() - start
			took, total = append(took, one), total+one
		}
		spent.add(usedSoFar(), before)
		assets += len(batch)
		observations += countOpen(batch)
		if enough > 0 && total >= enough {
			break
		}
	}
	if total <= 0 {
		return errClock
	}
	result := Result{Suite: suite, Name: name, Hosts: hosts, Samples: int64(len(took))}
	result.addRates(assets, observations, total, &spent)
	if len(took) > 1 {
		result.add("median-call-ns", float64(median(took))) // sorts
		result.add("worst-call-ns", float64(took[len(took)-1]))
	}
	run.report.Results = append(run.report.Results, result)
	return nil
}

func countOpen(reports []engine.Report) int {
	n := 0
	for i := range reports {
		n += len(reports[i].Open)
	}
	return n
}

// addRates adds what loading so much in a time cost.
func (r *Result) addRates(assets, observations int, took time.Duration, spent *usage) {
	r.add("obs/s", float64(observations)/took.Seconds())
	r.add("reports/s", float64(assets)/took.Seconds())
	if spent.cpu > 0 {
		r.add("obs/cpu-s", float64(observations)/spent.cpu.Seconds())
	}
	if spent.busy > 0 {
		r.add("gc-%", 100*spent.gc/spent.busy)
	}
	r.add("longest-pause-ns", float64(spent.pause))
}

// loadTexts measures reading and applying reports as files have them.
func (run *run) loadTexts(ctx context.Context, hosts int) error {
	hosts = min(hosts, textHosts)
	for _, f := range texts {
		run.progress("load: %s", f.format)
		var text bytes.Buffer
		tally := oracle.NewTally(nil)
		opts := &scanfile.Options{Format: f.format, Project: fleet.Project}
		f.write(&text, func(yield func(engine.Report) bool) {
			for r := range run.c.workload().Fleet(run.c.Seed, hosts) {
				opts.Category = r.Category
				tally.Add(&r)
				if !yield(r) {
					return
				}
			}
		})
		if err := run.loadText(ctx, f.format, text.Bytes(), tally, opts); err != nil {
			return fmt.Errorf("load: %s: %w", f.format, err)
		}
	}
	return nil
}

func (run *run) loadText(ctx context.Context, name string, text []byte, tally *oracle.Tally, opts *scanfile.Options) error {
	alone, err := run.readText(name, text, opts, 1)
	if err != nil {
		return err
	}
	parts, err := run.readText(name, text, opts, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	e, err := engine.Open(nil)
	if err != nil {
		return err
	}
	before, start := usedSoFar(), run.timer.now()
	var summary *scanfile.Summary
	err = e.Import(engine.All(), func(to *engine.Import) (err error) {
		summary, err = scanfile.Load(ctx, to, []scanfile.Source{{Name: name, Reader: bytes.NewReader(text)}}, opts)
		return err
	})
	took := run.timer.now() - start
	var spent usage
	spent.add(usedSoFar(), before)
	if err != nil {
		return err
	}
	if took <= 0 {
		return errClock
	}
	everything := question{name: name, ports: []engine.PortQuery{{Project: fleet.Project, Category: opts.Category}}}
	if err := everything.verifyTally(ctx, tally, e); err != nil {
		return err
	}
	result := Result{Suite: SuiteLoad, Name: name, Hosts: tally.Assets(), Samples: int64(summary.Records)}
	result.addRates(summary.Records, summary.Observations, took, &spent)
	result.add("MB/s", float64(len(text))/1e6/took.Seconds())
	result.add("read-MB/s", float64(len(text))/1e6/alone.Seconds())
	result.add("read-in-parts-MB/s", float64(len(text))/1e6/parts.Seconds())
	run.report.Results = append(run.report.Results, result)
	return nil
}

// readText returns how long it takes to read a text and apply nothing: the fastest of
// several times, as something else may run meanwhile. So many parts of it are read at a
// time, if its format lets it be split.
func (run *run) readText(name string, text []byte, opts *scanfile.Options, workers int) (fastest time.Duration, err error) {
	apart := *opts
	apart.Workers = workers
	opts = &apart
	for i := range readRounds {
		start := run.timer.now()
		for _, err := range scanfile.Read(scanfile.Source{Name: name, Reader: bytes.NewReader(text)}, opts) {
			if err != nil {
				return 0, err
			}
		}
		if took := run.timer.now() - start; i == 0 || took < fastest {
			fastest = took
		}
	}
	if fastest <= 0 {
		return 0, errClock
	}
	return fastest, nil
}
