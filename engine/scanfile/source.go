package scanfile

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"portolan/engine/scanfile/internal/reader"
)

// opened is a source whose format was found from its first bytes.
type opened struct {
	name   string
	format *reader.Format // nil if the source is empty or failed
	head   []byte
	rest   io.Reader     // what follows head
	start  int64         // where src began, if it can be rewound
	rewind io.ReadSeeker // nil if src cannot be rewound
	spool  *os.File      // what strict has read of src, else nil
	read   int64         // how many bytes the first pass read

	inflated *inflated // nil if the source is not compressed
}

// consumed is how many bytes of the source itself lie behind so many that were read of it.
func (o *opened) consumed(n int64) int64 {
	if o.inflated != nil {
		return o.inflated.raw.n
	}
	return n
}

// compressedBy is what compressed the source, empty if nothing did.
func (o *opened) compressedBy() string {
	if o.inflated == nil {
		return ""
	}
	return o.inflated.name
}

// open finds the source's format. The error wraps ErrUnknownFormat.
func open(s Source, opts *Options) (*opened, error) {
	o := &opened{name: s.Name, rest: s.Reader}
	o.findStart(s.Reader)
	o.peek(s.Reader, opts.Format)
	if o.rewind != nil && !o.position(o.start+int64(len(o.head))) {
		o.rewind = nil
	}
	if c := compressionOf(o.head); c != nil {
		o.rewind = nil // strict keeps a copy of what was inflated
		o.inflated = c.open(o.reader(), opts.Memory)
		o.peek(o.inflated, opts.Format)
	}
	if o.format == nil && !o.empty() && !o.failed() {
		return nil, fmt.Errorf("%s: %w: it begins with %q; name one with --format (format over HTTP): %s",
			s.Name, ErrUnknownFormat, o.head[:min(len(o.head), 64)], strings.Join(Formats(), ", "))
	}
	return o, nil
}

// findStart notes where the source is, if it is one that can be rewound.
func (o *opened) findStart(src io.Reader) {
	if s, ok := src.(io.ReadSeeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			o.rewind, o.start = s, at
		}
	}
}

// position says whether the source really is there; pipes that claim to seek
// are not.
func (o *opened) position(at int64) bool {
	now, err := o.rewind.Seek(0, io.SeekCurrent)
	return err == nil && now == at
}

// peek reads until the format is clear. With a format given it only finds out
// whether there is anything at all.
func (o *opened) peek(src io.Reader, name string) {
	w := reader.NewWindow(src, reader.HeadMax)
	o.rest = src
	for o.inflated == nil && len(w.Rest()) < longestMagic && w.More() {
		continue
	}
	compressed := o.inflated == nil && compressionOf(w.Rest()) != nil
	for first := true; !compressed && (first && len(w.Rest()) > 0 || w.More()); first = false {
		if name != "" {
			o.format = formatNamed(name)
		} else {
			o.format = detect(w.Rest(), false)
		}
		if o.format != nil {
			break
		}
	}
	if o.format == nil && !compressed && (!w.Cut() || isDamaged(w.Err())) {
		o.format = detect(w.Rest(), true)
	}
	o.head = w.Rest()
	if err := w.Err(); err != nil {
		o.rest = ended{err}
	}
}

// ended is a reader that only has its error.
type ended struct{ err error }

func (e ended) Read([]byte) (int, error) { return 0, e.err }

// empty says whether the source has ended without anything but white space.
func (o *opened) empty() bool {
	e, ok := o.rest.(ended)
	return ok && reader.IsEnd(e.err) && len(reader.PlainHead(o.head)) == 0
}

// failed says whether the source failed before its format was clear.
func (o *opened) failed() bool {
	e, ok := o.rest.(ended)
	return ok && !reader.IsEnd(e.err)
}

// reader reads the source from its start.
func (o *opened) reader() io.Reader { return io.MultiReader(bytes.NewReader(o.head), o.rest) }
