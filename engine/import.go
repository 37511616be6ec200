package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"portolan/index"
)

// Apply applies reports as one import and returns when readers see them. It is
// all or nothing: one invalid report refuses them all with a [*ReportError], too
// many new assets do with [ErrFull], and a context that is done before it begins
// leaves everything as it was; one that is done while a journal commits it ends the wait,
// with [ErrUnknown] and the number to go on waiting with. The reports of one project and category become
// visible at once.
func (e *Engine) Apply(ctx context.Context, reports []Report) (Result, error) {
	return e.ApplyWithin(ctx, All(), reports)
}

// ApplyWithin is [Engine.Apply] for a caller who is kept to the enterprise projects of a
// view: see [Engine.Import].
func (e *Engine) ApplyWithin(ctx context.Context, view View, reports []Report) (Result, error) {
	in := e.newImport(view)
	return in.Apply(ctx, reports)
}

// Import calls f with an import, which ends when f returns, and returns f's error. The
// import is kept to the enterprise projects of a view: a report about an asset that is in
// another one, or that would put one there, is refused with a [*FieldError]. That is decided
// while nobody else can move the asset.
func (e *Engine) Import(view View, f func(*Import) error) error {
	in := e.newImport(view)
	defer func() { in.over = true }()
	return f(in)
}

func (e *Engine) newImport(view View) *Import {
	return &Import{engine: e, within: view, receipts: make(map[*project]micros)}
}

// Import is reports that arrived together, such as the lines of one file, in any number of
// calls, for as long as it takes. To the reports without a time it gives one, its receipt
// time in the project, strictly later than any given before: of two of them about one asset
// neither is newer, so that what either found open is open. What arrives later, about what
// may have changed, is another import. One is for one goroutine at a time.
type Import struct {
	engine   *Engine
	within   View
	receipts map[*project]micros // times given to reports that have none
	over     bool
}

// ErrImportOver is returned by the calls of an [Import] that has ended.
var ErrImportOver = errors.New("import is over: what arrives later is another one")

// Assets returns how many assets of a category readers see in a project.
func (in *Import) Assets(project string, c Category) int {
	if in.engine.ended() != nil || c >= numCategories {
		return 0
	}
	if p := in.engine.tenants.find(project); p != nil {
		return p.snapshot(c).Assets()
	}
	return 0
}

// receipts gives receipt times within a project.
type receipts struct {
	mu   sync.Mutex // guards last
	last micros     // 0: none was given
}

// next returns a time that is not before now and later than any before it.
func (r *receipts) next(now micros) micros {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(now, r.last+1)
	return r.last
}

// newest returns the last time given, 0 for none.
func (r *receipts) newest() micros {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Check says whether Apply would accept the report now; the error is a
// [*FieldError], or [ErrClosed]. It changes nothing.
func (in *Import) Check(r *Report) error {
	if in.over {
		return ErrImportOver
	}
	if err := in.engine.ended(); err != nil {
		return err
	}
	if err := in.engine.check(r, in.engine.now().UnixMicro()); err != nil || in.within.IsAll() {
		return err
	}
	var at string
	p := in.engine.tenants.find(r.Project)
	if p == nil {
		return in.admit(r, at, false)
	}
	snapshot := p.snapshot(r.Category)
	o, known := snapshot.Find(r.Asset)
	if known {
		at = snapshot.Group(o)
	}
	return in.admit(r, at, known)
}

// admit says whether a report about an asset that is in an enterprise project, or is not
// known yet, may be applied.
func (in *Import) admit(r *Report, at string, known bool) error {
	into := r.EnterpriseProject
	if !known {
		into = cmp.Or(into, DefaultEnterpriseProject)
	}
	switch {
	case into != "" && !in.within.Has(into):
		return &FieldError{Field: "enterprise_project_id", Value: into, Allowed: "one that the writer is granted"}
	case known && !in.within.Has(at) && into == "" && !in.within.Has(DefaultEnterpriseProject):
		// As of one that is not known: whether there is such an asset is not the writer's to know.
		return &FieldError{Field: "enterprise_project_id", Value: DefaultEnterpriseProject, Allowed: "one that the writer is granted"}
	case known && !in.within.Has(at):
		return &FieldError{Field: "asset", Value: r.Asset, Allowed: "one that the writer may report on"}
	}
	return nil
}

// admitAll holds the reports of a part against the import's view. Its inventory is
// locked. The reports so far are taken into account: one that adds an asset to a project
// that is granted lets a later one leave the project out.
func (in *Import) admitAll(p *part) error {
	if in.within.IsAll() {
		return nil
	}
	added := map[string]string{} // assets that are not there yet, and where they will be
	for i := range p.reports {
		r := &p.reports[i]
		at, known := added[r.Asset]
		if o, ok := p.v.x.Find(r.Asset); ok {
			at, known = p.v.x.Group(o), true
		}
		if err := in.admit(r, at, known); err != nil {
			return &ReportError{p.index(i), err}
		}
		if !known {
			added[r.Asset] = cmp.Or(r.EnterpriseProject, DefaultEnterpriseProject)
		}
	}
	return nil
}

// check holds a report against its limits and the clock.
func (e *Engine) check(r *Report, now micros) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if !r.Seen.IsZero() && r.Seen.UnixMicro() > now+MaxAhead.Microseconds() {
		return &FieldError{
			Field: "seen", Value: r.Seen.UTC().Format(time.RFC3339Nano),
			Allowed: fmt.Sprintf("a time at most %v ahead of %s", MaxAhead, time.UnixMicro(now).UTC().Format(time.RFC3339)),
		}
	}
	return checkAge(r.Seen, e.oldest(now))
}

// Apply is [Engine.Apply] with the import's receipt time.
func (in *Import) Apply(ctx context.Context, reports []Report) (Result, error) {
	if in.over {
		return Result{}, ErrImportOver
	}
	e := in.engine
	if err := e.beginWrite(ctx, false); err != nil {
		return Result{}, err
	}
	defer e.endWrite()
	now := e.now().UnixMicro()
	for i := range reports {
		if err := e.check(&reports[i], now); err != nil {
			return Result{}, &ReportError{i, err}
		}
	}
	if len(reports) == 0 {
		return Result{}, nil
	}
	parts, err := e.lock(partsOf(reports), in.admitAll)
	if err != nil {
		return Result{}, err
	}
	var total Result
	for i := range parts {
		in.normalise(&parts[i], now, &total)
	}
	for i := range parts {
		if err := parts[i].apply(&total); err != nil { // cannot be: there is room for all
			e.pipeline.fail(err)
			unlock(parts)
			return Result{}, err
		}
	}
	err = e.finish(ctx, parts, nil, now, &total)
	return total, err
}

// part is the reports of a call that are of one project and category.
type part struct {
	name     string
	category Category
	reports  []Report // in the order given
	at       []int    // where they were in the call; nil: where they are
	times    []micros // of the reports, as they count

	project *project
	isNew   bool            // readers do not find the project yet
	v       *inventory      // locked until it is frozen
	was     *index.Snapshot // what was frozen before
	frozen  *index.Snapshot // what readers are to see
}

// index returns where the part's i-th report was in the call.
func (p *part) index(i int) int {
	if p.at == nil {
		return i
	}
	return p.at[i]
}

// partsOf parts reports by project and category, and orders the parts so.
func partsOf(reports []Report) []part {
	same := 0
	for same < len(reports) && reports[same].Project == reports[0].Project && reports[same].Category == reports[0].Category {
		same++
	}
	switch {
	case len(reports) == 0:
		return nil
	case same == len(reports):
		return []part{{name: reports[0].Project, category: reports[0].Category, reports: reports}}
	}
	type place struct {
		project  string
		category Category
	}
	at := make(map[place]int)
	var parts []part
	for i := range reports {
		r := &reports[i]
		n, known := at[place{r.Project, r.Category}]
		if !known {
			n = len(parts)
			at[place{r.Project, r.Category}] = n
			parts = append(parts, part{name: r.Project, category: r.Category})
		}
		parts[n].reports, parts[n].at = append(parts[n].reports, *r), append(parts[n].at, i)
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.category, b.category)) })
	return parts
}

// lock finds the parts' inventories and locks them, in the parts' order, which is
// the same for all, unless there is no room for some part, or it is not admitted: then
// nothing is locked and nothing has changed.
func (e *Engine) lock(parts []part, admit func(*part) error) (_ []part, err error) {
	for i := range parts {
		p := &parts[i]
		p.project, p.isNew = e.tenants.forWriting(p.name)
		p.v = p.project.inventory(p.category, e.logs(), e.tenants.least, e.pipeline.history.goneAt(p.name))
		p.v.lock()
	}
	for i := range parts {
		if err = parts[i].v.checkRoom(parts[i].reports, e.maxAssets); err != nil {
			err = fmt.Errorf("project %q, %vs: %w", parts[i].name, parts[i].category, err)
			break
		}
	}
	for i := 0; i < len(parts) && err == nil; i++ {
		err = admit(&parts[i])
	}
	if err != nil {
		unlock(parts)
		e.tenants.drop(parts)
		return nil, err
	}
	return parts, nil
}

// logs says whether it is kept which assets were touched.
func (e *Engine) logs() bool { return e.pipeline.journal != nil || e.pipeline.history.most > 0 }

func unlock(parts []part) {
	for i := range parts {
		parts[i].v.unlock()
	}
}

// normalise resolves the times of a part's reports: from here on neither the clock nor
// when a report arrived matters.
func (in *Import) normalise(p *part, now micros, result *Result) {
	p.times = make([]micros, len(p.reports))
	for i := range p.reports {
		at := now
		switch r := &p.reports[i]; {
		case r.Seen.IsZero():
			at = in.receipt(p.project, now)
		case r.Seen.UnixMicro() > now:
			result.Clamped++
		default:
			at = r.Seen.UnixMicro()
		}
		p.times[i] = at
	}
}

// apply applies a part to its inventory, which is locked.
func (p *part) apply(result *Result) error {
	p.v.reserve(len(p.reports))
	return p.v.applyAll(p.reports, p.times, result)
}

// receipt returns the import's receipt time in a project.
func (in *Import) receipt(p *project, now micros) micros {
	t, ok := in.receipts[p]
	if !ok {
		t = p.receipts.next(now)
		in.receipts[p] = t
	}
	return t
}
