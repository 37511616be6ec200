package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// body is a request's body that must keep flowing: every read may take as long
// as timeout, all of them together as long as they like. It notes what ended
// the body before its end, whatever its reader makes of it.
type body struct {
	src     io.Reader
	conn    *http.ResponseController
	timeout time.Duration
	fault   error
}

func newBody(c *call) *body {
	return &body{src: c.r.Body, conn: http.NewResponseController(c.w), timeout: c.s.opts.BodyTimeout}
}

// Read moves the deadline on, then reads.
func (b *body) Read(p []byte) (int, error) {
	b.deadline(time.Now().Add(b.timeout))
	n, err := b.src.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		// net/http goes on reading to learn when the client leaves; a deadline
		// that passed while the reports are applied would look like that.
		b.deadline(time.Time{})
	case err != nil:
		b.fault = err
	}
	return n, err
}

// deadline is a wish: a writer that has no connection has no deadlines either.
func (b *body) deadline(t time.Time) { _ = b.conn.SetReadDeadline(t) }

// slow says whether the body ended because it stood still.
func (b *body) slow() bool { return errors.Is(b.fault, os.ErrDeadlineExceeded) }

// untimed lets the request take longer than an answer usually may, until the
// function that it returns gives the answer its usual time.
func (b *body) untimed() (answer func()) {
	_ = b.conn.SetWriteDeadline(time.Time{})
	return func() { _ = b.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) }
}
