package scanfile

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// errShort is returned when a line ends inside its object.
var errShort = errors.New("the line ends inside the object")

// jsonScan walks over the JSON text of one line. It checks the grammar of what
// it passes; that the text is UTF-8 is checked before.
type jsonScan struct {
	b   []byte
	i   int
	esc []byte // decoded texts of the line that had escapes
}

// space passes over white space and returns the next byte, 0 at the end.
func (s *jsonScan) space() byte {
	if s.i < len(s.b) && s.b[s.i] > ' ' {
		return s.b[s.i]
	}
	return s.longSpace()
}

func (s *jsonScan) longSpace() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// expect passes over white space and the byte c.
func (s *jsonScan) expect(c byte) error {
	if got := s.space(); got == c && s.i < len(s.b) {
		s.i++
		return nil
	}
	return s.unexpected("'" + string(rune(c)) + "'")
}

// unexpected says what was wanted at the current byte.
func (s *jsonScan) unexpected(want string) error {
	if s.i >= len(s.b) {
		return errShort
	}
	r, _ := utf8.DecodeRune(s.b[s.i:])
	return fmt.Errorf("byte %d: %q is not allowed: want %s", s.i+1, r, want)
}

// next says after an element of a list whether another follows, or the end byte.
func (s *jsonScan) next(end byte) (another bool, err error) {
	switch s.space() {
	case ',':
		s.i++
		return true, nil
	case end:
		s.i++
		return false, nil
	}
	return false, s.unexpected("',' or '" + string(rune(end)) + "'")
}

// begin passes over the first byte of a list and says whether it has elements.
func (s *jsonScan) begin(first, end byte) (more bool, err error) {
	if err := s.expect(first); err != nil {
		return false, err
	}
	if s.space() == end {
		s.i++
		return false, nil
	}
	return true, nil
}

// str reads a string. It is valid until the next line.
func (s *jsonScan) str() ([]byte, error) {
	if s.space() != '"' {
		return nil, s.unexpected("a string")
	}
	s.i++
	start := s.i
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start : s.i-1], nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.unexpected("no control character in a string")
		}
	}
	return nil, errShort
}

// escaped reads on from the first escape of a string that began at start.
func (s *jsonScan) escaped(start int) ([]byte, error) {
	from := len(s.esc)
	s.esc = append(s.esc, s.b[start:s.i]...)
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.esc[from:], nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, s.unexpected("no control character in a string")
		default:
			s.esc = append(s.esc, c)
			s.i++
		}
	}
	return nil, errShort
}

// escape reads one escape sequence.
func (s *jsonScan) escape() error {
	s.i++
	if s.i >= len(s.b) {
		return errShort
	}
	c := s.b[s.i]
	if c == 'u' {
		return s.unicode()
	}
	plain, ok := plainEscapes[c]
	if !ok {
		return s.unexpected(`an escape of JSON after \`)
	}
	s.esc = append(s.esc, plain)
	s.i++
	return nil
}

var plainEscapes = map[byte]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// unicode reads the escape from its u on; half a surrogate pair is no text.
func (s *jsonScan) unicode() error {
	r, err := s.hex()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		if s.i+1 >= len(s.b) {
			return errShort
		}
		if s.b[s.i] != '\\' || s.b[s.i+1] != 'u' {
			return s.unexpected("the second half of a surrogate pair")
		}
		s.i++
		second, err := s.hex()
		if err != nil {
			return err
		}
		if r = utf16.DecodeRune(r, second); r == utf8.RuneError {
			return fmt.Errorf("byte %d: not a surrogate pair", s.i)
		}
	}
	s.esc = utf8.AppendRune(s.esc, r)
	return nil
}

// hex reads the u and the four digits that follow.
func (s *jsonScan) hex() (rune, error) {
	s.i++
	if s.i+4 > len(s.b) {
		return 0, errShort
	}
	var r rune
	for _, c := range s.b[s.i : s.i+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, s.unexpected("four hexadecimal digits")
		}
	}
	s.i += 4
	return r, nil
}

// number reads a number by JSON's grammar: its sign and whole part, its
// fraction, and whether it has an exponent.
func (s *jsonScan) number() (whole, fraction []byte, exponent bool, err error) {
	start := s.i
	if s.space() == '-' {
		s.i++
	}
	first := s.i
	if s.digits() == 0 || s.i-first > 1 && s.b[first] == '0' {
		return nil, nil, false, s.unexpected("a number without leading zeros")
	}
	whole = s.b[start:s.i]
	if s.at('.') {
		n := s.digits()
		if n == 0 {
			return nil, nil, false, s.unexpected("a digit")
		}
		fraction = s.b[s.i-n : s.i]
	}
	if s.at('e') || s.at('E') {
		_ = s.at('+') || s.at('-')
		if exponent = true; s.digits() == 0 {
			return nil, nil, false, s.unexpected("a digit")
		}
	}
	return whole, fraction, exponent, nil
}

func (s *jsonScan) at(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *jsonScan) digits() int {
	start := s.i
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		s.i++
	}
	return s.i - start
}
