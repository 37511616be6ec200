package index

import (
	"iter"
	"math/bits"
	"sync/atomic"
)

// Ports of one type as a bitmap: bit p&63 of word p>>6 is port p.
const (
	portWords = (MaxPort + 1) / 64
)

type portBits [portWords]uint64

// emptyBits stands for a type without ports, so that hot loops need no nil test.
var emptyBits portBits

// KeySet is an immutable set of keys: a bitmap over port and type, kept as one
// bitmap of ports per type. Types with the same ports share one.
// The zero value is the empty set.
type KeySet struct {
	bits [typeLimit]*portBits // nil means no port of the type
	id   uint64               // tells sets apart in hashes; 0 in the zero value
}

var keySetIDs atomic.Uint64

func newKeySet() *KeySet { return &KeySet{id: keySetIDs.Add(1)} }

// words returns the type's ports; the result is never nil.
func (s *KeySet) words(t Type) *portBits {
	if b := s.bits[t]; b != nil {
		return b
	}
	return &emptyBits
}

// Contains says whether the key is in the set.
func (s *KeySet) Contains(k Key) bool {
	if !k.Valid() {
		return false
	}
	p := k.Port()
	return s.words(k.Type())[p>>6]>>(p&63)&1 != 0
}

// Len returns the number of keys.
func (s *KeySet) Len() int {
	n := 0
	for t := SCTP; t < typeLimit; t++ {
		for _, w := range s.words(t) {
			n += bits.OnesCount64(w)
		}
	}
	return n
}

// Meets says whether the set has one of the keys of a range.
func (s *KeySet) Meets(r Range) bool {
	if !r.Valid() {
		return false
	}
	words := s.words(r.Type)
	for w := int(r.Lo >> 6); w <= int(r.Hi>>6); w++ {
		mask := ^uint64(0)
		if w == int(r.Lo>>6) {
			mask &= ^uint64(0) << (r.Lo & 63)
		}
		if w == int(r.Hi>>6) {
			mask &= ^uint64(0) >> (63 - r.Hi&63)
		}
		if words[w]&mask != 0 {
			return true
		}
	}
	return false
}

// Ranges yields the keys as ranges, by type, then port: as few as there can be.
func (s *KeySet) Ranges() iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for t := SCTP; t < typeLimit; t++ {
			if s.bits[t] != nil && !s.bits[t].ranges(t, yield) {
				return
			}
		}
	}
}

// ranges yields the ports of a type as ranges, and says whether there may be more.
func (b *portBits) ranges(t Type, yield func(Range) bool) bool {
	from := -1 // where the range began; -1: none has
	for w, word := range b {
		if word == 0 && from < 0 || word == ^uint64(0) && from >= 0 {
			continue
		}
		for at := 0; at < 64; {
			if from < 0 {
				if word>>at == 0 {
					break
				}
				at += bits.TrailingZeros64(word >> at)
				from = w<<6 | at
				continue
			}
			ones := bits.TrailingZeros64(^(word >> at))
			if at += ones; at >= 64 {
				break
			}
			if !yield(Range{t, uint16(from), uint16(w<<6 | at - 1)}) {
				return false
			}
			from = -1
		}
	}
	return from < 0 || yield(Range{t, uint16(from), MaxPort})
}

// AllKeys returns the set of every key.
func AllKeys() *KeySet { return allKeys }

var allKeys = func() *KeySet {
	b := new(portBits)
	for w := range b {
		b[w] = ^uint64(0)
	}
	b[0] &^= 1 // port 0 is no port
	return everyType(b)
}()

// everyType returns the set that has the ports with every type.
func everyType(b *portBits) *KeySet {
	s := newKeySet()
	for _, t := range Types() {
		s.bits[t] = b
	}
	return s
}

// KeysOfType returns the set of every key of a type; of one that keys cannot have, no key.
func KeysOfType(t Type) *KeySet {
	if !t.Valid() {
		return new(KeySet)
	}
	return TypeClasses.sets[t-SCTP]
}

// KeySetBuilder collects keys for a [KeySet]. The zero value is empty.
type KeySetBuilder struct {
	bits [typeLimit]portBits
}

// AddRange adds the keys of a range; one that is not valid is left out.
func (b *KeySetBuilder) AddRange(r Range) {
	b.each(r, func(w *uint64, mask uint64) { *w |= mask })
}

// RemoveRange takes the keys of a range out.
func (b *KeySetBuilder) RemoveRange(r Range) {
	b.each(r, func(w *uint64, mask uint64) { *w &^= mask })
}

// AddSet adds the keys of a set.
func (b *KeySetBuilder) AddSet(s *KeySet) {
	for t := range b.bits {
		for w, m := range s.words(Type(t)) {
			b.bits[t][w] |= m
		}
	}
}

// RemoveSet takes the keys of a set out.
func (b *KeySetBuilder) RemoveSet(s *KeySet) {
	for t := range b.bits {
		for w, m := range s.words(Type(t)) {
			b.bits[t][w] &^= m
		}
	}
}

// Retain takes the keys out that are not in a set.
func (b *KeySetBuilder) Retain(s *KeySet) {
	for t := range b.bits {
		for w, m := range s.words(Type(t)) {
			b.bits[t][w] &= m
		}
	}
}

// each calls f for every word that the range touches with the bits it has there.
func (b *KeySetBuilder) each(r Range, f func(w *uint64, mask uint64)) {
	if !r.Valid() {
		return
	}
	words := &b.bits[r.Type]
	for w := int(r.Lo >> 6); w <= int(r.Hi>>6); w++ {
		mask := ^uint64(0)
		if w == int(r.Lo>>6) {
			mask &= ^uint64(0) << (r.Lo & 63)
		}
		if w == int(r.Hi>>6) {
			mask &= ^uint64(0) >> (63 - r.Hi&63)
		}
		f(&words[w], mask)
	}
}

// Build returns the keys collected so far; the builder may be used on.
func (b *KeySetBuilder) Build() *KeySet {
	s := newKeySet()
	for t := range b.bits {
		if b.bits[t] == (portBits{}) {
			continue
		}
		for other := range b.bits[:t] { // types with the same ports share one
			if s.bits[other] != nil && *s.bits[other] == b.bits[t] {
				s.bits[t] = s.bits[other]
				break
			}
		}
		if s.bits[t] == nil {
			c := b.bits[t]
			s.bits[t] = &c
		}
	}
	return s
}
