package nmap

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"portolan/engine/scanfile/internal/reader"
)

// xmlToken is a piece of markup that a reader of XML looks at.
type xmlToken uint8

const (
	xmlProlog xmlToken = iota // <?xml ...?>: a document begins
	xmlStart                  // <name ...> or, with empty set, <name .../>
	xmlEnd                    // </name>
)

// Errors of the scanner beside those of the source.
var (
	errXMLCut      = errors.New("the input ends inside markup")
	errXMLEntities = errors.New("the document declares entities, which is refused")
	errXMLTooLong  = errors.New("markup is longer than a record may be")
)

// xmlError is markup that is none; the scan can go on further behind.
type xmlError struct{ reason string }

func (e *xmlError) Error() string { return "broken markup: " + e.reason }

// xmlScan cuts a stream into tags, quickly and within bounded memory. It is
// made for files as they are found: what no reader of ours needs (text, comments,
// instructions, document types) is passed over, control characters and unknown
// entities are borne, and nothing is ever fetched or expanded. It does not hold
// tags against each other; see xmlPath.
//
// It is ours because no library is both fast and honest: encoding/xml checks as
// much, but reaches 50 MB/s where this reaches 250 and more, and gives up on the
// first control character; gosax, xmltokenizer and tdewolff/parse are as fast,
// but take damage without a word or panic on it.
type xmlScan struct {
	w *reader.Window

	name  []byte    // of the tag; valid until the next call of next
	attrs []xmlAttr // likewise
	empty bool      // the start tag is its own end

	top     bool   // the caller is outside any element, where text is stray
	stray   bool   // text was found there
	pending int    // length of the markup that is still to be passed over
	resume  int    // after an error, where to look on
	opaque  bool   // after an error, that it is in a comment or the like, where a host is none
	value   []byte // the last decoded attribute
}

type xmlAttr struct{ name, value []byte }

// next returns the next tag. The error is io.EOF at the end of the input,
// errXMLCut if that lies inside markup, or a reason to use skipOn.
func (x *xmlScan) next() (xmlToken, error) {
	for {
		if err := x.toMarkup(); err != nil {
			return 0, err
		}
		token, skip, err := x.markup()
		if err != nil || !skip {
			return token, err
		}
	}
}

// pass passes over the last markup.
func (x *xmlScan) pass() {
	x.w.Skip(x.pending)
	x.pending = 0
}

// toMarkup passes over the last markup and text up to the next one.
func (x *xmlScan) toMarkup() error {
	x.pass()
	x.resume, x.opaque = 1, false
	for {
		text, _, found := bytes.Cut(x.w.Rest(), []byte{'<'})
		if x.top && !x.stray {
			x.stray = len(bytes.TrimSpace(text)) > 0
		}
		x.w.Skip(len(text))
		if found {
			return nil
		}
		if !x.w.More() {
			return x.ended(io.EOF)
		}
	}
}

// ended returns the source's error if it has one, else err.
func (x *xmlScan) ended(err error) error {
	if x.w.Cut() {
		return x.w.Err()
	}
	return err
}

// more reads on inside markup.
func (x *xmlScan) more() error {
	if x.w.Full() {
		x.resume = len(x.w.Rest()) // To look at it again from each '<' could take for ever.
		return errXMLTooLong
	}
	if !x.w.More() {
		return x.ended(errXMLCut)
	}
	return nil
}

// markup reads what begins with '<'. skip says that it is none of the tokens.
func (x *xmlScan) markup() (token xmlToken, skip bool, err error) {
	for {
		token, skip, err = x.parse(x.w.Rest())
		if err == nil && x.pending > x.w.Max() {
			x.resume, x.pending = x.pending, 0
			err = errXMLTooLong
		}
		if !errors.Is(err, errXMLShort) {
			return token, skip, err
		}
		if err := x.more(); err != nil {
			x.opaque = errors.Is(err, errXMLCut) && len(x.w.Rest()) > 1 && (x.w.Rest()[1] == '!' || x.w.Rest()[1] == '?')
			return 0, false, err
		}
	}
}

// errXMLShort says that the markup goes on beyond what is held.
var errXMLShort = errors.New("more is needed")

func (x *xmlScan) parse(b []byte) (token xmlToken, skip bool, err error) {
	if len(b) < 2 {
		return 0, false, errXMLShort
	}
	switch b[1] {
	case '/':
		return xmlEnd, false, x.parseEnd(b)
	case '?':
		isProlog, err := x.parseInstruction(b)
		return xmlProlog, !isProlog, err
	case '!':
		return 0, true, x.parseDeclaration(b)
	}
	return xmlStart, false, x.parseStart(b)
}

func (x *xmlScan) parseEnd(b []byte) error {
	i := nameEnd(b, 2)
	x.name, x.attrs, x.empty = b[2:i], x.attrs[:0], false
	i = skipSpace(b, i)
	switch {
	case i >= len(b):
		return errXMLShort
	case b[i] != '>' || len(x.name) == 0:
		return x.broken(b, i, "in an end tag")
	}
	x.pending = i + 1
	return nil
}

func (x *xmlScan) parseStart(b []byte) (err error) {
	i := nameEnd(b, 1)
	if i == 1 {
		return x.broken(b, i, "no name after '<'")
	}
	x.name, x.attrs, x.empty = b[1:i], x.attrs[:0], false
	for {
		if i = skipSpace(b, i); i+1 >= len(b) && (i >= len(b) || b[i] != '>') {
			return errXMLShort
		}
		switch {
		case b[i] == '>':
			x.pending = i + 1
			return nil
		case b[i] == '/' && b[i+1] == '>':
			x.pending, x.empty = i+2, true
			return nil
		}
		if i, err = x.parseAttr(b, i); err != nil {
			return err
		}
	}
}

// parseAttr reads the attribute at i and returns where it ends.
func (x *xmlScan) parseAttr(b []byte, i int) (int, error) {
	start := i
	i = nameEnd(b, i)
	name := b[start:i]
	if i = skipSpace(b, i); i >= len(b) {
		return 0, errXMLShort
	}
	if len(name) == 0 || b[i] != '=' {
		return 0, x.broken(b, i, "an attribute without name or value")
	}
	if i = skipSpace(b, i+1); i >= len(b) {
		return 0, errXMLShort
	}
	quote := b[i]
	if quote != '"' && quote != '\'' {
		return 0, x.broken(b, i, "an attribute without quotes")
	}
	i++
	n := bytes.IndexByte(b[i:], quote)
	value := b[i:]
	if n >= 0 {
		value = b[i : i+n]
	}
	if lt := bytes.IndexByte(value, '<'); lt >= 0 {
		return 0, x.broken(b, i+lt, "an attribute that does not end")
	}
	if n < 0 {
		return 0, errXMLShort
	}
	x.attrs = append(x.attrs, xmlAttr{name, value})
	return i + n + 1, nil
}

// broken makes the error about the byte at i. If a '<' is there, the markup was
// cut and something else begins.
func (x *xmlScan) broken(b []byte, i int, reason string) error {
	if x.resume = 1; i < len(b) && b[i] == '<' {
		x.resume, reason = max(i, 1), "a tag is cut: '<' "+reason
	}
	return &xmlError{reason}
}

// landmark is where reading can go on behind damage.
type landmark uint8

const (
	atHost     landmark = iota // a host element begins
	atDocument                 // a document does
)

// skipOn looks, after an error, for the next landmark. The error is io.EOF if
// there is none. What is passed over tells the host elements behind it from those
// of another document only if unsure is false.
func (x *xmlScan) skipOn() (at landmark, unsure bool, err error) {
	unsure = x.bearing()
	x.pending = x.resume
	hosts := !x.opaque
	x.opaque = false
	for {
		x.top = false
		if err := x.toMarkup(); err != nil {
			return 0, unsure, err
		}
		for len(x.w.Rest()) < len(rootEnd) && x.w.More() {
			continue
		}
		b := x.w.Rest()
		switch {
		case bytes.HasPrefix(b, xmlPrologStart) || bytes.HasPrefix(b, rootStart):
			return atDocument, unsure, nil
		case hosts && isHost(b):
			return atHost, unsure, nil
		}
		unsure = unsure || x.bearing()
		x.pending = 1
	}
}

// bearing says whether the markup at hand bears on what hosts behind it mean:
// without it nobody knows what was looked at.
func (x *xmlScan) bearing() bool {
	b := x.w.Rest()
	return bytes.HasPrefix(b, scaninfoStart) || bytes.HasPrefix(b, rootEnd)
}

// isHost says whether a host element begins here.
func isHost(b []byte) bool {
	n := len(hostStart)
	return len(b) > n && bytes.HasPrefix(b, hostStart) && !nameBytes[b[n]]
}

var (
	rootStart     = []byte("<nmaprun")
	rootEnd       = []byte("</nmaprun")
	scaninfoStart = []byte("<scaninfo")
	hostStart     = []byte("<host")
)

// errorAt says where the markup at fault begins.
func (x *xmlScan) errorAt(err error) string {
	return fmt.Sprintf("line %d: %v", x.w.LineNo(), err)
}
