package index

import (
	"encoding/binary"
	"math/bits"
)

// Reader reads what was written as varints and texts, and may be damaged: what cannot be read
// is 0 or empty, and Bad from then on.
type Reader struct {
	Rest []byte // what comes next; empty once it is bad
	Bad  bool
}

func (r *Reader) fail() { r.Rest, r.Bad = nil, true }

// Uint64 reads a uvarint.
func (r *Reader) Uint64() uint64 {
	if len(r.Rest) > 0 && r.Rest[0] < 0x80 {
		v := r.Rest[0]
		r.Rest = r.Rest[1:]
		return uint64(v)
	}
	if len(r.Rest) >= 8 {
		if v, n := uvarint56(binary.LittleEndian.Uint64(r.Rest)); n > 0 {
			r.Rest = r.Rest[n:]
			return v
		}
	}
	v, n := binary.Uvarint(r.Rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// uvarint56 decodes the uvarint that eight bytes begin with, without a branch for each of
// its own; n is 0 where it is longer.
func uvarint56(x uint64) (v uint64, n int) {
	const continued = 0x8080808080808080
	last := ^x & continued
	last &= -last // the highest bit of the last byte
	if last == 0 {
		return 0, 0
	}
	x &= (last - 1) &^ continued
	x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
	x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
	x = x&0x000000000fffffff | x&0x0fffffff00000000>>4
	return x, bits.TrailingZeros64(last)/8 + 1
}

// Int64 reads a varint, as [binary.AppendVarint] writes it.
func (r *Reader) Int64() int64 {
	u := r.Uint64()
	return int64(u>>1) ^ -int64(u&1)
}

// Uint reads a uvarint of at most so much.
func (r *Reader) Uint(most uint64) int {
	v := r.Uint64()
	if v > most {
		r.fail()
		return 0
	}
	return int(v)
}

// Bytes returns the next n bytes, none if there are fewer.
func (r *Reader) Bytes(n int) []byte {
	if n > len(r.Rest) {
		r.fail()
		return nil
	}
	b := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return b
}

// Text reads a uvarint of a length, and a text of so many bytes.
func (r *Reader) Text() string { return string(r.Bytes(r.Uint(uint64(len(r.Rest))))) }
