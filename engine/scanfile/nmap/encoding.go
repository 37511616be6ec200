package nmap

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"portolan/engine/scanfile/internal/reader"
)

// declaredEncoding returns the encoding that the prolog names; nil if that is
// UTF-8, unknown, or one that the prolog itself is plainly not in.
func declaredEncoding(head []byte) encoding.Encoding {
	if !bytes.HasPrefix(head, xmlPrologStart) {
		return nil
	}
	prolog, _, _ := bytes.Cut(head[len(xmlPrologStart):], []byte("?>"))
	tag := slices.Concat([]byte("<xml "), prolog, []byte(">"))
	x := xmlScan{w: reader.NewWindow(bytes.NewReader(tag), reader.HeadStep)}
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
