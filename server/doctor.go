package server

import (
	"context"
	"net/http"
	"strconv"

	"portolan/engine"
)

// doctorParams are the parameters of GET /v1/projects/{project_id}/doctor.
var doctorParams = []string{"where", groupParam, "category", "limit", "offset", "cursor"}

// doctor answers which addresses several assets have.
func (s *Server) doctor(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, doctorParams)
	if err != nil {
		return err
	}
	q := engine.SharedQuery{View: l.view, Where: l.where}
	if q.Offset, q.Limit, err = l.pages(c, l.snapshot, l.timely); err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	var page engine.SharedPage
	err = s.search(ctx, true, func(ctx context.Context) (err error) {
		page, err = l.snapshot.Shared(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	c.buf = strconv.AppendInt(append(c.buf[:0], `{"assets":`...), int64(page.Assets), 10)
	c.buf = appendRest(append(c.buf, ','), page.Total)
	for i := range page.Rows {
		c.buf = appendShared(c.buf, &page.Rows[i])
	}
	c.buf = l.turn.end(c.buf, page.Total, len(page.Rows), nil)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// appendShared appends a row about an address.
func appendShared(b []byte, row *engine.SharedAddress) []byte {
	b = appendField(append(b, '{'), "address", row.Address)
	b = strconv.AppendInt(append(b, `"num":`...), int64(row.Num), 10)
	sep := `,"assets":[`
	for _, id := range row.Assets {
		b = appendText(append(b, sep...), id)
		sep = ","
	}
	return append(b, `]},`...)
}
