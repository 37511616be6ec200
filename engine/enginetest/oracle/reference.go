package oracle

import (
	"cmp"
	"context"
	"maps"
	"reflect"
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

	maxAssets int           // of an inventory; 0 is any
	expire    time.Duration // 0 is never

	mu          sync.RWMutex // guards all below; answers are copies and outlive it
	closed      bool
	expired     int              // assets
	sequence    uint64           // of the last batch, or the one that it went on at
	gaps        [][2]uint64      // between which there are no batches
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
	labels               map[string]register // those taken away included
	seen                 int64
	ledger               ledger
	looks                []look // none lies inside another that is as new
	mostLooks            int    // there ever were
	open                 keys
}

// look is a scope that was looked at, and when.
type look struct {
	scope engine.Scope
	at    int64
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
	if opts != nil {
		r.maxAssets, r.expire = opts.MaxAssets, opts.Expire
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
	now := r.now().UnixMicro()
	for i := range reports {
		err := checkReport(&reports[i], now)
		if err == nil && r.isOld(reports[i].Seen, now) {
			err = &engine.FieldError{Field: "seen", Value: reports[i].Seen.String(), Allowed: "a time that has not expired"}
		}
		if err != nil {
			return result, &engine.ReportError{Index: i, Err: err}
		}
	}
	if err := r.checkRoom(reports); err != nil {
		return result, err
	}
	times := r.date(reports, now, &result)
	touched := map[*inventory]bool{}
	for i := range reports {
		inv := r.inventory(&reports[i])
		inv.apply(&reports[i], times[i], r.ledger, &result)
		touched[inv] = true
	}
	for inv := range touched {
		inv.version++
	}
	if len(reports) > 0 {
		r.sequence++
		result.Sequence = r.sequence
	}
	return result, nil
}

// checkReport refuses a report that is invalid or too far ahead of the clock.
func checkReport(report *engine.Report, now int64) error {
	if err := report.Validate(); err != nil {
		return err
	}
	if !report.Seen.IsZero() && report.Seen.UnixMicro() > now+engine.MaxAhead.Microseconds() {
		return &engine.FieldError{Field: "seen", Value: report.Seen.String(), Allowed: "a time at most 24 h ahead"}
	}
	return nil
}

// checkRoom refuses reports that would add more assets than an inventory may have.
func (r *Reference) checkRoom(reports []engine.Report) error {
	if r.maxAssets == 0 {
		return nil
	}
	ids := map[place]map[string]bool{}
	for i := range reports {
		at := place{reports[i].Project, reports[i].Category}
		if ids[at] == nil {
			ids[at] = map[string]bool{}
			if inv := r.inventories[at]; inv != nil {
				for id := range inv.assets {
					ids[at][id] = true
				}
			}
		}
		ids[at][reports[i].Asset] = true
		if len(ids[at]) > r.maxAssets {
			return engine.ErrFull
		}
	}
	return nil
}

// date returns the reports' times: those given, but none ahead of the clock; for
// those without one the receipt time of this stream in their project.
func (r *Reference) date(reports []engine.Report, now int64, result *engine.Result) []int64 {
	times := make([]int64, len(reports))
	receipts := map[string]int64{}
	for i := range reports {
		switch report := &reports[i]; {
		case report.Seen.IsZero():
			receipt, given := receipts[report.Project]
			if !given {
				receipt = r.receipt(report.Project, now)
				receipts[report.Project] = receipt
			}
			times[i] = receipt
		case report.Seen.UnixMicro() > now:
			times[i] = now
			result.Clamped++
		default:
			times[i] = report.Seen.UnixMicro()
		}
	}
	return times
}

// receipt gives a receipt time: now, but later than any given before.
func (r *Reference) receipt(project string, now int64) int64 {
	if last, given := r.receipts[project]; given {
		now = max(now, last+1)
	}
	r.receipts[project] = now
	return now
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
	late, before := at < a.seen, a.memory()
	switch changed := a.learn(report, at); {
	case changed || isNew:
		result.Applied++
	case late && reflect.DeepEqual(before, a.memory()):
		result.Stale++
	default:
		result.Unchanged++
	}
}

// learn adds the report and says whether an answer about the asset changed.
func (a *asset) learn(report *engine.Report, at int64) bool {
	before := *a
	before.labels = maps.Clone(a.labels)
	a.seen = max(a.seen, at)
	a.name.give(report.Name, at)
	a.address.give(report.Address, at)
	a.group.give(report.EnterpriseProject, at)
	a.label(report.Labels, at)
	a.ledger.add(evidence{at, report.Scope, setOf(report.Open)})
	a.look(report.Scope, at)
	a.open = a.ledger.open()
	return a.name.text != before.name.text || a.address.text != before.address.text ||
		a.group.text != before.group.text || !maps.Equal(a.labelled(), before.labelled()) || !maps.Equal(a.open, before.open)
}

// label gives the asset labels, and forgets those given first beyond the number that is kept.
func (a *asset) label(labels map[string]string, at int64) {
	for name, value := range labels {
		if a.labels == nil {
			a.labels = map[string]register{}
		}
		if was, there := a.labels[name]; !there || at > was.at || at == was.at && value > was.text {
			a.labels[name] = register{value, at}
		}
	}
	for len(a.labels) > engine.MaxLabels {
		delete(a.labels, slices.MinFunc(slices.Collect(maps.Keys(a.labels)), func(x, y string) int {
			return cmp.Or(cmp.Compare(a.labels[x].at, a.labels[y].at), cmp.Compare(x, y))
		}))
	}
}

// labelled returns the labels that the asset has, nil for none.
func (a *asset) labelled() map[string]string {
	var labels map[string]string
	for name, l := range a.labels {
		if l.text == "" {
			continue
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[name] = l.text
	}
	return labels
}

// look remembers a look, unless it lies inside another that is as new, and forgets
// those that lie inside it.
func (a *asset) look(s engine.Scope, at int64) {
	if s.IsNone() || slices.ContainsFunc(a.looks, func(l look) bool { return l.at >= at && l.scope.Covers(s) }) {
		return
	}
	a.looks = append(slices.DeleteFunc(a.looks, func(l look) bool { return l.at <= at && s.Covers(l.scope) }), look{s, at})
	a.mostLooks = max(a.mostLooks, len(a.looks))
}

// memory is all that what is said later about an asset can meet: two assets with
// the same memory have the same answers ever after.
type memory struct {
	name, address, group register
	labels               map[string]register
	looks                map[string]int64    // by scope
	since                map[index.Key]int64 // of open keys, where that is newer than every look at them
}

func (a *asset) memory() memory {
	m := memory{a.name, a.address, a.group, maps.Clone(a.labels), map[string]int64{}, map[index.Key]int64{}}
	for _, l := range a.looks {
		m.looks[l.scope.String()] = l.at
	}
	for k := range a.open {
		since := a.ledger.since(k)
		if !slices.ContainsFunc(a.looks, func(l look) bool { return l.at >= since && l.scope.Contains(k) }) {
			m.since[k] = since
		}
	}
	return m
}

func setOf(list []index.Key) keys {
	set := make(keys, len(list))
	for _, k := range list {
		set[k] = true
	}
	return set
}

// Remove forgets assets and everything said about them.
func (r *Reference) Remove(_ context.Context, project string, category engine.Category, ids ...string) (engine.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var result engine.Result
	if err := r.checkProject(project); err != nil {
		return result, err
	}
	inv := r.inventories[place{project, category}]
	for _, id := range ids {
		if inv != nil && inv.assets[id] != nil {
			delete(inv.assets, id)
			result.Removed++
		}
	}
	if result.Removed > 0 {
		inv.version++
		r.sequence++
		result.Sequence = r.sequence
	}
	if result.Removed < len(ids) {
		return result, engine.ErrNoAsset
	}
	return result, nil
}

// RemoveProject forgets a project and everything said about its assets.
func (r *Reference) RemoveProject(_ context.Context, project string) (engine.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var result engine.Result
	if err := r.checkProject(project); err != nil {
		return result, err
	}
	for at, inv := range r.inventories {
		if at.project == project {
			result.Removed += len(inv.assets)
			delete(r.inventories, at)
		}
	}
	delete(r.receipts, project)
	r.sequence++
	result.Sequence = r.sequence
	return result, nil
}

// isOld says whether a time that was given has expired.
func (r *Reference) isOld(seen time.Time, now int64) bool {
	return r.expire > 0 && !seen.IsZero() && seen.UnixMicro() < now-r.expire.Microseconds()
}

// Expire forgets the assets of which nothing was heard for too long.
func (r *Reference) Expire(context.Context) (engine.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var result engine.Result
	if r.closed {
		return result, engine.ErrClosed
	}
	now := r.now().UnixMicro()
	for _, inv := range r.inventories {
		had := len(inv.assets)
		maps.DeleteFunc(inv.assets, func(_ string, a *asset) bool { return r.isOld(time.UnixMicro(a.seen), now) })
		if gone := had - len(inv.assets); gone > 0 {
			inv.version++
			r.sequence++
			r.expired += gone
			result.Removed, result.Sequence = result.Removed+gone, r.sequence
		}
	}
	return result, nil
}

// Projects returns the names of the projects that hold or held assets, in order.
func (r *Reference) Projects() ([]string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return nil, engine.ErrClosed
	}
	return r.projects(), nil
}

func (r *Reference) projects() []string {
	names := map[string]bool{}
	for at := range r.inventories {
		names[at.project] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// checkProject refuses a project that never had an asset.
func (r *Reference) checkProject(name string) error {
	switch {
	case r.closed:
		return engine.ErrClosed
	case name == "":
		return &engine.FieldError{Field: "project_id", Allowed: "1 to 256 characters"}
	case !slices.Contains(r.projects(), name):
		return engine.ErrNoProject
	}
	return nil
}
