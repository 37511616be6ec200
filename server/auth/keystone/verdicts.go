package keystone

import (
	"crypto/sha256"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"portolan/server/auth"
)

// verdict is what is known about a token: who bears it, or why nobody does.
type verdict struct {
	caller  *auth.Caller
	refusal error
	until   time.Time // when to ask again
	expires time.Time // when a good token ends; zero for a bad one
}

// verdicts are the latest, by the hash of the token. The good and the bad are
// apart, so that who makes up tokens pushes out nobody's good one.
type verdicts struct {
	good, bad *lru.Cache[[sha256.Size]byte, *verdict]
}

// newVerdicts makes room for so many of each.
func newVerdicts(size int) *verdicts {
	return &verdicts{good: newCache(size), bad: newCache(size)}
}

func newCache(size int) *lru.Cache[[sha256.Size]byte, *verdict] {
	cache, err := lru.New[[sha256.Size]byte, *verdict](size)
	if err != nil { // the size is positive, and nothing else can be wrong
		panic(err)
	}
	return cache
}

// of returns the verdict about a token, nil to ask for one. What was good and
// has ended is never asked about again.
func (c *verdicts) of(key *[sha256.Size]byte, now time.Time) *verdict {
	if v, ok := c.good.Get(*key); ok {
		switch {
		case !now.Before(v.expires):
			return &verdict{refusal: expired(v.expires)}
		case now.Before(v.until):
			return v
		}
		return nil
	}
	if v, ok := c.bad.Get(*key); ok && now.Before(v.until) {
		return v
	}
	return nil
}

// wasGood says whether the token was good when it was asked about last.
func (c *verdicts) wasGood(key *[sha256.Size]byte) bool { return c.good.Contains(*key) }

// add remembers a verdict in place of an earlier one. A token that was good and
// is so no more leaves the good ones.
func (c *verdicts) add(key *[sha256.Size]byte, v *verdict) {
	if v.caller != nil {
		c.bad.Remove(*key)
		c.good.Add(*key, v)
		return
	}
	c.good.Remove(*key)
	c.bad.Add(*key, v)
}
