package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"
)

// TokensOptions are the settings of [OpenTokens]; nil and zero fields mean
// defaults.
type TokensOptions struct {
	// Now tells the time; the default is [time.Now].
	Now func() time.Time
}

// Tokens is an [Authenticator] of the tokens of a file. It may be used
// concurrently.
type Tokens struct {
	path  string
	now   func() time.Time
	mu    sync.Mutex // one reading at a time, so that an older one never replaces a newer
	known atomic.Pointer[map[[sha256.Size]byte]*knownToken]
}

type knownToken struct {
	caller  Caller
	expires time.Time // zero for never
}

// OpenTokens reads a token file: a JSON list of objects with the fields of
// [TokenRecord]. The file holds no secrets, but whoever writes it lets himself
// in, so only its owner may have the permission to. An error says which entry
// and field is wrong.
func OpenTokens(path string, opts *TokensOptions) (*Tokens, error) {
	t := &Tokens{path: path, now: time.Now}
	if opts != nil && opts.Now != nil {
		t.now = opts.Now
	}
	if err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// Paths returns the file.
func (t *Tokens) Paths() []string { return []string{t.path} }

// Len returns how many tokens are known, expired ones included.
func (t *Tokens) Len() int { return len(*t.known.Load()) }

// Reload reads the file again; after an error the old tokens stay. A token that
// is no longer in the file is unknown from then on.
func (t *Tokens) Reload() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	records, err := ReadTokens(t.path)
	if err != nil {
		return err
	}
	known := make(map[[sha256.Size]byte]*knownToken, len(records))
	for i := range records {
		r := &records[i]
		sum, err := r.sum()
		if err != nil {
			return err
		}
		known[sum] = &knownToken{expires: r.Expires, caller: Caller{
			Name: r.Name, Source: "token", Write: r.Write,
			Projects: grantOf(r.Projects), EnterpriseProjects: grantOf(r.EnterpriseProjects),
		}}
	}
	t.known.Store(&known)
	return nil
}

// Authenticate looks the request's token up. It compares no secrets: what is
// looked up is a hash, which nobody can steer towards one that is known.
func (t *Tokens) Authenticate(_ context.Context, r *Request) (*Caller, error) {
	token, err := RequestToken(r)
	if err != nil {
		return nil, err
	}
	known := (*t.known.Load())[TokenSum(token)]
	if known == nil {
		return nil, ErrBadToken
	}
	if !known.expires.IsZero() && !t.now().Before(known.expires) {
		return nil, refuse("token expires, expires_at: " + known.expires.UTC().Format(time.RFC3339))
	}
	return &known.caller, nil
}
