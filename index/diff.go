package index

import (
	"bytes"
	"iter"
	"math/bits"
)

// Differing is an asset that may not be as it was: where it is in an older snapshot and where in a newer
// one. It may have moved, as an ordinal that it left may have been given to another.
type Differing struct {
	Was, Is     Ordinal
	There, Here bool // whether it is in the older one, and in the newer one
}

// SameIndex says whether the snapshots are of one index.
func (s *Snapshot) SameIndex(other *Snapshot) bool { return s.recalls == other.recalls }

// Since yields the assets that may differ between an older snapshot and this one. Snapshots of one index
// share what did not change, which is passed over: the cost is that of the changes. Of another index each
// asset is looked up by its id.
func (s *Snapshot) Since(old *Snapshot) iter.Seq[Differing] {
	words := s.touchedSince(old)
	return func(yield func(Differing) bool) {
		for w, word := range words {
			for ; word != 0; word &= word - 1 {
				o := Ordinal(w<<6 | bits.TrailingZeros64(word))
				if !s.differing(old, o, yield) {
					return
				}
			}
		}
	}
}

// touchedSince is changedSince as words, of another index those of all ordinals.
func (s *Snapshot) touchedSince(old *Snapshot) []uint64 {
	if s.SameIndex(old) {
		return s.changedWords(old)
	}
	words := make([]uint64, max(s.numStripes(), old.numStripes()))
	for n := range words {
		for _, p := range [...]*stripe{s.stripe(uint32(n)), old.stripe(uint32(n))} {
			if p != nil {
				words[n] |= p.live
			}
		}
	}
	return words
}

// differing yields what is and was at an ordinal: one asset, or two, or none that is told of elsewhere.
func (s *Snapshot) differing(old *Snapshot, o Ordinal, yield func(Differing) bool) bool {
	there, here := old.has(o), s.has(o)
	if there && here && sameIdent(old.ident(o), s.ident(o)) {
		return yield(Differing{o, o, true, true})
	}
	if there { // it has gone, unless it is somewhere else now
		id := old.ident(o)
		if _, found := s.find(id.id, id.kind, hashID(id.id, id.kind)); !found && !yield(Differing{Was: o, There: true}) {
			return false
		}
	}
	if here {
		id := s.ident(o)
		was, found := old.find(id.id, id.kind, hashID(id.id, id.kind))
		return yield(Differing{was, o, found, true})
	}
	return true
}

// sameIdent says whether two assets have the same id.
func sameIdent(a, b ident) bool { return a.kind == b.kind && bytes.Equal(a.id, b.id) }
