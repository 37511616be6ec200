package index

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A key list is the open keys of one asset as bytes; equal lists have equal
// bytes. The empty list has no bytes. Otherwise
//
//	types     1 byte, a bit per type that occurs
//	per type: uvarint(ports<<2 + form), then by form
//	  listForm    per port: uvarint(distance to the one before, from 0)
//	  runsForm    uvarint(runs), per run: uvarint(distance from the end of the run before), uvarint(length-1)
//	  bitmapForm  8,192 bytes, bit p&7 of byte p>>3 is port p
//
// A form is the smallest for its ports: lists for what is common, runs and
// bitmaps for machines that answer on tens of thousands of ports.
const (
	listForm = iota
	runsForm
	bitmapForm
)

const (
	bitmapSize = (MaxPort + 1) / 8
	// listOnly is the number of ports up to which a list is used without a look
	// at the other forms.
	listOnly = 24
)

// appendKeyList appends the list of the keys, which are ordered and without
// repeats, to dst.
func appendKeyList(dst []byte, keys []Key) []byte {
	if len(keys) == 0 {
		return dst
	}
	var n [8]int
	for _, k := range keys {
		n[k&7]++
	}
	types := 0
	for t := SCTP; t < typeLimit; t++ {
		if n[t] > 0 {
			types |= 1 << t
		}
	}
	dst = append(dst, byte(types))
	for t := SCTP; t < typeLimit; t++ {
		if n[t] > 0 {
			dst = appendPorts(dst, keys, t, n[t])
		}
	}
	return dst
}

func appendPorts(dst []byte, keys []Key, t Type, n int) []byte {
	if n > listOnly {
		return appendManyPorts(dst, keys, t, n)
	}
	dst = append(dst, byte(n<<2+listForm)) // listOnly<<2 is below 0x80: one byte
	return appendPortList(dst, keys, t)
}

func appendPortList(dst []byte, keys []Key, t Type) []byte {
	last := uint32(0)
	for _, k := range keys {
		if k.Type() != t {
			continue
		}
		d := uint32(k>>3) - last
		last += d
		switch {
		case d < 1<<7:
			dst = append(dst, byte(d))
		case d < 1<<14:
			dst = append(dst, byte(d)|0x80, byte(d>>7))
		default:
			dst = append(dst, byte(d)|0x80, byte(d>>7)|0x80, byte(d>>14))
		}
	}
	return dst
}

func appendManyPorts(dst []byte, keys []Key, t Type, n int) []byte {
	start := len(dst)
	dst = binary.AppendUvarint(dst, uint64(n)<<2+runsForm)
	head := len(dst) - start
	dst, list := appendRuns(dst, keys, t)
	switch runs := len(dst) - start; {
	case min(runs, list+head) > bitmapSize:
		dst = binary.AppendUvarint(dst[:start], uint64(n)<<2+bitmapForm)
		return appendBitmap(dst, keys, t)
	case runs < list+head:
		return dst
	}
	dst = binary.AppendUvarint(dst[:start], uint64(n)<<2+listForm)
	return appendPortList(dst, keys, t)
}

// appendRuns appends the runs of a type's ports and says how many bytes they take as a list.
func appendRuns(dst []byte, keys []Key, t Type) (_ []byte, list int) {
	var room [256]byte
	body := room[:0]
	runs, end, last := uint64(0), uint32(0), uint32(0)
	for i := 0; i < len(keys); {
		if keys[i].Type() != t {
			i++
			continue
		}
		first := uint32(keys[i] >> 3)
		next := first + 1
		for i++; i < len(keys); i++ {
			if keys[i].Type() != t {
				continue
			}
			if uint32(keys[i]>>3) != next {
				break
			}
			next++
		}
		list += uvarintLen(first-last) + int(next-first-1)
		body = binary.AppendUvarint(body, uint64(first-end))
		body = binary.AppendUvarint(body, uint64(next-first-1))
		runs, end, last = runs+1, next, next-1
	}
	return append(binary.AppendUvarint(dst, runs), body...), list
}

// uvarintLen is how many bytes a distance of ports takes.
func uvarintLen(d uint32) int {
	switch {
	case d < 1<<7:
		return 1
	case d < 1<<14:
		return 2
	}
	return 3
}

func appendBitmap(dst []byte, keys []Key, t Type) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, bitmapSize)...)
	for _, k := range keys {
		if k.Type() == t {
			dst[start+int(k>>6)] |= 1 << (k >> 3 & 7)
		}
	}
	return dst
}

// appendKeys appends the keys of a list, ordered by key, to dst.
func appendKeys(dst []Key, list []byte) []Key {
	if len(list) == 0 {
		return dst
	}
	start, types := len(dst), list[0]
	list = list[1:]
	for t := SCTP; t < typeLimit; t++ {
		if types>>t&1 == 0 {
			continue
		}
		middle := len(dst)
		dst, list = appendTypeKeys(dst, list, t)
		mergeKeys(dst[start:], middle-start)
	}
	return dst
}

// mergeKeys puts keys into order that are in order before the middle and from it on.
func mergeKeys(keys []Key, middle int) {
	if middle == 0 {
		return
	}
	var room [64]Key
	last := append(room[:0], keys[middle:]...)
	for i, j, to := middle-1, len(last)-1, len(keys)-1; j >= 0; to-- {
		if i >= 0 && keys[i] > last[j] {
			keys[to] = keys[i]
			i--
		} else {
			keys[to] = last[j]
			j--
		}
	}
}

// appendTypeKeys appends the keys of the type that the list begins with and
// returns the rest of the list.
func appendTypeKeys(dst []Key, list []byte, t Type) ([]Key, []byte) {
	head, w := uvarint32(list)
	list = list[w:]
	switch n := int(head >> 2); head & 3 {
	case listForm:
		port := uint32(0)
		for range n {
			d, w := uvarint32(list)
			list = list[w:]
			port += d
			dst = append(dst, Key(port<<3)|Key(t))
		}
	case runsForm:
		return appendRunKeys(dst, list, t)
	case bitmapForm:
		for i, b := range list[:bitmapSize] {
			for ; b != 0; b &= b - 1 {
				dst = append(dst, MakeKey(uint16(i<<3+bits.TrailingZeros8(b)), t))
			}
		}
		list = list[bitmapSize:]
	}
	return dst, list
}

func appendRunKeys(dst []Key, list []byte, t Type) ([]Key, []byte) {
	runs, w := uvarint32(list)
	list = list[w:]
	port := uint32(0)
	for range runs {
		gap, w := uvarint32(list)
		list = list[w:]
		more, w := uvarint32(list)
		list = list[w:]
		port += gap
		at := len(dst)
		dst = slices.Grow(dst, int(more)+1)[:at+int(more)+1]
		for i := range dst[at:] {
			dst[at+i] = Key(port<<3) | Key(t)
			port++
		}
	}
	return dst, list
}

// diffKeys calls f for every key that is in only one of two ordered lists, in
// order; opens says that it is in the new one.
func diffKeys(old, now []Key, f func(k Key, opens bool)) {
	for len(old) > 0 && len(now) > 0 {
		switch {
		case old[0] == now[0]:
			same := 1
			for same < min(len(old), len(now)) && old[same] == now[same] {
				same++
			}
			old, now = old[same:], now[same:]
		case old[0] < now[0]:
			f(old[0], false)
			old = old[1:]
		default:
			f(now[0], true)
			now = now[1:]
		}
	}
	for _, k := range old {
		f(k, false)
	}
	for _, k := range now {
		f(k, true)
	}
}
