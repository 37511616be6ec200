package server

import (
	"errors"
	"io"
	"os"
	"time"
)

// CompleteTrailer is a trailer by which a client that stops in the middle of a
// body, but would still read the answer, says whether it sent all there is. A
// body that announces it and ends without the value true is a cut one.
const CompleteTrailer = "Portolan-Complete"

// errLargeBody ends a body that has more bytes than are allowed.
var errLargeBody = errors.New("too many bytes")

// minBodyRate is the least rate at which a body must come, in bytes a second, but for as long
// as it may stand still in all. A modem has more.
const minBodyRate = 512

// body is a request's body that must keep flowing. It may stand still for timeout in all; what
// comes gives that back, minBodyRate bytes a second of it. Only what is waited for the client
// counts, which may be until total. Left is how many bytes may still come. It notes what ended
// the body before its end, whatever its reader makes of it.
type body struct {
	src      io.Reader
	trailer  map[string][]string // filled at the end of src
	conn     deadlines
	begin    func() error // before the first byte is read
	timeout  time.Duration
	patience time.Duration // how long it may still stand still
	total    time.Duration // how long it may still be waited for
	left     int64
	fault    error
	begun    bool
	ended    bool // src has no more
}

// lingerTime is how long a connection stays after an answer that came before the end of the
// body, so that a client that is still sending finds the answer and no reset connection.
const lingerTime = 500 * time.Millisecond

// deadlines is a connection as far as its deadlines go; the zero time is none.
type deadlines interface {
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// newBody takes the place of the request's body; what is left of it when nobody
// reads it, net/http reads, in the time of one read.
func newBody(src io.Reader, trailer map[string][]string, conn deadlines, o *Options) *body {
	b := &body{
		src: src, trailer: trailer, conn: conn, begin: func() error { return nil },
		timeout: o.BodyTimeout, patience: o.BodyTimeout, total: o.BodyTotal, left: o.MaxBody,
	}
	b.deadline(time.Now().Add(b.timeout))
	return b
}

// Read moves the deadline on, then reads.
func (b *body) Read(p []byte) (int, error) {
	if b.fault == nil && !b.begun {
		b.begun, b.fault = true, b.begin()
	}
	if b.fault != nil {
		return 0, b.fault
	}
	n, err := b.wait(p)
	if b.left -= int64(n); b.left < 0 {
		n, err = n+int(b.left), errLargeBody
	}
	b.ended = errors.Is(err, io.EOF)
	switch {
	case b.ended && b.givenUp():
		b.fault, err = io.ErrUnexpectedEOF, io.ErrUnexpectedEOF
	case b.ended:
		// net/http goes on reading to learn when the client leaves; a deadline
		// that passed while the reports are applied would look like that.
		b.deadline(time.Time{})
	case err != nil:
		b.fault = err
	}
	return n, err
}

// wait reads for as long as the client may still be waited for.
func (b *body) wait(p []byte) (int, error) {
	began := time.Now()
	b.deadline(began.Add(min(b.patience, b.total)))
	n, err := b.src.Read(p)
	took := time.Since(began)
	b.total -= took
	b.patience = min(b.timeout, b.patience-took+time.Duration(n)*time.Second/minBodyRate)
	if err == nil && min(b.patience, b.total) <= 0 { // it has been told by a deadline that came late
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// givenUp says whether the client stopped before the end, by its own word.
func (b *body) givenUp() bool {
	words, announced := b.trailer[CompleteTrailer]
	return announced && (len(words) != 1 || words[0] != "true")
}

// deadline is a wish: a writer that has no connection has no deadlines either.
func (b *body) deadline(t time.Time) { _ = b.conn.SetReadDeadline(t) }

// Close leaves the body to net/http, which closes it after the answer: to read
// on, as that does, would keep the answer back.
func (b *body) Close() error { return nil }

// unread says whether there is a body that has not come to its end: then nobody knows where
// the next request of the connection begins.
func (b *body) unread() bool { return b != nil && !b.ended }

// failure returns how the request failed whose body ended early, nil if it did
// not.
func (b *body) failure() *failure {
	if b == nil || b.fault == nil {
		return nil
	}
	if f, ok := errors.AsType[*failure](b.fault); ok {
		return f
	}
	switch {
	case errors.Is(b.fault, os.ErrDeadlineExceeded):
		return &failure{kind: slowBody}
	case errors.Is(b.fault, errLargeBody):
		return &failure{kind: largeBody}
	}
	return &failure{kind: cutBody}
}

// untimed lets the request that has the body take longer than an answer usually may, until the
// function that it returns gives the answer its usual time.
func (b *body) untimed() (answer func()) {
	if b == nil {
		return func() {}
	}
	_ = b.conn.SetWriteDeadline(time.Time{})
	return func() { _ = b.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) }
}
