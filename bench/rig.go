package bench

import (
	"context"
	"fmt"
	"iter"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
)

// loadBatch is how many reports of a fleet are applied in one call.
const loadBatch = 200_000

// rig is an engine that holds a fleet, and what is known of the fleet without it.
type rig struct {
	e         *engine.Engine
	tally     *oracle.Tally
	hosts     int
	category  engine.Category
	questions []question
	round     int // how often a writer has reported the fleet again
}

// newRig fills an engine with a fleet of so many assets and makes up the questions.
func newRig(ctx context.Context, c *Config, hosts int) (*rig, error) {
	e, err := engine.Open(nil)
	if err != nil {
		return nil, err
	}
	r := &rig{e: e, tally: oracle.NewTally(nil), hosts: hosts}
	for batch := range batches(c.workload().Fleet(c.Seed, hosts), loadBatch) {
		r.category = batch[0].Category
		for i := range batch {
			r.tally.Add(&batch[i])
		}
		if _, err := e.Apply(ctx, batch); err != nil {
			return nil, err
		}
	}
	r.questions, err = questions(r.tally, r.category, c.Seed)
	return r, err
}

// verify holds the answers to every question against the tally.
func (r *rig) verify(ctx context.Context) error {
	held, err := r.e.Stats()
	if err != nil {
		return err
	}
	if held.Assets != r.tally.Assets() || held.Observations != r.tally.Observations() {
		return fmt.Errorf("%w: %d assets, %d observations: want %d, %d", errWrong,
			held.Assets, held.Observations, r.tally.Assets(), r.tally.Observations())
	}
	for i := range r.questions {
		if err := r.questions[i].verifyTally(ctx, r.tally, r.e); err != nil {
			return err
		}
	}
	return nil
}

// batches yields the reports in slices of so many, each valid until the next.
func batches(reports iter.Seq[engine.Report], size int) iter.Seq[[]engine.Report] {
	return func(yield func([]engine.Report) bool) {
		var batch []engine.Report
		for r := range reports {
			if batch = append(batch, r); len(batch) == size {
				if !yield(batch) {
					return
				}
				batch = batch[:0]
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}
