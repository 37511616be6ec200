package server

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"portolan/engine"
)

// maxWindow is the most memory that a zstd body may ask for: what RFC 8878,
// section 3.1.1.1.2, wants every decoder to support.
const maxWindow = 8 << 20

// Most bodies are small and of one frame, which says that it needs less.
const (
	smallBody   = 256 << 10
	leastWindow = 512 << 10
)

// inflating is a body that was sent compressed. It notes what is wrong with the
// compression, whatever its reader makes of it.
type inflating struct {
	io.Reader
	close  func()
	coding string
	fault  error
}

// inflate returns the request's body as it was before it was compressed, of any
// length: whoever reads it stops where it is too long. The caller closes it.
func (c *call) inflate() (*inflating, error) {
	var src io.Reader = strings.NewReader("")
	if c.Body != nil {
		src = c.Body
	}
	in := &inflating{Reader: src, close: func() {}}
	var err error
	switch in.coding = strings.ToLower(strings.TrimSpace(strings.Join(c.Header.Values("Content-Encoding"), ","))); in.coding {
	case "", "identity":
	case "gzip", "x-gzip":
		in.Reader, err = gzip.NewReader(src)
	case "zstd":
		var d *zstd.Decoder
		if d, err = c.inflateZstd(src); err == nil {
			in.Reader, in.close = d, d.Close
		}
	default:
		wrong := &engine.FieldError{Field: "Content-Encoding", Value: in.coding, Allowed: "gzip, zstd or identity, once"}
		return nil, &failure{kind: encodedBody, detail: wrong.Error()}
	}
	if err == nil {
		return in, nil
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return nil, f
	}
	in.fault = err
	return nil, c.damage(in)
}

// inflateZstd takes memory for the window: the largest one, unless the body is small. Of a
// small one no frame may have a larger window than the first, or than leastWindow.
func (c *call) inflateZstd(src io.Reader) (*zstd.Decoder, error) {
	most := uint64(maxWindow)
	if c.BodyLength >= 0 && c.BodyLength <= smallBody {
		var head [zstd.HeaderMaxSize]byte
		n, err := io.ReadFull(src, head[:])
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		src = io.MultiReader(bytes.NewReader(head[:n]), src)
		var frame zstd.Header
		_ = frame.Decode(head[:n]) // the decoder says what is wrong
		if frame.SingleSegment {
			frame.WindowSize = frame.FrameContentSize
		}
		most = min(max(frame.WindowSize, leastWindow), maxWindow)
	}
	if err := c.upload.needMemory(int64(most)); err != nil {
		return nil, err
	}
	return zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(most))
}

// Read reads what was inflated.
func (in *inflating) Read(p []byte) (int, error) {
	n, err := in.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		in.fault = err
	}
	return n, err
}

// damage returns how the request failed whose body did not arrive whole, nil if
// it did.
func (c *call) damage(in *inflating) *failure {
	if f := c.body.failure(); f != nil {
		return f
	}
	if in == nil || in.fault == nil {
		return nil
	}
	return &failure{kind: cutBody, detail: in.coding + ": " + in.fault.Error()}
}
