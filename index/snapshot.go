package index

import (
	"bytes"
	"iter"
	"sync/atomic"
)

// Snapshot is an immutable state of an index. All its methods may be called
// concurrently, and their answers agree with each other. It stays valid, and
// keeps what it needs in memory, as long as it is held.
type Snapshot struct {
	data
	epoch  uint64 // the last of what it has
	memo   memo
	merged atomic.Pointer[mergedView] // views of several groups asked for so far
	held   atomic.Pointer[heldSet]    // sets of holders in views asked for so far
	ranked atomic.Pointer[ranked]     // keys in other orders asked for so far
	found  atomic.Pointer[found]      // sets by condition asked for so far

	keeping keeping
}

// Version counts the publications of the index.
func (s *Snapshot) Version() uint64 { return s.version }

// Assets returns the number of assets.
func (s *Snapshot) Assets() int { return s.assets }

// Observations returns the number of open keys, summed over the assets.
func (s *Snapshot) Observations() int { return s.whole.opens }

// Find returns the ordinal of the asset with the id.
func (s *Snapshot) Find(id string) (Ordinal, bool) {
	var buf [64]byte
	stored, kind := appendIdent(buf[:0], id)
	return s.find(stored, kind, hashID(stored, kind))
}

// Asset returns the asset with the ordinal; ok is false where there is none.
// The slices are fresh but for the note, which must not be changed.
func (s *Snapshot) Asset(o Ordinal) (a Asset, ok bool) {
	if !s.has(o) {
		return Asset{}, false
	}
	id, st := s.ident(o), s.stateOf(o)
	a.ID, a.Name, a.Address = id.idText(), string(id.name), id.addressText()
	a.Group, a.Note = s.groups.at(st.group).name, s.noteOf(&st)
	a.Keys = appendKeys(nil, s.listOf(&st))
	return a, true
}

// Record is an asset as it is stored. Its bytes must not be changed.
type Record struct {
	Names []byte // its id, address and name, in the form of [ParseNames]
	Group string
	Note  []byte
	Keys  []byte // in the form of [ParseKeys]
}

// Record returns the asset with the ordinal, which must be there, as it is stored.
func (s *Snapshot) Record(o Ordinal) Record {
	st := s.stateOf(o)
	return Record{Names: s.identRecord(o), Group: s.groups.at(st.group).name, Note: s.noteOf(&st), Keys: s.listOf(&st)}
}

// Has says whether there is an asset with the ordinal.
func (s *Snapshot) Has(o Ordinal) bool { return s.has(o) }

// Who returns the asset with the ordinal, which must be there, without its
// note and keys.
func (s *Snapshot) Who(o Ordinal) Asset {
	id := s.ident(o)
	return Asset{ID: id.idText(), Name: string(id.name), Address: id.addressText(), Group: s.group(o)}
}

// TextsContain says whether the name of the asset with the ordinal, which must
// be there, contains the one text and its address the other, byte for byte. It
// is for looking at many assets, and makes no copies of them.
func (s *Snapshot) TextsContain(o Ordinal, name, address []byte) bool {
	id := s.ident(o)
	if !bytes.Contains(id.name, name) {
		return false
	}
	var room [64]byte
	return len(address) == 0 || bytes.Contains(id.appendAddress(room[:0]), address)
}

// HasPrefix says whether the id of the asset with the ordinal, which must be
// there, begins with the text. It makes no copy of the id.
func (s *Snapshot) HasPrefix(o Ordinal, prefix []byte) bool {
	if len(prefix) == 0 {
		return true
	}
	id := s.ident(o)
	var room [64]byte
	return bytes.HasPrefix(appendFormat(room[:0], id.kind, id.id), prefix)
}

// Note returns the caller's note about the asset with the ordinal, which must be there. It
// must not be changed.
func (s *Snapshot) Note(o Ordinal) []byte {
	st := s.stateOf(o)
	return s.noteOf(&st)
}

// AppendKeys appends the open keys of the asset with the ordinal, which must be there, in order, to dst.
func (s *Snapshot) AppendKeys(dst []Key, o Ordinal) []Key {
	st := s.stateOf(o)
	return appendKeys(dst, s.listOf(&st))
}

// AppendKeysOf appends the open keys of the asset with the ordinal, which must be there, in
// their portable form, to dst.
func (s *Snapshot) AppendKeysOf(dst []byte, o Ordinal) []byte {
	st := s.stateOf(o)
	return append(dst, s.listOf(&st)...)
}

// Interned returns the bytes that [Index.Intern] has given a number, which a note of the
// snapshot refers to. They must not be changed.
func (s *Snapshot) Interned(n uint32) []byte { return *s.interned.at(n) }

// Group returns the name of the asset's group; the asset must be there.
func (s *Snapshot) Group(o Ordinal) string { return s.group(o) }

// Groups yields the groups that have assets, by name, and how many.
func (s *Snapshot) Groups() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		s.groupNames.Scan(func(name string, g uint32) bool {
			return yield(name, s.groups.at(g).assets)
		})
	}
}

// Holders returns the assets that have the key open.
func (s *Snapshot) Holders(k Key) Set {
	p, _ := s.tree.Get(k)
	return Set{p}
}
