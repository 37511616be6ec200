package scanfile

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// utf16Of returns the encoding if the first bytes are UTF-16, with a byte order
// mark or by the zero byte beside the first '<'; else nil.
func utf16Of(head []byte) encoding.Encoding {
	switch {
	case len(head) < 4:
	case head[0] == 0xff && head[1] == 0xfe, head[0] == '<' && head[1] == 0 && head[3] == 0:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case head[0] == 0xfe && head[1] == 0xff, head[0] == 0 && head[1] == '<' && head[2] == 0:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	}
	return nil
}

// declaredEncoding returns the encoding that the prolog names; nil if that is
// UTF-8, unknown, or one that the prolog itself is plainly not in.
func declaredEncoding(head []byte) encoding.Encoding {
	if !bytes.HasPrefix(head, xmlPrologStart) {
		return nil
	}
	prolog, _, _ := bytes.Cut(head[len(xmlPrologStart):], []byte("?>"))
	tag := slices.Concat([]byte("<xml "), prolog, []byte(">"))
	x := xmlScan{w: newWindow(bytes.NewReader(tag), headStep)}
	if _, err := x.next(); err != nil {
		return nil
	}
	label := strings.ToLower(string(x.attr("encoding")))
	enc, err := htmlindex.Get(label)
	if err != nil || enc == encoding.Replacement || strings.HasPrefix(label, "utf") {
		return nil
	}
	return enc
}

// toUTF8 makes the input UTF-8 without byte order mark.
func (in *input) toUTF8() {
	for len(in.w.rest()) < headStep && in.w.more() {
		continue
	}
	head := in.w.rest()
	if bytes.HasPrefix(head, utf8BOM) {
		in.w.skip(len(utf8BOM))
		return
	}
	enc := utf16Of(head)
	if enc == nil {
		enc = declaredEncoding(head)
	}
	if enc != nil {
		in.decoded = true
		in.w = newWindow(transform.NewReader(in.w, enc.NewDecoder()), in.opts.MaxRecord)
	}
}
