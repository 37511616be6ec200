package server

import (
	"context"
	"math"
	"net/http"

	"portolan/engine"
	"portolan/index"
)

// portsParams are the parameters of GET /v1/projects/{project_id}/ports.
var portsParams = []string{
	"ports", "where", "port", "match", "type", "status", groupParam, "category", "min_num", "max_num", "sort", "desc", "limit", "offset",
}

// maxCount is more than any count of assets.
const maxCount = math.MaxInt32

// ports answers how many assets have each port open, for any selector and in any order.
func (s *Server) ports(ctx context.Context, c *call) error {
	a, err := readAsked(c.RawQuery, portsParams...)
	if err != nil {
		return err
	}
	q, err := a.portQuery()
	if err != nil {
		return err
	}
	if q.View, err = a.view(c.caller.EnterpriseProjects); err != nil {
		return err
	}
	if err := checkProject(c.project); err != nil {
		return err
	}
	q.Project = c.project
	snapshot, err := s.snapshot(q.Project, q.Category)
	if err != nil {
		return err
	}
	if q.Keys, err = s.keys(a, snapshot.Policy()); err != nil {
		return err
	}
	var timely bool
	if q.Where, timely, err = s.where(a, snapshot.Policy()); err != nil {
		return err
	}
	if !timely && c.unchanged(snapshot) {
		return nil
	}
	q.Into = c.rows
	var page engine.PortPage
	err = s.search(ctx, q.Where != nil || !snapshot.Settled(), func(ctx context.Context) (err error) {
		page, err = snapshot.Ports(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	c.buf = appendPage(c.buf[:0], &page)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// portQuery returns what the parameters ask, without project, view and set of keys.
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
	if q.Category, err = of(a, "category", engine.ParseCategory); err != nil {
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
	if q.Descending, err = a.truth("desc"); err != nil {
		return q, err
	}
	q.Offset, q.Limit, err = a.window()
	return q, err
}
