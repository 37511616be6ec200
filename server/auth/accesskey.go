package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portolan/engine"
)

// Bounds on the lengths of access keys, in bytes.
const (
	maxAccessKeyLen = 128
	minSecretKeyLen = 16
	maxSecretKeyLen = 256
)

// AccessKeys is an [Authenticator] of requests that are signed with a key from
// a file. All its refusals are final: of a request with both a signature and a
// token the signature decides, so it must be the first source of [FirstOf]. It
// may be used concurrently.
type AccessKeys struct {
	path  string
	opts  AccessKeysOptions
	mu    sync.Mutex // one reading at a time, so that an older one never replaces a newer
	known atomic.Pointer[map[string]*accessKey]
}

// accessKey is a key that may sign.
type accessKey struct {
	caller  Caller
	expires time.Time // zero for never
	macs    sync.Pool // of [hash.Hash] that are keyed with the secret
}

func newAccessKey(caller Caller, expires time.Time, secret string) *accessKey {
	return &accessKey{
		caller: caller, expires: expires,
		macs: sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(secret)) }},
	}
}

// sign puts the MAC of the text into sum.
func (k *accessKey) sign(sum *[sha256.Size]byte, text []byte) {
	mac := k.macs.Get().(hash.Hash) // the pool holds nothing else
	mac.Reset()
	mac.Write(text)
	mac.Sum(sum[:0])
	k.macs.Put(mac)
}

// OpenAccessKeys reads a file of access keys: a JSON list of objects with the
// fields access_key, secret_key, name, projects, enterprise_projects, write and
// expires. Since it holds secrets, nobody but its owner may have any permission
// on it. An error says which entry and field is wrong, never a secret.
func OpenAccessKeys(path string, opts *AccessKeysOptions) (*AccessKeys, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	a := &AccessKeys{path: path, opts: opts.withDefaults()}
	if err := a.Reload(); err != nil {
		return nil, err
	}
	return a, nil
}

// Paths returns the file.
func (a *AccessKeys) Paths() []string { return []string{a.path} }

// Len returns how many keys are known.
func (a *AccessKeys) Len() int { return len(*a.known.Load()) }

// Reload reads the file again; after an error the old keys stay.
func (a *AccessKeys) Reload() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, _, err := readKeyFile(a.path, notShared)
	if err != nil {
		return fmt.Errorf("access key file %s: %w", a.path, err)
	}
	known, err := parseAccessKeys(data)
	if err != nil {
		return fmt.Errorf("access key file %s: %w", a.path, err)
	}
	a.known.Store(&known)
	return nil
}

// parseAccessKeys reads the contents of a file.
func parseAccessKeys(data []byte) (map[string]*accessKey, error) {
	known := make(map[string]*accessKey)
	names := make(map[string]bool)
	err := readObjects(data, func(o *object) error {
		id, key, err := readAccessKey(o)
		if err != nil {
			return err
		}
		if known[id] != nil {
			return fmt.Errorf("access_key: %q is in another entry, too", id)
		}
		if names[key.caller.Name] {
			return fmt.Errorf("name: %q is in another entry, too", key.caller.Name)
		}
		known[id], names[key.caller.Name] = key, true
		return nil
	})
	return known, err
}

// readAccessKey reads one entry.
func readAccessKey(o *object) (id string, key *accessKey, err error) {
	id = o.text("access_key")
	secret := o.text("secret_key")
	o.name = id
	name := o.text("name")
	projects, enterpriseProjects := o.list("projects"), o.list("enterprise_projects")
	write, expires := o.truth("write"), o.time("expires")
	if name == "" {
		name = id
	}
	err = firstError(o.done(), checkAccessKey(id, secret), checkName("name", name), checkGrants(projects, enterpriseProjects))
	return id, newAccessKey(Caller{
		Name: name, Source: "access_key", Write: write,
		Projects: grantOf(projects), EnterpriseProjects: grantOf(enterpriseProjects),
	}, expires, secret), err
}

func checkAccessKey(id, secret string) error {
	if n := len(id); n < 1 || n > maxAccessKeyLen || strings.Trim(id, idLetters) != "" {
		return &engine.FieldError{Field: "access_key", Value: id, Allowed: fmt.Sprintf("1 to %d letters, digits, -, _ and .", maxAccessKeyLen)}
	}
	if n := len(secret); n < minSecretKeyLen || n > maxSecretKeyLen {
		return fmt.Errorf("secret_key has %d bytes: want %d to %d", n, minSecretKeyLen, maxSecretKeyLen)
	}
	return nil
}

// idLetters is what access keys are made of: nothing that parts a header.
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

// Authenticate checks the signature of a request that has one; a request
// without is for other sources.
func (a *AccessKeys) Authenticate(_ context.Context, r *Request) (*Caller, error) {
	sent, err := signatureOf(r)
	if err != nil {
		return nil, err
	}
	key := (*a.known.Load())[sent.key]
	if key == nil {
		return nil, refuse("ak " + presentable(sent.key) + " not exist")
	}
	now := a.opts.Now()
	if off := now.Sub(sent.date); off > a.opts.MaxSkew || off < -a.opts.MaxSkew {
		return nil, errStale
	}
	if !key.expires.IsZero() && !now.Before(key.expires) {
		return nil, refuse("ak " + sent.key + " expires, expires_at: " + key.expires.UTC().Format(time.RFC3339))
	}
	if err := a.verify(r, key, sent); err != nil {
		return nil, err
	}
	return &key.caller, nil
}

// presentable returns the text as far as a client may see its own words again.
func presentable(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, text[:min(len(text), maxAccessKeyLen)])
}
