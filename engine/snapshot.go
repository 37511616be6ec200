package engine

import (
	"context"
	"strconv"
	"time"

	"portolan/index"
)

// Snapshot is an immutable state of one project's hosts or containers. Its
// answers agree with each other however long it is held; [Engine.Ports] and its
// siblings ask the newest one. It may be copied and used concurrently.
type Snapshot struct {
	s        *index.Snapshot // nil: the project never had an asset
	policy   *Policy
	category Category
}

// Snapshot returns the newest state of a project's hosts or containers. A
// project that never had an asset is empty.
func (e *Engine) Snapshot(project string, category Category) (Snapshot, error) {
	switch {
	case e.closed.Load():
		return Snapshot{}, ErrClosed
	case project == "":
		return Snapshot{}, &FieldError{Field: "project_id", Value: project, Allowed: "1 to 256 characters"}
	case category >= numCategories:
		return Snapshot{}, &FieldError{Field: "category", Value: category.String(), Allowed: "host or container"}
	}
	snapshot := Snapshot{policy: e.policy, category: category}
	if p := e.find(project); p != nil {
		snapshot.s = p.inventories[category].x.Snapshot()
	}
	return snapshot, nil
}

// Version is the data version: it grows with every change that readers see. It
// is 0 for a project that never had an asset.
func (s Snapshot) Version() uint64 {
	if s.s == nil {
		return 0
	}
	return s.s.Version()
}

// Policy returns the policy that gives the snapshot's rows their status.
func (s Snapshot) Policy() *Policy { return s.policy }

// Assets returns the number of assets, those with nothing open included.
func (s Snapshot) Assets() int {
	if s.s == nil {
		return 0
	}
	return s.s.Assets()
}

// Ports answers the query from the newest snapshot. A project or enterprise
// project without data gives an empty page. The error is a [*FieldError] for a
// query that makes no sense.
func (e *Engine) Ports(ctx context.Context, q PortQuery) (PortPage, error) {
	if err := ctx.Err(); err != nil {
		return PortPage{}, err
	}
	s, err := e.Snapshot(q.Project, q.Category)
	if err != nil {
		return PortPage{}, err
	}
	return s.Ports(q)
}

// Ports answers the query from this snapshot; the query's project and category
// are those of the snapshot, whatever it says.
func (s Snapshot) Ports(q PortQuery) (PortPage, error) {
	page := PortPage{Rows: q.Into[:0], Version: s.Version()}
	if err := checkWindow(q.Offset, q.Limit); err != nil {
		return PortPage{}, err
	}
	filter, some, err := s.filter(&q)
	if err != nil {
		return PortPage{}, err
	}
	if s.s == nil || !some {
		return page, nil
	}
	c := s.s.View(q.View.groups).Select(filter)
	page.Total = c.Total()
	limit := max(0, page.Total-q.Offset)
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	if cap(page.Rows) < limit {
		page.Rows = make([]PortCount, 0, limit)
	}
	for c.Seek(q.Offset, q.Descending); len(page.Rows) < limit && c.Next(); {
		k := c.Key()
		page.Rows = append(page.Rows, PortCount{Num: c.Count(), Port: k.Port(), Type: k.Type(), Status: s.policy.Status(k)})
	}
	return page, nil
}

// filter compiles the query; some is false where nothing can match.
func (s Snapshot) filter(q *PortQuery) (f index.Filter, some bool, err error) {
	if q.Status != "" {
		status, err := ParseStatus(q.Status)
		if err != nil {
			return f, false, err
		}
		f.Keys = s.policy.sets[status]
	}
	if q.Port < 0 || q.Port > index.MaxPort {
		return f, false, nil
	}
	f.Port = uint16(q.Port)
	some = true
	if q.PortString != "" {
		f.Digits, some = index.ParseDigits(q.PortString)
	}
	if q.Type != "" {
		t, known := index.TypeByName(q.Type)
		f.Types = index.TypesOf(t)
		some = some && known
	}
	return f, some, nil
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

// Asset returns one asset from the newest snapshot; the error is [ErrNotFound]
// if it is not there.
func (e *Engine) Asset(ctx context.Context, project string, category Category, id string) (Asset, error) {
	if err := ctx.Err(); err != nil {
		return Asset{}, err
	}
	if e.closed.Load() {
		return Asset{}, ErrClosed
	}
	if e.find(project) == nil {
		return Asset{}, ErrNotFound
	}
	s, err := e.Snapshot(project, category)
	if err != nil {
		return Asset{}, err
	}
	return s.Asset(id)
}

// Asset returns one asset; the error is [ErrNotFound] if it is not there.
func (s Snapshot) Asset(id string) (Asset, error) {
	if s.s == nil {
		return Asset{}, ErrNotFound
	}
	o, ok := s.s.Find(id)
	if !ok {
		return Asset{}, ErrNotFound
	}
	a, _ := s.s.Asset(o)
	return Asset{
		ID: a.ID, Name: a.Name, Address: a.Address, EnterpriseProject: a.Group, Category: s.category,
		LastSeen: time.UnixMicro(noteNewest(a.Note)).UTC(), Open: a.Keys, Version: s.Version(),
	}, nil
}
