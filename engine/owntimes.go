package engine

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"portolan/index"
)

// The own times of a note are nothing where no key has one; else a byte that says how they
// are written, and
//
//	ownSparse, ownCommon: those that differ from most others
//	  ownCommon: varint(age) of the commonest own time; ownSparse: most keys have none
//	  per key that differs: uvarint(keys skipped since the last), uvarint(0) if it has none,
//	  or uvarint(zigzag(age)+1)
//	ownDense: each
//	  varint(age) of the oldest; 1 byte: how many bytes a key takes | unit<<4, the number of one
//	  of ownUnits
//	  per key so many bytes, little-endian: 0 if it has none, or units after the oldest, plus 1
//
// Ages are microseconds before the newest report.
const (
	ownSparse = 0
	ownCommon = 1
	ownDense  = 2
)

// ownUnits are what dense own times are counted in, in microseconds: few scanners know more
// than the second.
var ownUnits = [...]uint64{1, 1e3, 1e6}

// dense says how own times are written one by one.
type dense struct {
	oldest micros
	unit   int // of ownUnits
	width  int // bytes a key
}

func (e *evidence) appendOwn(dst []byte, room *[]micros) []byte {
	if !e.hasOwn() {
		return dst
	}
	common := commonest(e.own, room)
	if d, ok := denseOwn(e.own, common); ok {
		return e.appendDense(dst, d)
	}
	if common == never {
		dst = append(dst, ownSparse)
	} else {
		dst = append(dst, ownCommon)
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
			dst = appendUvarint(dst, zigzag(e.newest-t)+1)
		}
	}
	return dst
}

// denseOwn returns how to write each of the own times, of which there is one, and whether
// that is about as short as those that differ from the common one.
func denseOwn(own []micros, common micros) (d dense, ok bool) {
	newest, differ := never, 0
	d.oldest = math.MaxInt64
	for _, t := range own {
		if t != common {
			differ++
		}
		if t != never {
			d.oldest, newest = min(d.oldest, t), max(newest, t)
		}
	}
	const more = 2 // bytes of a time that differs beyond its width: it is a varint, with what was skipped
	span := uint64(newest - d.oldest)
	if len(own) > (widthOf(span)+more)*differ { // not even a byte for each is
		return d, false
	}
	d.unit = d.coarsest(own)
	d.width = widthOf(span / ownUnits[d.unit])
	return d, d.width*len(own) <= (widthOf(span)+more)*differ
}

// widthOf returns how many bytes hold the numbers up to one more than the span.
func widthOf(span uint64) int { return (bits.Len64(span+1) + 7) / 8 }

// coarsest returns the largest unit that all times are whole numbers of after the oldest.
func (d *dense) coarsest(own []micros) int {
	unit := len(ownUnits) - 1
	for _, t := range own {
		for t != never && uint64(t-d.oldest)%ownUnits[unit] != 0 {
			unit--
		}
		if unit == 0 {
			break
		}
	}
	return unit
}

func (e *evidence) appendDense(dst []byte, d dense) []byte {
	dst = append(dst, ownDense)
	dst = binary.AppendVarint(dst, e.newest-d.oldest)
	dst = append(dst, byte(d.width|d.unit<<4))
	dst = slices.Grow(dst, d.width*len(e.own)+8)
	unit := ownUnits[d.unit]
	for _, t := range e.own {
		after := uint64(0)
		if t != never {
			after = uint64(t-d.oldest)/unit + 1
		}
		binary.LittleEndian.PutUint64(dst[len(dst):len(dst)+8], after)
		dst = dst[:len(dst)+d.width]
	}
	return dst
}

// hasOwn says whether a key has an own time.
func (e *evidence) hasOwn() bool {
	return slices.ContainsFunc(e.own, func(t micros) bool { return t != never })
}

const (
	fewTimes  = 24  // each is held against each of so many
	manyTimes = 256 // of more a sample is looked at
)

// commonest returns the time that occurs most often, the oldest of those that do; of many
// times, in a sample. The room is reused.
func commonest(times []micros, room *[]micros) micros {
	n := len(times)
	if n <= fewTimes {
		return commonestOfFew(times)
	}
	sample := (*room)[:0]
	if n <= manyTimes {
		sample = append(sample, times...)
	} else {
		for i := range manyTimes {
			sample = append(sample, times[i*n/manyTimes])
		}
	}
	*room = sample
	slices.Sort(sample)
	best, most := never, 0
	for i := 0; i < len(sample); {
		start := i
		for i < len(sample) && sample[i] == sample[start] {
			i++
		}
		if i-start > most {
			best, most = sample[start], i-start
		}
	}
	return best
}

func commonestOfFew(times []micros) micros {
	best, most := never, 0
	for i, t := range times {
		if len(times)-i < most {
			break
		}
		n := 1
		for _, u := range times[i+1:] {
			if u == t {
				n++
			}
		}
		if n > most || n == most && t < best {
			best, most = t, n
		}
	}
	return best
}

// decodeOwn reads the own times of n open keys.
func (e *evidence) decodeOwn(r *index.Reader, n int) {
	start := len(e.own)
	e.own = slices.Grow(e.own, n)[:start+n]
	own := e.own[start:]
	switch r.Uint64() {
	case ownSparse:
		e.decodeSparse(r, own, never)
	case ownCommon:
		e.decodeSparse(r, own, e.newest-r.Int64())
	case ownDense:
		e.decodeDense(r, own)
	default:
		r.Bad = true
	}
}

func (e *evidence) decodeSparse(r *index.Reader, own []micros, common micros) {
	for i := range own {
		own[i] = common
	}
	for at := 0; len(r.Rest) > 0; at++ {
		at += int(min(r.Uint64(), uint64(len(own))))
		if at >= len(own) {
			r.Bad = true
			return
		}
		if u := r.Uint64(); u == 0 {
			own[at] = never
		} else {
			own[at] = e.newest - unzigzag(u-1)
		}
	}
}

func (e *evidence) decodeDense(r *index.Reader, own []micros) {
	oldest := e.newest - r.Int64()
	how := r.Uint(math.MaxUint8)
	width, scale := how&15, how>>4
	if r.Bad || width < 1 || width > 8 || scale >= len(ownUnits) || len(r.Rest) != width*len(own) {
		r.Bad = true
		return
	}
	unit := micros(ownUnits[scale])
	mask := uint64(math.MaxUint64) >> (64 - 8*width)
	data := r.Rest
	for i := range own {
		var word uint64
		if len(data) >= 8 {
			word = binary.LittleEndian.Uint64(data) & mask
		} else {
			var last [8]byte
			copy(last[:], data[:width])
			word = binary.LittleEndian.Uint64(last[:])
		}
		data = data[width:]
		if own[i] = never; word != 0 {
			own[i] = oldest + micros(word-1)*unit
		}
	}
	r.Rest = nil
}
