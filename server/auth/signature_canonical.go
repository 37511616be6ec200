package auth

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// scratch is the memory that checking one signature needs. It belongs to one
// goroutine and is used again for later ones.
type scratch struct {
	text   []byte // the canonical request, then the text that is signed
	name   []byte
	params []parameter
	values []string
	sum    [sha256.Size]byte
}

type parameter struct{ name, value string }

var scratches = sync.Pool{New: func() any { return &scratch{text: make([]byte, 0, 2<<10)} }}

// maxScratch is the largest buffer that is kept for a later request, in bytes
// and in parameters.
const (
	maxScratch = 16 << 10
	maxParams  = 256
)

// release gives the memory back, without what it knows of the request.
func (s *scratch) release() {
	if cap(s.text) > maxScratch || cap(s.name) > maxScratch || cap(s.params) > maxParams || cap(s.values) > maxParams {
		return
	}
	clear(s.params)
	clear(s.values[:cap(s.values)])
	s.text, s.name, s.params, s.values = s.text[:0], s.name[:0], s.params[:0], s.values[:0]
	scratches.Put(s)
}

// appendRequest makes the canonical request, one part a line:
//
//	method
//	path, its segments escaped, with / at the end
//	parameters, name=value, escaped, by name and value, joined by &
//	name:value of each signed header in the order of the list, one a line
//	(an empty line)
//	list of signed headers
//	payload: the body's hash, or UNSIGNED-PAYLOAD
func (s *scratch) appendRequest(r *Request, headers, payload string) error {
	s.text = append(append(s.text[:0], r.Method...), '\n')
	if err := s.appendPath(r); err != nil {
		return err
	}
	if err := s.appendQuery(r.RawQuery); err != nil {
		return err
	}
	if err := s.appendHeaders(r, headers); err != nil {
		return err
	}
	s.text = append(append(s.text, '\n'), headers...)
	s.text = append(append(s.text, '\n'), payload...)
	return nil
}

// appendText replaces the canonical request by the text that is signed.
func (s *scratch) appendText(date string) {
	sum := sha256.Sum256(s.text)
	s.text = append(append(s.text[:0], signatureScheme...), '\n')
	s.text = append(append(s.text, date...), '\n')
	s.text = hex.AppendEncode(s.text, sum[:])
}

// appendPath takes the path apart before it is unescaped: an escaped slash is
// part of a segment.
func (s *scratch) appendPath(r *Request) error {
	path := cmp.Or(r.RawPath, r.Path)
	for segment := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		if r.RawPath != "" {
			var err error
			if segment, err = url.PathUnescape(segment); err != nil {
				return malformed("the path has an escape that is none")
			}
		}
		s.text = append(appendEscaped(s.text, segment), '/')
	}
	s.text = append(s.text, '\n')
	return nil
}

// appendQuery sorts what was sent, unescaped. An escape that is none is
// refused, as clients differ in what they sign for it.
func (s *scratch) appendQuery(query string) error {
	s.params = s.params[:0]
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return malformed("the query has an escape that is none")
		}
		s.params = append(s.params, parameter{name, value})
	}
	slices.SortFunc(s.params, func(a, b parameter) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	for i, p := range s.params {
		if i > 0 {
			s.text = append(s.text, '&')
		}
		s.text = append(appendEscaped(s.text, p.name), '=')
		s.text = appendEscaped(s.text, p.value)
	}
	s.text = append(s.text, '\n')
	return nil
}

// appendHeaders takes the headers of the list, all of which must have been sent.
func (s *scratch) appendHeaders(r *Request, list string) error {
	for name := range strings.SplitSeq(list, ";") {
		s.values = s.appendValues(s.values[:0], r, name)
		if len(s.values) == 0 {
			return malformed("the signed header " + name[:min(len(name), maxAccessKeyLen)] + " is missing")
		}
		slices.Sort(s.values)
		for _, value := range s.values {
			s.text = append(append(s.text, name...), ':')
			s.text = append(append(s.text, strings.TrimSpace(value)...), '\n')
		}
	}
	return nil
}

// appendValues appends the values of a header as they were sent.
func (s *scratch) appendValues(to []string, r *Request, name string) []string {
	s.name = append(s.name[:0], name...)
	for i, c := range s.name { // as net/textproto spells names
		if c >= 'a' && c <= 'z' && (i == 0 || s.name[i-1] == '-') {
			s.name[i] = c - 'a' + 'A'
		}
	}
	return append(to, r.Header.Values(string(s.name))...)
}

const upperHex = "0123456789ABCDEF"

// appendEscaped appends the text with all but letters, digits and -_.~ as %XX.
func appendEscaped(to []byte, text string) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~':
			to = append(to, c)
		default:
			to = append(to, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return to
}
