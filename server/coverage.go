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
	l, err := s.list(ctx, c, coverageParams)
	if err != nil {
		return err
	}
	q := engine.CoverageQuery{View: l.view, Where: l.where}
	if q.Keys, err = s.keys(l.asked, l.snapshot.Policy()); err != nil {
		return err
	}
	if l.unchanged(c) {
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
	c.buf = appendCoverage(c.buf[:0], &known)
	c.reply(http.StatusOK, c.buf)
	return nil
}

func appendCoverage(b []byte, known *engine.Coverage) []byte {
	b = strconv.AppendInt(append(b, `{"assets":`...), int64(known.Assets), 10)
	b = strconv.AppendInt(append(b, `,"looked":`...), int64(known.Looked), 10)
	b = strconv.AppendInt(append(b, `,"open":`...), int64(known.Open), 10)
	if known.Looked > 0 {
		b = known.Oldest.AppendFormat(append(b, `,"oldest":"`...), time.RFC3339Nano)
		b = known.Newest.AppendFormat(append(b, `","newest":"`...), time.RFC3339Nano)
		b = append(b, '"')
	}
	return append(b, '}')
}

// beginAnswer begins an answer, with its coverage if that is asked for: what was looked at behind it; and with the time
// that it is as of.
func (l *asking) beginAnswer(ctx context.Context, b []byte, s engine.Snapshot, q func() engine.CoverageQuery) ([]byte, error) {
	b = appendTime(append(b[:0], '{'), asOfParam, l.asOf.Time.UTC())
	if wanted, err := l.truth("coverage"); err != nil || !wanted {
		return b, err
	}
	known, err := s.Coverage(ctx, q())
	if err != nil {
		return nil, err
	}
	b = appendCoverage(append(b, `"coverage":`...), &known)
	return append(b, ','), nil
}
