package server

import (
	"context"

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
	fields = map[string][]string{"X-Request-Id": c.answered.id}
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
