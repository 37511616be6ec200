package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"portolan/engine"
	"portolan/engine/expr"
)

// historyParams are the parameters of GET /v1/projects/{project_id}/history.
var historyParams = []string{"since", "until", "step", "by", "ports", "type", "status", groupParam, "category"}

// historySince is how far back a question about history asks that does not say.
const historySince = 24 * time.Hour

// steps are those of a history that is asked for without one: the first of which there are not too many.
var steps = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// usualSteps is how many there are at most then.
const usualSteps = 200

// history answers how many assets had ports open in the course of time.
func (s *Server) history(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, historyParams)
	if err != nil {
		return err
	}
	q, err := s.trendQuery(c, l, s.engine.Now())
	if err != nil {
		return err
	}
	trend := engine.Trend{Start: q.Since.Truncate(q.Step), Step: q.Step}
	err = s.search(ctx, true, func(ctx context.Context) error {
		found, err := s.engine.Trend(ctx, q)
		switch {
		case errors.Is(err, engine.ErrNoProject): // or it never had an asset
			return nil
		case errors.Is(err, engine.ErrNoChanges):
			return &failure{kind: noChanges}
		}
		trend = found
		return oldOr(err)
	})
	if err != nil {
		return err
	}
	c.buf = trend.Start.AppendFormat(append(c.buf, `{"since":"`...), time.RFC3339Nano)
	c.buf = strconv.AppendFloat(append(c.buf, `","step_seconds":`...), trend.Step.Seconds(), 'f', -1, 64)
	if trend.Resolution > 0 {
		c.buf = strconv.AppendFloat(append(c.buf, `,"resolution_seconds":`...), trend.Resolution.Seconds(), 'f', -1, 64)
	}
	c.buf = append(c.buf, `,"data_list":[`...)
	for i := range trend.Lines {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = appendTrendLine(c.buf, &trend, &trend.Lines[i])
	}
	c.buf = append(c.buf, "]}"...)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// trendQuery reads what is asked for.
func (s *Server) trendQuery(c *call, l *asking, now time.Time) (q engine.TrendQuery, err error) {
	q = engine.TrendQuery{Project: c.project, Category: l.snapshot.Category(), View: l.view, Since: now.Add(-historySince)}
	if q.Keys, q.Type, q.Status, err = s.portFilters(l); err != nil {
		return q, err
	}
	if q.By, err = of(l.asked, "by", engine.ParseTrendBy); err != nil {
		return q, err
	}
	for field, at := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text, given := l.values[field]; given {
			if *at, err = expr.ParseTime(field, text, now); err != nil {
				return q, err
			}
		}
	}
	if text, given := l.values["step"]; given {
		q.Step, err = expr.ParseSpan("step", text)
		return q, err
	}
	until := q.Until
	if until.IsZero() || until.After(now) {
		until = now
	}
	for _, q.Step = range steps {
		if until.Sub(q.Since)/q.Step < usualSteps {
			break
		}
	}
	return q, nil
}

func appendTrendLine(b []byte, t *engine.Trend, l *engine.TrendLine) []byte {
	b = append(b, '{')
	switch {
	case l.Key != 0:
		b = append(appendKey(b, l.Key, l.Status), ',')
	case l.Status != engine.AnyStatus:
		b = appendField(b, "status", l.Status.String())
	default:
		b = appendField(b, groupParam, l.EnterpriseProject)
	}
	b = append(b, `"points":[`...)
	at := t.Start
	for i, p := range l.Points {
		if i > 0 {
			b = append(b, ',')
		}
		b = at.AppendFormat(append(b, `{"time":"`...), time.RFC3339Nano)
		b = strconv.AppendInt(append(b, `","least":`...), int64(p.Least), 10)
		b = strconv.AppendInt(append(b, `,"most":`...), int64(p.Most), 10)
		b = strconv.AppendInt(append(b, `,"last":`...), int64(p.Last), 10)
		b = append(b, '}')
		at = at.Add(t.Step)
	}
	return append(b, "]}"...)
}
