package auth

import (
	"context"
	"errors"
)

type firstOf []Authenticator

// FirstOf returns an authenticator that asks the sources in order. The first
// that knows the caller decides, and so does the first final refusal. When none
// knows the caller, a source that could not be asked makes the answer
// unavailable, as it might have known; else the most telling refusal stands.
//
// [AccessKeys] must come first: of a request with both a signature and a token
// the signature decides.
func FirstOf(sources ...Authenticator) Authenticator { return firstOf(sources) }

// settled is an error that is no refusal and that keeps [FirstOf] from asking
// on: the request is for this source alone, or its body is no longer whole.
type settled struct{ error }

func (s settled) Unwrap() error { return s.error }

// Authenticate asks the sources.
func (f firstOf) Authenticate(ctx context.Context, r *Request) (*Caller, error) {
	var failed error
	said := ErrNoToken
	for _, source := range f {
		caller, err := source.Authenticate(ctx, r)
		if err == nil {
			return caller, nil
		}
		if final, ok := errors.AsType[settled](err); ok {
			return nil, final
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
