package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"portolan/engine"
	"portolan/index"
)

// Bounds and words of the published call.
const (
	minLimit         = 10
	maxLimit         = 200
	maxOffset        = 2_000_000
	maxText          = 256
	maxGroupText     = engine.MaxEnterpriseProjectLen
	allGranted       = engine.AllEnterpriseProjects
	onlySortKey      = "port"
	matchesNoPort    = -1
	numStatistics    = 10
	defaultPageLimit = minLimit
)

// statisticsParams is the query of the published call.
type statisticsParams struct {
	port, portString, typ, status, enterpriseProject param
	sortKey, sortDir, limit, offset, category        param
}

// named returns the parameter with the name, nil if there is none: unknown ones
// are ignored.
func (p *statisticsParams) named(name string) *param {
	switch name {
	case "port":
		return &p.port
	case "port_string":
		return &p.portString
	case "type":
		return &p.typ
	case "status":
		return &p.status
	case "enterprise_project_id":
		return &p.enterpriseProject
	case "sort_key":
		return &p.sortKey
	case "sort_dir":
		return &p.sortDir
	case "limit":
		return &p.limit
	case "offset":
		return &p.offset
	case "category":
		return &p.category
	}
	return nil
}

// read takes the parameters out of a query.
func (p *statisticsParams) read(query string) {
	for name, sent := range pairs(query) {
		if to := p.named(name); to != nil {
			to.set(sent.text, sent.malformed)
		}
	}
}

// check refuses what is malformed or too long.
func (p *statisticsParams) check() error {
	for _, c := range [numStatistics]struct {
		name string
		sent *param
		most int
	}{
		{"port", &p.port, 0}, // an integer of any length is an integer
		{"port_string", &p.portString, maxText},
		{"type", &p.typ, maxText},
		{"status", &p.status, maxText},
		{"enterprise_project_id", &p.enterpriseProject, maxGroupText},
		{"sort_key", &p.sortKey, maxText},
		{"sort_dir", &p.sortDir, maxText},
		{"limit", &p.limit, 0},
		{"offset", &p.offset, 0},
		{"category", &p.category, maxText},
	} {
		if err := c.sent.fits(c.name, c.most); err != nil {
			return err
		}
	}
	return nil
}

// query returns what the parameters ask, without project and view.
func (p *statisticsParams) query() (q engine.PortQuery, err error) {
	if err := p.check(); err != nil {
		return q, err
	}
	q.PortString = p.portString.text
	if q.Port, err = p.port.exactPort("port"); err != nil {
		return q, err
	}
	if q.Limit, err = p.limit.between("limit", defaultPageLimit, minLimit, maxLimit); err != nil {
		return q, err
	}
	if q.Offset, err = p.offset.between("offset", 0, 0, maxOffset); err != nil {
		return q, err
	}
	if p.sortKey.text != "" && p.sortKey.text != onlySortKey {
		return q, &engine.FieldError{Field: "sort_key", Value: p.sortKey.text, Allowed: onlySortKey}
	}
	if q.Descending, err = descending(p.sortDir.text); err != nil {
		return q, err
	}
	if q.Category, err = engine.ParseCategory(p.category.text); err != nil {
		return q, err
	}
	q.Status, err = p.status.exactStatus()
	return q, err
}

// statistics answers the published call.
func (s *Server) statistics(ctx context.Context, c *call) error {
	question := s.answers.question(c)
	if len(c.Header.Values("If-None-Match")) == 0 {
		if a := s.answers.find(c, question); a != nil {
			c.again(a)
			return nil
		}
	}
	p := &c.statistics
	*p = statisticsParams{}
	p.read(c.RawQuery)
	view, err := viewOf(c.caller.EnterpriseProjects, p.enterpriseProject.text)
	if err != nil {
		return err
	}
	if err := checkProject(c.project); err != nil {
		return err
	}
	q, err := p.query()
	if err != nil {
		return err
	}
	q.Project, q.View, q.Into = c.project, view, c.rows
	snapshot, err := s.snapshot(q.Project, q.Category)
	if err != nil {
		return err
	}
	if c.unchanged(snapshot) {
		return nil
	}
	var page engine.PortPage
	if known := p.typ.exactType(&q.Type); known {
		if page, err = s.statisticsPage(ctx, snapshot, &q); err != nil {
			return err
		}
	}
	c.buf = appendPage(c.buf[:0], &page)
	s.answers.note(c, question, q.Category, c.buf)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// statisticsPage asks a snapshot. Nothing is allocated where nobody has to be waited for.
func (s *Server) statisticsPage(ctx context.Context, snapshot engine.Snapshot, q *engine.PortQuery) (page engine.PortPage, err error) {
	if snapshot.Settled() {
		return snapshot.Ports(ctx, *q)
	}
	var found engine.PortPage
	err = s.search(ctx, true, func(ctx context.Context) (err error) {
		found, err = snapshot.Ports(ctx, *q)
		return err
	})
	return found, err
}

// snapshot returns the newest state of a project. One without data is no error
// over HTTP: a caller is granted projects by name.
func (s *Server) snapshot(project string, category engine.Category) (engine.Snapshot, error) {
	snapshot, err := s.engine.Snapshot(project, category)
	if errors.Is(err, engine.ErrNoProject) {
		err = nil
	}
	return snapshot, err
}

// appendPage appends a page's JSON, its keys in the published order.
func appendPage(b []byte, page *engine.PortPage) []byte {
	b = appendTotal(b, page.Total)
	for i := range page.Rows {
		row := &page.Rows[i]
		b = append(b, `{"num":`...)
		b = strconv.AppendInt(b, int64(row.Num), 10)
		b = append(b, ',')
		b = appendKey(b, row.Key(), row.Status)
		b = append(b, `},`...)
	}
	return appendEnd(b)
}

// appendKey appends the fields of a key as every call of the API has them.
func appendKey(b []byte, k index.Key, status engine.Status) []byte {
	b = append(b, `"port":`...)
	b = strconv.AppendInt(b, int64(k.Port()), 10)
	b = append(b, `,"type":"`...)
	b = append(b, k.Type().String()...)
	b = append(b, `","status":"`...)
	b = append(b, status.String()...)
	return append(b, '"')
}

func decimal(n int) string { return strconv.Itoa(n) }
