package nmap

import "bytes"

// parseInstruction reads <?...?>.
func (x *xmlScan) parseInstruction(b []byte) (isProlog bool, err error) {
	if err := x.parseUntil(b, 2, "?>"); err != nil {
		return false, err
	}
	return bytes.HasPrefix(b, xmlPrologStart), nil
}

var xmlPrologStart = []byte("<?xml ")

// untilStep is how many bytes are searched at a time, so that the cost is that of
// the way to what is found first.
const untilStep = 4 << 10

// parseUntil reads up to the end mark. A prolog inside means that the markup was
// cut and another document was appended.
func (x *xmlScan) parseUntil(b []byte, from int, end string) error {
	overlap := len(xmlPrologStart) - 1
	for at := from; at < len(b); at += untilStep {
		start := max(at-overlap, from)
		piece := b[start:min(at+untilStep, len(b))]
		n, prolog := bytes.Index(piece, []byte(end)), bytes.Index(piece, xmlPrologStart)
		switch {
		case prolog >= 0 && (n < 0 || prolog < n):
			x.resume = start + prolog
			return &xmlError{"a comment or instruction does not end"}
		case n >= 0:
			x.pending = start + n + len(end)
			return nil
		}
	}
	return errXMLShort
}

// parseDeclaration reads a comment, a CDATA section or a document type.
func (x *xmlScan) parseDeclaration(b []byte) error {
	const comment, cdata = "<!--", "<![CDATA["
	switch {
	case bytes.HasPrefix(b, []byte(comment)):
		return x.parseUntil(b, len(comment), "-->")
	case bytes.HasPrefix(b, []byte(cdata)):
		if x.top {
			x.stray = true
		}
		return x.parseUntil(b, len(cdata), "]]>")
	case len(b) < len(cdata):
		return errXMLShort
	}
	return x.parseDoctype(b)
}

// parseDoctype passes over a document type with its internal subset.
func (x *xmlScan) parseDoctype(b []byte) error {
	subset := false
	for i := 2; i < len(b); i++ {
		switch c := b[i]; {
		case c == '[':
			subset = true
		case c == ']':
			subset = false
		case c == '>' && !subset:
			x.pending = i + 1
			return nil
		case c == '<' && bytes.HasPrefix(b[i:], []byte("<!ENTITY")):
			return errXMLEntities
		case c == '<' && !subset:
			return x.broken(b, i, "in a document type")
		}
	}
	return errXMLShort
}
