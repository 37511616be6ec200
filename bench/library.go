package bench

import (
	"context"
	"fmt"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

// allocQueries is how many queries allocations are counted over.
const allocQueries = 200

// library times questions put to the engine, at rest and beside a writer.
func (run *run) library(ctx context.Context, hosts int) error {
	run.progress("library: a fleet of %d", hosts)
	r, err := newRig(ctx, run.c, hosts)
	if err != nil {
		return err
	}
	if err := r.verify(ctx); err != nil {
		return err
	}
	renew, err := r.renewer(ctx)
	if err != nil {
		return err
	}
	for i := range r.questions {
		if err := run.ask(ctx, r, &r.questions[i], "", renew); err != nil {
			return err
		}
	}
	for _, rate := range []int{0, slowRate} {
		if err := run.besideWriter(ctx, r, rate); err != nil {
			return err
		}
	}
	return nil
}

// ask times one question and adds the result.
func (run *run) ask(ctx context.Context, r *rig, q *question, beside string, renew func() error) error {
	run.progress("library: %s", join(q.name, beside))
	s := q.subject(ctx, r.e, renew)
	l, err := run.timer.measure(ctx, run.c.figureTime(r.hosts), s)
	if err != nil {
		return fmt.Errorf("%s: %w", join(q.name, beside), err)
	}
	result := Result{Suite: SuiteLibrary, Name: q.name, Beside: beside, Hosts: r.hosts}
	l.addTo(&result)
	if beside == "" {
		objects, bytes, err := allocations(s, allocQueries)
		if err != nil {
			return err
		}
		result.add("allocs/op", objects)
		result.add("B/op", bytes)
	}
	run.report.Results = append(run.report.Results, result)
	return nil
}

// join returns a name for messages.
func join(name, beside string) string {
	if beside == "" {
		return name
	}
	return name + ", beside " + beside
}

// besideWriter times the questions while a writer applies so many reports a second;
// 0 is as many as it can. Every snapshot is a new one then, so questions that want
// one are left out.
func (run *run) besideWriter(ctx context.Context, r *rig, rate int) error {
	w := newWriter(run.c, r, rate)
	if err := w.start(ctx); err != nil {
		return err
	}
	first := len(run.report.Results)
	var failed error
	for i := range r.questions {
		if r.questions[i].fresh {
			continue
		}
		if failed = run.ask(ctx, r, &r.questions[i], w.name(), nil); failed != nil {
			break
		}
	}
	reached, err := w.stop()
	if failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	for i := range run.report.Results[first:] {
		result := &run.report.Results[first+i]
		result.add("writer-reports/s", reached)
		if rate > 0 && reached < 0.9*float64(rate) {
			result.mark("the writer reached %.0f reports/s of %d", reached, rate)
		}
	}
	return nil
}

// renewer returns a function that makes a new snapshot with the same answers: it
// changes the name of an asset that is there.
func (r *rig) renewer(ctx context.Context) (func() error, error) {
	page, err := r.e.Assets(ctx, engine.AssetQuery{Project: fleet.Project, Category: r.category, Limit: 1})
	if err != nil {
		return nil, err
	}
	a := page.Rows[0]
	report := engine.Report{Project: fleet.Project, Category: r.category, Asset: a.ID, Seen: a.LastSeen}
	names := [...]string{"one", "other"}
	n := 0
	return func() error {
		n++
		report.Seen, report.Name = report.Seen.Add(time.Microsecond), names[n%2]
		_, err := r.e.Apply(ctx, []engine.Report{report})
		return err
	}, nil
}
