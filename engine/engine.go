package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"

	"portolan/index"
)

// Options configures an [Engine]. Nil and the zero value are the defaults.
type Options struct {
	// Policy gives keys their status; nil is [DefaultPolicy].
	Policy *Policy
	// Now is the clock that receipt times come from; nil is [time.Now]. It is
	// read once per stream and project, and never by a query.
	Now func() time.Time
}

// Engine holds the inventories of any number of projects in memory.
// All methods may be called concurrently; readers never wait for a writer.
type Engine struct {
	policy   *Policy
	now      func() time.Time
	closed   atomic.Bool
	projects atomic.Pointer[projectTree]
	creating sync.Mutex // held while a project is added to projects

	clock struct {
		sync.Mutex
		last map[string]micros // receipt time last given, by project
	}
}

// projectTree orders projects by name. A tree that is published is not changed.
type projectTree = btree.Map[string, *project]

// project is one tenant.
type project struct {
	name        string
	inventories [numCategories]*inventory
}

// Open returns an empty engine. A nil opts is legal.
func Open(opts *Options) (*Engine, error) {
	e := &Engine{policy: DefaultPolicy(), now: time.Now}
	if opts != nil && opts.Policy != nil {
		e.policy = opts.Policy
	}
	if opts != nil && opts.Now != nil {
		e.now = opts.Now
	}
	e.projects.Store(btree.NewMap[string, *project](0))
	e.clock.last = make(map[string]micros)
	return e, nil
}

// Close makes every later call return [ErrClosed]. Closing twice is an error, too.
func (e *Engine) Close() error {
	if e.closed.Swap(true) {
		return ErrClosed
	}
	return nil
}

// ready says why a call cannot be served.
func (e *Engine) ready(ctx context.Context) error {
	if e.closed.Load() {
		return ErrClosed
	}
	return ctx.Err()
}

// find returns a project, nil if it never had an asset.
func (e *Engine) find(name string) *project {
	p, _ := e.projects.Load().Get(name)
	return p
}

// open returns a project, a new one if need be.
func (e *Engine) open(name string) *project {
	if p := e.find(name); p != nil {
		return p
	}
	e.creating.Lock()
	defer e.creating.Unlock()
	if p := e.find(name); p != nil {
		return p
	}
	p := &project{name: name}
	for c := range p.inventories {
		p.inventories[c] = newInventory()
	}
	old := e.projects.Load()
	projects := old.Copy()
	projects.Set(name, p)
	e.projects.Store(projects)
	return p
}

// Projects returns the names of the projects that hold or held assets, in order.
func (e *Engine) Projects() []string {
	return e.projects.Load().Keys()
}

// Apply applies reports as one stream and returns when readers see them. It is
// all or nothing: one invalid report refuses them all with a [*FieldError], and
// a context that is done before it begins leaves everything as it was. The
// reports of one project and category become visible at once.
func (e *Engine) Apply(ctx context.Context, reports []Report) (Result, error) {
	return e.NewStream().Apply(ctx, reports)
}

// NewStream starts a stream: reports without a time get the stream's receipt
// time, one per project, strictly later than any given before in the project.
func (e *Engine) NewStream() *Stream {
	return &Stream{engine: e, receipts: make(map[string]micros)}
}

// Stream applies reports that arrived together, in any number of calls.
// A Stream is for one goroutine at a time.
type Stream struct {
	engine   *Engine
	receipts map[string]micros // by project
	last     struct {          // asked for last
		project  string
		received micros
	}
}

// receipt returns the stream's receipt time in a project.
func (s *Stream) receipt(project string) micros {
	if s.last.project == project {
		return s.last.received
	}
	t, ok := s.receipts[project]
	if !ok {
		t = s.engine.receive(project)
		s.receipts[project] = t
	}
	s.last.project, s.last.received = project, t
	return t
}

// receive gives a receipt time: now, or just after the last one in the project.
func (e *Engine) receive(project string) micros {
	e.clock.Lock()
	defer e.clock.Unlock()
	t := e.now().UnixMicro()
	if last, ok := e.clock.last[project]; ok {
		t = max(t, last+1)
	}
	e.clock.last[project] = t
	return t
}

// Check says whether Apply would accept the report; the error is a [*FieldError].
func (s *Stream) Check(r *Report) error {
	if err := r.Validate(); err != nil {
		return err
	}
	_, _, err := s.time(r)
	return err
}

// time returns the time that a report counts at, and whether that is not its own
// because it lies ahead.
func (s *Stream) time(r *Report) (at micros, clamped bool, err error) {
	received := s.receipt(r.Project)
	if r.Seen.IsZero() {
		return received, false, nil
	}
	at = r.Seen.UnixMicro()
	switch {
	case at <= received:
		return at, false, nil
	case at <= received+MaxAhead.Microseconds():
		return received, true, nil
	}
	return 0, false, &FieldError{
		Field: "seen", Value: r.Seen.UTC().Format(time.RFC3339Nano),
		Allowed: fmt.Sprintf("a time at most %v ahead of %s", MaxAhead, time.UnixMicro(received).UTC().Format(time.RFC3339)),
	}
}

// Apply is [Engine.Apply] with the stream's receipt time.
func (s *Stream) Apply(ctx context.Context, reports []Report) (Result, error) {
	if err := s.engine.ready(ctx); err != nil {
		return Result{}, err
	}
	for i := range reports {
		if err := s.Check(&reports[i]); err != nil {
			return Result{}, fmt.Errorf("report %d: %w", i+1, err)
		}
	}
	var total Result
	for part := range byInventory(reports) {
		result, err := s.applyPart(part)
		total.Add(result)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// applyPart applies reports of one project and category and publishes them.
func (s *Stream) applyPart(reports []Report) (Result, error) {
	p := s.engine.open(reports[0].Project)
	v := p.inventories[reports[0].Category]
	v.mu.Lock()
	defer v.mu.Unlock()
	have := v.x.Snapshot().Assets()
	if have+len(reports) > index.MaxAssets {
		return Result{}, fmt.Errorf("project %q: %w", p.name, index.ErrFull)
	}
	if have == 0 {
		v.x.Reserve(len(reports))
	}
	var result Result
	for i := range reports {
		r := &reports[i]
		at, clamped, err := s.time(r)
		if err != nil {
			return result, err // Check has seen to it
		}
		if clamped {
			result.Clamped++
		}
		became, err := v.apply(r, at)
		if err != nil {
			return result, err // there is room for all
		}
		result.count(became)
	}
	v.x.Publish()
	return result, nil
}

// byInventory yields the reports parted by project and category, each part in
// the order given; parts come in the order of their first report.
func byInventory(reports []Report) iter.Seq[[]Report] {
	type name struct {
		project  string
		category Category
	}
	nameOf := func(r *Report) name { return name{r.Project, r.Category} }
	return func(yield func([]Report) bool) {
		same := 0
		for same < len(reports) && nameOf(&reports[same]) == nameOf(&reports[0]) {
			same++
		}
		if same == len(reports) {
			if same > 0 {
				yield(reports)
			}
			return
		}
		parts := make(map[name][]Report)
		var order []name
		for i := range reports {
			n := nameOf(&reports[i])
			if parts[n] == nil {
				order = append(order, n)
			}
			parts[n] = append(parts[n], reports[i])
		}
		for _, n := range order {
			if !yield(parts[n]) {
				return
			}
		}
	}
}

// Remove forgets an asset and its times; the error is [ErrNotFound] if it is not there.
func (e *Engine) Remove(ctx context.Context, project string, category Category, id string) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	if category >= numCategories {
		return &FieldError{Field: "category", Value: category.String(), Allowed: "host or container"}
	}
	p := e.find(project)
	if p == nil {
		return ErrNotFound
	}
	v := p.inventories[category]
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.remove(id) {
		return ErrNotFound
	}
	v.x.Publish()
	return nil
}

// Stats returns the engine's totals.
func (e *Engine) Stats() Stats {
	var total Stats
	e.projects.Load().Scan(func(_ string, p *project) bool {
		total.Projects++
		for _, v := range p.inventories {
			s := v.x.Snapshot()
			total.Assets += s.Assets()
			total.Observations += s.Observations()
			total.Keys += s.View(index.Groups{}).Keys()
		}
		return true
	})
	return total
}

// Check recomputes every inventory from its postings and reports every broken
// invariant, joined; it may run beside readers and writers.
func (e *Engine) Check(ctx context.Context) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	var errs []error
	e.projects.Load().Scan(func(name string, p *project) bool {
		for c, v := range p.inventories {
			if err := v.x.Snapshot().Check(ctx); err != nil {
				errs = append(errs, fmt.Errorf("project %q, %vs: %w", name, Category(c), err))
			}
		}
		return true
	})
	return errors.Join(errs...)
}
