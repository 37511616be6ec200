package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// exportParams are the parameters of GET /v1/projects/{project_id}/export.
var exportParams = []string{"format", "ports", "where", "type", "status", groupParam, "category"}

// exportEnd is how the path of an export ends. The front leaves it to net/http, as it does not
// stream.
const exportEnd = "/export"

// exportMedia are the formats of an export, with their media types.
var exportMedia = map[string][]string{
	scanfile.ExportNDJSON: {"application/x-ndjson"},
	scanfile.ExportCSV:    {"text/csv; charset=utf-8; header=present"},
}

// maxExports is how many exports there may be at a time: each keeps a state of its project in memory.
const maxExports = 8

// places shares the places of answers that take long among callers.
type places struct {
	mu   sync.Mutex
	pool pool
	what string // of which answers they are
}

// take takes a place, until it is given back.
func (p *places) take(h holder) (give func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.pool.take(h, 1) {
		return nil, &failure{kind: dear, detail: "The server is busy with other " + p.what + " of this caller, or of all.", retry: retrySoon}
	}
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.pool.give(h, 1)
	}), nil
}

// stream takes a place for an answer that prepare begins and write writes when it is sent, until either fails or
// it is written.
func (p *places) stream(c *call, media []string, prepare func() error, write func(io.Writer) error) error {
	give, err := p.take(idOf(c.caller))
	if err != nil {
		return err
	}
	defer func() {
		if c.answered.write == nil { // also after a panic
			give()
		}
	}()
	if err := prepare(); err != nil {
		return err
	}
	c.media = media
	c.stream(func(w io.Writer) error {
		defer give()
		return write(w)
	})
	return nil
}

// export answers with whole assets, all of one state, as they are taken.
func (s *Server) export(ctx context.Context, c *call) error {
	if !c.streams {
		return &failure{kind: oldHTTP}
	}
	l, err := s.list(ctx, c, exportParams)
	if err != nil {
		return err
	}
	format := scanfile.ExportNDJSON
	if text, given := l.values["format"]; given {
		format = text
	}
	media := exportMedia[format]
	if media == nil {
		return &engine.FieldError{Field: "format", Value: format, Allowed: scanfile.ExportNDJSON + " or " + scanfile.ExportCSV}
	}
	q := engine.ExportQuery{View: l.view, Where: l.where}
	if q.Keys, q.Type, q.Status, err = s.portFilters(l); err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	var found *engine.Export
	return s.exports.stream(c, media, func() error {
		return s.search(ctx, true, func(ctx context.Context) (err error) {
			found, err = l.snapshot.Export(ctx, q)
			return err
		})
	}, func(w io.Writer) error {
		_, err := scanfile.Export(w, format, found.All(ctx))
		return err
	})
}

// stream makes an answer of what is written when it is sent. An error of that ends the connection, so
// that nobody takes the answer for whole.
func (c *call) stream(write func(io.Writer) error) {
	c.answered.status, c.answered.write = http.StatusOK, write
	c.head(http.StatusOK, unknownLength)
}

// minTakeRate is the least rate at which a stream must be taken, in bytes a second, but for as long as it
// may stand still in all.
const minTakeRate = 16 << 10

// streamWriter is an answer that may take long as long as it is taken: it may stand still as a body may,
// for timeout in all, and what is taken gives that back, minTakeRate bytes a second of it.
type streamWriter struct {
	http.ResponseWriter
	conn     deadlines
	timeout  time.Duration
	patience time.Duration // how long it may still stand still
	total    time.Duration // how long it may still be waited for
}

func newStreamWriter(w http.ResponseWriter, o *Options) *streamWriter {
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Time{}) // one that passes would look as if the client had left
	return &streamWriter{w, conn, o.BodyTimeout, o.BodyTimeout, o.BodyTotal}
}

// Write waits for the client for as long as it may be waited for.
func (w *streamWriter) Write(p []byte) (int, error) {
	if min(w.patience, w.total) <= 0 {
		return 0, fmt.Errorf("%w: the answer is not taken", context.DeadlineExceeded)
	}
	began := time.Now()
	_ = w.conn.SetWriteDeadline(began.Add(min(w.patience, w.total)))
	n, err := w.ResponseWriter.Write(p)
	took := time.Since(began)
	w.total -= took
	w.patience = min(w.timeout, w.patience-took+time.Duration(n)*time.Second/minTakeRate)
	return n, err
}
