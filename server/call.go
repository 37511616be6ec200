package server

import (
	"encoding/binary"
	"encoding/hex"
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

// call is one request on its way through the server, with the memory that its
// answer needs. It belongs to one goroutine and is used again for later ones.
type call struct {
	s *Server
	w http.ResponseWriter
	r *http.Request

	began   time.Time
	route   *route // nil if there is none
	status  int    // of the answer
	sent    int    // bytes of it
	id      [idLen]byte
	project string       // of the path
	asset   string       // of the path
	caller  *auth.Caller // nil on public routes
	body    *body        // nil if the request has none

	media  []string // the answer's media type; nil is JSON
	tagged bool     // the answer is of the data version and the policy
	tag    tag

	statistics statisticsParams // here, as it would be allocated for each

	buf  []byte
	rows []engine.PortCount
}

// maxKept is the largest buffer that is kept for a later request.
const maxKept = 64 << 10

var calls = sync.Pool{New: func() any {
	return &call{buf: make([]byte, 0, 4<<10), rows: make([]engine.PortCount, 0, maxLimit)}
}}

func begin(s *Server, w http.ResponseWriter, r *http.Request) *call {
	c := calls.Get().(*call) // the pool holds nothing else
	c.s, c.w, c.r = s, w, r
	c.id = requestID(r)
	c.began = time.Now()
	return c
}

// end gives the call's memory back. A call that panicked is left to the
// garbage collector.
func (c *call) end() {
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
func requestID(r *http.Request) (id [idLen]byte) {
	if sent := r.Header["X-Request-Id"]; len(sent) > 0 && isID(sent[0]) {
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
)

// reply writes the whole answer.
func (c *call) reply(status int, body []byte) {
	c.status, c.sent = status, len(body)
	c.head(status, len(body))
	c.w.WriteHeader(status)
	if len(body) > 0 {
		_, _ = c.w.Write(body) // whoever asked is gone
	}
}

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

	h := c.w.Header()
	h["X-Request-Id"] = values[0:1:1]
	if status != http.StatusNoContent && status != http.StatusNotModified {
		h["Content-Type"] = jsonType
		if c.media != nil {
			h["Content-Type"] = c.media
		}
		h["Content-Length"] = values[1:2:2]
	}
	h["Cache-Control"] = noStore
	if c.tagged {
		values[3] = all[n+1 : version]
		h["Cache-Control"] = revalidate
		h["Etag"] = values[2:3:3]
		h["X-Data-Version"] = values[3:4:4]
	}
}
