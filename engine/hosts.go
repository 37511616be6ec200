package engine

import (
	"context"
	"iter"
	"slices"

	"portolan/index"
)

// Hosts answers the query from the newest snapshot. The error is [ErrNoProject],
// or a [*FieldError] for a query that makes no sense.
func (e *Engine) Hosts(ctx context.Context, q HostQuery) (HostPage, error) {
	s, err := e.with(ctx, q.AtLeast, q.Project, q.Category)
	if err != nil {
		return HostPage{}, err
	}
	return s.Hosts(ctx, q)
}

// Hosts answers the query from this snapshot. A query that names another project
// is refused, and so is one that names containers of a snapshot of hosts; hosts are what a
// query names that names nothing, so of containers it means these.
//
// A query with Asset looks at that asset alone. One without costs what the page
// does, once it is known which assets of the view have the port open: a snapshot
// remembers that for some views and ports. With Name or Address it looks at each
// of those assets, some 0.1 µs each and type, whatever the page, and without Port at each asset of
// the view, once. The context is looked at now and then.
func (s Snapshot) Hosts(ctx context.Context, q HostQuery) (HostPage, error) {
	if err := ctx.Err(); err != nil {
		return HostPage{}, err
	}
	if err := s.check(q.Project, q.Category, q.AtLeast, q.Offset, q.Limit); err != nil {
		return HostPage{}, err
	}
	h := hostSearch{Snapshot: s, walk: walk{ctx: ctx}, q: &q, name: []byte(q.Name), address: []byte(q.Address)}
	h.page.Version, h.page.Sequence = s.Version(), s.included(q.AtLeast)
	filter, some, err := newFilter(q.Port, q.Type, q.Status, q.Keys)
	switch {
	case err != nil:
		return HostPage{}, err
	case q.After != nil && !q.ByID:
		return HostPage{}, &FieldError{Field: "after", Value: q.After.Asset, Allowed: "nothing, unless rows come by id"}
	case q.Port == 0 && q.Keys == nil && q.Asset == "" && q.Where == nil:
		return HostPage{}, &FieldError{Field: "port", Value: "0", Allowed: "a port, a set of ports, a set of assets, or an asset"}
	case !some || s.s == nil:
	default:
		if q.Status != AnyStatus {
			filter.Also = s.policy.Keys(q.Status)
		}
		if h.judge, err = s.judges(ctx); err != nil {
			return HostPage{}, err
		}
		if q.Asset != "" {
			err = h.oneAsset(&filter)
		} else {
			err = h.holders(&filter)
		}
	}
	if err != nil {
		return HostPage{}, err
	}
	return h.page, nil
}

// CountAny returns how many assets of the view have any of the keys open, each counted
// once. It costs what the sets of assets of the keys take to unite.
func (s Snapshot) CountAny(view View, keys ...Key) int {
	if s.s == nil {
		return 0
	}
	sets := make([]index.Set, len(keys))
	for i, k := range keys {
		sets[i] = s.s.Holders(k)
	}
	holders := index.Unite(sets...)
	if !view.IsAll() {
		holders = index.Intersect(holders, s.s.View(view.groups).Assets())
	}
	return holders.Len()
}

// hostSearch is one query on its way to its page.
type hostSearch struct {
	Snapshot
	walk
	judge         judge
	q             *HostQuery
	name, address []byte
	page          HostPage
	passed        int // rows that the offset has passed over, in the order of ids
}

// lets says whether a key meets the filter, which asks for no digits.
func lets(f *index.Filter, k index.Key) bool {
	return (f.Port == 0 || f.Port == k.Port()) && (f.Type == AnyType || f.Type == k.Type()) &&
		(f.Keys == nil || f.Keys.Contains(k)) && (f.Also == nil || f.Also.Contains(k))
}

// oneAsset answers about one asset.
func (h *hostSearch) oneAsset(f *index.Filter) error {
	o, found := h.s.Find(h.q.Asset)
	if !found || !h.inView(h.q.View, o) || !h.s.TextsContain(o, h.name, h.address) {
		return nil
	}
	if h.q.Where != nil {
		c, err := h.condition(h.q.Where)
		if err != nil {
			return err
		}
		if in, err := h.s.Meets(h.ctx, o, c); err != nil || !in {
			return err
		}
	}
	a, _ := h.s.Asset(o)
	for _, k := range a.Keys {
		switch {
		case !lets(f, k) || h.q.Status != AnyStatus && h.judge.status(o, k) != h.q.Status:
		case h.q.After != nil && !h.q.After.before(k, a.ID):
			h.page.Total++
			h.passed-- // it is no row of the rest, which begins further on
		default:
			h.take(&a, o, k)
		}
	}
	return nil
}

// holders answers about the assets that have one of the keys open.
func (h *hostSearch) holders(f *index.Filter) error {
	collect, where := h.counted, h.q.Where
	if h.q.ByID {
		collect = h.byID
	}
	switch named := h.q.Name != "" || h.q.Address != ""; {
	case named && h.q.Port != 0 && !h.q.ByID:
		collect = h.searched
	case named: // of many keys each asset would be looked at for each of its own
		if where = hasTexts(h.q.Name, h.q.Address); h.q.Where != nil {
			where = AllOf(where, h.q.Where)
		}
	}
	view, err := h.view(h.ctx, h.q.View, where)
	if err != nil {
		return err
	}
	c := view.Select(*f)
	for c.Seek(0, false); c.Next(); {
		k := c.Key()
		held := holding{view: view, key: k}
		if h.q.Status != AnyStatus {
			set, all, none := h.judge.having(k, h.q.Status)
			switch {
			case none:
				continue
			case !all:
				set = index.Intersect(view.Holders(k), set)
				held.only = &set
			}
		}
		if err := collect(held); err != nil {
			return err
		}
	}
	return nil
}

// holding is the assets of a view that have a key open, or some of them only.
type holding struct {
	view index.View
	key  index.Key
	only *index.Set
}

func (h *holding) count() int {
	if h.only != nil {
		return h.only.Len()
	}
	return h.view.Count(h.key)
}

func (h *holding) set() index.Set {
	if h.only != nil {
		return *h.only
	}
	return h.view.Holders(h.key)
}

// from yields at least so many of them, if there are as many, without the first.
func (h *holding) from(skip, most int) iter.Seq[index.Ordinal] {
	if h.only != nil {
		return h.only.From(skip)
	}
	return h.view.HoldersFrom(h.key, skip, most)
}

func (h *holding) all() iter.Seq[index.Ordinal] {
	set := h.set()
	return set.From(0)
}

// counted adds the assets that have a key open to the total, and those of the page to it.
func (h *hostSearch) counted(held holding) error {
	pass, n := max(0, h.q.Offset-h.page.Total), held.count()
	h.page.Total += n
	if pass >= n || h.full() {
		return nil
	}
	left := n - pass // rows of the key that are still to come onto the page
	if h.q.Limit > 0 {
		left = min(left, h.q.Limit-len(h.page.Rows))
	}
	h.page.Rows = slices.Grow(h.page.Rows, left)
	for o := range held.from(pass, left) {
		if err := h.step(); err != nil {
			return err
		}
		h.add(h.who(o), o, held.key)
		if left--; left == 0 {
			return nil
		}
	}
	return nil
}

// byID is counted for rows in the order of ids, behind one.
func (h *hostSearch) byID(held holding) error {
	n := held.count()
	h.page.Total += n
	after, behind := "", h.q.After == nil
	if !behind {
		switch last := h.q.After.Key(); {
		case held.key < last:
			return nil
		case held.key == last:
			after = h.q.After.Asset
		default:
			behind = true
		}
	}
	switch pass := h.q.Offset - h.passed; {
	case h.full():
		return nil
	case behind && pass >= n:
		h.passed += n
		return nil
	}
	most := 0
	if h.q.Limit > 0 {
		most = min(h.q.Offset-h.passed, n) + h.q.Limit - len(h.page.Rows)
	}
	list, err := h.s.LeastIDs(h.ctx, held.set(), after, most)
	if err != nil {
		return err
	}
	for _, o := range list {
		if h.full() {
			return nil
		}
		if h.passed < h.q.Offset {
			h.passed++
			continue
		}
		h.add(h.who(o), o, held.key)
	}
	return nil
}

// searched looks for the texts asked for among the assets that have a key open.
func (h *hostSearch) searched(held holding) error {
	for o := range held.all() {
		if err := h.step(); err != nil {
			return err
		}
		if h.s.TextsContain(o, h.name, h.address) {
			if h.wants() {
				h.add(h.who(o), o, held.key)
			}
			h.page.Total++
		}
	}
	return nil
}

// take counts a row and keeps it if it is of the page.
func (h *hostSearch) take(a *index.Asset, o index.Ordinal, k index.Key) {
	if h.wants() {
		h.add(a, o, k)
	}
	h.page.Total++
}

// wants says whether the next row to be counted is of the page.
func (h *hostSearch) wants() bool { return h.page.Total+h.passed >= h.q.Offset && !h.full() }

// full says whether the page has all its rows.
func (h *hostSearch) full() bool { return h.q.Limit > 0 && len(h.page.Rows) == h.q.Limit }

func (h *hostSearch) who(o index.Ordinal) *index.Asset {
	a := h.s.Who(o)
	return &a
}

func (h *hostSearch) add(a *index.Asset, o index.Ordinal, k index.Key) {
	h.page.Rows = append(h.page.Rows, HostPort{
		Asset: a.ID, Name: a.Name, Address: a.Address, EnterpriseProject: a.Group,
		Port: k.Port(), Type: k.Type(), Status: h.judge.status(o, k),
	})
}
