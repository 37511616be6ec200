package engine

import (
	"cmp"
	"context"
	"slices"

	"portolan/index"
)

// EnterpriseProjects returns the enterprise projects that have assets, by id. The
// error is [ErrNoProject].
func (e *Engine) EnterpriseProjects(ctx context.Context, project string) ([]EnterpriseProject, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	hosts, containers, err := e.Snapshots(project)
	if err != nil {
		return nil, err
	}
	var list []EnterpriseProject
	for name, n := range hosts.EnterpriseProjects() {
		list = append(list, EnterpriseProject{ID: name, Hosts: n})
	}
	for name, n := range containers.EnterpriseProjects() {
		at, found := slices.BinarySearchFunc(list, name, func(e EnterpriseProject, id string) int { return cmp.Compare(e.ID, id) })
		if !found {
			list = slices.Insert(list, at, EnterpriseProject{ID: name})
		}
		list[at].Containers = n
	}
	return list, nil
}

// Assets answers the query from the newest snapshot. The error is [ErrNoProject],
// or a [*FieldError] for a query that makes no sense.
func (e *Engine) Assets(ctx context.Context, q AssetQuery) (AssetPage, error) {
	s, err := e.with(ctx, q.AtLeast, q.Project, q.Category)
	if err != nil {
		return AssetPage{}, err
	}
	return s.Assets(ctx, q)
}

// Assets answers the query from this snapshot. A query that names another project
// is refused, and so is one that names containers of a snapshot of hosts; hosts are what a
// query names that names nothing, so of containers it means these. With Prefix it looks at every asset of the view, some
// 0.1 µs each, whatever the page; the context is looked at now and then.
func (s Snapshot) Assets(ctx context.Context, q AssetQuery) (AssetPage, error) {
	if err := ctx.Err(); err != nil {
		return AssetPage{}, err
	}
	if err := s.check(q.Project, q.Category, q.AtLeast, q.Offset, q.Limit); err != nil {
		return AssetPage{}, err
	}
	if q.After != "" && !q.ByID {
		return AssetPage{}, &FieldError{Field: "after", Value: q.After, Allowed: "nothing, unless rows come by id"}
	}
	page := AssetPage{Version: s.Version(), Sequence: s.included(q.AtLeast)}
	if s.s == nil {
		return page, nil
	}
	if q.Where != nil && q.Prefix == "" && !q.ByID && q.Limit > 0 {
		return s.assetsWhere(ctx, &q, page)
	}
	assets, err := s.assetsOf(ctx, q.View, q.Where)
	if err != nil {
		return AssetPage{}, err
	}
	w := walk{ctx: ctx}
	switch {
	case q.Prefix != "" && q.ByID:
		if assets, err = s.prefixed(&q, &w, assets); err != nil {
			return AssetPage{}, err
		}
	case q.Prefix != "":
		return s.searchAssets(&q, &w, assets)
	}
	page.Total = assets.Len()
	if q.ByID {
		err = s.assetsByID(ctx, &q, assets, &page)
		return page, err
	}
	for o := range assets.From(q.Offset) {
		if q.Limit > 0 && len(page.Rows) == q.Limit {
			break
		}
		if err := w.step(); err != nil {
			return AssetPage{}, err
		}
		page.Rows = append(page.Rows, s.asset(o))
	}
	return page, nil
}

// assetsWhere fills a page of a set.
func (s Snapshot) assetsWhere(ctx context.Context, q *AssetQuery, page AssetPage) (AssetPage, error) {
	c, err := s.condition(q.Where)
	if err != nil {
		return AssetPage{}, err
	}
	total, list, err := s.s.View(q.View.groups).FindPage(ctx, c, q.Offset, q.Limit)
	if err != nil {
		return AssetPage{}, err
	}
	page.Total = total
	for _, o := range list {
		page.Rows = append(page.Rows, s.asset(o))
	}
	return page, nil
}

// assetsByID fills a page in the order of ids.
func (s Snapshot) assetsByID(ctx context.Context, q *AssetQuery, assets index.Set, page *AssetPage) error {
	most := 0
	if q.Limit > 0 {
		most = min(q.Offset, assets.Len()) + q.Limit
	}
	list, err := s.s.LeastIDs(ctx, assets, q.After, most)
	if err != nil {
		return err
	}
	for _, o := range list[min(q.Offset, len(list)):] {
		page.Rows = append(page.Rows, s.asset(o))
	}
	return nil
}

// prefixed returns the assets whose ids begin with the prefix.
func (s Snapshot) prefixed(q *AssetQuery, w *walk, assets index.Set) (index.Set, error) {
	prefix := []byte(q.Prefix)
	return s.s.SearchIn(w.ctx, index.HasRow(func(r *index.Row) bool { return r.HasPrefix(prefix) }), assets)
}

// searchAssets looks for the prefix among all assets of the view.
func (s Snapshot) searchAssets(q *AssetQuery, w *walk, assets index.Set) (AssetPage, error) {
	page, prefix := AssetPage{Version: s.Version(), Sequence: s.included(q.AtLeast)}, []byte(q.Prefix)
	for o := range assets.From(0) {
		if err := w.step(); err != nil {
			return AssetPage{}, err
		}
		if !s.s.HasPrefix(o, prefix) {
			continue
		}
		if page.Total >= q.Offset && (q.Limit == 0 || len(page.Rows) < q.Limit) {
			page.Rows = append(page.Rows, s.asset(o))
		}
		page.Total++
	}
	return page, nil
}

// inView says whether an asset is in a view.
func (s Snapshot) inView(v View, o index.Ordinal) bool {
	return v.IsAll() || v.Has(s.s.Group(o))
}

// lookEvery is how many assets are passed over between two looks at the context.
const lookEvery = 4096

// walk is a way past many assets that ends with its context.
type walk struct {
	ctx   context.Context // It lives as long as one call.
	steps int
}

// step counts an asset and says whether nobody waits for the answer any more.
func (w *walk) step() error {
	if w.steps++; w.steps%lookEvery == 0 {
		return w.ctx.Err()
	}
	return nil
}
