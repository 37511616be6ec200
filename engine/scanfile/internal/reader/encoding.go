package reader

import (
	"bytes"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// HeadMax is how much of an input is looked at to find its format.
const HeadMax = 64 << 10

// HeadStep is how much tells an encoding.
const HeadStep = 4 << 10

// UTF8BOM is the byte order mark of UTF-8.
var UTF8BOM = []byte("\xef\xbb\xbf")

// UTF16Of returns the encoding if the first bytes are UTF-16, with a byte order
// mark or by the zero byte beside the first character, which is one of those that
// our formats begin with; else nil.
func UTF16Of(head []byte) encoding.Encoding {
	switch {
	case len(head) < 4:
	case head[0] == 0xff && head[1] == 0xfe, isMark(head[0]) && head[1] == 0 && head[3] == 0:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case head[0] == 0xfe && head[1] == 0xff, head[0] == 0 && isMark(head[1]) && head[2] == 0:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	}
	return nil
}

func isMark(c byte) bool { return c == '<' || c == '{' || c == '[' || c == '#' }

// PlainHead returns the first bytes as UTF-8 without byte order mark and
// leading white space.
func PlainHead(head []byte) []byte {
	if utf16 := UTF16Of(head); utf16 != nil {
		if decoded, err := utf16.NewDecoder().Bytes(head); err == nil {
			head = decoded
		}
	}
	return bytes.TrimLeft(bytes.TrimPrefix(head, UTF8BOM), " \t\r\n")
}

// ToUTF8 makes the input UTF-8 without byte order mark. Where the first bytes do not tell
// that it is in another encoding, declared may; it may be nil.
func (in *Input) ToUTF8(declared func(head []byte) encoding.Encoding) {
	for len(in.W.Rest()) < HeadStep && in.W.More() {
		continue
	}
	head := in.W.Rest()
	if bytes.HasPrefix(head, UTF8BOM) {
		in.W.Skip(len(UTF8BOM))
		return
	}
	enc := UTF16Of(head)
	if enc == nil && declared != nil {
		enc = declared(head)
	}
	if enc != nil {
		in.Decoded = true
		memory := in.W.memory
		in.W = NewWindow(transform.NewReader(in.W, enc.NewDecoder()), in.Opts.MaxRecord)
		in.W.Within(memory)
	}
}
