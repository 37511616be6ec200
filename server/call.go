package server

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"portolan/engine"
	"portolan/server/auth"
)

// idLen is the length of a request id, in hex digits.
const idLen = 32

// call is one request on its way through the server, whatever transport brought it, with
// the answer and the memory that it needs. It belongs to one goroutine and is used again
// for later ones.
type call struct {
	s            *Server
	auth.Request        // the body is that of [call.body], or what an authenticator put in its place
	body         *body  // nil if the request has none
	upload       upload // what the body has taken

	began   time.Time
	route   *route // nil if there is none
	id      [idLen]byte
	project string       // of the path
	asset   string       // of the path
	caller  *auth.Caller // nil on public routes

	media  []string // the answer's media type; nil is JSON
	tagged bool     // the answer is of the data version and the policy
	tag    tag

	answered response
	streams  bool // the transport can send an answer as it is written
	panicked bool // somebody may still use this call's memory

	statistics statisticsParams // here, as it would be allocated for each

	buf  []byte
	rows []engine.PortCount
}

// response is an answer as a transport sends it. Neither its fields nor their values may
// be changed, and the body only until the call's end.
type response struct {
	status int
	id     []string // the value of X-Request-Id, if it is made already
	fields []field  // the other header fields
	body   []byte
	write  func(io.Writer) error // writes what takes the body's place, if it is not nil
	room   [8]field              // where fields are, if nobody remembers them
}

// field is a header field, its name in canonical form.
type field struct {
	name   string
	values []string
}

// add appends a header field.
func (r *response) add(name string, values []string) {
	if r.fields == nil {
		r.fields = r.room[:0]
	}
	r.fields = append(r.fields, field{name, values})
}

// maxKept is the largest buffer that is kept for a later request.
const maxKept = 64 << 10

var calls = sync.Pool{New: func() any {
	return &call{buf: make([]byte, 0, 4<<10), rows: make([]engine.PortCount, 0, maxLimit)}
}}

// begin returns the call of a request.
func begin(s *Server, r auth.Request) *call {
	c := calls.Get().(*call) // the pool holds nothing else
	c.s, c.Request = s, r
	if len(s.opts.TrustedProxies) > 0 {
		c.Remote = s.opts.TrustedProxies.client(r.Remote, r.Header)
	}
	c.id = requestID(r.Header)
	c.began = time.Now()
	return c
}

// end gives the call's memory back. That of a call that panicked is left to the
// garbage collector.
func (c *call) end() {
	if c.panicked {
		return
	}
	buf := c.buf[:0]
	if cap(buf) > maxKept {
		buf = nil
	}
	*c = call{buf: buf, rows: c.rows[:0]}
	calls.Put(c)
}

// requestID keeps the id that the request came with, if it is one; else it
// makes one up. Ids tell requests apart and guard nothing, so they need not be
// hard to guess.
func requestID(h auth.Header) (id [idLen]byte) {
	if sent := h.Values("X-Request-Id"); len(sent) > 0 && isID(sent[0]) {
		copy(id[:], sent[0])
		return id
	}
	var raw [idLen / 2]byte
	binary.NativeEndian.PutUint64(raw[:], rand.Uint64())
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64())
	hex.Encode(id[:], raw[:])
	return id
}

func isID(text string) bool {
	for i := range len(text) {
		c := text[i] | 0x20 // letters in lower case; digits have the bit
		if (c < '0' || c > '9' || text[i] != c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(text) == idLen
}

// The values of headers that are always the same.
var (
	jsonType   = []string{"application/json"}
	revalidate = []string{"private, no-cache"} // a copy may be kept if it is asked for each time
	noStore    = []string{"no-store"}
	closing    = []string{"close"}
)

// reply makes the whole answer.
func (c *call) reply(status int, body []byte) {
	c.answered.status, c.answered.body = status, body
	c.head(status, len(body))
}

// unknownLength is the length of a body that is written when it is sent.
const unknownLength = -1

// head sets the headers of every answer. Their values are parts of one text and
// one slice, which makes two allocations of eight.
func (c *call) head(status, length int) {
	var room [160]byte
	text := append(room[:0], c.id[:]...)
	text = strconv.AppendInt(text, int64(length), 10)
	n, version := len(text), 0
	if c.tagged {
		text, version = c.appendTag(text)
	}
	all := string(text)
	values := [...]string{all[:idLen], all[idLen:n], all[n:], ""}

	a := &c.answered
	a.id = values[0:1:1]
	if status != http.StatusNoContent && status != http.StatusNotModified {
		media := c.media
		if media == nil {
			media = jsonType
		}
		a.add("Content-Type", media)
		if length != unknownLength {
			a.add("Content-Length", values[1:2:2])
		}
	}
	if !c.tagged {
		a.add("Cache-Control", noStore)
		return
	}
	values[3] = all[n+1 : version]
	a.add("Cache-Control", revalidate)
	a.add("Etag", values[2:3:3])
	a.add("X-Data-Version", values[3:4:4])
}
