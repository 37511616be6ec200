package server

import (
	"bytes"
	"strings"

	"portolan/server/auth"
)

// maxPlainHeaders is how many header fields a plain request has at most.
const maxPlainHeaders = 32

// plain is a request that needs nothing that the front has not: a GET of HTTP/1.1 without a body,
// in the one spelling that everybody who reads HTTP agrees about. Whatever else comes is left to
// net/http, which decides what it is.
//
//	request = "GET " path [ "?" query ] " HTTP/1.1" CRLF 1*( name ":" value CRLF ) CRLF
//	path    = 1*( "/" *unreserved ), which does not begin with "//" and is not that of an export or of changes
//	query   = *( unreserved / "=" / "&" )
//	value   = visible ASCII and spaces
//
// where unreserved is that of RFC 3986, section 2.3, names are tokens (RFC 9110, section 5.6.2)
// and each comes once, and one is Host.
type plain struct {
	text        string // all of it: what follows points into it
	path, query string
	names       [maxPlainHeaders]string
	values      [maxPlainHeaders]string
	n           int
}

// plainness is what some bytes begin with.
type plainness uint8

const (
	notPlain plainness = iota
	cutPlain           // what there is may be the beginning of a plain request
	wholePlain
)

// read reads the request with which the bytes begin. The text of the one that was read before
// serves again if it is the same, so that it is made only once.
func (p *plain) read(b []byte) plainness {
	if n := len(p.text); n > 0 && len(b) >= n && string(b[:n]) == p.text {
		return wholePlain
	}
	const method = "GET /"
	if start := b[:min(len(b), len(method))]; string(start) != method[:len(start)] {
		return notPlain
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return cutPlain
	}
	p.text, p.n = string(b[:end+4]), 0
	if !p.parse(p.text[:end+2]) {
		p.text = ""
		return notPlain
	}
	return wholePlain
}

// parse reads the lines of the request.
func (p *plain) parse(text string) bool {
	line, text, _ := strings.Cut(text, "\r\n")
	target, ok := strings.CutSuffix(line[len("GET "):], " HTTP/1.1")
	if !ok || !p.target(target) {
		return false
	}
	hosted := false
	for text != "" {
		line, text, _ = strings.Cut(text, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " ")
		if !ok || p.n == maxPlainHeaders || !isToken(name) || !isVisible(value) || !p.allowed(name, value) {
			return false
		}
		hosted = hosted || isHost(name)
		p.names[p.n], p.values[p.n] = name, value
		p.n++
	}
	return hosted
}

// target reads the path and the query.
func (p *plain) target(target string) bool {
	if strings.HasPrefix(target, "//") {
		return false
	}
	p.path, p.query, _ = strings.Cut(target, "?")
	return only(p.path, inPath) && only(p.query, inQuery) && !strings.HasSuffix(p.path, exportEnd) && !strings.HasSuffix(p.path, changesEnd) && !strings.HasSuffix(p.path, historyEnd)
}

// allowed says whether a header field is one that needs no more than to be looked up.
func (p *plain) allowed(name, value string) bool {
	for i := range p.n {
		if strings.EqualFold(p.names[i], name) {
			return false
		}
	}
	switch len(name) {
	case len("Host"):
		return !isHost(name) || value != "" && only(value, inHost)
	case len("Expect"):
		return !strings.EqualFold(name, "Expect") && !strings.EqualFold(name, "Pragma") // which net/http turns into another
	case len("Upgrade"):
		return !strings.EqualFold(name, "Upgrade") && !strings.EqualFold(name, "Trailer")
	case len("Connection"):
		return !strings.EqualFold(name, "Connection") || strings.EqualFold(value, "keep-alive")
	case len("Content-Length"):
		return !strings.EqualFold(name, "Content-Length") && !strings.EqualFold(name, minimumHeader) // which may wait
	case len("Transfer-Encoding"):
		return !strings.EqualFold(name, "Transfer-Encoding")
	}
	return true
}

// Values returns the value of a header, as [auth.Header] has it.
func (p *plain) Values(name string) []string {
	for i := range p.n {
		if len(p.names[i]) == len(name) && strings.EqualFold(p.names[i], name) {
			return p.values[i : i+1 : i+1]
		}
	}
	return nil
}

// request returns what the server is asked.
func (p *plain) request(remote string) auth.Request {
	return auth.Request{Method: "GET", Path: p.path, RawQuery: p.query, Header: p, Remote: remote}
}

func isHost(name string) bool { return len(name) == 4 && strings.EqualFold(name, "Host") }

// The kinds of bytes that a plain request is made of.
const (
	inPath byte = 1 << iota
	inQuery
	inHost
	inToken
)

// kinds has the kinds of each byte.
var kinds = func() (k [256]byte) {
	add := func(chars string, kind byte) {
		for i := range len(chars) {
			k[chars[i]] |= kind
		}
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	add(letters, inPath|inQuery|inHost|inToken)
	add("-._~", inPath|inQuery)
	add("/", inPath)
	add("=&", inQuery)
	add("-._:[]", inHost)
	add("!#$%&'*+-.^_`|~", inToken)
	return k
}()

// only says whether a text is made of bytes of a kind.
func only(text string, kind byte) bool {
	for i := range len(text) {
		if kinds[text[i]]&kind == 0 {
			return false
		}
	}
	return true
}

func isToken(name string) bool { return name != "" && only(name, inToken) }

func isVisible(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}
