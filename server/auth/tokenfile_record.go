package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"portolan/engine"
)

// TokenPrefix begins every token that [NewToken] makes, so that tools which look
// for secrets in the wrong place know one.
const TokenPrefix = "portolan_"

// NewToken returns a token that nobody can guess: [TokenPrefix] and 32 random
// bytes in base64url.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// HashToken returns what a token file keeps of a token: its SHA-256, in hex.
func HashToken(token string) string {
	sum := TokenSum(token)
	return hex.EncodeToString(sum[:])
}

// TokenRecord is one entry of a token file.
type TokenRecord struct {
	// Name tells the token from others of its file, 1 to 128 characters.
	Name string `json:"name"`
	// SHA256 is the hash of the token as [HashToken] returns it.
	SHA256 string `json:"sha256"`
	// Projects and EnterpriseProjects are what is granted: names, or "*" alone
	// for all; an empty list grants nothing.
	Projects           []string `json:"projects"`
	EnterpriseProjects []string `json:"enterprise_projects"`
	// Write says whether the token's bearer may change what is stored.
	Write bool `json:"write"`
	// Created is for people; zero is unknown.
	Created time.Time `json:"created,omitzero"`
	// Expires is when the token stops being valid; zero is never.
	Expires time.Time `json:"expires,omitzero"`
}

// Validate returns the first field that is not allowed, as a
// [*engine.FieldError] that does not hold the hash.
func (t *TokenRecord) Validate() error {
	if err := checkName("name", t.Name); err != nil {
		return err
	}
	if _, err := t.sum(); err != nil {
		return err
	}
	return checkGrants(t.Projects, t.EnterpriseProjects)
}

// Expired says whether the token is not valid any more at that time.
func (t *TokenRecord) Expired(now time.Time) bool {
	return !t.Expires.IsZero() && !now.Before(t.Expires)
}

// sum decodes the hash.
func (t *TokenRecord) sum() (sum [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(t.SHA256)
	if err != nil || len(b) != len(sum) {
		return sum, &engine.FieldError{
			Field: "sha256", Value: fmt.Sprintf("%.8s…", t.SHA256),
			Allowed: fmt.Sprintf("%d hex digits, not %d characters of something else", 2*len(sum), len(t.SHA256)),
		}
	}
	return [sha256.Size]byte(b), nil
}

// readToken reads one entry of a token file.
func readToken(o *object) (t TokenRecord, err error) {
	t.Name = o.text("name")
	o.name = t.Name
	t.SHA256 = o.text("sha256")
	t.Projects, t.EnterpriseProjects = o.list("projects"), o.list("enterprise_projects")
	t.Write = o.truth("write")
	t.Created, t.Expires = o.time("created"), o.time("expires")
	return t, firstError(o.done(), t.Validate())
}

// parseTokens reads the contents of a token file.
func parseTokens(data []byte) ([]TokenRecord, error) {
	var records []TokenRecord
	names := make(map[string]bool)
	sums := make(map[[sha256.Size]byte]string)
	err := readObjects(data, func(o *object) error {
		t, err := readToken(o)
		if err != nil {
			return err
		}
		sum, err := t.sum()
		if err != nil {
			return err
		}
		if names[t.Name] {
			return fmt.Errorf("name: %q is in another entry, too", t.Name)
		}
		if other, ok := sums[sum]; ok {
			return fmt.Errorf("sha256: %.8s… is also that of %q", t.SHA256, other)
		}
		names[t.Name], sums[sum] = true, t.Name
		records = append(records, t)
		return nil
	})
	return records, err
}
