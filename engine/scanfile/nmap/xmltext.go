package nmap

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// nameEnd returns where the name at i ends.
func nameEnd(b []byte, i int) int {
	for i < len(b) && nameBytes[b[i]] {
		i++
	}
	return i
}

// nameBytes are the bytes that names are made of here. XML is stricter about
// the first one, which does not matter to a reader that knows its names.
var nameBytes = func() (set [256]bool) {
	for c := range set {
		set[c] = c > ' ' && !strings.ContainsRune(`<>/="'?!&`, rune(c))
	}
	return set
}()

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// attr returns the value of the attribute of that name, nil if there is none.
// It is valid until the next call of attr or next.
func (x *xmlScan) attr(name string) []byte {
	for i := range x.attrs {
		if string(x.attrs[i].name) == name {
			return x.decode(x.attrs[i].value)
		}
	}
	return nil
}

// decode resolves the entities of a value and makes its white space spaces, as
// XML 1.0, section 3.3.3, has it.
func (x *xmlScan) decode(raw []byte) []byte {
	i := slices.IndexFunc(raw, odd)
	if i < 0 {
		return raw
	}
	x.value = x.value[:0]
	for ; i >= 0; i = slices.IndexFunc(raw, odd) {
		x.value = append(x.value, raw[:i]...)
		n := 1
		switch c := raw[i]; c {
		case '&':
			var r rune
			n, r = entity(raw[i:])
			x.value = utf8.AppendRune(x.value, r)
		case '\t', '\n', '\r':
			if n = 1; c == '\r' && len(raw) > i+1 && raw[i+1] == '\n' {
				n = 2 // The end of a line is one character.
			}
			x.value = append(x.value, ' ')
		default:
			x.value = append(x.value, c)
		}
		raw = raw[i+n:]
	}
	x.value = append(x.value, raw...)
	return x.value
}

// odd says whether a byte of a value may stand for another one.
func odd(c byte) bool { return c < ' ' || c == '&' }

// maxEntity is the length of the longest reference that means anything.
const maxEntity = len("&#x0010FFFF;")

// entity returns the length of the reference that the text begins with and the
// character it means. What is no reference is the '&' itself.
func entity(text []byte) (n int, r rune) {
	end := bytes.IndexByte(text[:min(len(text), maxEntity)], ';')
	if end < 0 {
		return 1, '&'
	}
	name := string(text[1:end])
	if r, ok := namedEntities[name]; ok {
		return end + 1, r
	}
	if !strings.HasPrefix(name, "#") {
		return 1, '&'
	}
	digits, base := name[1:], 10
	if strings.HasPrefix(digits, "x") {
		digits, base = digits[1:], 16
	}
	code, err := strconv.ParseUint(digits, base, 32)
	if err != nil || code == 0 || !utf8.ValidRune(rune(code)) {
		return end + 1, utf8.RuneError
	}
	return end + 1, rune(code)
}

var namedEntities = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// maxDepth is how deep elements may lie in each other; nmap's lie below 20.
const maxDepth = 200

// xmlPath is the names of the elements that are open.
type xmlPath struct {
	names []byte
	ends  []int // of each name in names
}

// push enters an element; false means that it lies too deep.
func (p *xmlPath) push(name []byte) bool {
	if len(p.ends) >= maxDepth {
		return false
	}
	p.names = append(p.names, name...)
	p.ends = append(p.ends, len(p.names))
	return true
}

// pop leaves the innermost element; false means that it has another name.
func (p *xmlPath) pop(name []byte) bool {
	depth := len(p.ends)
	if depth == 0 || !bytes.Equal(name, p.names[p.start(depth-1):]) {
		return false
	}
	p.truncate(depth - 1)
	return true
}

// start is where the name of the element at a depth begins.
func (p *xmlPath) start(depth int) int {
	if depth == 0 {
		return 0
	}
	return p.ends[depth-1]
}

// last is the name of the innermost element.
func (p *xmlPath) last() []byte {
	if len(p.ends) == 0 {
		return nil
	}
	return p.names[p.start(len(p.ends)-1):]
}

func (p *xmlPath) truncate(depth int) {
	p.names, p.ends = p.names[:p.start(depth)], p.ends[:depth]
}
