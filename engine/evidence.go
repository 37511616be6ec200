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
	newest              micros // of all reports about the asset
	name, address, home micros // when name, address and enterprise project were last given
	looks               []look // none lies inside another that is as new
	labels              labelTimes
	own                 []micros // per open key, in their order; never where it has none; nil: none has
}

// A note is evidence as bytes:
//
//	head     looks | name<<2 | address<<4 | home<<6, of two bits each
//	newest   varint, from noteEpoch
//	labels   where the bits of looks are labelledLooks: 1 byte, the looks' own bits | form<<2; uvarint of
//	         the number of their set; then by form: 0, all are of newest; 1, varint of how much older all
//	         are; 2, uvarint of their number, and for each varint of how much older it is
//	name, address, home: varint of how much older than newest, where their bits are given
//	looks    where the bits are listedLooks: uvarint(number), per look uvarint(ref), varint(age)
//	own      see owntimes.go
const (
	noLooks     = 0
	oneFullLook = 1 // of all, at the newest time: an agent's report
	listedLooks = 2

	labelledLooks = 3 // of an asset with labels

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
	looks := e.looksCode()
	dst = append(dst, looks)
	dst = binary.AppendVarint(dst, e.newest-noteEpoch)
	if !e.labels.none() {
		dst[head] = labelledLooks
		dst = e.appendLabels(dst, looks, refs)
	}
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
	if looks == listedLooks {
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

// appendLabels appends when labels were given, and the bits of looks.
func (e *evidence) appendLabels(dst []byte, looks byte, refs bool) []byte {
	form, first := byte(0), e.labels.at[0]
	switch {
	case slices.ContainsFunc(e.labels.at, func(at micros) bool { return at != first }):
		form = 2
	case first != e.newest:
		form = 1
	}
	dst = append(dst, looks|form<<2)
	if refs {
		dst = binary.AppendUvarint(dst, uint64(e.labels.set))
	}
	switch form {
	case 1:
		dst = binary.AppendVarint(dst, e.newest-first)
	case 2:
		dst = binary.AppendUvarint(dst, uint64(len(e.labels.at)))
		for _, at := range e.labels.at {
			dst = binary.AppendVarint(dst, e.newest-at)
		}
	}
	return dst
}

// decodeLabels reads what appendLabels has written, and returns the bits of looks.
func (e *evidence) decodeLabels(r *index.Reader, refs bool) (looks byte) {
	b := r.Bytes(1)
	if r.Bad {
		return noLooks
	}
	if refs {
		e.labels.set = uint32(r.Uint64())
	}
	switch b[0] >> 2 {
	case 0:
		e.labels.at = append(e.labels.at, e.newest)
	case 1:
		e.labels.at = append(e.labels.at, e.newest-r.Int64())
	case 2:
		for range r.Uint(MaxLabels) {
			e.labels.at = append(e.labels.at, e.newest-r.Int64())
		}
	default:
		r.Bad = true
	}
	return b[0] & 3
}

// noteLooks returns the bits of looks of a note.
func noteLooks(note []byte) byte {
	if note[0]&3 != labelledLooks {
		return note[0] & 3
	}
	_, w := binary.Varint(note[1:])
	return note[1+w] & 3
}

// noteLabels returns the number of the set of labels of a note, if it has one.
func noteLabels(note []byte) (set uint32, ok bool) {
	if note[0]&3 != labelledLooks {
		return 0, false
	}
	_, w := binary.Varint(note[1:])
	n, _ := binary.Uvarint(note[1+w+1:])
	return uint32(n), true
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
	if e.decodeHead(&r, note[0], true) == listedLooks {
		for range r.Uint64() {
			ref := uint32(r.Uint64())
			e.looks = append(e.looks, look{ref: ref, time: e.newest - r.Int64()})
		}
	}
	if len(r.Rest) > 0 && n >= 0 {
		e.decodeOwn(&r, n)
	}
}

// decodeHead reads what comes before the looks that are listed, and returns the bits of looks.
func (e *evidence) decodeHead(r *index.Reader, head byte, refs bool) (looks byte) {
	e.newest = r.Int64() + noteEpoch
	e.labels.at = e.labels.at[:0]
	if looks = head & 3; looks == labelledLooks {
		looks = e.decodeLabels(r, refs)
	}
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
	if looks == oneFullLook {
		e.looks = append(e.looks, look{ref: refAll, time: e.newest})
	}
	return looks
}

// ownOf returns the own time of the i-th open key.
func (e *evidence) ownOf(i int) micros {
	if len(e.own) == 0 {
		return never
	}
	return e.own[i]
}

// onlyTime returns the time of all the evidence about the asset with the note, if there is one: that of its
// only look, where no key has an own time, and of its newest report.
func (e *evidence) onlyTime(note []byte) (at micros, ok bool) {
	r := index.Reader{Rest: note[1:]}
	switch e.decodeHead(&r, note[0], true) {
	case oneFullLook:
		at = e.newest
	case listedLooks:
		if r.Uint64() != 1 {
			return 0, false
		}
		r.Uint64()
		at = e.newest - r.Int64()
	default:
		return 0, false
	}
	return at, len(r.Rest) == 0 && at == e.newest && !r.Bad
}

// noteHasHome says whether a note's asset was ever given an enterprise project.
func noteHasHome(note []byte) bool { return note[0]>>6&3 != neverGiven }

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
