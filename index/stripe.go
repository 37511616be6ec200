package index

import (
	"bytes"
	"encoding/binary"
)

// stripeSize is the number of assets in a stripe. A change to one asset copies its
// stripe, some 4 KB; a stripe's own fields cost about 5 bytes per asset.
const stripeSize = 64

// stripe holds the records of 64 consecutive ordinals as bytes, so that the
// collector finds no pointer in them. It is immutable once published.
type stripe struct {
	epoch uint64
	live  uint64 // a bit per ordinal that has an asset
	// touched is a bit per ordinal that has been changed since the version of the stripe whose epoch is
	// base, or later ones; noBase is none.
	touched, base uint64
	own           [2]bool // whether idents and states are of this version alone
	idents        column  // who the assets are: see appendIdentRecord
	states        column  // what they have: see state
}

const (
	noBase = ^uint64(0)
	// maxBase is how many epochs back a base may be: beyond it most slots would have been touched.
	maxBase = 64
)

// column holds one record per asset of a stripe, each behind its length. A record
// that changes its length moves to the end; the bytes it leaves are dead until
// the column is next packed.
//
//	data: | len rec | len rec | …dead… | len rec |
//	        ^off[0]   ^off[2]            ^off[1]
type column struct {
	data []byte
	dead int
	off  [stripeSize]uint16 // of the length; meaningless where there is no asset
}

// maxDead is how many bytes may be dead in a column whatever its size.
const maxDead = 1024

// maxRecord is the longest record a column takes: 64 of them, and one more while
// it moves, stay below the 65,536 bytes that an offset can address.
const maxRecord = 960

// record returns the asset's record, which must be there.
func (c *column) record(slot uint32) []byte {
	data := c.data[c.off[slot]:]
	n, w := uvarint32(data)
	return data[w : uint32(w)+n]
}

// put stores the asset's record, in place of the one it has if it is among the
// live. The column must be of the writer's epoch.
func (c *column) put(slot uint32, rec []byte, live uint64) {
	if live>>slot&1 != 0 {
		if old := c.record(slot); len(old) == len(rec) {
			copy(old, rec)
			return
		}
		c.drop(slot)
		live &^= 1 << slot
	}
	need := len(rec) + 2
	if len(c.data)+need > 1<<16 || c.dead > maxDead && c.dead > len(c.data)/2 {
		*c = c.packed(live, need)
	}
	if cap(c.data)-len(c.data) < need {
		c.data = append(make([]byte, 0, len(c.data)+need+len(c.data)/8), c.data...)
	}
	c.off[slot] = uint16(len(c.data))
	c.data = binary.AppendUvarint(c.data, uint64(len(rec)))
	c.data = append(c.data, rec...)
}

// drop marks the asset's record as dead.
func (c *column) drop(slot uint32) { c.dead += c.size(slot) }

// size is how many bytes the asset's record takes with its length.
func (c *column) size(slot uint32) int {
	n, w := uvarint32(c.data[c.off[slot]:])
	return int(n) + w
}

// packed returns a copy without dead bytes and with room for more.
func (c *column) packed(live uint64, room int) column {
	n := column{data: make([]byte, 0, len(c.data)-c.dead+room)}
	for slot := range uint32(stripeSize) {
		if live>>slot&1 == 0 {
			continue
		}
		rec := c.record(slot)
		n.off[slot] = uint16(len(n.data))
		n.data = binary.AppendUvarint(n.data, uint64(len(rec)))
		n.data = append(n.data, rec...)
	}
	return n
}

// copied returns a copy for changing, packed if much of it is dead.
func (c *column) copied(live uint64, room int) column {
	if c.dead > len(c.data)/8 {
		return c.packed(live, room)
	}
	n := *c
	n.data = append(make([]byte, 0, len(c.data)+room), c.data...)
	return n
}

// trim gives back the room of a stripe that has become full.
func (c *column) trim() {
	if cap(c.data)-len(c.data) > len(c.data)/16 {
		c.data = append(make([]byte, 0, len(c.data)), c.data...)
	}
}

// clone returns the stripe for changing in the epoch; its columns are still shared.
func (p *stripe) clone(epoch uint64) *stripe {
	c := *p
	c.epoch, c.own = epoch, [2]bool{}
	if p.base == noBase || p.epoch-p.base > maxBase {
		c.touched, c.base = 0, p.epoch
	}
	return &c
}

// remove takes an asset out, and packs a column that is dead for the most part.
func (p *stripe) remove(slot uint32) {
	columns := [...]*column{p.mutIdents(), p.mutStates()}
	p.live &^= 1 << slot
	for _, c := range columns {
		if c.drop(slot); c.dead > len(c.data)/2 {
			*c = c.packed(p.live, 0)
		}
	}
}

// mutIdents returns the idents for changing.
func (p *stripe) mutIdents() *column {
	if !p.own[0] {
		p.idents, p.own[0] = p.idents.copied(p.live, p.room()), true
	}
	return &p.idents
}

// mutStates returns the states for changing.
func (p *stripe) mutStates() *column {
	if !p.own[1] {
		p.states, p.own[1] = p.states.copied(p.live, p.room()), true
	}
	return &p.states
}

// putState stores an asset's state. The column is copied once, with the room that records
// which move to its end are going to take.
func (p *stripe) putState(slot uint32, rec []byte) {
	if !p.own[1] {
		room := p.room()
		if moves := p.live>>slot&1 == 0 || len(p.states.record(slot)) != len(rec); moves {
			room = max(room, len(rec)+2+len(p.states.data)/8)
		}
		p.states, p.own[1] = p.states.copied(p.live, room), true
	}
	p.states.put(slot, rec, p.live)
}

// room is how many bytes a copied column has to spare.
func (p *stripe) room() int {
	if p.live != ^uint64(0) {
		return 256
	}
	return 0
}

// An ident record is who an asset is:
//
//	head     id's kind | address's kind<<3 | has name<<6
//	id, address in the form of their kind
//	name     as it is, to the end
//
// A record that would be longer than maxRecord is a blob: bigRecord, uvarint(number).
const (
	nameFlag  = 1 << 6
	bigRecord = 0xff
)

// appendIdentRecord appends the record of an asset; id is in its stored form.
func appendIdentRecord(dst, id []byte, kind idKind, address, name string) []byte {
	head := len(dst)
	dst = append(dst, byte(kind))
	dst = append(dst, id...)
	body := len(dst)
	dst, addrKind := appendIdent(dst, address)
	if addrKind == kind && bytes.Equal(dst[body:], id) {
		dst, addrKind = dst[:body], kindSame
	}
	dst[head] |= byte(addrKind) << 3
	if name != "" {
		dst[head] |= nameFlag
		dst = append(dst, name...)
	}
	return dst
}

// ident is a decoded ident record; its slices are into the record.
type ident struct {
	kind, addrKind idKind
	id, addr       []byte
	name           []byte
}

func decodeIdent(rec []byte) (d ident) {
	head := rec[0]
	rec = rec[1:]
	d.kind, d.addrKind = idKind(head&7), idKind(head>>3&7)
	n := identLen(d.kind, rec)
	d.id, rec = rec[:n], rec[n:]
	n = identLen(d.addrKind, rec)
	d.addr, rec = rec[:n], rec[n:]
	if head&nameFlag != 0 {
		d.name = rec
	}
	return d
}

func (d *ident) idText() string { return formatIdent(d.kind, d.id) }

func (d *ident) addressText() string {
	if d.addrKind == kindSame {
		return d.idText()
	}
	return formatIdent(d.addrKind, d.addr)
}

// appendAddress appends the text of the address to dst.
func (d *ident) appendAddress(dst []byte) []byte {
	if d.addrKind == kindSame {
		return appendFormat(dst, d.kind, d.id)
	}
	return appendFormat(dst, d.addrKind, d.addr)
}

// hasAddress says whether the address is the one with the stored form.
func (d *ident) hasAddress(stored []byte, kind idKind) bool {
	if d.addrKind == kindSame {
		return d.kind == kind && bytes.Equal(d.id, stored)
	}
	return d.addrKind == kind && bytes.Equal(d.addr, stored)
}

// state is what an asset has, as it lies in its record:
//
//	group    uvarint of its number << 2 | keys are a blob<<1 | note is a blob
//	note     uvarint of its length, then the note; or uvarint of the blob's number
//	keys     key list to the end; or uvarint of the blob's number
type state struct {
	group              uint32
	note, keys         []byte // inline
	noteBlob, keysBlob uint32
	noteBig, keysBig   bool // the bytes are a blob
}

const (
	maxInlineNote = 255
	maxInlineKeys = 255
)

func (s *state) append(dst []byte) []byte {
	head := uint64(s.group) << 2
	if s.keysBig {
		head |= 2
	}
	if s.noteBig {
		head |= 1
	}
	dst = binary.AppendUvarint(dst, head)
	if s.noteBig {
		dst = binary.AppendUvarint(dst, uint64(s.noteBlob))
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(s.note)))
		dst = append(dst, s.note...)
	}
	if s.keysBig {
		return binary.AppendUvarint(dst, uint64(s.keysBlob))
	}
	return append(dst, s.keys...)
}

func decodeState(rec []byte) (s state) {
	head, w := uvarint32(rec)
	rec = rec[w:]
	s.group, s.keysBig, s.noteBig = head>>2, head&2 != 0, head&1 != 0
	n, w := uvarint32(rec)
	rec = rec[w:]
	if s.noteBig {
		s.noteBlob = n
	} else {
		s.note, rec = rec[:n], rec[n:]
	}
	if s.keysBig {
		s.keysBlob, _ = uvarint32(rec)
	} else {
		s.keys = rec
	}
	return s
}
