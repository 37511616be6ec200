package server

import (
	"context"
	"math"
	"net/http"
	"strconv"

	"portolan/engine"
	"portolan/index"
)

// portsParams are the parameters of GET /v1/projects/{project_id}/ports.
var portsParams = []string{
	"ports", "where", "port", "match", "type", "status", groupParam, "category", "min_num", "max_num", "sort", "desc", "limit", "offset", "cursor",
	"coverage", "explain", asOfParam,
}

// maxCount is more than any count of assets.
const maxCount = math.MaxInt32

// ports answers how many assets have each port open, for any selector and in any order.
func (s *Server) ports(ctx context.Context, c *call) error {
	l, err := s.listOf(ctx, c, portsParams, func(a *asked) bool { return !a.has("where") && !a.has("coverage") && !a.has("explain") })
	if err != nil {
		return err
	}
	q, err := l.portQuery()
	if err != nil {
		return err
	}
	q.View, q.Where = l.view, l.where
	if q.Keys, err = s.keys(l.asked, l.snapshot.Policy()); err != nil {
		return err
	}
	if q.Offset, q.Limit, err = l.pages(c, l.snapshot, l.timely); err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	q.Into = c.rows
	explain, err := l.truth("explain")
	if err != nil {
		return err
	}
	var page engine.PortPage
	var rules []*engine.Rule
	searches := q.Where != nil || !l.snapshot.Settled() || l.has("coverage")
	err = s.search(ctx, searches, func(ctx context.Context) (err error) {
		if page, err = s.portsOf(ctx, c, l, q); err != nil {
			return err
		}
		if explain {
			if rules, err = l.snapshot.PortRules(ctx, q, page.Rows); err != nil {
				return err
			}
		}
		c.buf, err = l.beginAnswer(ctx, c.buf, l.snapshot, func() engine.CoverageQuery { return q.Looks(l.snapshot.Policy()) })
		return err
	})
	if err != nil {
		return err
	}
	c.buf = appendRest(c.buf, page.Total)
	for i := range page.Rows {
		row := &page.Rows[i]
		c.buf = strconv.AppendInt(append(c.buf, `{"num":`...), int64(row.Num), 10)
		c.buf = append(appendKey(append(c.buf, ','), row.Key(), row.Status), ',')
		if explain {
			c.buf = appendRule(c.buf, rules[i])
		}
		c.buf = append(endObject(c.buf), ',')
	}
	c.buf = l.turn.end(c.buf, page.Total, len(page.Rows), nil)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// portsOf returns a page of what is asked of.
func (s *Server) portsOf(ctx context.Context, c *call, l *asking, q engine.PortQuery) (page engine.PortPage, err error) {
	if l.past == nil {
		return l.snapshot.Ports(ctx, q)
	}
	err = s.askPast(ctx, c, func(ctx context.Context) (err error) {
		page, err = l.past.Ports(ctx, q)
		return err
	})
	return page, err
}

// appendRule appends the rule that gives a row its status, each field with a comma; of none nothing.
func appendRule(b []byte, rule *engine.Rule) []byte {
	if rule == nil {
		return b
	}
	return appendField(appendField(b, "rule", rule.Name), "reason", rule.Reason)
}

// endObject ends an object whose fields end in commas.
func endObject(b []byte) []byte { return append(b[:len(b)-1], '}') }

// portQuery returns the filters and the order that the parameters ask for.
func (a *asked) portQuery() (q engine.PortQuery, err error) {
	if q.Port, err = a.number("port", 0, 1, index.MaxPort); err != nil {
		return q, err
	}
	if q.PortString, err = a.digits("match"); err != nil {
		return q, err
	}
	if q.Type, err = of(a, "type", engine.ParseType); err != nil {
		return q, err
	}
	if q.Status, err = of(a, "status", engine.ParseStatus); err != nil {
		return q, err
	}
	if q.MinNum, err = a.number("min_num", 0, 0, maxCount); err != nil {
		return q, err
	}
	if q.MaxNum, err = a.number("max_num", 0, 0, maxCount); err != nil {
		return q, err
	}
	if q.Order, err = of(a, "sort", engine.ParseOrder); err != nil {
		return q, err
	}
	q.Descending, err = a.truth("desc")
	return q, err
}
