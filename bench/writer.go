package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

const (
	// slowRate is how many reports a second a fleet of agents sends: 3.6 million
	// hosts once an hour.
	slowRate = 1000
	// writerReports is the most assets that a writer reports about.
	writerReports = 100_000
	// fullBatch and slowBatch are how many reports it applies in one call.
	fullBatch, slowBatch = 10_000, 10
	// writerChurn is how many of their keys assets exchange between two reports.
	writerChurn = 0.05
)

// writer reports a fleet's assets over and over, each time a minute later and with
// other keys open.
type writer struct {
	rig     *rig
	rate    int                // reports a second; 0 is as many as it can
	rounds  [2][]engine.Report // what is reported in turn
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	began   time.Time
	took    time.Duration
	applied int
	err     error
}

func newWriter(c *Config, r *rig, rate int) *writer {
	w := &writer{rig: r, rate: rate}
	some := c.workload().Fleet(c.Seed, min(r.hosts, writerReports))
	w.rounds[0] = slices.Collect(fleet.Churn(c.Seed, writerChurn, some))
	w.rounds[1] = slices.Collect(fleet.Churn(c.Seed+1, writerChurn, some))
	return w
}

func (w *writer) name() string {
	if w.rate == 0 {
		return "a writer at full rate"
	}
	return fmt.Sprintf("%d reports/s", w.rate)
}

// start begins to write; stop ends it.
func (w *writer) start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	ctx, w.cancel = context.WithCancel(ctx)
	w.began = time.Now()
	w.wg.Go(func() {
		w.err = w.write(ctx)
		w.took = time.Since(w.began)
	})
	return nil
}

// stop returns how many reports a second were applied.
func (w *writer) stop() (perSecond float64, err error) {
	w.cancel()
	w.wg.Wait()
	if w.err != nil && !errors.Is(w.err, context.Canceled) {
		return 0, fmt.Errorf("the writer: %w", w.err)
	}
	return float64(w.applied) / w.took.Seconds(), nil
}

func (w *writer) write(ctx context.Context) error {
	size := fullBatch
	if w.rate > 0 {
		size = slowBatch
	}
	batch := make([]engine.Report, 0, size)
	for ; ; w.rig.round++ {
		round := w.rig.round
		for part := range slices.Chunk(w.rounds[round%2], size) {
			if err := w.pace(ctx); err != nil {
				return err
			}
			batch = append(batch[:0], part...)
			for i := range batch {
				batch[i].Seen = batch[i].Seen.Add(time.Duration(round) * time.Minute)
			}
			if _, err := w.rig.e.Apply(ctx, batch); err != nil {
				return err
			}
			w.applied += len(batch)
		}
	}
}

// pace waits until the next call is due.
func (w *writer) pace(ctx context.Context) error {
	if w.rate == 0 {
		return ctx.Err()
	}
	due := w.began.Add(time.Duration(w.applied) * time.Second / time.Duration(w.rate))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(due)):
		return nil
	}
}
