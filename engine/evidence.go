package engine

import (
	"encoding/binary"
	"math"
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

// maxLooks is how many looks an asset keeps. Beyond it the two that are nearest in
// time become one look at their union at the older time, which only a late report
// can notice, and only one from between the two.
const maxLooks = 64

// look is a scope that was looked at and when. ref is 0 for all, else one more
// than the number under which the index holds the scope.
type look struct {
	ref  uint32
	time micros
}

const refAll = 0

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
//	own      nothing where no key has an own time; else
//	         uvarint(0) if most keys have none, or 1 and varint(age) of the commonest own time;
//	         per key that differs: uvarint(keys skipped since the last), uvarint(0) if it has none,
//	         or uvarint(zigzag(age)+1)
const (
	noLooks     = 0
	oneFullLook = 1 // of all, at the newest time: an agent's report
	listedLooks = 2

	neverGiven = 0
	atNewest   = 1
	given      = 2
)

// appendNote appends the evidence as a note to dst.
func (e *evidence) appendNote(dst []byte) []byte { return e.append(dst, true) }

// append appends the evidence as a note to dst, or as the times of an asset's portable
// form, which has no refs: see appendTimes.
func (e *evidence) append(dst []byte, refs bool) []byte {
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
	return e.appendOwn(dst)
}

func (e *evidence) looksCode() byte {
	switch {
	case len(e.looks) == 0:
		return noLooks
	case len(e.looks) == 1 && e.looks[0] == look{refAll, e.newest}:
		return oneFullLook
	}
	return listedLooks
}

func (e *evidence) appendOwn(dst []byte) []byte {
	if !e.hasOwn() {
		return dst
	}
	common := commonest(e.own)
	if common == never {
		dst = append(dst, 0)
	} else {
		dst = append(dst, 1)
		dst = binary.AppendVarint(dst, e.newest-common)
	}
	skipped := uint64(0)
	for _, t := range e.own {
		if t == common {
			skipped++
			continue
		}
		dst = binary.AppendUvarint(dst, skipped)
		skipped = 0
		if t == never {
			dst = append(dst, 0)
		} else {
			dst = binary.AppendUvarint(dst, zigzag(e.newest-t)+1)
		}
	}
	return dst
}

// hasOwn says whether a key has an own time.
func (e *evidence) hasOwn() bool {
	return slices.ContainsFunc(e.own, func(t micros) bool { return t != never })
}

// sameTimes says whether both, which are about the same open keys, agree in all
// but their looks.
func (e *evidence) sameTimes(o *evidence) bool {
	if e.newest != o.newest || e.name != o.name || e.address != o.address || e.home != o.home {
		return false
	}
	for i := range max(len(e.own), len(o.own)) {
		if e.ownOf(i) != o.ownOf(i) {
			return false
		}
	}
	return true
}

// commonest returns a time that occurs most often.
func commonest(times []micros) micros {
	sorted := slices.Sorted(slices.Values(times))
	best, most := never, 0
	for i := 0; i < len(sorted); {
		start := i
		for i < len(sorted) && sorted[i] == sorted[start] {
			i++
		}
		if i-start > most {
			best, most = sorted[start], i-start
		}
	}
	return best
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// noteReader reads the fields of a note. One that ends too early gives zeros and bad.
type noteReader struct {
	rest []byte
	bad  bool
}

func (r *noteReader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *noteReader) int() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *noteReader) skip(n int) {
	if n <= 0 {
		r.rest, r.bad = nil, true
		return
	}
	r.rest = r.rest[n:]
}

// decodeNote reads the note of an asset with n open keys, reusing e's slices. With
// a negative n it leaves out own times.
func (e *evidence) decodeNote(note []byte, n int) {
	r := noteReader{rest: note[1:]}
	e.decodeHead(&r, note[0])
	if note[0]&3 == listedLooks {
		for range r.uint() {
			ref := uint32(r.uint())
			e.looks = append(e.looks, look{ref, e.newest - r.int()})
		}
	}
	if len(r.rest) > 0 && n >= 0 {
		e.decodeOwn(&r, n)
	}
}

// decodeHead reads what comes before the looks that are listed.
func (e *evidence) decodeHead(r *noteReader, head byte) {
	e.newest = r.int() + noteEpoch
	for i, t := range [...]*micros{&e.name, &e.address, &e.home} {
		switch head >> (2 + 2*i) & 3 {
		case neverGiven:
			*t = never
		case atNewest:
			*t = e.newest
		default:
			*t = e.newest - r.int()
		}
	}
	e.looks, e.own = e.looks[:0], e.own[:0]
	if head&3 == oneFullLook {
		e.looks = append(e.looks, look{refAll, e.newest})
	}
}

// decodeOwn reads the own times of n open keys.
func (e *evidence) decodeOwn(r *noteReader, n int) {
	common := never
	if r.uint() == 1 {
		common = e.newest - r.int()
	}
	for range n {
		e.own = append(e.own, common)
	}
	for at := uint64(0); len(r.rest) > 0; at++ {
		at += r.uint()
		if at >= uint64(n) {
			r.bad = true
			return
		}
		if u := r.uint(); u == 0 {
			e.own[at] = never
		} else {
			e.own[at] = e.newest - unzigzag(u-1)
		}
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
