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
	named bool      // the file still has a name
	sum   [sha256.Size]byte
}

// hold reads a body of at most limit bytes, 0 for any number. The file that a
// long one is kept in has no name any more where the system allows that, so that
// not even a crash leaves it behind.
func hold(body io.ReadCloser, dir string, limit int64) (*held, error) {
	if limit == 0 {
		limit = math.MaxInt64 - 1
	}
	hash := sha256.New()
	src := io.TeeReader(io.LimitReader(body, limit+1), hash)
	h := &held{src: body}
	var start bytes.Buffer
	n, err := io.CopyN(&start, src, inMemory)
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
	if _, err = h.file.Write(start.Bytes()); err != nil {
		return 0, err
	}
	if n, err = io.Copy(h.file, rest); err != nil {
		return n, err
	}
	h.Reader = h.file
	_, err = h.file.Seek(0, io.SeekStart)
	return n, err
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
