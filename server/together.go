package server

import (
	"context"
	"net/http"
	"strconv"

	"portolan/engine"
	"portolan/engine/expr"
)

// togetherParams are the parameters of GET /v1/projects/{project_id}/together.
var togetherParams = []string{"open", "where", groupParam, "category", "min_num", "sort", "limit", "offset", "cursor", "coverage", asOfParam}

// together answers what else is open on the assets that have one of some ports open.
func (s *Server) together(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, togetherParams)
	if err != nil {
		return err
	}
	q := engine.TogetherQuery{View: l.view, Where: l.where}
	ports, err := expr.ParsePorts("open", l.values["open"])
	if err != nil {
		return err
	}
	q.Open = ports.Keys(l.snapshot.Policy())
	if q.MinNum, err = l.number("min_num", 0, 0, maxCount); err != nil {
		return err
	}
	switch sort := l.values["sort"]; sort {
	case "", "num":
	case "lift":
		q.ByLift = true
	default:
		return &engine.FieldError{Field: "sort", Value: sort, Allowed: "num or lift"}
	}
	if q.Offset, q.Limit, err = l.pages(c, l.snapshot, l.timely); err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	var page engine.TogetherPage
	err = s.search(ctx, true, func(ctx context.Context) (err error) {
		if page, err = l.snapshot.Together(ctx, q); err != nil {
			return err
		}
		c.buf, err = l.beginAnswer(ctx, c.buf, l.snapshot, func() engine.CoverageQuery {
			looks := l.looks()
			looks.Keys = q.Open
			return looks
		})
		return err
	})
	if err != nil {
		return err
	}
	c.buf = strconv.AppendInt(append(c.buf, `"assets":`...), int64(page.Assets), 10)
	c.buf = strconv.AppendInt(append(c.buf, `,"holders":`...), int64(page.Holders), 10)
	c.buf = appendRest(append(c.buf, ','), page.Total)
	for i := range page.Rows {
		row := &page.Rows[i]
		c.buf = strconv.AppendInt(append(c.buf, `{"num":`...), int64(row.Num), 10)
		c.buf = strconv.AppendInt(append(c.buf, `,"of":`...), int64(row.Of), 10)
		c.buf = strconv.AppendFloat(append(c.buf, `,"lift":`...), row.Lift, 'f', liftDigits, 64)
		c.buf = append(appendKey(append(c.buf, ','), engine.MakeKey(row.Port, row.Type), row.Status), '}', ',')
	}
	c.buf = l.turn.end(c.buf, page.Total, len(page.Rows), nil)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// liftDigits is how many digits behind the point a lift has.
const liftDigits = 3
