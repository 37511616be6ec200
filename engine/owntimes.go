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
//	  varint(age) of the oldest; how many bytes a key takes, 1 byte
//	  per key so many bytes, little-endian: 0 if it has none, or microseconds after the oldest, plus 1
//
// Ages are microseconds before the newest report.
const (
	ownSparse = 0
	ownCommon = 1
	ownDense  = 2
)

func (e *evidence) appendOwn(dst []byte, room *[]micros) []byte {
	if !e.hasOwn() {
		return dst
	}
	common := commonest(e.own, room)
	if oldest, width, dense := denseOwn(e.own, common); dense {
		return e.appendDense(dst, oldest, width)
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

// denseOwn returns the oldest of the own times, of which there is one, how many bytes each
// takes after it, and whether to write each of them is about as short as those that differ
// from the common one.
func denseOwn(own []micros, common micros) (oldest micros, width int, dense bool) {
	oldest, newest, differ := micros(math.MaxInt64), never, 0
	for _, t := range own {
		if t != common {
			differ++
		}
		if t != never {
			oldest, newest = min(oldest, t), max(newest, t)
		}
	}
	width = (bits.Len64(uint64(newest-oldest)+1) + 7) / 8
	const more = 2 // bytes that a time which differs takes beyond the width: as a varint, and what was skipped
	return oldest, width, width*len(own) <= (width+more)*differ
}

func (e *evidence) appendDense(dst []byte, oldest micros, width int) []byte {
	dst = append(dst, ownDense)
	dst = binary.AppendVarint(dst, e.newest-oldest)
	dst = append(dst, byte(width))
	dst = slices.Grow(dst, width*len(e.own)+8)
	for _, t := range e.own {
		after := uint64(0)
		if t != never {
			after = uint64(t-oldest) + 1
		}
		binary.LittleEndian.PutUint64(dst[len(dst):len(dst)+8], after)
		dst = dst[:len(dst)+width]
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
	width := r.Uint(8)
	if r.Bad || width == 0 || len(r.Rest) != width*len(own) {
		r.Bad = true
		return
	}
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
			own[i] = oldest + micros(word-1)
		}
	}
	r.Rest = nil
}
