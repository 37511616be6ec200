package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"portolan/engine"
	"portolan/index"
)

// hostsParams are the parameters of GET /v1/projects/{project_id}/hosts, and assetsParams those of
// GET /v1/projects/{project_id}/assets.
var (
	hostsParams = []string{
		"ports", "where", "port", "type", "status", "name", "address", groupParam, "category", "sort", "limit", "offset", "cursor",
		"coverage", "explain", asOfParam,
	}
	assetsParams = []string{"where", "prefix", groupParam, "category", "sort", "limit", "offset", "cursor", "coverage", asOfParam}
)

// asking is what the calls of our own that list have in common.
type asking struct {
	*asked
	snapshot engine.Snapshot
	past     *engine.Past // whose counts are asked for, if they are and it is not now
	view     engine.View
	where    *engine.HostSet
	timely   bool          // the answer depends on the time
	asOf     engine.Moment // that the snapshot is of, zero for now
	aged     bool          // it was given as an age
}

// unchanged is [call.unchanged] for an answer that does not depend on the time.
func (l *asking) unchanged(c *call) bool { return !l.timely && !l.aged && c.unchanged(l.snapshot) }

// looks is the question about what was looked at, for any port, of what is asked of.
func (l *asking) looks() engine.CoverageQuery {
	return engine.CoverageQuery{View: l.view, Where: l.where}
}

// list begins a call that lists.
func (s *Server) list(ctx context.Context, c *call, known []string) (*asking, error) {
	return s.listOf(ctx, c, known, nil)
}

// listOf is list for a call that may ask for counts alone.
func (s *Server) listOf(ctx context.Context, c *call, known []string, counts func(*asked) bool) (*asking, error) {
	a, err := readAsked(c.RawQuery, known...)
	if err != nil {
		return nil, err
	}
	l := &asking{asked: a}
	if l.view, err = a.view(c.caller.EnterpriseProjects); err != nil {
		return nil, err
	}
	if err := checkProject(c.project); err != nil {
		return nil, err
	}
	category, err := of(a, "category", engine.ParseCategory)
	if err != nil {
		return nil, err
	}
	if err := s.askState(ctx, c, l, category, counts != nil && counts(a)); err != nil {
		return nil, err
	}
	l.where, l.timely, err = s.where(a, l.snapshot.Policy())
	return l, err
}

// hosts answers which assets have which ports open, one row for both.
func (s *Server) hosts(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, hostsParams)
	if err != nil {
		return err
	}
	q, err := s.hostQuery(c, l)
	if err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	explain, err := l.truth("explain")
	if err != nil {
		return err
	}
	var page engine.HostPage
	var reasons []engine.HostReason
	searches := q.ByID || q.Where != nil || q.Name != "" || q.Address != "" || !l.snapshot.Settled() || l.has("coverage")
	err = s.search(ctx, searches, func(ctx context.Context) (err error) {
		if page, err = l.snapshot.Hosts(ctx, q); err != nil {
			return err
		}
		if explain {
			if reasons, err = l.snapshot.HostReasons(ctx, page.Rows); err != nil {
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
		c.buf = appendOwner(c.buf, row.Asset, row.Name, row.Address, row.EnterpriseProject)
		c.buf = append(appendKey(c.buf, row.Key(), row.Status), ',')
		c.buf = appendReason(c.buf, reasons, i)
		c.buf = append(endObject(c.buf), ',')
	}
	c.buf = l.turn.end(c.buf, page.Total, len(page.Rows), lastRow(page.Rows, q.Limit))
	c.reply(http.StatusOK, c.buf)
	return nil
}

// appendReason appends what is known of the i-th row besides, each field with a comma; of nothing nothing.
func appendReason(b []byte, reasons []engine.HostReason, i int) []byte {
	if len(reasons) == 0 {
		return b
	}
	b = appendRule(b, reasons[i].Rule)
	return appendTime(b, "seen", reasons[i].Seen)
}

// byID says whether rows are to come in the order of ids.
func (a *asked) byID() (bool, error) {
	switch sort, given := a.values["sort"]; {
	case !given:
		return false, nil
	case sort != "id":
		return false, &engine.FieldError{Field: "sort", Value: sort, Allowed: "id, or nothing: then the order is the inventory's own"}
	}
	a.turn.byID = true
	return true, nil
}

// lastRow returns the last row of a page that is full: then more may follow.
func lastRow(rows []engine.HostPort, limit int) *engine.HostPort {
	if len(rows) < limit {
		return nil
	}
	return &rows[len(rows)-1]
}

// lastAsset is lastRow of assets.
func lastAsset(rows []engine.Asset, limit int) *engine.HostPort {
	if len(rows) < limit {
		return nil
	}
	return &engine.HostPort{Asset: rows[len(rows)-1].ID}
}

// hostQuery returns what is asked.
func (s *Server) hostQuery(c *call, l *asking) (q engine.HostQuery, err error) {
	if q, err = l.hostFilters(); err != nil {
		return q, err
	}
	if q.Keys, err = s.keys(l.asked, l.snapshot.Policy()); err != nil {
		return q, err
	}
	if q.Keys == nil && q.Port == 0 {
		q.Keys = index.AllKeys()
	}
	q.View, q.Where = l.view, l.where
	if q.ByID, err = l.byID(); err != nil {
		return q, err
	}
	q.Offset, q.Limit, err = l.pages(c, l.snapshot, l.timely)
	q.After = l.turn.after
	return q, err
}

// hostFilters returns the filters by port, status and text.
func (a *asked) hostFilters() (q engine.HostQuery, err error) {
	if q.Port, err = a.number("port", 0, 1, index.MaxPort); err != nil {
		return q, err
	}
	if q.Type, err = of(a, "type", engine.ParseType); err != nil {
		return q, err
	}
	if q.Status, err = of(a, "status", engine.ParseStatus); err != nil {
		return q, err
	}
	for field, to := range map[string]*string{"name": &q.Name, "address": &q.Address} {
		*to = a.values[field]
		if err := checkLength(field, *to, maxText); err != nil {
			return q, err
		}
	}
	return q, nil
}

// assets answers which assets there are.
func (s *Server) assets(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, assetsParams)
	if err != nil {
		return err
	}
	q := engine.AssetQuery{View: l.view, Where: l.where, Prefix: l.values["prefix"]}
	if err := checkLength("prefix", q.Prefix, engine.MaxAssetLen); err != nil {
		return err
	}
	if q.ByID, err = l.byID(); err != nil {
		return err
	}
	if q.Offset, q.Limit, err = l.pages(c, l.snapshot, l.timely); err != nil {
		return err
	}
	if l.turn.after != nil {
		q.After = l.turn.after.Asset
	}
	if l.unchanged(c) {
		return nil
	}
	var page engine.AssetPage
	searches := q.ByID || q.Where != nil || q.Prefix != "" || l.has("coverage")
	err = s.search(ctx, searches, func(ctx context.Context) (err error) {
		if page, err = l.snapshot.Assets(ctx, q); err != nil {
			return err
		}
		c.buf, err = l.beginAnswer(ctx, c.buf, l.snapshot, l.looks)
		return err
	})
	if err != nil {
		return err
	}
	c.buf = appendRest(c.buf, page.Total)
	for i := range page.Rows {
		c.buf = appendAsset(c.buf, &page.Rows[i])
	}
	c.buf = l.turn.end(c.buf, page.Total, len(page.Rows), lastAsset(page.Rows, q.Limit))
	c.reply(http.StatusOK, c.buf)
	return nil
}

// appendOwner begins a row about an asset, with the fields that are known, each with a comma.
func appendOwner(b []byte, asset, name, address, enterpriseProject string) []byte {
	b = appendField(append(b, '{'), "asset", asset)
	if name != "" {
		b = appendField(b, "name", name)
	}
	if address != "" {
		b = appendField(b, "address", address)
	}
	return appendField(b, groupParam, enterpriseProject)
}

// appendAsset appends a row about an asset: how many ports it has open, and when it was seen last.
func appendAsset(b []byte, a *engine.Asset) []byte {
	b = appendOwner(b, a.ID, a.Name, a.Address, a.EnterpriseProject)
	b = append(appendLabels(b, a.Labels), `"num":`...)
	b = append(strconv.AppendInt(b, int64(len(a.Open)), 10), ',')
	return append(endObject(appendTime(b, "last_seen", a.LastSeen)), ',')
}

// appendTime appends a time that is known, with a comma.
func appendTime(b []byte, field string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(append(b, '"'), field...), `":"`...)
	return append(t.AppendFormat(b, time.RFC3339Nano), `",`...)
}
