package server

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
