package index

import (
	"bytes"
	"iter"
	"math/bits"

	"github.com/tidwall/btree"
)

// data is the state of an inventory: of a snapshot, or the one being written.
// Versions of it share what did not change.
type data struct {
	version    uint64
	naming     uint64 // grows when a group comes or goes
	posted     uint64 // changes made to counts, ever
	copied     uint64 // stripes copied to be changed, ever
	merges     *merges
	recalls    *recalls
	assets     int
	ordinals   int // in use or free; all are below
	stripes    vec[*stripe]
	dict       dict
	interned   vec[[]byte]
	groups     vec[group]
	groupNames *btree.Map[string, uint32]
	labels     labels

	// What follows from the assets' keys and groups, written by flushes only.
	tree        *tree
	whole       *counts
	groupCounts vec[*counts]  // by number; nil: nothing open
	everyone    *posting      // all assets
	members     vec[*posting] // the assets of each group, by number; nil: none
}

// group is one group of assets. A number whose name is empty is free.
type group struct {
	name   string
	assets int
}

// stripe returns the stripe with the number, nil if there is none.
func (d *data) stripe(n uint32) *stripe {
	if p := d.stripes.at(n); p != nil {
		return *p
	}
	return nil
}

// has says whether there is an asset with the ordinal.
func (d *data) has(o Ordinal) bool {
	p := d.stripe(o / stripeSize)
	return p != nil && p.live>>(o%stripeSize)&1 != 0
}

// numStripes is the number of stripes that ordinals lie in.
func (d *data) numStripes() uint32 { return uint32((d.ordinals + stripeSize - 1) / stripeSize) }

// find returns the ordinal of the asset with the id, which is in its stored
// form and has the hash.
func (d *data) find(id []byte, kind idKind, hash uint64) (Ordinal, bool) {
	for p := d.dict.probe(hash); ; {
		o, ok := p.next()
		if !ok {
			return 0, false
		}
		if !d.has(o) {
			continue
		}
		if have := d.ident(o); have.kind == kind && bytes.Equal(have.id, id) {
			return o, true
		}
	}
}

// identRecord returns the ident record of an asset that is there.
func (d *data) identRecord(o Ordinal) []byte {
	rec := d.stripe(o / stripeSize).idents.record(o % stripeSize)
	if rec[0] == bigRecord {
		n, _ := uvarint32(rec[1:])
		return *d.interned.at(n)
	}
	return rec
}

func (d *data) ident(o Ordinal) ident { return decodeIdent(d.identRecord(o)) }

// stateOf returns the state of an asset that is there.
func (d *data) stateOf(o Ordinal) state {
	return decodeState(d.stripe(o / stripeSize).states.record(o % stripeSize))
}

func (d *data) group(o Ordinal) string { return d.groups.at(d.stateOf(o).group).name }

// noteOf returns a state's note.
func (d *data) noteOf(st *state) []byte {
	if st.noteBig {
		return *d.interned.at(st.noteBlob)
	}
	return st.note
}

// listOf returns a state's key list.
func (d *data) listOf(st *state) []byte {
	if st.keysBig {
		return *d.interned.at(st.keysBlob)
	}
	return st.keys
}

// membersOf returns the assets of a group.
func (d *data) membersOf(n uint32) Set {
	if p := d.members.at(n); p != nil {
		return Set{*p}
	}
	return Set{}
}

// countsOf returns the counts of a group.
func (d *data) countsOf(n uint32) *counts {
	if c := d.groupCounts.at(n); c != nil && *c != nil {
		return *c
	}
	return emptyCounts
}

// ordinalsOfStripes yields every asset's ordinal in ascending order, as the stripes
// have them.
func (d *data) ordinalsOfStripes() iter.Seq[Ordinal] {
	return func(yield func(Ordinal) bool) {
		for n := range d.numStripes() {
			p := d.stripe(n)
			if p == nil {
				continue
			}
			for live := p.live; live != 0; live &= live - 1 {
				if !yield(n*stripeSize + uint32(bits.TrailingZeros64(live))) {
					return
				}
			}
		}
	}
}

// hashOf returns the hash of the id of an asset that is there.
func (d *data) hashOf(o Ordinal) uint64 {
	id := d.ident(o)
	return hashID(id.id, id.kind)
}

// rebuildDict returns a dictionary of the assets that are there with room for n,
// and more.
func (d *data) rebuildDict(n int, epoch uint64) dict {
	entries := make([]entry, 0, d.assets)
	for o := range d.ordinalsOfStripes() {
		entries = append(entries, entry{d.hashOf(o), o})
	}
	return newDict(entries, n, max(n, d.ordinals), epoch)
}
