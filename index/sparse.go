package index

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// blockMax is the most ordinals in a block. A change in the middle rewrites one
// block, so it bounds the cost of a change; a block's header is 40 bytes, so
// small blocks cost memory.
const blockMax = 256

// block holds ordinals in ascending order: the first as it is, the others as
// varints of the distance to the one before.
//
// The writer appends to the data of a posting's last block in place: older
// snapshots hold a shorter slice of the same array and never look behind it.
// Any other change makes new data.
type block struct {
	data        []byte
	first, last Ordinal
	n           uint32
}

// appendTo appends the block's ordinals to dst.
func (b *block) appendTo(dst []Ordinal) []Ordinal {
	o := b.first
	dst = append(dst, o)
	for data := b.data; len(data) > 0; {
		d, n := uvarint32(data)
		data = data[n:]
		o += d
		dst = append(dst, o)
	}
	return dst
}

// contains says whether the block holds the ordinal.
func (b *block) contains(o Ordinal) bool {
	at := b.first
	for data := b.data; at < o && len(data) > 0; {
		d, n := uvarint32(data)
		data = data[n:]
		at += d
	}
	return at == o
}

// push appends an ordinal greater than the last one.
func (b *block) push(o Ordinal) {
	if b.n == 0 {
		b.first = o
	} else {
		b.data = binary.AppendUvarint(grow(b.data), uint64(o-b.last))
	}
	b.last = o
	b.n++
}

// grow makes room for one more varint. It grows by a quarter, not twofold as
// append does: there are tens of thousands of short lists, and most stop growing.
func grow(data []byte) []byte {
	if cap(data)-len(data) >= binary.MaxVarintLen32 {
		return data
	}
	return append(make([]byte, 0, len(data)+len(data)/4+8), data...)
}

// makeBlock encodes ordinals, at least one, in a buffer of exactly their size.
func makeBlock(ordinals []Ordinal) block {
	var scratch [blockMax * binary.MaxVarintLen32]byte
	b := block{data: scratch[:0]}
	for _, o := range ordinals {
		b.push(o)
	}
	b.data = slices.Clone(b.data)
	return b
}

// uvarint32 decodes a varint of at most five bytes from data that was encoded
// here; it is small enough to be inlined for the one-byte case.
func uvarint32(data []byte) (v uint32, n int) {
	if c := data[0]; c < 0x80 {
		return uint32(c), 1
	}
	return uvarint32Long(data)
}

func uvarint32Long(data []byte) (v uint32, n int) {
	c := data[1]
	v = uint32(data[0]&0x7f) | uint32(c&0x7f)<<7
	if c < 0x80 {
		return v, 2
	}
	for n = 2; ; n++ {
		c = data[n]
		v |= uint32(c&0x7f) << (7 * n)
		if c < 0x80 {
			return v, n + 1
		}
	}
}

// pushSparse appends an ordinal greater than every one in the blocks. The slice
// of blocks must be the caller's own.
func pushSparse(blocks []block, o Ordinal) []block {
	if n := len(blocks); n > 0 && blocks[n-1].n < blockMax {
		blocks[n-1].push(o)
		return blocks
	}
	if n := len(blocks); n > 0 {
		blocks[n-1].data = slices.Clone(blocks[n-1].data) // it grows no more
	}
	return append(blocks, block{first: o, last: o, n: 1})
}

// mergeSparse applies changes, ordered by ordinal and at most one each, to the
// blocks and returns new ones; blocks that no change falls into are shared.
func mergeSparse(blocks []block, changes []change, scratch *[]Ordinal) []block {
	out := make([]block, 0, len(blocks)+1)
	var room [blockMax]Ordinal
	for len(changes) > 0 {
		// A change falls into the last block that begins before it, or the first.
		at := max(firstAfter(blocks, changes[0].asset)-1, 0)
		out = append(out, blocks[:at]...)
		blocks = blocks[at:]
		here, held := len(changes), room[:0]
		if len(blocks) > 1 {
			next := blocks[1].first
			here, _ = slices.BinarySearchFunc(changes, next, func(c change, o Ordinal) int { return cmp.Compare(c.asset, o) })
		}
		if len(blocks) > 0 {
			held, blocks = blocks[0].appendTo(held), blocks[1:]
		}
		*scratch = mergeOrdinals(held, changes[:here], (*scratch)[:0])
		out = appendBlocks(out, *scratch)
		changes = changes[here:]
	}
	return append(out, blocks...)
}

// firstAfter returns the number of the first block that begins after the ordinal.
func firstAfter(blocks []block, o Ordinal) int {
	low, high := 0, len(blocks)
	for low < high {
		if mid := (low + high) / 2; blocks[mid].first > o {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// mergeOrdinals appends to dst the ordinals with the changes made.
func mergeOrdinals(ordinals []Ordinal, changes []change, dst []Ordinal) []Ordinal {
	i := 0
	for _, c := range changes {
		o := c.asset
		for i < len(ordinals) && ordinals[i] < o {
			dst = append(dst, ordinals[i])
			i++
		}
		if i < len(ordinals) && ordinals[i] == o {
			i++
		}
		if c.opens() {
			dst = append(dst, o)
		}
	}
	return append(dst, ordinals[i:]...)
}

// appendBlocks splits ordinals into blocks of about the same size.
func appendBlocks(out []block, ordinals []Ordinal) []block {
	for parts := (len(ordinals) + blockMax - 1) / blockMax; parts > 0; parts-- {
		n := len(ordinals) / parts
		out = append(out, makeBlock(ordinals[:n]))
		ordinals = ordinals[n:]
	}
	return out
}
