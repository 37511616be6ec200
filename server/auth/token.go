package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// TokenHeader is the request header that carries a token.
const TokenHeader = "X-Auth-Token" //nolint:gosec // a name, not a credential

// Bounds on the length of a token, in bytes.
const (
	MinTokenLen = 32
	MaxTokenLen = 4096
)

// operatorToken keeps a hash, so that neither memory nor the time a comparison
// takes tells the token.
type operatorToken struct {
	sum    [sha256.Size]byte
	caller Caller
}

// OperatorToken returns an authenticator that knows one token, whose bearer
// reads and writes everything. The error says which bound the token's length
// breaks; it does not hold the token.
func OperatorToken(token string) (Authenticator, error) {
	if n := len(token); n < MinTokenLen || n > MaxTokenLen {
		return nil, fmt.Errorf("operator token has %d bytes: want %d to %d", n, MinTokenLen, MaxTokenLen)
	}
	return &operatorToken{
		sum:    TokenSum(token),
		caller: Caller{Name: "operator", Source: "operator", Write: true, Projects: All(), EnterpriseProjects: All()},
	}, nil
}

// Authenticate compares the request's token; a token from nobody else is known.
func (o *operatorToken) Authenticate(_ context.Context, r *Request) (*Caller, error) {
	token, err := RequestToken(r)
	if err != nil {
		return nil, err
	}
	sum := TokenSum(token)
	if subtle.ConstantTimeCompare(sum[:], o.sum[:]) != 1 {
		return nil, ErrBadToken
	}
	return &o.caller, nil
}

// TokenSum returns the SHA-256 by which a token is known. It allocates nothing for tokens of the
// usual lengths.
func TokenSum(token string) [sha256.Size]byte {
	var room [512]byte
	return sha256.Sum256(append(room[:0], token...))
}

// RequestToken returns the token that a request carries. A request without, or with
// an empty header, has none: [ErrNoToken]; one of a length that no token has is
// [ErrBadToken].
func RequestToken(r *Request) (string, error) {
	values := r.Header.Values(TokenHeader)
	if len(values) == 0 || values[0] == "" {
		return "", ErrNoToken
	}
	if n := len(values[0]); n < MinTokenLen || n > MaxTokenLen {
		return "", ErrBadToken
	}
	return values[0], nil
}
