package scanfile

import (
	"bytes"
	"io"
)

// Sizes of a window's buffer.
const (
	windowSize = 128 << 10
	// From bigRecord on a record is read in steps that double what is held, so
	// that looking at it again from its start costs no more than reading it.
	bigRecord = 64 << 10
)

// maxEmptyReads is how often a source may give neither a byte nor an error.
const maxEmptyReads = 100

var newline = []byte{'\n'}

// window is the part of an input that is held in memory.
//
//	buf:  | used | unread | free |
//	      0     pos      end   len
//
// mark <= pos <= end; buf[mark] lies on line line.
type window struct {
	src  io.Reader
	buf  []byte
	pos  int
	end  int
	mark int
	base int64 // bytes of the source before buf
	line int
	max  int   // how much unread may be held
	err  error // why nothing more comes; io.EOF at the end
}

func newWindow(src io.Reader, limit int) *window {
	return &window{src: src, buf: make([]byte, min(windowSize, max(limit, 512))), line: 1, max: limit}
}

// rest is what is held and not yet used. It is valid until the next more.
func (w *window) rest() []byte { return w.buf[w.pos:w.end] }

func (w *window) skip(n int) { w.pos += n }

// lineNo returns the line, counted from 1, that the next unread byte is on.
func (w *window) lineNo() int {
	w.line += bytes.Count(w.buf[w.mark:w.pos], newline)
	w.mark = w.pos
	return w.line
}

// offset is how many bytes of the source have been used.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// more reads on; false means that the source has ended or the window is full.
func (w *window) more() bool {
	if w.err != nil || w.full() {
		return false
	}
	w.makeRoom()
	want := 1
	if held := w.end - w.pos; held >= bigRecord {
		want = min(held, len(w.buf)-w.end)
	}
	return w.read(want) > 0
}

// full says whether as much is held as may be.
func (w *window) full() bool { return w.end-w.pos > w.max }

// cut says whether the source ended by a fault and not at its end.
func (w *window) cut() bool { return w.err != nil && !isEnd(w.err) }

// isEnd says whether the error is the regular end of a source.
func isEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // A Reader's end is io.EOF itself; one that is wrapped is a fault.
}

func (w *window) read(want int) int {
	got, empty := 0, 0
	for got < want && w.err == nil {
		n, err := w.src.Read(w.buf[w.end:])
		got, w.end, w.err = got+n, w.end+n, err
		if n > 0 {
			empty = 0
		} else if empty++; empty > maxEmptyReads && err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return got
}

// makeRoom leaves at least a quarter of the buffer free.
func (w *window) makeRoom() {
	if len(w.buf)-w.end >= len(w.buf)/4 {
		return
	}
	buf := w.buf
	if w.end-w.pos > len(w.buf)/2 {
		buf = make([]byte, 2*len(w.buf))
	}
	w.lineNo()
	w.base += int64(w.pos)
	w.end = copy(buf, w.rest())
	w.pos, w.mark, w.buf = 0, 0, buf
}

// Read makes the window the source of another one.
func (w *window) Read(p []byte) (int, error) {
	if w.pos == w.end && !w.more() {
		return 0, w.err
	}
	n := copy(p, w.rest())
	w.skip(n)
	return n, nil
}

// nextLine returns the next line without its newline. ended says whether it had
// one; tooLong that the line was longer than may be held, and passed over. ok is
// false at the end of the input. The line is valid until the next call.
func (w *window) nextLine() (line []byte, ended, tooLong, ok bool) {
	seen := 0
	for {
		if i := bytes.IndexByte(w.rest()[seen:], '\n'); i >= 0 {
			line = w.rest()[:seen+i]
			w.skip(seen + i + 1)
			return line, true, len(line) > w.max, true
		}
		seen = len(w.rest())
		if w.full() {
			return nil, w.skipLine(), true, true
		}
		if !w.more() {
			line = w.rest()
			w.skip(len(line))
			return line, false, len(line) > w.max, len(line) > 0
		}
	}
}

// skipLine passes over the rest of a line without holding it.
func (w *window) skipLine() (ended bool) {
	for {
		if i := bytes.IndexByte(w.rest(), '\n'); i >= 0 {
			w.skip(i + 1)
			return true
		}
		w.skip(len(w.rest()))
		if !w.more() {
			return false
		}
	}
}
