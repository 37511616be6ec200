package server

import (
	"context"
	"net/http"
	"strconv"

	"portolan/engine"
)

// findingsParams are the parameters of GET /v1/projects/{project_id}/findings.
var findingsParams = []string{"where", groupParam, "category", "limit", "offset", "cursor"}

// findings answers how what is open differs from what the policy expects.
func (s *Server) findings(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, findingsParams)
	if err != nil {
		return err
	}
	q := engine.FindingQuery{View: l.view, Where: l.where}
	if q.Offset, q.Limit, err = l.pages(c, l.snapshot, l.timely); err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	var page engine.FindingPage
	err = s.search(ctx, true, func(ctx context.Context) (err error) {
		page, err = l.snapshot.Findings(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	c.buf = appendTotal(c.buf[:0], page.Total)
	for i := range page.Rows {
		c.buf = appendFinding(c.buf, &page.Rows[i])
	}
	c.buf = l.turn.end(c.buf, page.Total, len(page.Rows), nil)
	c.reply(http.StatusOK, c.buf)
	return nil
}

func appendFinding(b []byte, row *engine.FindingCount) []byte {
	b = appendField(append(b, '{'), "finding", row.Finding.String())
	b = strconv.AppendInt(append(b, `"num":`...), int64(row.Num), 10)
	if row.Finding == engine.ExpectedClosed {
		b = strconv.AppendInt(append(b, `,"unseen":`...), int64(row.Unseen), 10)
	}
	b = strconv.AppendInt(append(b, `,"port":`...), int64(row.Port), 10)
	b = append(b, ',')
	if row.Type != engine.AnyType {
		b = appendField(b, "type", row.Type.String())
	}
	b = appendField(b, "expectation", row.Expectation)
	b[len(b)-1] = '}'
	return append(b, ',')
}
