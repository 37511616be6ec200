// Package auth says who sends a request and what that caller is granted.
//
// # Basics
//
// An [Authenticator] turns a request into a [Caller] or into the reason why
// not. [OperatorToken] is one that knows a single token, [Tokens] knows those of
// a file, and [AccessKeys] knows requests that are signed with a key of a file;
// [FirstOf] asks several in order. A [Grant] is a set of names that a caller may use, and the zero
// Grant holds none, so that what nobody filled in lets nobody in.
//
// # Caveats
//
// The package decides who a caller is. Whether the caller may do what it asks
// for is decided by package server, which knows the routes.
//
// A signature is valid for as long as its date is: whoever can read a signed
// request can send the same one again within those 15 minutes, and a body too if
// it is not signed (UNSIGNED-PAYLOAD). TLS keeps others from reading. A signature
// covers the headers that its sender chose, and neither the order of parameters
// of the same name nor a slash at the end of the path. Where Host is signed, a
// proxy must pass it on as it came.
//
// A body whose hash is not declared is read, up to a limit, before its signature
// can be checked; all it takes for that is an access key, which is no secret.
package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"portolan/engine"
)

// Authenticator tells who sends a request. It must be safe for concurrent use.
// One whose credentials cover the body may read it, a bounded part of it in
// memory, and must then put a body that yields the same bytes in its place;
// whoever serves the request closes that body.
type Authenticator interface {
	// Authenticate returns the caller, which must not be changed afterwards.
	// An error that is a [*RefusalError] means that the request's credentials let
	// nobody in; any other error means that the source could not find out, and
	// is answered with 503, never with 401.
	Authenticate(ctx context.Context, r *Request) (*Caller, error)
}

// Caller is who sends a request and what is granted to it. The zero Caller is
// granted nothing.
type Caller struct {
	// Name is for logs; it never holds a secret. Together with Source it tells
	// one caller from another.
	Name string
	// Source is the kind of credentials that the caller came with, such as
	// token; it is one of a few words, for logs and metrics.
	Source string
	// Write says whether the caller may change what is stored; every caller reads.
	Write bool
	// Projects is the projects that the caller may name in a path.
	Projects Grant
	// EnterpriseProjects is the enterprise projects, in each of Projects, whose
	// assets the caller may see.
	EnterpriseProjects Grant
}

// Grant is a set of names: all of them, some, or, for the zero value, none.
// A Grant is immutable.
type Grant struct {
	given bool        // keeps the zero value from being everything, as the zero view is
	view  engine.View // made once, as a view is what questions are asked of
	mark  string      // made once, too
}

// All returns the grant of every name.
func All() Grant { return Grant{given: true, view: engine.All(), mark: "all"} }

// Only returns the grant of exactly the given names, in any order, repeats
// allowed.
func Only(names ...string) Grant {
	view := engine.In(names...)
	return Grant{given: true, view: view, mark: markOf(view.Names())}
}

// markOf returns a mark of names that are in order: each goes in with its
// length, so that no two lists make the same text.
func markOf(names []string) string {
	h := sha256.New()
	var length [8]byte
	for _, name := range names {
		binary.BigEndian.PutUint64(length[:], uint64(len(name)))
		h.Write(length[:])
		h.Write([]byte(name))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Mark returns a short word of letters and digits that grants of the same
// names share and others do not.
func (g Grant) Mark() string {
	if !g.given {
		return "none"
	}
	return g.mark
}

// IsAll says whether the grant holds every name.
func (g Grant) IsAll() bool { return g.given && g.view.IsAll() }

// Has says whether the grant holds the name.
func (g Grant) Has(name string) bool {
	return g.given && g.view.Has(name)
}

// View returns the view of exactly the enterprise projects that are granted.
func (g Grant) View() engine.View {
	if !g.given {
		return engine.In()
	}
	return g.view
}

// RefusalError is the error of credentials that let nobody in.
type RefusalError struct {
	// Reason goes to the client; it says what is wrong in the words of the
	// service that this one stands in for, and holds no secret.
	Reason string
	// Final keeps [FirstOf] from asking on: the credentials are of a kind that
	// only this source can judge.
	Final bool
}

// Error returns the reason.
func (r *RefusalError) Error() string { return r.Reason }

// Refusals of tokens.
var (
	// ErrNoToken is returned when the request carries no credentials.
	ErrNoToken = &RefusalError{Reason: "x-auth-token not found"}
	// ErrBadToken is returned when the token is too short, too long or unknown.
	ErrBadToken = &RefusalError{Reason: "decrypt token fail"}
)

// ErrBodyTooLarge is returned when credentials cover a body that has more bytes
// than can be held while they are checked. It is not about who calls.
var ErrBodyTooLarge = errors.New("the signed body is too large to be hashed: send X-Sdk-Content-Sha256")
