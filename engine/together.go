package engine

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"portolan/index"
)

// TogetherQuery asks what else is open on the assets that have one of some keys open. The zero value
// of every other field means no restriction.
type TogetherQuery struct {
	// Project is required; a [Snapshot] has its own.
	Project string
	View    View
	// Where is the assets of the view that are asked of; nil is all.
	Where    *HostSet
	Category Category
	// AtLeast is the [Result].Sequence of a write that the answer must include.
	AtLeast uint64
	// Open is the keys of which an asset has one open; it must not be nil. They are no rows.
	Open *KeySet
	// MinNum is how many of these assets must have a row's key open.
	MinNum int
	// ByLift has the rows with the greatest lift first, else those with the greatest number; what is
	// equal comes by number, then by key.
	ByLift bool
	// Offset is how many rows to skip; at or past the end the page is empty.
	Offset int
	// Limit is the most rows to return; 0 means all.
	Limit int
}

// TogetherCount is one row of a [TogetherPage].
type TogetherCount struct {
	Num    int // assets that have the row's key open, and one of those asked for
	Of     int // assets that have the row's key open
	Port   uint16
	Type   Type
	Status Status // on the assets that have one of those asked for
	// Lift is how many times as often the key is open on assets that have one of those asked for as
	// on all that were asked of: (Num/Holders) / (Of/Assets).
	Lift float64
}

// TogetherPage is the answer to a [TogetherQuery]. Total is the number of keys before paging; all
// comes from one snapshot.
type TogetherPage struct {
	Total int
	Rows  []TogetherCount
	// Assets is how many assets were asked of, Holders how many of them have one of the keys open.
	Assets, Holders int
	Version         uint64 // the inventory's data version the page was read from
	// Sequence is a batch that the page includes, with all before it, if the query has
	// AtLeast; else 0, as the number tells of other projects, too.
	Sequence uint64
}

// Together answers the query from the newest snapshot. The error is [ErrNoProject], or a [*FieldError]
// for a query that makes no sense.
func (e *Engine) Together(ctx context.Context, q TogetherQuery) (TogetherPage, error) {
	s, err := e.with(ctx, q.AtLeast, q.Project, q.Category)
	if err != nil {
		return TogetherPage{}, err
	}
	return s.Together(ctx, q)
}

// Together answers the query from this snapshot. A query that names another project is refused, and
// so is one that names containers of a snapshot of hosts. It counts what the assets that have one of
// the keys have open, as a query of ports about that set does.
func (s Snapshot) Together(ctx context.Context, q TogetherQuery) (TogetherPage, error) {
	if err := ctx.Err(); err != nil {
		return TogetherPage{}, err
	}
	err := s.check(q.Project, q.Category, q.AtLeast, q.Offset, q.Limit)
	switch {
	case err != nil:
	case q.Open == nil:
		err = &FieldError{Field: "open", Value: "", Allowed: "a set of ports"}
	case q.MinNum < 0:
		err = &FieldError{Field: "min_num", Value: strconv.Itoa(q.MinNum), Allowed: "0 (any) or more"}
	}
	if err != nil {
		return TogetherPage{}, err
	}
	page := TogetherPage{Version: s.Version(), Sequence: s.included(q.AtLeast)}
	if s.s == nil {
		return page, nil
	}
	all, err := s.view(ctx, q.View, q.Where)
	if err != nil {
		return TogetherPage{}, err
	}
	open := HasOpen(q.Open)
	if q.Where != nil {
		open = AllOf(q.Where, open)
	}
	holders, err := s.view(ctx, q.View, open)
	if err != nil {
		return TogetherPage{}, err
	}
	verdict, err := s.judge(ctx, holders)
	if err != nil {
		return TogetherPage{}, err
	}
	page.Assets, page.Holders = all.Assets().Len(), holders.Assets().Len()
	rows := togetherRows(&q, all, holders, verdict)
	page.Total = len(rows)
	rows = rows[min(q.Offset, len(rows)):]
	if q.Limit > 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	page.Rows = slices.Clone(rows) // they may be few of many
	return page, nil
}

// togetherRows returns all rows, in order.
func togetherRows(q *TogetherQuery, all, holders index.View, v *verdict) []TogetherCount {
	var rows []TogetherCount
	assets, having := float64(all.Assets().Len()), float64(holders.Assets().Len())
	c := holders.Select(index.Filter{})
	for c.Seek(0, false); c.Next(); {
		k, n := c.Key(), c.Count()
		if q.Open.Contains(k) || n < q.MinNum {
			continue
		}
		of := all.Count(k)
		rows = append(rows, TogetherCount{
			Num: n, Of: of, Port: k.Port(), Type: k.Type(), Status: v.status(k), Lift: float64(n) / having / (float64(of) / assets),
		})
	}
	slices.SortStableFunc(rows, func(a, b TogetherCount) int {
		byNum := cmp.Compare(b.Num, a.Num)
		if q.ByLift {
			return cmp.Or(cmp.Compare(b.Lift, a.Lift), byNum)
		}
		return byNum
	})
	return rows
}
