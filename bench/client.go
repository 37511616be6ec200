package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// patience is how long an answer may take before a measurement is given up.
const patience = 10 * time.Second

// client is one connection that sends one request after another. It is lean, since
// what it costs hides what servers do: it allocates nothing, looks at the clock once a
// request and at no more of an answer than it must. It belongs to one goroutine.
type client struct {
	conn      net.Conn
	dial      func() (net.Conn, error) // a connection for each request; nil: one for all
	set       *set
	at        int // the next request of the set
	answers   answers
	sent      int
	latencies *hdrhistogram.Histogram
	late      *hdrhistogram.Histogram // how late requests were sent though nothing was waited for
}

func newClient(conn net.Conn, s *set, at int) *client {
	return &client{conn: conn, set: s, at: at, answers: answers{src: conn}, latencies: newHistogram(), late: newHistogram()}
}

// maxLatency is the largest latency that is told from larger ones.
const maxLatency = time.Minute

// newHistogram returns a histogram of nanoseconds that is right to three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(maxLatency), 3) }

// record adds a latency to a histogram, which takes all that are not negative.
func record(h *hdrhistogram.Histogram, d time.Duration) error {
	return h.RecordValue(int64(min(max(d, 0), maxLatency)))
}

// ask sends the next request and wants its answer.
func (c *client) ask() error {
	if c.dial != nil {
		if err := c.redial(); err != nil {
			return err
		}
	}
	request, want := c.set.Requests[c.at], c.set.Wants[c.at]
	if c.at++; c.at == len(c.set.Requests) {
		c.at = 0
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	body, err := c.answers.next()
	if err != nil {
		return err
	}
	if !bytes.Equal(body, want) {
		return fmt.Errorf("an answer of %d bytes is not the one of %d bytes expected", len(body), len(want))
	}
	c.sent++
	return nil
}

// redial opens another connection. The one before is reset, as an orderly end would keep its port
// for a minute, and there are too few.
func (c *client) redial() error {
	if t, ok := c.conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.conn.Close()
	conn, err := c.dial()
	if err != nil {
		return err
	}
	c.conn, c.answers.src, c.answers.start, c.answers.end = conn, conn, 0, 0
	return conn.SetDeadline(time.Now().Add(patience))
}

// closed sends a request as soon as the last one is answered, at least one, until a
// time, and at most so many; 0 is any number. A latency ends when the answer has been
// read and looked at, where that of the next request begins.
func (c *client) closed(until time.Time, most int) error {
	for last := time.Now(); c.sent == 0 || last.Before(until) && (most == 0 || c.sent < most); {
		if err := c.ask(); err != nil {
			return err
		}
		now := time.Now()
		if err := record(c.latencies, now.Sub(last)); err != nil {
			return err
		}
		last = now
	}
	return nil
}

// open sends a request every interval, the first at a time, until another. Latencies
// count from when a request was due, whether or not the one before had been answered
// by then, as in https://github.com/giltene/wrk2; those that could not be sent before
// the end count, too.
func (c *client) open(due, until time.Time, interval time.Duration) error {
	now := time.Now()
	for ; due.Before(until) && now.Before(until); due = due.Add(interval) {
		if wait := due.Sub(now); wait > 0 {
			time.Sleep(wait)
			if err := record(c.late, time.Since(due)); err != nil {
				return err
			}
		}
		if err := c.ask(); err != nil {
			return err
		}
		now = time.Now()
		if err := record(c.latencies, now.Sub(due)); err != nil {
			return err
		}
	}
	for ; due.Before(until); due = due.Add(interval) {
		if err := record(c.latencies, now.Sub(due)); err != nil {
			return err
		}
	}
	return nil
}

// maxAnswer is the most bytes of an answer, header included.
const maxAnswer = 16 << 10

// answers reads one answer after another from a connection: those with status
// 200 and a Content-Length, as both servers send them. All else is an error.
type answers struct {
	src        io.Reader
	buf        [maxAnswer]byte
	start, end int // what was read and not yet used
}

// next returns the body of the next answer, which is valid until the next call.
func (a *answers) next() ([]byte, error) {
	if a.start == a.end {
		a.start, a.end = 0, 0
	}
	head, err := a.head()
	if err != nil {
		return nil, err
	}
	length, err := contentLength(head)
	if err != nil {
		return nil, err
	}
	for a.end-a.start < length {
		if err := a.fill(); err != nil {
			return nil, err
		}
	}
	a.start += length
	return a.buf[a.start-length : a.start], nil
}

var blankLine = []byte("\r\n\r\n")

// head reads and uses up the lines before the body, without the blank one.
func (a *answers) head() ([]byte, error) {
	for {
		if i := bytes.Index(a.buf[a.start:a.end], blankLine); i >= 0 {
			head := a.buf[a.start : a.start+i]
			a.start += i + len(blankLine)
			return head, nil
		}
		if err := a.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads what there is. An answer that ends early is [io.ErrUnexpectedEOF].
func (a *answers) fill() error {
	if a.end == len(a.buf) {
		return fmt.Errorf("an answer has more than %d bytes", maxAnswer)
	}
	n, err := a.src.Read(a.buf[a.end:])
	a.end += n
	switch {
	case n > 0:
		return nil
	case err == nil:
		return io.ErrNoProgress
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

var (
	success    = []byte("HTTP/1.1 200 ")
	lengthName = []byte("Content-Length")
	lineEnd    = []byte("\r\n")
	colon      = []byte(":")
)

// contentLength returns the length of the body that follows the header.
func contentLength(head []byte) (int, error) {
	status, rest, _ := bytes.Cut(head, lineEnd)
	if !bytes.HasPrefix(status, success) {
		return 0, fmt.Errorf("an answer begins with %q: want %q", status, success)
	}
	length := -1
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, lineEnd)
		name, value, _ := bytes.Cut(line, colon)
		if len(name) != len(lengthName) || !bytes.EqualFold(name, lengthName) {
			continue
		}
		if length >= 0 {
			return 0, errors.New("an answer has two lengths")
		}
		if length = digits(bytes.TrimSpace(value)); length < 0 {
			return 0, fmt.Errorf("an answer has length %q: want a number up to %d", value, maxAnswer)
		}
	}
	if length < 0 {
		return 0, errors.New("an answer has no Content-Length")
	}
	return length, nil
}

// digits returns the number that the text is, -1 if it is none up to maxAnswer.
func digits(text []byte) int {
	if len(text) == 0 {
		return -1
	}
	n := 0
	for _, d := range text {
		if d < '0' || d > '9' || n > maxAnswer {
			return -1
		}
		n = n*10 + int(d-'0')
	}
	if n > maxAnswer {
		return -1
	}
	return n
}
