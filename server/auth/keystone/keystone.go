// Package keystone lets in the bearers of tokens of an OpenStack Identity
// service, Keystone v3.
//
// # Basics
//
// [New] returns a [Source], an [auth.Authenticator] that asks the service about
// each token that it has not asked about lately. A token reads every enterprise
// project of the project that it is scoped to; it writes if its bearer has one
// of [Options].WriteRoles there.
//
// # Caveats
//
// A verdict is kept for a while, so that a token that is revoked is let in for
// up to [Options].CacheTTL. A service that is down, slow or talks nonsense makes
// an error that is no refusal: nobody is let in who is not known already, and
// nobody is told that a token is bad.
package keystone

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"portolan/server/auth"
)

// Source is an [auth.Authenticator] that asks Keystone. It may be used
// concurrently.
type Source struct {
	opts    Options
	service service
	known   *verdicts
	flights singleflight.Group
	slots   chan struct{} // one for each question under way about a token that was good
	turns   *turns        // of the questions about others
}

// New returns a source that asks the service at a URL, with or without the /v3
// at its end. It does not ask anything yet, so the service need not be up.
func New(url string, opts *Options) (*Source, error) {
	base, err := baseURL(url)
	if err != nil {
		return nil, err
	}
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	filled := opts.withDefaults()
	return &Source{
		opts:    filled,
		service: newService(base, &filled),
		known:   newVerdicts(filled.MaxEntries),
		slots:   make(chan struct{}, max(1, filled.MaxConcurrent/4)),
		turns:   newTurns(max(1, filled.MaxConcurrent-filled.MaxConcurrent/4)),
	}, nil
}

// Authenticate judges the request's token.
func (s *Source) Authenticate(ctx context.Context, r *auth.Request) (*auth.Caller, error) {
	token, err := auth.RequestToken(r)
	if err != nil {
		return nil, err
	}
	q := question{token: token, key: auth.TokenSum(token), from: r.Remote}
	now := s.opts.Now()
	v := s.known.of(&q.key, now)
	if v == nil {
		q.known = s.known.wasGood(&q.key)
		return s.answer(ctx, s.ask(ctx, &q))
	}
	if v.caller != nil && v.until.Sub(now) < s.opts.CacheTTL/refreshPart {
		q.known = true
		s.ask(ctx, &q) // so that nobody waits when the verdict ends
	}
	return v.caller, v.refusal
}

// refreshPart is in which part of the time that a verdict holds, the last one, it is asked for
// anew when it is used.
const refreshPart = 4

// question is what the service is asked.
type question struct {
	token string
	key   [sha256.Size]byte
	from  string // the client's address
	known bool   // the token was good when it was asked about last
}

// ask has the service judge a token. Requests with the same token share a
// question, which goes on when the one that began it is given up.
func (s *Source) ask(ctx context.Context, q *question) <-chan singleflight.Result {
	return s.flights.DoChan(string(q.key[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Timeout)
		defer cancel()
		return s.judge(ctx, q)
	})
}

// answer waits for what the service says.
func (s *Source) answer(ctx context.Context, answers <-chan singleflight.Result) (*auth.Caller, error) {
	select {
	case answer := <-answers:
		if answer.Err != nil {
			return nil, answer.Err
		}
		v := answer.Val.(*verdict) // judge makes nothing else
		return v.caller, v.refusal
	case <-ctx.Done():
		return nil, fmt.Errorf("keystone: the request was given up: %w", ctx.Err())
	}
}

// judge asks about a token when there is room for the question, and remembers the answer.
func (s *Source) judge(ctx context.Context, q *question) (*verdict, error) {
	leave, err := s.enter(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("keystone: %d questions are under way already: %w", s.opts.MaxConcurrent, err)
	}
	defer leave()
	asked := s.opts.Now() // a verdict ages from the question on
	facts, err := s.service.validate(ctx, q.token)
	if err != nil {
		return nil, fmt.Errorf("keystone: %w", err)
	}
	v := s.verdict(facts, asked)
	s.known.add(&q.key, v)
	return v, nil
}

// enter waits until the question may be asked. Those about tokens that were good have room of
// their own, so that made-up ones keep nobody out who is known.
func (s *Source) enter(ctx context.Context, q *question) (leave func(), err error) {
	if !q.known {
		from := auth.Network(q.from)
		return func() { s.turns.leave(from) }, s.turns.enter(ctx, from)
	}
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// verdict turns what the service says of a token, nil where it is a bad one,
// into what that means here.
func (s *Source) verdict(facts *facts, asked time.Time) *verdict {
	if facts == nil {
		return &verdict{refusal: auth.ErrBadToken, until: asked.Add(min(s.opts.RefusalTTL, s.opts.CacheTTL))}
	}
	v := &verdict{caller: s.caller(facts), until: asked.Add(s.opts.CacheTTL), expires: facts.expires}
	if !asked.Before(v.expires) { // by our clock
		v.caller, v.refusal = nil, expired(v.expires)
	}
	return v
}

// caller returns the bearer of a token. One that is scoped to no project is
// granted none.
func (s *Source) caller(facts *facts) *auth.Caller {
	c := &auth.Caller{Name: facts.user, Source: "keystone"}
	if facts.project == "" {
		return c
	}
	c.Projects, c.EnterpriseProjects = auth.Only(facts.project), auth.All()
	for _, role := range facts.roles {
		c.Write = c.Write || s.opts.writes(role)
	}
	return c
}

// expired is the refusal of a token that was good until then.
func expired(then time.Time) *auth.RefusalError {
	return &auth.RefusalError{Reason: "token expires, expires_at: " + then.UTC().Format("2006-01-02T15:04:05.000000Z")}
}
