package enginetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"portolan/engine"
	"portolan/index"
)

// Reference is the slow, obvious engine. It answers from maps of sets by
// walking all of them, under one lock. Its methods promise what those of
// [engine.Engine] promise; where the engine may choose an order, Reference
// takes the order of the assets' ids.
type Reference struct {
	policy *engine.Policy
	now    func() time.Time
	ledger func() ledger // makes a new asset's

	mu          sync.RWMutex // guards all below; answers are copies and outlive it
	closed      bool
	receipts    map[string]int64 // the newest receipt time given, by project
	inventories map[place]*inventory
}

// place names one inventory.
type place struct {
	project  string
	category engine.Category
}

type inventory struct {
	version uint64
	assets  map[string]*asset // by id
}

// asset is all that was ever said about one asset, and the keys that follow from it.
type asset struct {
	name, address, group register
	seen                 int64
	ledger               ledger
	open                 keys
}

// NewReference returns an empty reference engine. A nil opts is legal.
func NewReference(opts *engine.Options) *Reference {
	return newReference(opts, func() ledger { return new(evidenceLog) })
}

func newReference(opts *engine.Options, newLedger func() ledger) *Reference {
	r := &Reference{
		policy:      engine.DefaultPolicy(),
		now:         time.Now,
		ledger:      newLedger,
		receipts:    map[string]int64{},
		inventories: map[place]*inventory{},
	}
	if opts != nil && opts.Policy != nil {
		r.policy = opts.Policy
	}
	if opts != nil && opts.Now != nil {
		r.now = opts.Now
	}
	return r
}

// Close makes every later call return [engine.ErrClosed].
func (r *Reference) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return engine.ErrClosed
	}
	r.closed = true
	return nil
}

// Check finds nothing: there is nothing derived to be wrong.
func (r *Reference) Check(context.Context) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return engine.ErrClosed
	}
	return nil
}

// Apply applies reports as one stream: all of them, or none and an error.
func (r *Reference) Apply(_ context.Context, reports []engine.Report) (engine.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var result engine.Result
	if r.closed {
		return result, engine.ErrClosed
	}
	receipts := r.receiptsFor(reports)
	times, clamped, err := date(reports, receipts)
	if err != nil {
		return result, err
	}
	maps.Copy(r.receipts, receipts)
	result.Clamped = clamped
	touched := map[*inventory]bool{}
	for i := range reports {
		inv := r.inventory(&reports[i])
		inv.apply(&reports[i], times[i], r.ledger, &result)
		touched[inv] = true
	}
	for inv := range touched {
		inv.version++
	}
	return result, nil
}

// receiptsFor returns the receipt time of one stream in each project that it
// has reports for: now, but later than any given before.
func (r *Reference) receiptsFor(reports []engine.Report) map[string]int64 {
	now := r.now().UnixMicro()
	receipts := map[string]int64{}
	for i := range reports {
		receipts[reports[i].Project] = now
	}
	for project := range receipts {
		if last, given := r.receipts[project]; given {
			receipts[project] = max(now, last+1)
		}
	}
	return receipts
}

// date checks every report and returns their times and how many were clamped.
func date(reports []engine.Report, receipts map[string]int64) (times []int64, clamped int, err error) {
	times = make([]int64, len(reports))
	for i := range reports {
		if err := reports[i].Validate(); err != nil {
			return nil, 0, err
		}
		receipt := receipts[reports[i].Project]
		at, err := timeOf(reports[i].Seen, receipt)
		if err != nil {
			return nil, 0, err
		}
		if !reports[i].Seen.IsZero() && reports[i].Seen.UnixMicro() > receipt {
			clamped++
		}
		times[i] = at
	}
	return times, clamped, nil
}

// timeOf returns the time that a report counts as evidence of.
func timeOf(seen time.Time, receipt int64) (int64, error) {
	if seen.IsZero() {
		return receipt, nil
	}
	at := seen.UnixMicro()
	if at > receipt+engine.MaxAhead.Microseconds() {
		return 0, &engine.FieldError{Field: "seen", Value: seen.String(), Allowed: "a time at most 24 h ahead"}
	}
	return min(at, receipt), nil
}

// inventory returns the report's inventory, which exists from then on.
func (r *Reference) inventory(report *engine.Report) *inventory {
	at := place{report.Project, report.Category}
	inv := r.inventories[at]
	if inv == nil {
		inv = &inventory{assets: map[string]*asset{}}
		r.inventories[at] = inv
	}
	return inv
}

// apply adds one report's evidence and counts what became of it.
func (inv *inventory) apply(report *engine.Report, at int64, newLedger func() ledger, result *engine.Result) {
	a := inv.assets[report.Asset]
	isNew := a == nil
	if isNew {
		group := register{engine.DefaultEnterpriseProject, never}
		a = &asset{group: group, name: register{at: never}, address: register{at: never}, seen: never, ledger: newLedger()}
		inv.assets[report.Asset] = a
	}
	late := at < a.seen
	switch changed := a.learn(report, at); {
	case changed || isNew:
		result.Applied++
	case late:
		result.Stale++
	default:
		result.Unchanged++
	}
}

// learn adds the report and says whether an answer about the asset changed.
func (a *asset) learn(report *engine.Report, at int64) bool {
	before := *a
	a.seen = max(a.seen, at)
	a.name.give(report.Name, at)
	a.address.give(report.Address, at)
	a.group.give(report.EnterpriseProject, at)
	a.ledger.add(evidence{at, report.Scope, setOf(report.Open)})
	a.open = a.ledger.open()
	return a.name.text != before.name.text || a.address.text != before.address.text ||
		a.group.text != before.group.text || !maps.Equal(a.open, before.open)
}

func setOf(list []index.Key) keys {
	set := make(keys, len(list))
	for _, k := range list {
		set[k] = true
	}
	return set
}

// Remove forgets an asset and everything said about it.
func (r *Reference) Remove(_ context.Context, project string, category engine.Category, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return engine.ErrClosed
	}
	inv := r.inventories[place{project, category}]
	if inv == nil || inv.assets[id] == nil {
		return engine.ErrNotFound
	}
	delete(inv.assets, id)
	inv.version++
	return nil
}

// Projects returns the names of the projects that hold or held assets, in
// order; nil after Close.
func (r *Reference) Projects() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return nil
	}
	return r.projects()
}

func (r *Reference) projects() []string {
	names := map[string]bool{}
	for at := range r.inventories {
		names[at.project] = true
	}
	return slices.Sorted(maps.Keys(names))
}
