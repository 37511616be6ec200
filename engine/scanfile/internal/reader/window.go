package reader

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

// Window is the part of an input that is held in memory.
//
//	buf:  | used | unread | free |
//	      0     pos      end   len
//
// mark <= pos <= end; buf[mark] lies on line line.
type Window struct {
	src  io.Reader
	buf  []byte
	pos  int
	end  int
	mark int
	base int64 // bytes of the source before buf
	line int
	max  int   // how much unread may be held
	err  error // why nothing more comes; io.EOF at the end

	memory func(n int64) error // is asked before more is held; nil: it may be
}

// copied is how often what a window holds may be in memory: readers copy a record once.
const copied = 2

// Within has the window, and what takes its place, ask for memory before it takes more than
// windowSize. The source ends with the error of what it did not get.
func (w *Window) Within(memory func(n int64) error) { w.memory = memory }

// Hold asks for memory that a reader takes, or gives it back where n is negative; what is
// left at the input's end need not be. Without it, the source ends with the error.
func (w *Window) Hold(n int) {
	if w.memory == nil || n == 0 {
		return
	}
	if err := w.memory(int64(n)); err != nil {
		w.err = err
	}
}

// NewWindow returns a window of the source of which at most limit bytes, and what a read of
// the source gave beyond them, are held unread.
func NewWindow(src io.Reader, limit int) *Window {
	return &Window{src: src, buf: make([]byte, min(windowSize, max(limit, 512))), line: 1, max: limit}
}

// NewWindowAt is NewWindow for a source that begins on a line of another one.
func NewWindowAt(src io.Reader, limit, line int) *Window {
	w := NewWindow(src, limit)
	w.line = line
	return w
}

// NewPiece returns a window of a piece of a source that is held already and begins on a
// line of it. Behind the piece the source ends with an error, io.EOF at its end.
func NewPiece(piece []byte, limit, line int, err error) *Window {
	return &Window{buf: piece, end: len(piece), max: limit, line: line, err: err}
}

// Rest is what is held and not yet used. It is valid until the next More.
func (w *Window) Rest() []byte { return w.buf[w.pos:w.end] }

// Skip uses the next n bytes, which are held.
func (w *Window) Skip(n int) { w.pos += n }

// LineNo returns the line, counted from 1, that the next unread byte is on.
func (w *Window) LineNo() int {
	w.line += bytes.Count(w.buf[w.mark:w.pos], newline)
	w.mark = w.pos
	return w.line
}

// Offset is how many bytes of the source have been used.
func (w *Window) Offset() int64 { return w.base + int64(w.pos) }

// More reads on; false means that the source has ended or the window is full.
func (w *Window) More() bool {
	if w.err != nil || w.Full() {
		return false
	}
	w.makeRoom()
	want := 1
	if held := w.end - w.pos; held >= bigRecord {
		want = min(held, len(w.buf)-w.end)
	}
	return w.read(want) > 0
}

// Full says whether as much is held as may be.
func (w *Window) Full() bool { return w.end-w.pos > w.max }

// Cut says whether the source ended by a fault and not at its end.
func (w *Window) Cut() bool { return w.err != nil && !IsEnd(w.err) }

// IsEnd says whether the error is the regular end of a source.
func IsEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // A Reader's end is io.EOF itself; one that is wrapped is a fault.
}

func (w *Window) read(want int) int {
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

// makeRoom leaves at least a quarter of the buffer free, or as much as there is in one that
// is as large as it may get: what may be held and a little more.
func (w *Window) makeRoom() {
	if len(w.buf)-w.end >= len(w.buf)/4 {
		return
	}
	buf, most := w.buf, w.max+windowSize
	switch held := w.end - w.pos; {
	case held > len(buf)/2 && len(buf) < most:
		size := min(2*len(buf), most)
		if w.Hold(copied * (size - len(buf))); w.err != nil {
			return
		}
		buf = make([]byte, size)
	case w.pos == 0:
		return
	}
	w.LineNo()
	w.base += int64(w.pos)
	w.end = copy(buf, w.Rest())
	w.pos, w.mark, w.buf = 0, 0, buf
}

// Read makes the window the source of another one.
func (w *Window) Read(p []byte) (int, error) {
	if w.pos == w.end && !w.More() {
		return 0, w.err
	}
	n := copy(p, w.Rest())
	w.Skip(n)
	return n, nil
}

// NextLine returns the next line without its newline. ended says whether it had
// one; tooLong that the line was longer than may be held, and passed over. ok is
// false at the end of the input. The line is valid until the next call.
func (w *Window) NextLine() (line []byte, ended, tooLong, ok bool) {
	seen := 0
	for {
		if i := bytes.IndexByte(w.Rest()[seen:], '\n'); i >= 0 {
			line = w.Rest()[:seen+i]
			w.Skip(seen + i + 1)
			return line, true, len(line) > w.max, true
		}
		seen = len(w.Rest())
		if w.Full() {
			return nil, w.skipLine(), true, true
		}
		if !w.More() {
			line = w.Rest()
			w.Skip(len(line))
			return line, false, len(line) > w.max, len(line) > 0
		}
	}
}

// skipLine passes over the rest of a line without holding it.
func (w *Window) skipLine() (ended bool) {
	for {
		if i := bytes.IndexByte(w.Rest(), '\n'); i >= 0 {
			w.Skip(i + 1)
			return true
		}
		w.Skip(len(w.Rest()))
		if !w.More() {
			return false
		}
	}
}

// Err is why nothing more comes: io.EOF at the end of the source, nil if more may come.
func (w *Window) Err() error { return w.err }

// Max is how many bytes of unread input may be held.
func (w *Window) Max() int { return w.max }

// back makes what was used since an offset unread again, if it is still held.
func (w *Window) back(offset int64) bool {
	if offset < w.base {
		return false
	}
	w.pos = int(offset - w.base)
	w.mark = min(w.mark, w.pos)
	return true
}
