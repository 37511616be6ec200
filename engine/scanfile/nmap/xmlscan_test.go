package nmap

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"portolan/engine/scanfile/internal/reader"
)

// ours writes the tags that the scanner sees, theirs those that encoding/xml
// does: the slow reader that is known to be right.
func ours(r io.Reader) (string, error) {
	var b strings.Builder
	x := xmlScan{w: reader.NewWindow(r, 1<<20)}
	for {
		token, err := x.next()
		if reader.IsEnd(err) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		switch token {
		case xmlStart:
			fmt.Fprintf(&b, "<%s", x.name)
			for _, a := range x.attrs {
				fmt.Fprintf(&b, " %s=%q", a.name, x.decode(a.value))
			}
			b.WriteString(">\n")
			if x.empty {
				fmt.Fprintf(&b, "</%s>\n", x.name)
			}
		case xmlEnd:
			fmt.Fprintf(&b, "</%s>\n", x.name)
		default:
		}
	}
}

func theirs(r io.Reader) (string, error) {
	var b strings.Builder
	d := xml.NewDecoder(r)
	for {
		token, err := d.RawToken()
		if reader.IsEnd(err) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		switch token := token.(type) {
		case xml.StartElement:
			fmt.Fprintf(&b, "<%s", rawName(token.Name))
			for _, a := range token.Attr {
				fmt.Fprintf(&b, " %s=%q", rawName(a.Name), a.Value)
			}
			b.WriteString(">\n")
		case xml.EndElement:
			fmt.Fprintf(&b, "</%s>\n", rawName(token.Name))
		}
	}
}

func rawName(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// TestXMLScanAsEncodingXML: where encoding/xml reads a text, so does the
// scanner, and sees the same tags, in one piece or byte by byte.
func TestXMLScanAsEncodingXML(t *testing.T) {
	texts := []string{
		`<a/>`, `<a b="1" c='2"'/>`, `<a  b = "1"
 ></a >`, `<a><![CDATA[<b>]]></a>`, `<!-- <x> --><?p <y> ?><a>&lt;</a>`, `<a b="&lt;&gt;&amp;&quot;&apos;&#65;&#x4a;é"/>`,
		`<!DOCTYPE a [<!ELEMENT a EMPTY>]><a b="x>y"/>`, `<n:a x:b="1"/>`, `<a b=""/>`,
	}
	files, _ := filepath.Glob("../testdata/nmapxml/*.xml")
	texts = slices.Grow(texts, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	compared := 0
	for _, text := range texts {
		want, err := theirs(strings.NewReader(strings.ReplaceAll(text, "\r", "")))
		if err != nil {
			continue
		}
		compared++
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			if got, err := ours(r); err != nil || got != want {
				t.Errorf("%.60q: got\n%s%v\nwant\n%s", text, got, err, want)
			}
		}
	}
	if compared < 15 {
		t.Errorf("only %d texts were compared", compared)
	}
}

func TestEntity(t *testing.T) {
	for in, want := range map[string]string{
		"a&amp;b": "a&b", "&#65;": "A", "&#x41;": "A", "&#0;": "\ufffd", "&#xD800;": "\ufffd", "&#x110000;": "\ufffd",
		"&#;": "\ufffd", "&#99999999999;": "&#99999999999;", "&": "&", "&;": "&;", "&nbsp;": "&nbsp;", "&amp": "&amp", "&&lt;": "&<", "&#8;": "\b",
	} {
		var x xmlScan
		if got := string(x.decode([]byte(in))); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if got := reader.CleanText([]byte("a\x08b\xffc\nd\u0085e\x7f")); got != "a\ufffdb\ufffdc d\ufffde\ufffd" {
		t.Errorf("%q", got)
	}
}
