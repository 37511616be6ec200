package reader

import (
	"bytes"
	"io"
	"testing"
)

// TestWindowIsBounded: what is held does not grow with the input.
func TestWindowIsBounded(t *testing.T) {
	w := NewWindow(io.LimitReader(endless("x\n"), 10<<20), 1<<16)
	n := 0
	for {
		if _, _, _, ok := w.NextLine(); !ok {
			break
		}
		n++
	}
	if n != 5<<20 || len(w.buf) > 1<<17 {
		t.Errorf("%d lines, %d bytes held", n, len(w.buf))
	}
	w = NewWindow(io.LimitReader(endless("xxxx"), 10<<20), 1<<16)
	if _, ended, tooLong, ok := w.NextLine(); ended || !tooLong || !ok || len(w.buf) > 1<<18 {
		t.Errorf("a long line: %v %v %v, %d bytes held", ended, tooLong, ok, len(w.buf))
	}
}

// endless gives a text for ever.
type endless string

func (e endless) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte(e), len(p)/len(e)+1)), nil
}
