package auth

import (
	"errors"
	"net/http"
)

type firstOf []Authenticator

// FirstOf returns an authenticator that asks the sources in order. The first
// that knows the caller decides, and so does the first final refusal. When none
// knows the caller, a source that could not be asked makes the answer
// unavailable, as it might have known; else the most telling refusal stands.
func FirstOf(sources ...Authenticator) Authenticator { return firstOf(sources) }

// Authenticate asks the sources.
func (f firstOf) Authenticate(r *http.Request) (*Caller, error) {
	var failed error
	said := ErrNoToken
	for _, source := range f {
		caller, err := source.Authenticate(r)
		if err == nil {
			return caller, nil
		}
		refusal, ok := errors.AsType[*RefusalError](err)
		switch {
		case !ok:
			failed = errors.Join(failed, err)
		case refusal.Final:
			return nil, refusal
		case said == ErrNoToken: // the sentinel itself: nothing was said yet
			said = refusal
		}
	}
	if failed != nil {
		return nil, failed
	}
	return nil, said
}
