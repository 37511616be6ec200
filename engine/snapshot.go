package engine

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"strconv"
	"time"

	"portolan/index"
)

// Snapshot is an immutable state of one project's hosts or containers. Its
// answers agree with each other however long it is held; [Engine.Ports] and its
// siblings ask the newest one. It may be copied and used concurrently.
type Snapshot struct {
	s        *index.Snapshot // nil: the project never had an asset
	policy   *Policy         // of the project
	project  string
	category Category
	sequence uint64
	gaps     *gaps
	past     bool // it is of a moment that was: see [Engine.SnapshotAt]
}

// Snapshot returns the newest state of a project's hosts or containers. With
// [ErrNoProject] it returns a state without assets, for callers to whom that is
// no error.
func (e *Engine) Snapshot(project string, category Category) (Snapshot, error) {
	if err := e.ended(); err != nil {
		return Snapshot{}, err
	}
	if err := checkCategory(category); err != nil {
		return Snapshot{}, err
	}
	// The number is read first: what is read then includes at least that batch.
	snapshot := Snapshot{policy: e.policy.Load().For(project), project: project, category: category, sequence: e.pipeline.shown.Load(), gaps: e.pipeline.gaps.Load()}
	p, err := e.named(project)
	if err == nil {
		snapshot.s = p.snapshot(category)
	}
	return snapshot, err
}

// Snapshots returns the newest states of a project's hosts and of its containers, both after
// the same batch: a call that was about both is in both or in neither. The error is that of
// [Engine.Snapshot].
func (e *Engine) Snapshots(project string) (hosts, containers Snapshot, err error) {
	for {
		showing := e.pipeline.showing.Load()
		hosts, err = e.Snapshot(project, Host)
		containers, _ = e.Snapshot(project, Container) // the error is the same
		if showing%2 == 0 && e.pipeline.showing.Load() == showing {
			return hosts, containers, err
		}
		runtime.Gosched() // showing a batch takes less than a microsecond
	}
}

// EnterpriseProjects yields the enterprise projects that have assets, in order, and how many.
func (s Snapshot) EnterpriseProjects() iter.Seq2[string, int] {
	if s.s == nil {
		return func(func(string, int) bool) {}
	}
	return s.s.Groups()
}

// Category is what the snapshot is of: hosts or containers.
func (s Snapshot) Category() Category { return s.category }

// Version is the data version: it grows with every change that readers see. It
// is 0 for a project that never had an asset. That of a state of the past tells it from others.
func (s Snapshot) Version() uint64 {
	if s.past {
		return 1<<63 | s.sequence
	}
	if s.s == nil {
		return 0
	}
	return s.s.Version()
}

// Sequence is a batch that the snapshot includes, with all before it: see
// [Result].Sequence.
func (s Snapshot) Sequence() uint64 { return s.sequence }

// included returns the number that a page carries.
func (s Snapshot) included(atLeast uint64) uint64 {
	if atLeast == 0 {
		return 0
	}
	return s.sequence
}

// Policy returns the policy that gives the snapshot's rows their status.
func (s Snapshot) Policy() *Policy { return s.policy }

// NumAssets returns the number of assets, those with nothing open included.
func (s Snapshot) NumAssets() int {
	if s.s == nil {
		return 0
	}
	return s.s.Assets()
}

// Memory is how many bytes a snapshot holds, by part.
type Memory = index.Memory

// Memory measures the snapshot: some milliseconds among millions of assets. Snapshots
// share what did not change, so two of them take less than the sum.
func (s Snapshot) Memory() Memory {
	if s.s == nil {
		return Memory{}
	}
	return s.s.Memory()
}

// with returns the newest state that includes a batch.
func (e *Engine) with(ctx context.Context, seq uint64, project string, category Category) (Snapshot, error) {
	if seq > 0 {
		if err := e.Await(ctx, seq); err != nil {
			return Snapshot{}, err
		}
	}
	return e.Snapshot(project, category)
}

// check refuses a question whose window makes no sense, or that is about another
// inventory than this one, or a later state of it. An empty project and the zero category
// stand for those of the snapshot.
func (s Snapshot) check(project string, category Category, atLeast uint64, offset, limit int) error {
	if s.policy == nil {
		return fmt.Errorf("%w: the zero Snapshot is of none", ErrNoProject)
	}
	if project != "" && project != s.project {
		return &FieldError{Field: "project_id", Value: project, Allowed: strconv.Quote(s.project) + ", whose snapshot this is"}
	}
	if category != Host && category != s.category {
		return &FieldError{Field: "category", Value: category.String(), Allowed: s.category.String() + ", whose snapshot this is"}
	}
	if atLeast > s.sequence {
		return fmt.Errorf("%w: the snapshot includes batch %d, not %d", ErrBehind, s.sequence, atLeast)
	}
	if atLeast > 0 {
		if err := s.gaps.lost(atLeast); err != nil {
			return err
		}
	}
	return checkWindow(offset, limit)
}

// Ports answers the query from the newest snapshot. The error is [ErrNoProject],
// or a [*FieldError] for a query that makes no sense. An enterprise project
// without data gives an empty page.
func (e *Engine) Ports(ctx context.Context, q PortQuery) (PortPage, error) {
	s, err := e.with(ctx, q.AtLeast, q.Project, q.Category)
	if err != nil {
		return PortPage{}, err
	}
	return s.Ports(ctx, q)
}

// Ports answers the query from this snapshot. A query that names another project
// is refused, and so is one that names containers of a snapshot of hosts; hosts are what a
// query names that names nothing, so of containers it means these.
func (s Snapshot) Ports(ctx context.Context, q PortQuery) (PortPage, error) {
	plan, some, err := s.planPorts(ctx, &q)
	if err != nil || !some || s.s == nil {
		return plan.page, err
	}
	view, err := s.view(ctx, q.View, q.Where)
	if err != nil {
		return PortPage{}, err
	}
	verdict, err := s.judge(ctx, view)
	if err != nil {
		return PortPage{}, err
	}
	plan.fill(&q, view, verdict)
	return plan.page, nil
}

// portPlan is how a page of ports is made.
type portPlan struct {
	page    PortPage // without its rows
	filter  index.Filter
	ranking index.Ranking
	plain   bool // the order is that of keys
}

// planPorts checks a query; some is false where nothing can match.
func (s Snapshot) planPorts(ctx context.Context, q *PortQuery) (p portPlan, some bool, err error) {
	if err := ctx.Err(); err != nil {
		return p, false, err
	}
	if err := s.check(q.Project, q.Category, q.AtLeast, q.Offset, q.Limit); err != nil {
		return p, false, err
	}
	if p.filter, some, err = newFilter(q.Port, q.Type, q.Status, q.Keys); err != nil {
		return p, false, err
	}
	if q.PortString != "" && some {
		p.filter.Digits, some = index.ParseDigits(q.PortString)
	}
	if p.ranking, p.plain, err = rankingOf(q); err != nil {
		return p, false, err
	}
	p.page = PortPage{Rows: q.Into[:0], Version: s.Version(), Sequence: s.included(q.AtLeast)}
	return p, some, nil
}

// fill fills the page from a view, whose keys have a status each.
func (p *portPlan) fill(q *PortQuery, view index.View, verdict *verdict) {
	if q.Status != AnyStatus {
		p.filter.Also = verdict.sets[q.Status]
	}
	page := &p.page
	if !p.plain {
		p.ranking.Filter = p.filter
		if q.Order == ByStatus {
			p.ranking.Classes = verdict.classes
		}
		ranked(q, view, verdict, &p.ranking, page)
		return
	}
	c := view.Select(p.filter)
	page.Total = c.Total()
	limit := max(0, page.Total-q.Offset)
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	if cap(page.Rows) < limit {
		page.Rows = make([]PortCount, 0, limit)
	}
	for c.Seek(q.Offset, q.Descending); len(page.Rows) < limit && c.Next(); {
		page.Rows = append(page.Rows, verdict.portCount(c.Count(), c.Key()))
	}
}

// filter compiles what queries have in common but the status; some is false where nothing can
// match.
func newFilter(port int, t Type, status Status, keys *KeySet) (f index.Filter, some bool, err error) {
	if err := checkType(t); err != nil {
		return f, false, err
	}
	if status >= numStatuses {
		return f, false, &FieldError{Field: "status", Value: status.String(), Allowed: "AnyStatus, Danger, Normal or Unknown"}
	}
	f.Type, f.Keys = t, keys
	if port < 0 || port > index.MaxPort {
		return f, false, nil
	}
	f.Port = uint16(port)
	return f, true, nil
}

func checkWindow(offset, limit int) error {
	if offset < 0 {
		return &FieldError{Field: "offset", Value: strconv.Itoa(offset), Allowed: "0 or more"}
	}
	if limit < 0 {
		return &FieldError{Field: "limit", Value: strconv.Itoa(limit), Allowed: "0 (all) or more"}
	}
	return nil
}

// Asset returns one asset from the newest snapshot; the error is [ErrNoProject] or
// [ErrNoAsset] if it is not there.
func (e *Engine) Asset(ctx context.Context, project string, category Category, id string) (Asset, error) {
	if err := ctx.Err(); err != nil {
		return Asset{}, err
	}
	s, err := e.Snapshot(project, category)
	if err != nil {
		return Asset{}, err
	}
	return s.Asset(id)
}

// Asset returns one asset; the error is [ErrNoAsset] if it is not there.
func (s Snapshot) Asset(id string) (Asset, error) {
	if s.s != nil {
		if o, ok := s.s.Find(id); ok {
			return s.asset(o), nil
		}
	}
	return Asset{}, fmt.Errorf("%w: %q", ErrNoAsset, id)
}

// asset returns the asset with the ordinal, which is there.
func (s Snapshot) asset(o index.Ordinal) Asset {
	a, _ := s.s.Asset(o)
	var labels map[string]string
	if set, ok := noteLabels(a.Note); ok {
		labels = labelsOf(s.s.Interned(set))
	}
	asset := Asset{
		ID: a.ID, Name: a.Name, Address: a.Address, EnterpriseProject: a.Group, Category: s.category, Labels: labels,
		Open: a.Keys, Version: s.Version(),
	}
	if !s.past {
		asset.LastSeen = time.UnixMicro(noteNewest(a.Note)).UTC()
	}
	return asset
}
