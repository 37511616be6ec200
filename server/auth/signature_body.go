package auth

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// inMemory is how much of a body is held in memory; the buffer it is in has at
// most about twice as many bytes. A longer body goes to a file.
const inMemory = 512 << 10

// held is a body that was read whole to learn its hash, ready to be read again.
type held struct {
	io.Reader
	src   io.Closer // what was read
	file  *os.File  // nil if it is in memory
	room  func(n int64) error
	named bool // the file still has a name
	sum   [sha256.Size]byte
}

// hold reads the body of a request, of at most limit bytes, 0 for any number. The file that a
// long one is kept in has no name any more where the system allows that, so that
// not even a crash leaves it behind.
func hold(r *Request, dir string, limit int64) (*held, error) {
	if limit == 0 {
		limit = math.MaxInt64 - 1
	}
	hash := sha256.New()
	src := io.TeeReader(io.LimitReader(r.Body, limit+1), hash)
	h := &held{src: r.Body, room: r.Disk}
	// The slot comes with the first read, and memory belongs to a slot.
	var start bytes.Buffer
	n, err := io.CopyN(&start, src, 1)
	if err == nil {
		err = r.memory()
	}
	if err == nil {
		n, err = io.CopyN(&start, src, inMemory-1)
		n++
	}
	h.Reader = &start
	if err == nil {
		var rest int64
		rest, err = h.spill(dir, &start, src)
		n += rest
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("hold the signed body: %w", err), h.discard())
	}
	if n > limit {
		return nil, errors.Join(ErrBodyTooLarge, h.discard())
	}
	hash.Sum(h.sum[:0])
	return h, nil
}

// spill moves the body to a file: its start and the rest, whose length it
// returns.
func (h *held) spill(dir string, start *bytes.Buffer, rest io.Reader) (n int64, err error) {
	if h.file, err = os.CreateTemp(dir, "portolan-body-*"); err != nil {
		return 0, err
	}
	h.named = os.Remove(h.file.Name()) != nil
	to := bounded{h.file, h.room}
	if _, err = to.Write(start.Bytes()); err != nil {
		return 0, err
	}
	if n, err = io.Copy(to, rest); err != nil {
		return n, err
	}
	h.Reader = h.file
	_, err = h.file.Seek(0, io.SeekStart)
	return n, err
}

// bounded asks before it writes.
type bounded struct {
	io.Writer
	room func(n int64) error
}

func (b bounded) Write(p []byte) (int, error) {
	if b.room != nil {
		if err := b.room(int64(len(p))); err != nil {
			return 0, err
		}
	}
	return b.Writer.Write(p)
}

// memory asks for that of the start of a body.
func (r *Request) memory() error {
	if r.Memory == nil {
		return nil
	}
	n := int64(2 * inMemory)
	if r.BodyLength > 0 {
		n = min(n, 2*r.BodyLength)
	}
	return r.Memory(n)
}

// discard removes what is held.
func (h *held) discard() error {
	if h.file == nil {
		return nil
	}
	err := h.file.Close()
	if h.named {
		err = errors.Join(err, os.Remove(h.file.Name()))
	}
	h.file, h.Reader = nil, bytes.NewReader(nil)
	return err
}

// Close removes what is held and closes what was read.
func (h *held) Close() error { return errors.Join(h.discard(), h.src.Close()) }
