package engine

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"portolan/index"
)

// micros is a time in microseconds since 1970.
type micros = int64

// never is before every time.
const never micros = math.MinInt64

// noteEpoch is the time that notes count from, 2020-01-01, so that the times of
// today take seven bytes.
const noteEpoch micros = 1577836800 * 1e6

// Refs of looks. Others are one more than the number under which the index holds the scope.
const (
	refAll  = 0
	refNone = math.MaxUint32 // the index does not hold it yet
)

// evidence is what is known of one asset besides its keys, kept in its note.
//
// A key is open iff its newest evidence says so. The evidence about a key is
// the newest look whose scope holds it, and for an open key its own time, which
// is kept only where it is newer than every such look. Closed keys need nothing:
// what closed them is a look.
type evidence struct {
	newest              micros   // of all reports about the asset
	name, address, home micros   // when name, address and enterprise project were last given
	looks               []look   // none lies inside another that is as new
	own                 []micros // per open key, in their order; never where it has none; nil: none has
}

// A note is evidence as bytes:
//
//	head     looks | name<<2 | address<<4 | home<<6, of two bits each
//	newest   varint, from noteEpoch
//	name, address, home: varint of how much older than newest, where their bits are given
//	looks    where the bits are listedLooks: uvarint(number), per look uvarint(ref), varint(age)
//	own      see owntimes.go
const (
	noLooks     = 0
	oneFullLook = 1 // of all, at the newest time: an agent's report
	listedLooks = 2

	neverGiven = 0
	atNewest   = 1
	given      = 2
)

// appendNote appends the evidence as a note to dst. The room is for commonest.
func (e *evidence) appendNote(dst []byte, room *[]micros) []byte { return e.append(dst, true, room) }

// append appends the evidence as a note to dst, or as the times of an asset's portable
// form, which has no refs: see appendTimes.
func (e *evidence) append(dst []byte, refs bool, room *[]micros) []byte {
	head := len(dst)
	dst = append(dst, e.looksCode())
	dst = binary.AppendVarint(dst, e.newest-noteEpoch)
	for i, t := range [...]micros{e.name, e.address, e.home} {
		switch t {
		case never:
		case e.newest:
			dst[head] |= atNewest << (2 + 2*i)
		default:
			dst[head] |= given << (2 + 2*i)
			dst = binary.AppendVarint(dst, e.newest-t)
		}
	}
	if dst[head]&3 == listedLooks {
		if refs {
			dst = binary.AppendUvarint(dst, uint64(len(e.looks)))
		}
		for _, l := range e.looks {
			if refs {
				dst = binary.AppendUvarint(dst, uint64(l.ref))
			}
			dst = binary.AppendVarint(dst, e.newest-l.time)
		}
	}
	return e.appendOwn(dst, room)
}

func (e *evidence) looksCode() byte {
	switch {
	case len(e.looks) == 0:
		return noLooks
	case len(e.looks) == 1 && e.looks[0].ref == refAll && e.looks[0].time == e.newest:
		return oneFullLook
	}
	return listedLooks
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// appendUvarint is [binary.AppendUvarint], without a branch for each byte.
func appendUvarint(dst []byte, v uint64) []byte {
	if v >= 1<<56 || v < 1<<14 {
		return binary.AppendUvarint(dst, v)
	}
	n := (bits.Len64(v) + 6) / 7
	v = v&0x000000000fffffff | v<<4&0x0fffffff00000000
	v = v&0x00003fff00003fff | v<<2&0x3fff00003fff0000
	v = v&0x007f007f007f007f | v<<1&0x7f007f007f007f00
	v |= 0x8080808080808080 & (1<<(8*(n-1)) - 1)
	dst = slices.Grow(dst, 8)
	binary.LittleEndian.PutUint64(dst[len(dst):len(dst)+8], v)
	return dst[:len(dst)+n]
}

// decodeNote reads the note of an asset with n open keys, reusing e's slices. With
// a negative n it leaves out own times.
func (e *evidence) decodeNote(note []byte, n int) {
	r := index.Reader{Rest: note[1:]}
	e.decodeHead(&r, note[0])
	if note[0]&3 == listedLooks {
		for range r.Uint64() {
			ref := uint32(r.Uint64())
			e.looks = append(e.looks, look{ref: ref, time: e.newest - r.Int64()})
		}
	}
	if len(r.Rest) > 0 && n >= 0 {
		e.decodeOwn(&r, n)
	}
}

// decodeHead reads what comes before the looks that are listed.
func (e *evidence) decodeHead(r *index.Reader, head byte) {
	e.newest = r.Int64() + noteEpoch
	for i, t := range [...]*micros{&e.name, &e.address, &e.home} {
		switch head >> (2 + 2*i) & 3 {
		case neverGiven:
			*t = never
		case atNewest:
			*t = e.newest
		default:
			*t = e.newest - r.Int64()
		}
	}
	e.looks, e.own = e.looks[:0], e.own[:0]
	if head&3 == oneFullLook {
		e.looks = append(e.looks, look{ref: refAll, time: e.newest})
	}
}

// ownOf returns the own time of the i-th open key.
func (e *evidence) ownOf(i int) micros {
	if len(e.own) == 0 {
		return never
	}
	return e.own[i]
}

// noteNewest returns the newest time of a note.
func noteNewest(note []byte) micros {
	v, _ := binary.Varint(note[1:])
	return v + noteEpoch
}

// appendScope appends the ranges of a scope as bytes, equal ones for equal scopes.
func appendScope(dst []byte, ranges []index.Range) []byte {
	for _, r := range ranges {
		dst = append(dst, byte(r.Type))
		dst = binary.AppendUvarint(dst, uint64(r.Lo))
		dst = binary.AppendUvarint(dst, uint64(r.Hi-r.Lo))
	}
	return dst
}
