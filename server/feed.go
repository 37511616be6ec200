package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"portolan/engine"
)

// A feed is what changed and what changes from then on, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html). The id of an event is the position of its
// change, from which on a reader that comes again goes on. Nothing is kept for a reader: one that is slow reads
// later from what is kept for all, until that is gone or it does not read at all.

var eventMedia = []string{"text/event-stream"}

const (
	// maxFeeds is how many feeds there may be at a time.
	maxFeeds = 256
	// feedBeats is how often a feed shows that it is alive while nothing changes, in the time that an answer may
	// stand still.
	feedBeats = 4
	// feedPause is how long a feed rests at least, so that many batches share the work.
	feedPause = time.Millisecond
)

// feed is one feed.
type feed struct {
	s    *Server
	ctx  context.Context // of the request, which lasts as long as the feed
	of   *changing
	out  *lines
	sent func() error // sends what the connection has collected
}

// follow answers with a feed.
func (s *Server) follow(ctx context.Context, c *call, of *changing) error {
	for _, field := range []string{"limit", "until", "net", "format"} {
		if of.has(field) {
			return &engine.FieldError{Field: field, Value: of.values[field], Allowed: "nothing with follow, which has no end"}
		}
	}
	if !c.streams {
		return &failure{kind: oldHTTP}
	}
	return s.feeds.stream(c, eventMedia, func() error { return s.beginFeed(ctx, of) }, func(w io.Writer) error {
		f := &feed{s: s, ctx: ctx, of: of, out: newLines(w), sent: func() error { return nil }}
		if sw, ok := w.(*streamWriter); ok {
			f.sent = sw.send
		}
		return f.run()
	})
}

// beginFeed finds where a feed begins.
func (s *Server) beginFeed(ctx context.Context, of *changing) error {
	err := s.search(ctx, true, func(ctx context.Context) error {
		if of.q.After == (engine.Position{}) && of.q.Since.IsZero() { // what is to come
			of.q.After = engine.After(of.snapshot.Sequence())
		}
		found, err := s.askChanges(ctx, of)
		if found != nil {
			of.q.After, of.q.Since = found.Start(), time.Time{}
		}
		return err
	})
	of.snapshot = engine.Snapshot{} // which would be held as long as the feed
	return err
}

// run sends changes until the reader leaves, its time is over or the server stops.
func (f *feed) run() error {
	over := time.NewTimer(f.s.opts.FeedTime)
	defer over.Stop()
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	word := "its time is over: come again"
	go func() {
		select {
		case <-over.C:
		case <-f.s.stopped:
		case <-ctx.Done():
		}
		cancel()
	}()
	if err := f.add("retry: 1000\n\n"); err != nil {
		return err
	}
	for {
		if err := f.tell(); err != nil {
			return f.end(err, word)
		}
		beat, stop := context.WithTimeout(ctx, f.s.opts.BodyTimeout/feedBeats)
		err := f.s.engine.AwaitChanges(beat, f.of.q.Project, f.of.q.Category, f.of.q.After.Sequence)
		stop()
		switch {
		case f.ctx.Err() != nil:
			return f.ctx.Err()
		case ctx.Err() != nil:
			if f.s.phase.Load() == phaseStopping {
				word = "the server is stopping: come again"
			}
			return f.end(nil, word)
		case errors.Is(err, context.DeadlineExceeded):
			err = f.add(": \n\n")
		case err != nil:
			return f.end(err, word)
		default:
			time.Sleep(feedPause)
		}
		if err != nil {
			return err
		}
	}
}

// tell sends what changed since the last time, piece by piece: nothing is held while one is sent.
func (f *feed) tell() error {
	for more := true; more; {
		var err error
		if more, err = f.piece(); err != nil {
			return err
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
	return nil
}

// piece collects some of what changed, and says whether there is more.
func (f *feed) piece() (more bool, err error) {
	found, err := f.s.askChanges(f.ctx, f.of)
	if found == nil {
		return false, err
	}
	var r engine.Reading
	for change, err := range found.All(f.ctx, &r) {
		if err != nil {
			return false, oldOr(err)
		}
		b := append(append(f.out.buf, "id: "...), change.At.String()...)
		b = append(b, "\nevent: change\ndata: "...)
		f.out.buf = append(appendChange(b, change), "\n\n"...)
		if len(f.out.buf) >= linesBytes {
			f.of.q.After, more = change.At, true
			break
		}
	}
	if !more {
		f.of.q.After = engine.After(found.Through())
	}
	if r.Gone > 0 {
		f.out.buf = fmt.Appendf(f.out.buf, "event: left_out\ndata: {\"num\":%d}\n\n", r.Gone)
	}
	return more, nil
}

// end says why no more comes: nothing is cut without a word, but from one that does not read.
func (f *feed) end(err error, word string) error {
	var said *failure
	switch {
	case err == nil:
		return f.add(fmt.Sprintf("event: end\ndata: {\"reason\":%q}\n\n", word))
	case errors.As(err, &said):
		return f.add(fmt.Sprintf("event: end\ndata: %s\n\n", said.body("")))
	}
	return err
}

// add sends a text at once.
func (f *feed) add(text string) error {
	f.out.buf = append(f.out.buf, text...)
	return f.flush()
}

func (f *feed) flush() error {
	if err := f.out.flush(); err != nil {
		return err
	}
	return f.sent()
}

// send sends what was written, and lets the answer be waited for anew: it has no end.
func (w *streamWriter) send() error {
	began := time.Now()
	_ = w.conn.SetWriteDeadline(began.Add(w.patience))
	err := http.NewResponseController(w.ResponseWriter).Flush()
	w.patience = min(w.timeout, w.patience-time.Since(began)+feedPatience)
	w.total = w.timeout
	return err
}

// feedPatience is what a feed that was taken may stand still longer.
const feedPatience = time.Second
