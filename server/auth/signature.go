package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Signed requests carry
//
//	Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=h1;h2, Signature=hex
//	X-Sdk-Date: 20060102T150405Z
//	X-Sdk-Content-Sha256: the body's hash, if the client gives one
//
// where, with the secret key of AK,
//
//	Signature = hex(HMAC-SHA256(secret key, text))
//	text      = "SDK-HMAC-SHA256" LF X-Sdk-Date LF hex(SHA-256(canonical request))
//
// and the canonical request is the request in one spelling of many; see
// [scratch.appendRequest].
const (
	signatureScheme = "SDK-HMAC-SHA256"
	dateLayout      = "20060102T150405Z"
	dateHeader      = "X-Sdk-Date"
	hashHeader      = "X-Sdk-Content-Sha256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// Bounds that keep a stranger's request from costing much.
const (
	maxAuthorization = 8 << 10
	maxSignedHeaders = 64
)

// Refusals of signatures that say no more than that.
var (
	errStale        = refuse("calc ak sk signature fail:signature expired")
	errBadSignature = refuse("verify aksk signature fail")
)

func refuse(reason string) *RefusalError { return &RefusalError{Reason: reason, Final: true} }

// malformed is the refusal of a signature that cannot be checked.
func malformed(why string) *RefusalError { return refuse(errBadSignature.Reason + ": " + why) }

// signature is what a request says about its signature.
type signature struct {
	key      string // the access key
	headers  string // the names of the signed headers, parted by semicolons
	mac      [sha256.Size]byte
	date     time.Time
	dateText string
}

// signatureOf returns the request's signature, read but not checked. One that
// cannot be read is refused; that there is none is [ErrNoToken].
func signatureOf(r *Request) (sig signature, err error) {
	sent := r.Header.Values("Authorization")
	switch {
	case !slices.ContainsFunc(sent, isSignature):
		return sig, ErrNoToken
	case len(sent) > 1:
		return sig, malformed("more than one Authorization header")
	case len(sent[0]) > maxAuthorization:
		return sig, malformed("the Authorization header is too long")
	}
	if err := sig.parse(sent[0][len(signatureScheme):]); err != nil {
		return sig, err
	}
	if err := checkSignedHeaders(sig.headers); err != nil {
		return sig, err
	}
	date := r.Header.Values(dateHeader)
	if len(date) != 1 {
		return sig, malformed("want one X-Sdk-Date header")
	}
	sig.dateText = strings.TrimSpace(date[0])
	sig.date, err = time.Parse(dateLayout, sig.dateText)
	if err != nil || len(sig.dateText) != len(dateLayout) { // Parse takes fractions, which the layout has not
		return sig, malformed("X-Sdk-Date: want a time such as 20060102T150405Z")
	}
	return sig, nil
}

// isSignature says whether the value of an Authorization header is a signature.
func isSignature(value string) bool {
	rest, ok := strings.CutPrefix(value, signatureScheme)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

// parse reads what follows the scheme: each of three parts once, in any order.
func (s *signature) parse(text string) error {
	var mac string
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		var to *string
		switch name {
		case "Access":
			to = &s.key
		case "SignedHeaders":
			to = &s.headers
		case "Signature":
			to = &mac
		}
		if to == nil || *to != "" || value == "" {
			return malformed("Authorization: want Access=…, SignedHeaders=…, Signature=…")
		}
		*to = value
	}
	if s.key == "" || s.headers == "" || len(mac) != hex.EncodedLen(len(s.mac)) || !lowerHex(mac) {
		return malformed("Authorization: want Access=…, SignedHeaders=…, Signature=64 hex digits")
	}
	_, err := hex.Decode(s.mac[:], []byte(mac))
	return err
}

func lowerHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

// checkSignedHeaders wants a list of names in lower case, none of them twice,
// one of which is the date's.
func checkSignedHeaders(list string) error {
	var seen [maxSignedHeaders]string
	n, dated := 0, false
	for name := range strings.SplitSeq(list, ";") {
		if n == len(seen) {
			return malformed("too many signed headers")
		}
		if !isHeaderName(name) || slices.Contains(seen[:n], name) {
			return malformed("SignedHeaders: want names of headers in lower case, each once")
		}
		seen[n] = name
		n++
		dated = dated || name == "x-sdk-date"
	}
	if !dated {
		return malformed("SignedHeaders: want x-sdk-date among them")
	}
	return nil
}

func isHeaderName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}
