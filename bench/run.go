package bench

import (
	"context"
	"fmt"
	"runtime"
)

// run is one run of the harness.
type run struct {
	c      *Config
	timer  *Timer
	report *Report
}

// Run measures what the config says, suite by suite, the smaller fleets first. Before
// a fleet's queries are timed, their answers are held against a count of the fleet, and
// once, for its beginning, against the reference engine; a wrong answer is an error.
//
// The report is valid also when an error is returned: it has what was measured until
// then. It says that it was cut where the context ended the run.
func Run(ctx context.Context, config *Config) (*Report, error) {
	report := &Report{Machine: ThisMachine(), Profile: config.Profile, Seed: config.Seed}
	if err := config.Validate(); err != nil {
		return report, err
	}
	c := config.resolved()
	report.Profile, report.Seed = c.Profile, c.Seed
	err := runAll(ctx, &c, report, systemClock())
	report.Cut = err != nil && ctx.Err() != nil
	return report, err
}

func runAll(ctx context.Context, c *Config, report *Report, now clock) error {
	if err := checkRoom(ctx, c, availableMemory()); err != nil {
		return err
	}
	t, err := newTimer(ctx, now)
	if err != nil {
		return err
	}
	report.Timer = t.cost
	c.Progress("verifying against the reference engine")
	if err := verifyReference(ctx, c); err != nil {
		return err
	}
	run := &run{c: c, timer: t, report: report}
	for _, hosts := range c.sizes() {
		for _, suite := range []struct {
			name    Suite
			measure func(context.Context, int) error
		}{{SuiteMemory, run.memory}, {SuiteLibrary, run.library}, {SuiteFacets, run.facets}, {SuiteHTTP, run.http}, {SuiteLoad, run.load}, {SuiteStore, run.store}, {SuiteChanges, run.changes}} {
			if !c.has(suite.name) {
				continue
			}
			runtime.GC() // what the last suite left is no part of this one
			if err := suite.measure(ctx, hosts); err != nil {
				return err
			}
		}
	}
	return nil
}

func (run *run) progress(format string, args ...any) { run.c.Progress(fmt.Sprintf(format, args...)) }
