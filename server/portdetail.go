package server

import (
	"context"
	"net/http"

	"portolan/engine"
)

// portDetail answers which assets have a port open, the published call that the
// SDK names ListPortHost.
func (s *Server) portDetail(ctx context.Context, c *call) error {
	var p assetParams
	p.read(c.RawQuery)
	p.hostID = param{} // this call does not know it
	return s.assetRows(ctx, c, &p, assetList{"port", "an integer", appendPortHost})
}

// appendPortHost appends a row's fields in the published order, each with a
// comma. Fields that nobody reported are left out: a name or an address, and
// always the listening address, the process and the agent.
func appendPortHost(b []byte, row *engine.HostPort, category engine.Category) []byte {
	b = appendWho(b, row, category)
	b = appendKey(b, row.Key(), row.Status)
	b = append(b, ',')
	if category == engine.Container {
		b = appendField(b, "container_id", row.Asset)
		b = appendField(b, "container_name", row.Name)
	}
	return b
}

// assetList is a call that answers with rows about assets: the parameter that it
// needs, what that may be, and how the fields of a row are written, each with a
// comma at its end.
type assetList struct {
	required, allowed string
	append            func(b []byte, row *engine.HostPort, category engine.Category) []byte
}

// assetRows answers a call with one page of its rows. An asset that lies outside
// what is asked and granted is not there.
func (s *Server) assetRows(ctx context.Context, c *call, p *assetParams, list assetList) error {
	view, err := viewOf(c.caller.EnterpriseProjects, p.enterpriseProject.text)
	if err != nil {
		return err
	}
	if err := checkProject(c.project); err != nil {
		return err
	}
	q, err := p.query(list.required, list.allowed)
	if err != nil {
		return err
	}
	q.Project, q.View = c.project, view
	snapshot, err := s.snapshot(q.Project, q.Category)
	if err != nil {
		return err
	}
	if c.unchanged(snapshot) {
		return nil
	}
	var page engine.HostPage
	if known := p.typ.exactType(&q.Type); known {
		err = s.search(ctx, !snapshot.Settled(), func(ctx context.Context) (err error) {
			page, err = snapshot.Hosts(ctx, q)
			return err
		})
		if err != nil {
			return err
		}
	}
	c.buf = appendTotal(c.buf[:0], page.Total)
	for i := range page.Rows {
		c.buf = append(c.buf, '{')
		c.buf = list.append(c.buf, &page.Rows[i], q.Category)
		c.buf[len(c.buf)-1] = '}' // in place of the last comma
		c.buf = append(c.buf, ',')
	}
	c.buf = appendEnd(c.buf)
	c.reply(http.StatusOK, c.buf)
	return nil
}
