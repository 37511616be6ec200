package auth

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
)

// Request is what an [Authenticator] sees of a request, whatever transport brought it.
type Request struct {
	// Method is the method as it was sent.
	Method string
	// Path is the path without its escapes. RawPath is the path as it was sent where
	// Path does not tell, such as where a segment holds an escaped slash; else it is
	// empty.
	Path, RawPath string
	// RawQuery is what follows the question mark, as it was sent.
	RawQuery string
	// Header looks headers up.
	Header Header
	// Remote is the client's address, with or without its port.
	Remote string
	// Body is the body; nil if there is none.
	Body io.ReadCloser
	// BodyLength is the body's length in bytes, -1 if it is not known.
	BodyLength int64
	// Signer is whose credentials cover what was read of the request so far. An authenticator
	// that knows it before it has read Body sets it then, so that the body counts as that
	// caller's and not as a stranger's.
	Signer *Caller
	// Memory and Disk are asked before an authenticator holds so many more bytes of Body; their
	// errors are like those of Body. What they gave is free when the request ends. Nil: it
	// may.
	Memory, Disk func(n int64) error
}

// Header looks up the headers of a request: the values of one, as they were sent and in
// their order, nil if it was not sent. The name is in the canonical form of
// [net/http.CanonicalHeaderKey]. The values must not be changed.
type Header interface {
	Values(name string) []string
}

// FromHTTP returns what an authenticator sees of a request of net/http. The body is the
// request's own.
func FromHTTP(r *http.Request) Request {
	q := Request{Method: r.Method, Path: r.URL.Path, RawQuery: r.URL.RawQuery, Header: httpHeader{r}, Remote: r.RemoteAddr}
	if r.URL.RawPath != "" {
		q.RawPath = r.URL.EscapedPath()
	}
	if r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0 {
		q.Body, q.BodyLength = r.Body, r.ContentLength
	}
	return q
}

// Presented says which credentials a request came with, for logs: their kind, empty for none, and
// an ID that is no secret: an access key, or the beginning of the SHA-256 of a token, as a token
// file has it. A text that is too short for a token may be anything, such as a password, and is
// not told.
func Presented(r *Request) (kind, id string) {
	if sig, err := signatureOf(r); err == nil {
		return "access_key", presentable(sig.key)
	} else if !errors.Is(err, ErrNoToken) {
		return "signature", ""
	}
	switch token, err := RequestToken(r); {
	case err == nil:
		sum := TokenSum(token)
		return "token", hex.EncodeToString(sum[:6])
	case errors.Is(err, ErrNoToken):
		return "", ""
	}
	return "token", ""
}

// Network returns whom an address, with or without a port, belongs to: itself, or, where it is
// one of IPv6, the network of 64 bits that one customer has (RFC 6177).
func Network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.WithZone("").Unmap()
	if addr.Is6() {
		network, _ := addr.Prefix(64) // an address of IPv6 has more bits
		addr = network.Addr()
	}
	return addr.String()
}

// httpHeader is the headers of a request of net/http, which keeps some of them elsewhere.
type httpHeader struct{ r *http.Request }

func (h httpHeader) Values(name string) []string {
	switch name {
	case "Host":
		return []string{h.r.Host}
	case "Transfer-Encoding":
		return h.r.TransferEncoding
	}
	return h.r.Header[name]
}
