package server

import (
	"net/http"
	"time"

	"portolan/server/auth"
)

// ServeHTTP answers a request of net/http. It is the adapter of one transport: what
// answers knows none.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := begin(s, auth.FromHTTP(r))
	if c.Body != nil {
		c.body = newBody(c.Body, r.Trailer, http.NewResponseController(w), &s.opts)
		c.body.begin = func() error { return s.beginUpload(c) }
		c.Body = c.body
	}
	c.streams = r.ProtoAtLeast(1, 1)
	s.answer(r.Context(), c)
	h, a := w.Header(), &c.answered
	if r.ProtoMajor == 1 && c.body.unread() {
		// The answer does not wait for the rest of the body, nor does the connection long.
		h["Connection"] = closing
		c.body.deadline(time.Now().Add(lingerTime))
	}
	if a.id == nil {
		a.id = []string{string(c.id[:])}
	}
	h[idHeader] = a.id
	for i := range a.fields {
		h[a.fields[i].name] = a.fields[i].values
	}
	w.WriteHeader(a.status)
	var cut error
	switch {
	case a.write != nil:
		cut = a.write(newStreamWriter(w, &s.opts))
	case len(a.body) > 0:
		_, _ = w.Write(a.body) // whoever asked is gone
	}
	s.observe(c)
	c.end()
	if cut != nil {
		panic(http.ErrAbortHandler)
	}
}
