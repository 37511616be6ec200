package server

import (
	"context"
	"time"

	"portolan/server/auth"
)

// Route is a call as the tests see it.
type Route struct {
	Method, Pattern string
	Public, Writes  bool
}

// Routes returns every call of the router.
func (s *Server) Routes() []Route {
	var all []Route
	for _, rt := range s.table {
		all = append(all, Route{rt.method, rt.pattern, rt.access == public, rt.access == writes})
	}
	return all
}

// Remembered counts the answers that the server remembers.
func (s *Server) Remembered() int {
	n := 0
	for i := range s.answers.places {
		if s.answers.places[i].Load() != nil {
			n++
		}
	}
	return n
}

// Exchange answers a request that no transport brought, and gives the answer's status,
// header fields and body.
func (s *Server) Exchange(ctx context.Context, r auth.Request) (status int, fields map[string][]string, body string) {
	c := begin(s, r)
	defer c.end()
	s.answer(ctx, c)
	fields = map[string][]string{"X-Request-Id": {string(c.id[:])}}
	for _, f := range c.answered.fields {
		fields[f.name] = f.values
	}
	return c.answered.status, fields, string(c.answered.body)
}

// Remembers says whether the server remembers an answer to the query.
func (s *Server) Remembers(query string) bool {
	for i := range s.answers.places {
		if a := s.answers.places[i].Load(); a != nil && a.query == query {
			return true
		}
	}
	return false
}

// Plain answers the bytes as the front does, if they are one plain request.
func (s *Server) Plain(ctx context.Context, raw, remote string) (answer string, ok bool) {
	var p plain
	if p.read([]byte(raw)) != wholePlain || len(p.text) != len(raw) {
		return "", false
	}
	c := begin(s, p.request(remote))
	defer c.end()
	s.answer(ctx, c)
	var d date
	return string(c.appendTo(nil, d.at(c.began), false)), true
}

// PlainAgain returns a function that answers a plain request as the front does, with the same
// memory.
func (s *Server) PlainAgain(raw string) func() {
	p, b, out := new(plain), []byte(raw), []byte(nil)
	var d date
	ctx := context.Background()
	return func() {
		if p.read(b) != wholePlain {
			panic("not plain")
		}
		c := begin(s, p.request("192.0.2.1:1"))
		s.answer(ctx, c)
		out = c.appendTo(out[:0], d.at(c.began), false)
		s.observe(c)
		c.end()
	}
}

// HoldSearches takes all the room of searches, for which questions wait so long, until it is given back.
func HoldSearches(s *Server, patience time.Duration) (release func()) {
	s.searches.patience = patience
	for range cap(s.searches.room) {
		s.searches.room <- struct{}{}
	}
	return func() {
		s.searches.patience = searchTime
		for range cap(s.searches.room) {
			<-s.searches.room
		}
	}
}

// Working returns a function that says whether somebody works for the connection of a request.
func Working(ctx context.Context) func() bool {
	c, _ := ctx.Value(connKey{}).(*conn) // every request of such a server has one
	return func() bool { return c.working.Load() > 0 }
}

// TakeExports takes places of exports for a caller, at most so many, and returns what gives each back.
func TakeExports(s *Server, caller string, most int) (give []func()) {
	for range most {
		g, err := s.exports.take(holder{name: caller})
		if err != nil {
			break
		}
		give = append(give, g)
	}
	return give
}

// Feeds is how many feeds there are.
func Feeds(s *Server) int64 {
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	return maxFeeds - s.feeds.pool.free
}

// TakePasts is TakeExports for questions about the past.
func TakePasts(s *Server, caller string, most int) (give []func()) {
	for range most {
		g, err := s.pasts.take(holder{name: caller})
		if err != nil {
			break
		}
		give = append(give, g)
	}
	return give
}

// Connections returns how many connections of a front are open.
func Connections(f *Front) int {
	f.conns.mu.Lock()
	defer f.conns.mu.Unlock()
	return len(f.conns.open)
}
