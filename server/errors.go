package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// kind is a sort of failure as clients tell them apart.
type kind struct {
	status  int
	code    string
	text    string
	gateway bool // in the words and the envelope of the API gateway in front of the service
}

// The kinds that the contract gives; guesses.go has the others.
var (
	unknownPath  = kind{http.StatusNotFound, "APIGW.0101", "The API does not exist or has not been published in the environment", true}
	wrongMethod  = kind{http.StatusNotFound, "APIGW.0101", "The API does not exist.", true}
	throttled    = kind{http.StatusTooManyRequests, "APIGW.0308", "The throttling threshold has been reached: ", true}
	unauthentic  = kind{http.StatusUnauthorized, "APIGW.0301", "Incorrect IAM authentication information: ", true}
	identityDown = kind{http.StatusServiceUnavailable, "APIGW.0202", "The identity service is unavailable.", true}
	invalid      = kind{http.StatusBadRequest, "HSS.0001", "Invalid request parameter.", false}
	broken       = kind{http.StatusInternalServerError, "HSS.0000", "System error.", false}
)

// failure is an answer that is not a success. It is an error, so that handlers
// can return it; the cause is for the log and is never sent.
type failure struct {
	kind
	detail  string
	retry   int               // seconds after which to try again, if not 0
	summary *scanfile.Summary // what became of a body all the same; may be nil
	cause   error
}

// Failures that are always the same.
var (
	errUnknownPath = &failure{kind: unknownPath}
	errWrongMethod = &failure{kind: wrongMethod}
	errForbidden   = &failure{kind: forbidden}
)

func (f *failure) Error() string { return f.code + " " + f.text + f.detail }

func (f *failure) Unwrap() error { return f.cause }

func unauthorized(reason string) error { return &failure{kind: unauthentic, detail: reason} }

// retrySoon is for what a server gets over by itself, in seconds.
const retrySoon = 1

// failureOf gives every error of a handler its place in the API.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return &failure{kind: noAsset}
	case errors.Is(err, engine.ErrInvalid):
		return &failure{kind: invalid, detail: err.Error()}
	case errors.Is(err, engine.ErrBehind):
		return &failure{kind: behind} // what it has is other tenants', too
	case errors.Is(err, engine.ErrRefused):
		return &failure{kind: unwritable, retry: retrySoon, cause: err} // which tells of the machine
	case errors.Is(err, engine.ErrReadOnly):
		return &failure{kind: unwritable, cause: err}
	case errors.Is(err, engine.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &failure{kind: stopping, retry: retrySoon}
	}
	return &failure{kind: broken, cause: err}
}

// fail answers with an error: the one place that writes one.
func (s *Server) fail(c *call, err error) {
	f := failureOf(err)
	if f.cause != nil && f.status >= http.StatusInternalServerError {
		s.log(c, f)
	}
	s.meters.writeRefused(c, f)
	c.tagged, c.answered.fields = false, nil
	if f.retry > 0 {
		c.answered.add("Retry-After", []string{decimal(f.retry)})
	}
	c.reply(f.status, f.body(string(c.id[:])))
}

// gatewayEnvelope and apiEnvelope are the two shapes of an error.
type gatewayEnvelope struct {
	Message string `json:"error_msg"`
	Code    string `json:"error_code"`
	ID      string `json:"request_id"`
}

type apiEnvelope struct {
	Code        string `json:"error_code"`
	Description string `json:"error_description"`
	Message     string `json:"error_msg"`
}

// body returns the envelope, and in the same object the summary, if there is one.
func (f *failure) body(id string) []byte {
	if f.gateway {
		return toJSON(gatewayEnvelope{f.text + f.detail, f.code, id})
	}
	message := f.detail
	if message == "" {
		message = f.text
	}
	envelope := toJSON(apiEnvelope{f.code, f.text, message})
	if f.summary == nil {
		return envelope
	}
	joined := append(bytes.TrimSuffix(envelope, []byte("}")), ',')
	return append(joined, bytes.TrimPrefix(toJSON(f.summary), []byte("{"))...)
}

// toJSON encodes a value of this package; <, > and & stay as they are, since
// nobody puts the answer into a page as it is.
func toJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("server: " + err.Error()) // only values that can be encoded come here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
