package server

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"portolan/engine"
	"portolan/engine/expr"
)

// asOfParam asks for an answer as it would have been given at a moment in the past.
const asOfParam = "as_of"

// maxPasts is how many questions may have states of the past made at a time.
const maxPasts = 8

// moment reads a moment in the past: the number of a batch, a time, or an age. Absent is the zero moment.
func (a *asked) moment(field string, now time.Time) (m engine.Moment, err error) {
	text, given := a.values[field]
	switch {
	case !given:
	case text != "" && strings.Trim(text, "0123456789") == "":
		if m.Sequence, err = strconv.ParseUint(text, 10, 64); err != nil || m.Sequence == 0 {
			return m, &engine.FieldError{Field: field, Value: text, Allowed: "the number of a batch, a time or an age"}
		}
	default:
		m.Time, err = expr.ParseTime(field, text, now)
	}
	return m, err
}

// askState finds the state that a question is about: the newest, or that of a moment in the past. Of one that asks for counts
// alone, that of the past is not made: the snapshot has no assets then.
func (s *Server) askState(ctx context.Context, c *call, l *asking, category engine.Category, counts bool) (err error) {
	l.asOf, err = l.moment(asOfParam, s.engine.Now())
	switch {
	case err != nil:
		return err
	case l.asOf.IsZero():
		l.snapshot, err = s.snapshot(c.project, category)
		return err
	}
	_, wrong := time.Parse(time.RFC3339Nano, l.values[asOfParam])
	l.aged = l.asOf.Sequence == 0 && wrong != nil
	var past *engine.Past
	err = s.askPast(ctx, c, func(ctx context.Context) (err error) {
		if past, err = s.engine.At(ctx, c.project, category, l.asOf); err != nil || counts {
			return err
		}
		l.snapshot, err = past.Snapshot(ctx)
		return err
	})
	switch {
	case errors.Is(err, engine.ErrNoProject):
		l.snapshot, err = s.snapshot(c.project, category)
		return err
	case errors.Is(err, engine.ErrNoChanges):
		return &failure{kind: noChanges}
	case err == nil && counts:
		l.past, l.snapshot = past, past.Head()
	}
	return err
}

// askPast calls what asks for the past, which may take long, beside what looks at each asset, which does not wait for it.
func (s *Server) askPast(ctx context.Context, c *call, ask func(context.Context) error) error {
	give, err := s.pasts.take(idOf(c.caller))
	if err != nil {
		return err
	}
	defer give()
	within, cancel := context.WithTimeout(ctx, s.searches.patience)
	defer cancel()
	return tooLong(ctx, oldOr(ask(within)))
}
