package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"portolan/engine"
	"portolan/engine/expr"
)

// changesParams are the parameters of GET /v1/projects/{project_id}/changes.
var changesParams = []string{
	"since", "until", "cursor", "limit", "format", "follow", "net", "flapped", "kind", "ports", "where", "type", "status", "unexpected", groupParam, "category",
}

// changesEnd and historyEnd are how the paths of changes, and of those of one asset, end. The front leaves them to
// net/http, as it does not stream.
const (
	changesEnd = "/changes"
	historyEnd = "/history"
)

// The formats of changes: pages, and all as they are taken.
const (
	changesJSON   = "json"
	changesNDJSON = "ndjson"
)

var (
	ndjsonMedia = []string{"application/x-ndjson"}
	noChanges   = kind{http.StatusNotFound, "HSS.0015", "This server does not record what changes.", false}
	tooOld      = kind{http.StatusGone, "HSS.0016", "What changed then is not kept any more.", false}
)

// changing is a question about changes.
type changing struct {
	*asking
	q      engine.ChangeQuery
	offset int // of net rows, which have no positions
}

// changes answers what changed in the course of time: a page, all of it as it is taken, or also
// what is to come.
func (s *Server) changes(ctx context.Context, c *call) error {
	return s.changesOf(ctx, c, changesParams, "")
}

// hostHistory answers what changed of one asset in the course of time, as changes does. One that is not there, and of which
// nothing is told, is not there for the caller.
func (s *Server) hostHistory(ctx context.Context, c *call) error {
	known := slices.DeleteFunc(slices.Clone(changesParams), func(name string) bool { return name == "where" })
	return s.changesOf(ctx, c, known, c.asset)
}

func (s *Server) changesOf(ctx context.Context, c *call, known []string, asset string) error {
	l, err := s.list(ctx, c, known)
	if err != nil {
		return err
	}
	of := &changing{asking: l}
	of.q.Asset = asset
	if err := of.ask(s, c, s.engine.Now()); err != nil {
		return err
	}
	format, err := l.word("format", changesJSON, changesJSON, changesNDJSON)
	if err != nil {
		return err
	}
	follow, err := l.truth("follow")
	switch {
	case err != nil:
		return err
	case follow:
		return s.follow(ctx, c, of)
	case format == changesNDJSON:
		return s.streamChanges(ctx, c, of)
	}
	return s.pageOfChanges(ctx, c, of)
}

// word returns a parameter that is one of some words.
func (a *asked) word(field, absent string, words ...string) (string, error) {
	text, given := a.values[field]
	if !given {
		return absent, nil
	}
	if slices.Contains(words, text) {
		return text, nil
	}
	return "", &engine.FieldError{Field: field, Value: text, Allowed: strings.Join(words, " or ")}
}

// ask reads what is asked for.
func (x *changing) ask(s *Server, c *call, now time.Time) (err error) {
	l := x.asking
	x.q = engine.ChangeQuery{Project: c.project, Category: l.snapshot.Category(), View: l.view, Where: l.where, Asset: x.q.Asset}
	q := &x.q
	if q.Keys, q.Type, q.Status, err = s.portFilters(l); err != nil {
		return err
	}
	if text, given := l.values["kind"]; given {
		for word := range strings.SplitSeq(text, ",") {
			kind, err := engine.ParseChangeKind(word)
			if err != nil {
				return err
			}
			q.Kinds = append(q.Kinds, kind)
		}
	}
	if q.Unexpected, err = l.truth("unexpected"); err != nil {
		return err
	}
	if q.Net, err = l.truth("net"); err != nil {
		return err
	}
	if q.Flapped, err = l.truth("flapped"); err != nil {
		return err
	}
	if text, given := l.values["until"]; given {
		if q.Until, err = expr.ParseTime("until", text, now); err != nil {
			return err
		}
	}
	return x.begin(c, now)
}

// begin reads where the changes are to begin.
func (x *changing) begin(c *call, now time.Time) (err error) {
	l, q := x.asking, &x.q
	cursor, goesOn := l.values["cursor"]
	if goesOn && l.has("since") {
		return &engine.FieldError{Field: "since", Value: l.values["since"], Allowed: "nothing beside a cursor"}
	}
	if sent := c.Header.Values("Last-Event-Id"); len(sent) > 0 && sent[0] != "" {
		cursor, goesOn = sent[0], true // of a reader that comes again, whatever it began with
	}
	switch since, given := l.values["since"]; {
	case goesOn:
		return x.goOn(cursor)
	case !given:
		return nil
	case strings.Trim(since, "0123456789") == "":
		seq, err := strconv.ParseUint(since, 10, 64)
		if err != nil {
			return &engine.FieldError{Field: "since", Value: since, Allowed: "the number of a batch, a time or an age"}
		}
		q.After = engine.After(seq)
		return nil
	default:
		q.Since, err = expr.ParseTime("since", since, now)
		return err
	}
}

// A cursor is a position; of net rows it is the batches that they come after and to, and how many of them came
// before, parted by dashes.
func (x *changing) goOn(cursor string) (err error) {
	wrong := &engine.FieldError{Field: "cursor", Value: cursor, Allowed: "the next of an answer to the same question"}
	if !x.q.Net {
		if x.q.After, err = engine.ParsePosition(cursor); err != nil {
			return wrong
		}
		return nil
	}
	parts := strings.Split(cursor, "-")
	if len(parts) != 3 {
		return wrong
	}
	start, err := engine.ParsePosition(parts[0])
	through, errThrough := strconv.ParseUint(parts[1], 10, 64)
	offset, errOffset := strconv.ParseUint(parts[2], 10, 31)
	if err != nil || errThrough != nil || errOffset != nil || through == 0 {
		return wrong
	}
	x.q.After, x.q.Through, x.offset = start, through, int(offset)
	return nil
}

// askChanges asks the engine.
func (s *Server) askChanges(ctx context.Context, of *changing) (*engine.Changes, error) {
	found, err := s.engine.Changes(ctx, of.q)
	switch {
	case errors.Is(err, engine.ErrNoProject): // or it never had an asset
		return nil, nil //nolint:nilnil // no changes are no error
	case errors.Is(err, engine.ErrNoChanges):
		return nil, &failure{kind: noChanges}
	}
	return found, oldOr(err)
}

// gone says from where on there is something.
func gone(old *engine.TooOldError) *failure {
	if old.Sequence == 0 {
		return &failure{kind: tooOld, detail: "It is kept since " + old.Time.Format(time.RFC3339Nano) + "."}
	}
	return &failure{kind: tooOld, detail: "It is kept since " + old.Time.Format(time.RFC3339Nano) + ", after " + strconv.FormatUint(old.Sequence, 10) + "."}
}

// pageOfChanges answers with a page.
func (s *Server) pageOfChanges(ctx context.Context, c *call, of *changing) error {
	limit, err := of.number("limit", defaultRows, 1, maxRows)
	if err != nil {
		return err
	}
	rows, next, more := 0, of.q.After.String(), false
	var r engine.Reading
	c.buf = append(c.buf, `{"data_list":[`...)
	err = s.search(ctx, true, func(ctx context.Context) error {
		found, err := s.askChanges(ctx, of)
		if found == nil {
			return err
		}
		skip := of.offset
		for change, err := range found.All(ctx, &r) {
			if err != nil {
				return oldOr(err)
			}
			if skip > 0 {
				skip--
				continue
			}
			if rows == limit {
				more = true
				break
			}
			rows++
			c.buf = append(appendChange(c.buf, change), ',')
			next = change.At.String()
		}
		switch {
		case !more:
			next = r.Position.String()
		case of.q.Net:
			next = found.Start().String() + "-" + strconv.FormatUint(found.Through(), 10) + "-" + decimal(of.offset+rows)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case rows > 0:
		c.buf = c.buf[:len(c.buf)-1]
	case of.q.Asset != "" && !of.has("cursor"):
		if _, err := of.snapshot.AssetPorts(ctx, c.caller.EnterpriseProjects.View(), of.q.Asset); err != nil {
			return err
		}
	}
	c.buf = append(c.buf, `],"more":`...)
	c.buf = strconv.AppendBool(c.buf, more)
	if r.Gone > 0 {
		c.buf = append(c.buf, `,"left_out":`...)
		c.buf = strconv.AppendInt(c.buf, int64(r.Gone), 10)
	}
	c.buf = append(c.buf, `,"next":"`...)
	c.buf = append(append(c.buf, next...), `"}`...)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// oldOr gives an error of reading its place in the API.
func oldOr(err error) error {
	if old, ok := errors.AsType[*engine.TooOldError](err); ok {
		return gone(old)
	}
	return err
}

// streamChanges answers with all that there is by now, as it is taken.
func (s *Server) streamChanges(ctx context.Context, c *call, of *changing) error {
	if !c.streams {
		return &failure{kind: oldHTTP}
	}
	if of.has("limit") {
		return &engine.FieldError{Field: "limit", Value: of.values["limit"], Allowed: "nothing with format=ndjson, which has all rows"}
	}
	var found *engine.Changes
	return s.exports.stream(c, ndjsonMedia, func() error {
		return s.search(ctx, true, func(ctx context.Context) (err error) {
			found, err = s.askChanges(ctx, of)
			return err
		})
	}, func(w io.Writer) error {
		out := newLines(w)
		var r engine.Reading
		if found != nil {
			for change, err := range found.All(ctx, &r) {
				if err != nil {
					return err
				}
				if err := out.line(func(b []byte) []byte { return append(appendChange(b, change), '\n') }); err != nil {
					return err
				}
			}
		}
		if sw, ok := w.(*streamWriter); ok && r.Gone > 0 {
			if err := sw.send(); err != nil { // a short answer would have a length, and no trailer
				return err
			}
			sw.Header().Set(http.TrailerPrefix+leftOutTrailer, decimal(r.Gone))
		}
		return out.flush()
	})
}

// leftOutTrailer says of a stream what left_out does of a page.
const leftOutTrailer = "X-Left-Out"

// lines collects what is written, so that it is sent in pieces of some size.
type lines struct {
	w   io.Writer
	buf []byte
}

// linesBytes is the size of a piece.
const linesBytes = 32 << 10

func newLines(w io.Writer) *lines { return &lines{w: w, buf: make([]byte, 0, linesBytes+4<<10)} }

// line adds what is appended.
func (l *lines) line(add func([]byte) []byte) error {
	if l.buf = add(l.buf); len(l.buf) < linesBytes {
		return nil
	}
	return l.flush()
}

func (l *lines) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	_, err := l.w.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

// appendChange appends a change as JSON.
func appendChange(b []byte, c *engine.Change) []byte {
	b = append(b, `{"sequence":`...)
	b = strconv.AppendUint(b, c.At.Sequence, 10)
	b = append(b, `,"time":"`...)
	b = append(c.Time.AppendFormat(b, time.RFC3339Nano), `",`...)
	if !c.Seen.IsZero() {
		b = append(b, `"seen":"`...)
		b = append(c.Seen.AppendFormat(b, time.RFC3339Nano), `",`...)
	}
	b = appendField(b, "asset", c.Asset)
	b = appendField(b, "name", c.Name)
	b = appendField(b, "address", c.Address)
	b = appendField(b, groupParam, c.EnterpriseProject)
	b = appendField(b, "from_"+groupParam, c.From)
	b = appendField(b, "change", c.Kind.String())
	if c.Port > 0 {
		b = append(appendKey(b, c.Key(), c.Status), ',')
	}
	if c.Flapped {
		b = append(b, `"flapped":true,`...)
	}
	return endObject(b)
}
