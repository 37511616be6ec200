package scanfile

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow is the most memory that a compressed input may ask for: what xz -9 does, and
// zstd without --long or --ultra.
const maxWindow = 64 << 20

// compression is a way in which an input may be compressed.
type compression struct {
	name, magic string
	inflate     func(src io.Reader, memory func(n int64) error) (io.Reader, error)
}

// leastWindow is what is asked for at least for an input whose parts may each need a window of
// their own, of which only the first one's is known.
const leastWindow = 8 << 20

// noWindowError is what kept a compressed input from being read: memory, not damage.
type noWindowError struct{ error }

func (e noWindowError) Unwrap() error { return e.error }

// window asks for the memory of a decompressor.
func window(memory func(n int64) error, n int64) error {
	if memory == nil {
		return nil
	}
	if err := memory(n); err != nil {
		return noWindowError{err}
	}
	return nil
}

// compressions are told by the first bytes.
func compressions() []compression {
	return []compression{
		{"gzip", "\x1f\x8b", func(src io.Reader, _ func(n int64) error) (io.Reader, error) { return gzip.NewReader(src) }},
		{"zstd", "\x28\xb5\x2f\xfd", inflateZstd},
		{"bzip2", "BZh", func(src io.Reader, memory func(n int64) error) (io.Reader, error) {
			return bzip2.NewReader(src), window(memory, bzip2Window)
		}},
		{"xz", "\xfd7zXZ\x00", inflateXZ},
	}
}

// longestMagic is how many bytes tell every compression.
const longestMagic = len("\xfd7zXZ\x00")

// compressionOf returns what compressed the bytes, nil if nothing did.
func compressionOf(head []byte) *compression {
	for _, c := range compressions() {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return &c
		}
	}
	return nil
}

// bzip2Window is the memory of a decompressor of the largest blocks.
const bzip2Window = 4 << 20

// inflateZstd takes any window up to the maximum, unless it has to ask for memory: then up to
// the first frame's, or leastWindow.
func inflateZstd(src io.Reader, memory func(n int64) error) (io.Reader, error) {
	most := uint64(maxWindow)
	if memory != nil {
		head := make([]byte, zstd.HeaderMaxSize)
		n, err := io.ReadFull(src, head)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return nil, err
		}
		src = io.MultiReader(bytes.NewReader(head[:n]), src)
		var frame zstd.Header
		_ = frame.Decode(head[:n]) // the decoder says what is wrong
		if frame.SingleSegment {
			frame.WindowSize = frame.FrameContentSize
		}
		most = min(max(frame.WindowSize, leastWindow), maxWindow)
		if err := window(memory, int64(most)); err != nil {
			return nil, err
		}
	}
	d, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(most))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// The header of an xz stream is followed by that of its first block: its length, flags, and
// the filters, of which the last one, LZMA2, has one byte that tells the size of its
// dictionary (The .xz File Format, sections 2.1.1, 3.1 and 5.3.1).
const (
	xzHeader    = 12
	xzMaxBlock  = 1024
	filterLZMA2 = 0x21
	xzEnd       = "YZ" // the last bytes of a stream, behind which zeros may follow
	xzPadding   = 64   // of what was read last, how much is looked at for them
)

// inflateXZ refuses a dictionary that is larger than anybody's who means well.
func inflateXZ(src io.Reader, memory func(n int64) error) (io.Reader, error) {
	head := make([]byte, xzHeader+xzMaxBlock)
	n, err := io.ReadFull(src, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head = head[:n]
	most := int64(leastWindow)
	if n > xzHeader {
		block := head[xzHeader:min(n, xzHeader+4*(int(head[xzHeader])+1))]
		for i := 2; i+2 < len(block); i++ {
			if block[i] != filterLZMA2 || block[i+1] != 1 {
				continue
			}
			size, err := lzma.DecodeDictCap(block[i+2])
			if err == nil && size > maxWindow {
				return nil, fmt.Errorf("it needs a dictionary of %d bytes: want at most %d", size, maxWindow)
			}
			most = max(most, size)
			break
		}
	}
	if err := window(memory, most); err != nil {
		return nil, err
	}
	return xz.NewReader(io.MultiReader(bytes.NewReader(head), src))
}

// inflated is a compressed source as it was before. What is wrong with the compression ends
// it like a cut, not like a source that fails.
type inflated struct {
	io.Reader
	raw  *counter
	name string
}

// counter counts the bytes of a source.
type counter struct {
	io.Reader
	n    int64
	last [2]byte // of them that are not zero, which may fill up the end
	err  error   // of the source itself, but its end
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	for _, b := range p[max(0, n-xzPadding):n] {
		if b != 0 {
			c.last = [2]byte{c.last[1], b}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// damagedError is the end of an input whose compression is damaged or cut.
type damagedError struct {
	compression string
	err         error
}

func (d *damagedError) Error() string { return d.compression + ": " + d.err.Error() }

func (d *damagedError) Unwrap() error { return d.err }

// isDamaged says whether an input ended because its compression is damaged or cut.
func isDamaged(err error) bool {
	_, damaged := errors.AsType[*damagedError](err)
	return damaged
}

// open returns what the source was before it was compressed.
func (c *compression) open(src io.Reader, memory func(n int64) error) *inflated {
	in := &inflated{raw: &counter{Reader: src}, name: c.name}
	r, err := c.inflate(in.raw, memory)
	if err != nil {
		if none, ok := errors.AsType[noWindowError](err); ok {
			in.raw.err = none.error
		}
		r = ended{err}
	}
	in.Reader = r
	return in
}

// Read reads what was inflated.
func (in *inflated) Read(p []byte) (int, error) {
	n, err := in.Reader.Read(p)
	if err == io.EOF && in.name == "xz" && string(in.raw.last[:]) != xzEnd {
		err = io.ErrUnexpectedEOF // the library takes an end between two blocks for the end
	}
	switch {
	case err == nil || err == io.EOF:
	case in.raw.err != nil:
		err = in.raw.err
	default:
		err = &damagedError{in.name, err}
	}
	return n, err
}
