package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"portolan/engine"
)

// coverageParams are the parameters of GET /v1/projects/{project_id}/coverage.
var coverageParams = []string{"ports", "where", groupParam, "category"}

// coverage answers how many assets were looked at, and when.
func (s *Server) coverage(ctx context.Context, c *call) error {
	l, err := s.list(c, coverageParams)
	if err != nil {
		return err
	}
	q := engine.CoverageQuery{View: l.view, Where: l.where}
	if q.Keys, err = s.keys(l.asked, l.snapshot.Policy()); err != nil {
		return err
	}
	if !l.timely && c.unchanged(l.snapshot) {
		return nil
	}
	var known engine.Coverage
	err = s.search(ctx, true, func(ctx context.Context) (err error) {
		known, err = l.snapshot.Coverage(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	c.buf = strconv.AppendInt(append(c.buf[:0], `{"assets":`...), int64(known.Assets), 10)
	c.buf = strconv.AppendInt(append(c.buf, `,"looked":`...), int64(known.Looked), 10)
	c.buf = strconv.AppendInt(append(c.buf, `,"open":`...), int64(known.Open), 10)
	if known.Looked > 0 {
		c.buf = known.Oldest.AppendFormat(append(c.buf, `,"oldest":"`...), time.RFC3339Nano)
		c.buf = known.Newest.AppendFormat(append(c.buf, `","newest":"`...), time.RFC3339Nano)
		c.buf = append(c.buf, '"')
	}
	c.buf = append(c.buf, '}')
	c.reply(http.StatusOK, c.buf)
	return nil
}
