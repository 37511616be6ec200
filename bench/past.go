package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/store"
	"portolan/index"
)

const (
	// pastDays is how far back questions go, and shortDays where a fleet has less than longFrom hosts.
	pastDays  = 90
	shortDays = 3
	longFrom  = 10_000
	// pastCalls is how many calls come in an hour.
	pastCalls = 4
	// pastChanges is how many changes there are of each host, in all.
	pastChanges = 10
	// pastPorts is how many ports open and close.
	pastPorts = 300
	// pastSamples is how often a question is asked.
	pastSamples = 15
	// pastPatience is how long it may take to count what is past.
	pastPatience = 10 * time.Minute
)

// past is a directory with changes of many days, and an engine on it.
type past struct {
	*run
	dir      string
	days     int
	category engine.Category
	ids      []string
	groups   []string // the enterprise project of each
	open     []uint16 // which of the ports is open on a host, 0 for none
	begin    time.Time
	now      time.Time
	random   uint64
	store    *store.Store
	engine   *engine.Engine

	loaded          int // how many ports were open at the beginning, on all hosts
	changes, points int // how many there were: of a port on a host, of a count of a port in an hour
}

// past times questions about a time that is long past, of a fleet on which ports open and close in the meantime.
func (run *run) past(ctx context.Context, hosts int) (err error) {
	dir, err := os.MkdirTemp(run.c.Dir, "portolan-bench-")
	if err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := &past{run: run, dir: dir, days: pastDays, begin: time.Date(2026, 1, 1, 0, 20, 0, 0, time.UTC), random: run.c.Seed}
	if hosts < longFrom {
		p.days = shortDays
	}
	run.progress("changes: %d days of a fleet of %d", p.days, hosts)
	p.now = p.begin
	if err := p.start(ctx); err != nil {
		return err
	}
	defer func() {
		if p.engine != nil {
			err = errors.Join(err, p.end())
		}
	}()
	then, err := p.live(ctx, hosts)
	if err != nil {
		return err
	}
	if err := errors.Join(p.end(), p.start(ctx)); err != nil { // what is in logs only has no size
		return err
	}
	if err := p.count(ctx); err != nil {
		return err
	}
	return p.ask(ctx, then)
}

func (p *past) start(ctx context.Context) (err error) {
	if p.store, err = store.Open(filepath.Join(p.dir, "data"), &store.Options{History: (pastDays + 10) * 24 * time.Hour, HistoryBytes: math.MaxInt64}); err != nil {
		return err
	}
	if p.engine, err = engine.Open(&engine.Options{Now: func() time.Time { return p.now }, ChangesBytes: 8 << 20}); err != nil {
		return err
	}
	return p.engine.Attach(ctx, p.store)
}

func (p *past) end() error {
	err := errors.Join(p.engine.Close(), p.store.Close())
	p.engine = nil
	return err
}

// live loads the fleet and has ports open and close, each call at its time. It returns what a question about
// the beginning is to be answered.
func (p *past) live(ctx context.Context, hosts int) (then engine.PortPage, err error) {
	batch := make([]engine.Report, 0, 10_000)
	apply := func() error {
		_, err := p.engine.Apply(ctx, batch)
		batch = batch[:0]
		return err
	}
	for r := range p.c.workload().Fleet(p.c.Seed, hosts) {
		r.Seen = p.now
		p.groups = append(p.groups, r.EnterpriseProject)
		p.category, p.ids, p.loaded = r.Category, append(p.ids, r.Asset), p.loaded+1+len(r.Open) // the host itself, too
		if batch = append(batch, r); len(batch) == cap(batch) {
			if err := apply(); err != nil {
				return then, err
			}
		}
	}
	if err := apply(); err != nil {
		return then, err
	}
	p.open = make([]uint16, len(p.ids))
	calls := p.days * 24 * pastCalls
	last := make([]int32, len(p.ids)) // the last call that changed the host
	points := map[pastPoint]struct{}{}
	for call := 1; call <= calls; call++ {
		before := p.now
		if p.now = p.begin.Add(time.Duration(call) * time.Hour / pastCalls); p.now.Hour() != before.Hour() {
			clear(points)
		}
		for range max(1, pastChanges*len(p.ids)/calls) {
			n := p.next(len(p.ids))
			if last[n] == int32(call) {
				continue
			}
			last[n] = int32(call)
			r := engine.Report{Project: fleet.Project, Category: p.category, Asset: p.ids[n], Seen: p.now}
			port := p.open[n]
			if p.open[n] = 0; port == 0 {
				port = uint16(1 + p.next(p.next(pastPorts)+1)) // some more often than others
				p.open[n], r.Open = port, []engine.Key{pastKey(port)}
			}
			r.Scope = engine.ScopeOf(index.Range{Type: index.UDP6, Lo: port, Hi: port})
			for _, of := range []pastPoint{{port, false, ""}, {port, true, p.groups[n]}} {
				if _, known := points[of]; !known {
					points[of] = struct{}{}
					p.points++
				}
			}
			batch = append(batch, r)
		}
		p.changes += len(batch)
		if err := apply(); err != nil {
			return then, err
		}
		if !p.now.Equal(p.then()) {
			continue
		}
		if then, err = p.engine.Ports(ctx, p.page()); err != nil {
			return then, err
		}
	}
	return then, nil
}

// pastPoint is a count of a port, in one enterprise project or in all.
type pastPoint struct {
	port  uint16
	one   bool
	group string
}

// then is the time that is asked for: some hours after the fleet was loaded.
func (p *past) then() time.Time { return p.begin.Add(2*time.Hour + 30*time.Minute) }

// pastKey is a key that is open nowhere in a fleet.
func pastKey(port uint16) engine.Key { return index.MakeKey(port, index.UDP6) }

// next returns a number below n.
func (p *past) next(n int) int {
	p.random = p.random*6364136223846793005 + 1442695040888963407
	return int(p.random>>33) % n
}

func (p *past) page() engine.PortQuery {
	return engine.PortQuery{Project: fleet.Project, Category: p.category, Order: engine.ByNum, Descending: true, Limit: 10}
}

// count waits until what is past is counted.
func (p *past) count(ctx context.Context) error {
	p.now = p.now.Add(time.Hour)
	if _, err := p.engine.Apply(ctx, []engine.Report{{Project: "other", Asset: "a"}}); err != nil {
		return err
	}
	for start := time.Now(); p.store.Counted().Time < p.now.Add(-time.Hour).UnixMicro(); time.Sleep(10 * time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(start) > pastPatience {
			return fmt.Errorf("changes: what is past is not counted within %v", pastPatience)
		}
	}
	return errors.Join(p.end(), p.start(ctx))
}

// ask times the questions. Before that, their answers are held against what is known.
func (p *past) ask(ctx context.Context, then engine.PortPage) error {
	page := func() error {
		at, err := p.engine.At(ctx, fleet.Project, p.category, engine.Moment{Time: p.then()})
		if err != nil {
			return err
		}
		got, err := at.Ports(ctx, p.page())
		if err == nil && (got.Total != then.Total || !slices.Equal(got.Rows, then.Rows)) {
			err = fmt.Errorf("%w: %d ports %v, of %d %v", errWrong, got.Total, got.Rows, then.Total, then.Rows)
		}
		return err
	}
	var one index.KeySetBuilder
	one.AddRange(index.Range{Type: index.UDP6, Lo: 7, Hi: 7})
	keys, want := one.Build(), 0
	for _, port := range p.open {
		if port == 7 {
			want++
		}
	}
	trend := func() error {
		got, err := p.engine.Trend(ctx, engine.TrendQuery{
			Project: fleet.Project, Category: p.category, Keys: keys, Since: p.begin.Add(time.Hour), Step: time.Hour,
		})
		if err == nil && (len(got.Lines) > 1 || want > 0 && (len(got.Lines) == 0 || got.Lines[0].Points[len(got.Lines[0].Points)-1].Last != want)) {
			err = fmt.Errorf("%w: %d lines, where a port is open on %d hosts now", errWrong, len(got.Lines), want)
		}
		return err
	}
	for name, ask := range map[string]func() error{
		fmt.Sprintf("ports %d days ago, ten of them by count", p.days): page,
		fmt.Sprintf("a port by the hour for %d days", p.days):          trend,
	} {
		if err := ask(); err != nil {
			return err
		}
		var took []time.Duration
		for range pastSamples {
			start := time.Now()
			if err := ask(); err != nil {
				return err
			}
			took = append(took, time.Since(start))
		}
		result := Result{Suite: SuiteChanges, Name: name, Hosts: len(p.ids), Samples: pastSamples}
		result.add("ns/op", float64(median(took)))
		result.add("changes", float64(p.changes))
		p.report.Results = append(p.report.Results, result)
	}
	history, counts, err := p.store.PastUsage()
	if err != nil {
		return err
	}
	result := Result{Suite: SuiteChanges, Name: fmt.Sprintf("%d days on the disk", p.days), Hosts: len(p.ids), Samples: 1}
	result.add("B/change", float64(history)/float64(p.changes+p.loaded))
	result.add("B/point", float64(counts)/float64(p.points))
	p.report.Results = append(p.report.Results, result)
	return nil
}
