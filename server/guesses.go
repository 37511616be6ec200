package server

import (
	"net/http"
	"unicode/utf8"

	"portolan/engine"
)

// Rules of the published call that neither its page nor a client decides.

// forbidden is the answer to a caller that is known but not granted what it asks for.
var forbidden = kind{http.StatusForbidden, "APIGW.0302", "The IAM user is not authorized to access the API.", true}

// Kinds of our own calls, which the contract does not know.
var (
	noAsset      = kind{http.StatusNotFound, "HSS.0002", "The asset does not exist.", false}
	stopping     = kind{http.StatusServiceUnavailable, "HSS.0003", "The server is stopping.", false}
	slowBody     = kind{http.StatusRequestTimeout, "HSS.0004", "The body stood still for too long.", false}
	largeBody    = kind{http.StatusRequestEntityTooLarge, "HSS.0005", "The body is too large.", false}
	encodedBody  = kind{http.StatusUnsupportedMediaType, "HSS.0006", "The body's encoding is not supported.", false}
	cutBody      = kind{http.StatusBadRequest, "HSS.0007", "The body is cut or damaged.", false}
	loading      = kind{http.StatusServiceUnavailable, "HSS.0008", "The server is loading.", false}
	busy         = kind{http.StatusServiceUnavailable, "HSS.0009", "The server is busy with other bodies.", false}
	unwritable   = kind{http.StatusServiceUnavailable, "HSS.0010", "The server cannot keep what is written at present; questions are answered.", false}
	behind       = kind{http.StatusPreconditionFailed, "HSS.0011", "The data is behind what is asked for.", false}
	dear         = kind{http.StatusServiceUnavailable, "HSS.0012", "The question takes too long.", false}
	oldHTTP      = kind{http.StatusHTTPVersionNotSupported, "HSS.0013", "An answer without a length takes HTTP/1.1 or later: before that, nobody can tell a whole one from one that was cut.", false}
	unknownInput = kind{http.StatusBadRequest, "HSS.0001", "Invalid request body.", false}
)

// set takes a parameter as it was sent: of one that is given twice the first
// counts, also if it is empty.
func (p *param) set(text string, malformed bool) {
	if !p.seen {
		*p = param{text: text, seen: true, malformed: malformed}
	}
}

// sign says whether an integer may begin so. A plus is a space in a query.
func sign(c byte) bool { return c == '-' || c == '+' }

// checkLength refuses a text that is longer than its published maximum, in
// characters.
func checkLength(field, text string, most int) error {
	if len(text) <= most || utf8.RuneCountInString(text) <= most {
		return nil
	}
	return &engine.FieldError{Field: field, Value: text, Allowed: "at most " + decimal(most) + " characters"}
}

// descending: sort_dir orders by port also where sort_key is left out.
func descending(sortDir string) (bool, error) {
	switch sortDir {
	case "", "asc":
		return false, nil
	case "desc":
		return true, nil
	}
	return false, &engine.FieldError{Field: "sort_dir", Value: sortDir, Allowed: "asc or desc"}
}

// contains: host_name and host_ip are parts of the name and the address of the
// assets that are asked about, be they hosts or containers.
func (p *assetParams) contains() (name, address string) {
	return p.hostName.text, p.hostIP.text
}

// appendWho appends who an asset is, as fields that each end in a comma. A
// container's own address goes out as host_ip: there is no other field for one.
func appendWho(b []byte, row *engine.HostPort, category engine.Category) []byte {
	if category == engine.Container {
		return appendField(b, "host_ip", row.Address)
	}
	b = appendField(b, "host_id", row.Asset)
	b = appendField(b, "host_name", row.Name)
	return appendField(b, "host_ip", row.Address)
}
