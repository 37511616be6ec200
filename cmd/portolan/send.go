package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"portolan/engine/scanfile"
)

// patience is how long an interrupted import waits for the server to say what it
// has applied.
const patience = 5 * time.Second

// defaultRetry is how long a file is sent again to a server that is busy.
const defaultRetry = 2 * time.Minute

// errInterrupted is the error of an import that was interrupted.
var errInterrupted = fmt.Errorf("interrupted (%w)", context.Canceled)

// send posts one file and returns the server's summary of it, which may come
// with an error: what was whole is applied also when the file is not, and when
// the sending is interrupted. While the server says when to come again, and the file
// can be read again, it is.
func (c *cli) send(ctx context.Context, cl *client, f *importFlags, src scanfile.Source) ([]byte, error) {
	from, told := newRewinder(src.Reader), false
	body, _ := from.again()
	for until := time.Now().Add(f.retry.value); ; {
		answer, err := c.post(ctx, cl, f, scanfile.Source{Name: src.Name, Reader: body}, sizeOf(src.Reader))
		if ctx.Err() != nil && len(answer) == 0 {
			return nil, fmt.Errorf("%w; the server did not say what it has applied: sending the file again does no harm", errInterrupted)
		}
		if ctx.Err() != nil {
			return answer, errInterrupted
		}
		refused, _ := errors.AsType[*refusal](err)
		if refused == nil || refused.retry <= 0 {
			return answer, err
		}
		wait := refused.retry + rand.N(refused.retry) // others were told the same
		if time.Now().Add(wait).After(until) {
			return answer, err
		}
		var ok bool
		if body, ok = from.again(); !ok {
			return answer, err
		}
		if !told {
			told = true
			c.complain(fmt.Sprintf("%s: %v; trying again for %v", src.Name, err, f.retry.value))
		}
		select {
		case <-ctx.Done():
			return answer, errInterrupted
		case <-time.After(wait):
		}
	}
}

func (c *cli) post(ctx context.Context, cl *client, f *importFlags, src scanfile.Source, size int64) ([]byte, error) {
	body := src.Reader
	if isTerminal(c.stderr) {
		update, done := progress(c.stderr, "sending "+printable(src.Name), size)
		defer done()
		body = &countingReader{Reader: body, update: update}
	}
	patient, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(patience, giveUp) })()
	res, err := cl.do(patient, http.MethodPost, "/v1/projects/"+escape(cl.project)+"/reports", f.values(src.Name), newUpload(ctx, body))
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.body, err
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return answer, nil
}

// rewinder gives a source several times, if nothing of it was read or it can seek.
type rewinder struct {
	src   io.Reader
	start int64       // -1 if it cannot seek
	begun atomic.Bool // somebody reads, or has read

	given atomic.Int64
	mu    sync.Mutex // held while somebody reads a source that can seek
}

func newRewinder(src io.Reader) *rewinder {
	r := &rewinder{src: src, start: -1}
	if s, ok := src.(io.Seeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			r.start = at
		}
	}
	return r
}

// again gives the source once more; false means that this cannot be. Who had it before, and may
// not have heard, gets nothing more.
func (r *rewinder) again() (io.Reader, bool) {
	s, ok := r.src.(io.Seeker)
	if !ok || r.start < 0 {
		return &turn{r, r.given.Add(1)}, !r.begun.Load()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, err := s.Seek(r.start, io.SeekStart)
	return &turn{r, r.given.Add(1)}, err == nil && at == r.start
}

// turn is one time that a source was given.
type turn struct {
	of *rewinder
	n  int64
}

// Read reads on.
func (t *turn) Read(p []byte) (int, error) {
	r := t.of
	if r.start >= 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	if r.given.Load() != t.n {
		return 0, io.ErrClosedPipe
	}
	r.begun.Store(true)
	return r.src.Read(p)
}

// retryAfter reads how long a server wants to be left alone (RFC 9110, section 10.2.3); 0 if it
// does not say.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), time.Second)
	}
	return 0
}
