package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/store"
)

const (
	// bareBytes is what a record of the bare database has, about as many as an asset's.
	bareBytes = 100
	// syncRounds is how often calls of one report and writes of the bare database take
	// turns: disks have good and bad moments.
	syncRounds = 15
	// quickSync is faster than any disk.
	quickSync = 5 * time.Microsecond
	// storeRounds is how often a fleet is reported again, so that the database has to
	// merge what it has.
	storeRounds = 3
)

// store measures an engine that keeps what it holds in a directory.
func (run *run) store(ctx context.Context, hosts int) (err error) {
	dir, err := os.MkdirTemp(run.c.Dir, "portolan-bench-")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m := &storeRun{run: run, dir: dir, hosts: hosts}
	if err := m.open(ctx); err != nil {
		return err
	}
	err = m.measure(ctx)
	return errors.Join(err, m.close())
}

// storeRun is a directory that is measured, and the engine on it.
type storeRun struct {
	*run
	dir    string
	hosts  int
	engine *engine.Engine
	store  *store.Store
}

func (m *storeRun) open(ctx context.Context) (err error) {
	if m.store, err = store.Open(filepath.Join(m.dir, "data"), nil); err != nil {
		return err
	}
	if m.engine, err = engine.Open(nil); err != nil {
		return err
	}
	return m.engine.Attach(ctx, m.store)
}

func (m *storeRun) close() error { return errors.Join(m.engine.Close(), m.store.Close()) }

func (m *storeRun) measure(ctx context.Context) error {
	reports := m.c.workload().Fleet(m.c.Seed, m.hosts)
	if err := m.fill(ctx, "calls of 1000", reports); err != nil {
		return err
	}
	for round := range storeRounds {
		reports = fleet.Churn(m.c.Seed+uint64(round), changedFraction, reports)
		if err := m.fill(ctx, fmt.Sprintf("1 %% changed, round %d", round+1), reports); err != nil {
			return err
		}
	}
	if err := m.oneByOne(ctx, fleet.Churn(m.c.Seed, 0, reports)); err != nil {
		return err
	}
	return m.restart(ctx)
}

// fill applies reports in calls of a thousand and adds what that made the disk do.
func (m *storeRun) fill(ctx context.Context, name string, reports iter.Seq[engine.Report]) error {
	before := m.store.Usage()
	if err := m.loadBatches(ctx, SuiteStore, name, m.hosts, m.engine, reports, 1000, 0); err != nil {
		return err
	}
	used := m.store.Usage()
	held, err := m.engine.Stats()
	if err != nil {
		return err
	}
	result := &m.report.Results[len(m.report.Results)-1]
	used.Logical -= before.Logical
	used.Written -= before.Written
	result.add("written-B/B", used.Amplification())
	result.add("disk-B/obs", float64(used.Disk)/float64(max(held.Observations, 1)))
	return nil
}

// oneByOne measures calls of one report, each of which is synced, beside a bare database
// with a record for each.
func (m *storeRun) oneByOne(ctx context.Context, reports iter.Seq[engine.Report]) error {
	m.progress("store: calls of 1")
	next, stop := iter.Pull(reports)
	defer stop()
	var ours, bare []time.Duration
	var ratios []float64
	calls := 0
	for round := range syncRounds {
		one, n, err := m.applyEach(ctx, next)
		if err != nil {
			return err
		}
		if n == 0 {
			break // the fleet is small
		}
		took, err := store.Baseline(filepath.Join(m.dir, fmt.Sprintf("bare-%d", round)), n, bareBytes)
		if err != nil {
			return err
		}
		other := took / time.Duration(n)
		if one <= 0 || other <= 0 {
			return errClock
		}
		ours, bare, calls = append(ours, one), append(bare, other), calls+n
		ratios = append(ratios, float64(other)/float64(one))
	}
	if calls == 0 {
		return errClock
	}
	result := Result{Suite: SuiteStore, Name: "calls of 1", Hosts: m.hosts, Samples: int64(calls)}
	result.add("ns/op", float64(median(ours)))
	result.add("of-bare", median(ratios))
	other := median(bare)
	beside := Result{Suite: SuiteStore, Name: "calls of 1", Subject: "bare Pebble", Hosts: m.hosts, Samples: int64(calls)}
	beside.add("ns/op", float64(other))
	if other < quickSync {
		beside.Marks = append(beside.Marks, "a sync takes next to nothing: the folder may be in memory (--dir)")
	}
	m.report.Results = append(m.report.Results, result, beside)
	return nil
}

// applyEach applies reports one by one for as long as a figure takes, and returns how long
// one took and how many there were.
func (m *storeRun) applyEach(ctx context.Context, next func() (engine.Report, bool)) (one time.Duration, n int, err error) {
	figure, start := m.c.figureTime(m.hosts), m.timer.now()
	for ; m.timer.now()-start < figure; n++ {
		r, ok := next()
		if !ok {
			break
		}
		if _, err := m.engine.Apply(ctx, []engine.Report{r}); err != nil {
			return 0, n, fmt.Errorf("store: calls of 1: %w", err)
		}
	}
	return (m.timer.now() - start) / time.Duration(max(n, 1)), n, nil
}

// imageName is the file that a directory may lose: see FORMAT.md of the store.
const imageName = "IMAGE"

// restart measures how long it takes to close what is held, and until it answers again,
// with what was kept for that and without.
func (m *storeRun) restart(ctx context.Context) error {
	before, err := m.engine.Stats()
	if err != nil {
		return err
	}
	for _, name := range []string{"restart", "restart without image"} {
		m.progress("%s", "store: "+name)
		start := m.timer.now()
		if err := m.close(); err != nil {
			return err
		}
		closed := m.timer.now() - start
		image := filepath.Join(m.dir, "data", imageName)
		info, err := os.Stat(image)
		if err == nil && name != "restart" {
			err = os.Remove(image)
		}
		if err != nil {
			return err
		}
		start = m.timer.now()
		if err := m.open(ctx); err != nil {
			return err
		}
		took := m.timer.now() - start
		if took <= 0 {
			return errClock
		}
		after, err := m.engine.Stats()
		if err != nil {
			return err
		}
		if after != before {
			return fmt.Errorf("store: %+v after a %s, %+v before", after, name, before)
		}
		result := Result{Suite: SuiteStore, Name: name, Hosts: m.hosts, Samples: 1}
		result.add("ms", float64(took)/1e6)
		result.add("obs/s", float64(after.Observations)/took.Seconds())
		result.add("disk-B/obs", float64(m.store.Usage().Disk)/float64(max(after.Observations, 1)))
		if name == "restart" {
			result.add("close-ms", float64(closed)/1e6)
			result.add("image-B/obs", float64(info.Size())/float64(max(after.Observations, 1)))
		}
		m.report.Results = append(m.report.Results, result)
	}
	return nil
}
