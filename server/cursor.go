package server

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"portolan/engine"
	"portolan/index"
)

// turn is which page of a list is asked for, and how the next one is.
type turn struct {
	offset   int
	after    *engine.HostPort // with byID, the last row of the page before; nil for the first
	byID     bool
	question uint64 // what is asked, but for the page
	version  string // of the data, and of what else rows depend on; empty if that is the time, too
}

// moved is the answer to a cursor whose place in the list nobody knows any more.
var moved = kind{http.StatusGone, "HSS.0014", "The data has changed since the cursor was given: begin again, or ask for rows by id.", false}

// A cursor is, in base64: 1 byte, what it is; the question, 8 bytes; then of cursorOffset the uvarint of
// an offset and the version, of cursorID the last row's key, 4 bytes, and the asset's id.
const (
	cursorOffset = 1
	cursorID     = 2
)

// maxCursor is more than the rows of any list: cursors go on where an offset may not be given any more.
const maxCursor = 1 << 40

// maxIDOffset bounds the offset of rows by id.
const maxIDOffset = 100_000

// pages returns the offset and the most rows of the page that is asked for.
func (a *asked) pages(c *call, s engine.Snapshot, timely bool) (offset, limit int, err error) {
	if offset, limit, err = a.window(); err != nil {
		return 0, 0, err
	}
	if a.turn.byID && offset > maxIDOffset { // so many ids are held while they are passed over
		return 0, 0, &engine.FieldError{Field: "offset", Value: a.values["offset"], Allowed: "0 to " + decimal(maxIDOffset) + " with sort=id; cursors go on from there"}
	}
	a.turn.offset, a.turn.question = offset, a.question(c.Path)
	if !timely {
		a.turn.version = strconv.FormatUint(s.Version(), 10) + c.s.boot + s.Policy().Version() + c.caller.EnterpriseProjects.Mark()
	}
	text, given := a.values["cursor"]
	if !given {
		return offset, limit, nil
	}
	if a.has("offset") {
		return 0, 0, &engine.FieldError{Field: "offset", Value: a.values["offset"], Allowed: "nothing beside a cursor"}
	}
	err = a.turn.read(text)
	return a.turn.offset, limit, err
}

// question is a number that tells what is asked from other questions, whatever page of the answer.
func (a *asked) question(path string) uint64 {
	d := xxhash.New()
	add := func(text string) {
		var n [4]byte
		binary.LittleEndian.PutUint32(n[:], uint32(len(text)))
		_, _ = d.Write(n[:]) // it takes everything
		_, _ = d.WriteString(text)
	}
	add(path)
	for _, name := range slices.Sorted(maps.Keys(a.values)) {
		switch name {
		case "cursor", "limit", "offset", "coverage", "explain":
		default:
			add(name)
			add(a.values[name])
		}
	}
	for _, group := range slices.Sorted(slices.Values(a.groups)) {
		add(group)
	}
	return d.Sum64()
}

// read reads a cursor.
func (t *turn) read(text string) error {
	wrong := &engine.FieldError{Field: "cursor", Value: text, Allowed: "the next of an answer to the same question"}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 1+8 || binary.LittleEndian.Uint64(b[1:]) != t.question || (b[0] == cursorID) != t.byID {
		return wrong
	}
	rest := b[9:]
	switch b[0] {
	case cursorOffset:
		n, w := binary.Uvarint(rest)
		if w <= 0 || n > maxCursor {
			return wrong
		}
		if version := string(rest[w:]); t.version == "" || version != t.version {
			return &failure{kind: moved}
		}
		t.offset = int(n)
	case cursorID:
		if len(rest) < 4 {
			return wrong
		}
		k := index.Key(binary.LittleEndian.Uint32(rest))
		t.after = &engine.HostPort{Port: k.Port(), Type: k.Type(), Asset: string(rest[4:])}
	default:
		return wrong
	}
	return nil
}

// end ends the page, with a cursor of the next one if there is one: there are so many rows in all, so many
// in the page, of which the last is given where rows come by id.
func (t *turn) end(b []byte, total, rows int, last *engine.HostPort) []byte {
	b = bytes.TrimSuffix(b, []byte{','})
	b = append(b, ']')
	var cursor []byte
	switch {
	case rows == 0:
	case t.byID && last != nil:
		cursor = binary.LittleEndian.AppendUint64([]byte{cursorID}, t.question)
		cursor = binary.LittleEndian.AppendUint32(cursor, uint32(last.Key()))
		cursor = append(cursor, last.Asset...)
	case !t.byID && t.version != "" && t.offset+rows < total:
		cursor = binary.LittleEndian.AppendUint64([]byte{cursorOffset}, t.question)
		cursor = binary.AppendUvarint(cursor, uint64(t.offset+rows))
		cursor = append(cursor, t.version...)
	}
	if cursor != nil {
		b = append(b, `,"next":"`...)
		b = base64.RawURLEncoding.AppendEncode(b, cursor)
		b = append(b, '"')
	}
	return append(b, '}')
}
