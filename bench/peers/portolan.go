package main

import (
	"context"
	"iter"
	"strconv"

	"portolan/engine"
)

// ours is this program as a library.
type ours struct {
	e    *engine.Engine
	into []engine.PortCount
	rows []row
	// views by their groups, as a caller keeps them that asks often.
	views map[string]engine.View
}

func openPortolan() (peer, error) {
	e, err := engine.Open(nil)
	return &ours{e: e, into: make([]engine.PortCount, 0, 1000), views: map[string]engine.View{}}, err
}

func (o *ours) load(ctx context.Context, assets iter.Seq[asset]) error {
	const batch = 200_000
	reports := make([]engine.Report, 0, batch)
	flush := func() error {
		_, err := o.e.Apply(ctx, reports)
		reports = reports[:0]
		return err
	}
	for a := range assets {
		reports = append(reports, engine.Report{
			Project: "p", Asset: strconv.Itoa(int(a.host)), EnterpriseProject: groupName(a.group), Scope: engine.ScopeAll(), Open: a.open,
		})
		if len(reports) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func groupName(g uint16) string { return "g" + strconv.Itoa(int(g)) }

func (o *ours) view(groups []uint16) engine.View {
	if groups == nil {
		return engine.All()
	}
	id := numbers(groups)
	v, ok := o.views[id]
	if !ok {
		names := make([]string, len(groups))
		for i, g := range groups {
			names[i] = groupName(g)
		}
		v = engine.In(names...)
		o.views[id] = v
	}
	return v
}

func (o *ours) ports(ctx context.Context, q *question) (page, error) {
	view := engine.All()
	if q.groups != nil {
		view = o.view(q.groups)
	}
	query := engine.PortQuery{
		Project: "p", View: view, Port: int(q.port), PortString: q.digits, Offset: q.offset, Limit: q.limit, Into: o.into,
	}
	query.Where = o.where(q)
	if q.byCount {
		query.Order, query.Descending = engine.ByNum, true
	}
	p, err := o.e.Ports(ctx, query)
	if err != nil {
		return page{}, err
	}
	o.rows = o.rows[:0]
	for _, r := range p.Rows {
		o.rows = append(o.rows, row{r.Key(), r.Num})
	}
	return page{p.Total, o.rows}, nil
}

// where is the set that is asked of: a new one each time, so that nothing is remembered of it.
func (o *ours) where(q *question) *engine.HostSet {
	if q.has == 0 {
		return nil
	}
	set := engine.HasOpen(engine.KeysOf(engine.Range{Type: q.has.Type(), Lo: q.has.Port(), Hi: q.has.Port()}))
	if q.hasNot {
		return engine.NoneOf(set)
	}
	return set
}

func (o *ours) distinct(_ context.Context, keys []engine.Key) (int, error) {
	s, err := o.e.Snapshot("p", engine.Host)
	if err != nil {
		return 0, err
	}
	return s.CountAny(engine.All(), keys...), nil
}

func (o *ours) size(context.Context) (int64, error) { return 0, nil }

func (o *ours) close() error { return o.e.Close() }
