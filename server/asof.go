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

// snapshotAsked returns the state that a question is about: the newest, or that of a moment in the past.
func (s *Server) snapshotAsked(ctx context.Context, c *call, l *asking, category engine.Category) (found engine.Snapshot, err error) {
	l.asOf, err = l.moment(asOfParam, s.engine.Now())
	switch {
	case err != nil:
		return found, err
	case l.asOf.IsZero():
		return s.snapshot(c.project, category)
	}
	_, wrong := time.Parse(time.RFC3339Nano, l.values[asOfParam])
	l.aged = l.asOf.Sequence == 0 && wrong != nil
	give, err := s.pasts.take(idOf(c.caller)) // beside what looks at each asset, which does not wait for it
	if err != nil {
		return found, err
	}
	defer give()
	within, cancel := context.WithTimeout(ctx, s.searches.patience)
	defer cancel()
	found, err = s.engine.SnapshotAt(within, c.project, category, l.asOf)
	switch {
	case errors.Is(err, engine.ErrNoProject):
		return s.snapshot(c.project, category)
	case errors.Is(err, engine.ErrNoChanges):
		return found, &failure{kind: noChanges}
	}
	return found, tooLong(ctx, oldOr(err))
}
