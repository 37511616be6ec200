package index

import (
	"bytes"
	"iter"
	"math/bits"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// Snapshot is an immutable state of an index. All its methods may be called
// concurrently, and their answers agree with each other. It stays valid, and
// keeps what it needs in memory, as long as it is held.
type Snapshot struct {
	data
	memo   memo
	merged atomic.Pointer[mergedView] // views of several groups asked for so far
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

// Labels returns the asset with the ordinal, which must be there, without its
// note and keys.
func (s *Snapshot) Labels(o Ordinal) Asset {
	id := s.ident(o)
	return Asset{ID: id.idText(), Name: string(id.name), Address: id.addressText(), Group: s.group(o)}
}

// LabelsContain says whether the name of the asset with the ordinal, which must
// be there, contains the one text and its address the other, byte for byte. It
// is for looking at many assets, and makes no copies of their labels.
func (s *Snapshot) LabelsContain(o Ordinal, name, address []byte) bool {
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

// Group returns the name of the asset's group; the asset must be there.
func (s *Snapshot) Group(o Ordinal) string { return s.group(o) }

// Interned returns the bytes of a number that a note refers to. They must not
// be changed.
func (s *Snapshot) Interned(n uint32) []byte { return *s.interned.at(n) }

// Groups yields the groups that have assets, by name, and how many.
func (s *Snapshot) Groups() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		s.groupNames.Scan(func(name string, g uint32) bool {
			return yield(name, s.groups.at(g).assets)
		})
	}
}

// Open returns how many assets have the key open.
func (s *Snapshot) Open(k Key) int {
	if p, ok := s.tree.Get(k); ok {
		return p.n
	}
	return 0
}

// Holders yields the assets that have the key open in ascending order, without
// the first skip of them.
func (s *Snapshot) Holders(k Key, skip int) iter.Seq[Ordinal] {
	p, ok := s.tree.Get(k)
	if !ok {
		return func(func(Ordinal) bool) {}
	}
	return p.from(skip)
}

// All yields every asset's ordinal in ascending order.
func (s *Snapshot) All() iter.Seq[Ordinal] {
	return func(yield func(Ordinal) bool) {
		for n := range s.numPages() {
			p := s.page(n)
			if p == nil {
				continue
			}
			for live := p.live; live != 0; live &= live - 1 {
				if !yield(n*pageSize + uint32(bits.TrailingZeros64(live))) {
					return
				}
			}
		}
	}
}

// Groups is a set of group names to ask a question of. The zero value stands
// for the whole inventory. It is immutable and may be copied.
type Groups struct {
	names []string
	hash  uint64
}

// GroupsOf returns the set of the names, which must be ordered, without
// repeats, and not changed afterwards; of no name it is the empty set.
func GroupsOf(names []string) Groups {
	if names == nil {
		names = []string{}
	}
	g := Groups{names: names}
	for _, name := range names {
		g.hash = (g.hash ^ xxhash.Sum64String(name)) * 0x9e3779b97f4a7c15
	}
	return g
}

// Names returns the names; nil stands for the whole inventory.
func (g Groups) Names() []string { return g.names }

// equal compares sets; sets made once and used often share their names.
func (g *Groups) equal(o *Groups) bool {
	if g.hash != o.hash || len(g.names) != len(o.names) {
		return false
	}
	if len(g.names) == 0 || &g.names[0] == &o.names[0] {
		return true
	}
	for i, name := range g.names {
		if name != o.names[i] {
			return false
		}
	}
	return true
}

// View is what a question is asked of: the whole inventory, one group or
// several. It belongs to one snapshot.
type View struct {
	snapshot *Snapshot
	counts   *counts
}

// View returns the view of the groups. Names that do not exist add nothing. The
// view of several groups is merged when it is first asked for and remembered.
func (s *Snapshot) View(groups Groups) View {
	switch {
	case groups.names == nil:
		return View{s, s.whole}
	case len(groups.names) == 0:
		return View{s, emptyCounts}
	case len(groups.names) == 1:
		return View{s, s.groupCounts(groups.names[0])}
	}
	return View{s, s.mergedCounts(groups)}
}

func (s *Snapshot) groupCounts(name string) *counts {
	if g, ok := s.groupNames.Get(name); ok {
		return s.countsOf(g)
	}
	return emptyCounts
}

// mergedView is a list of the merged views of a snapshot, newest first, at most
// maxMerged long.
type mergedView struct {
	groups Groups
	counts *counts
	next   *mergedView
	length int
}

// maxMerged bounds the memory that views of several groups take on a snapshot.
const maxMerged = 16

func (s *Snapshot) mergedCounts(groups Groups) *counts {
	head := s.merged.Load()
	for m := head; m != nil; m = m.next {
		if m.groups.equal(&groups) {
			return m.counts
		}
	}
	parts := make([]*counts, len(groups.names))
	for i, name := range groups.names {
		parts[i] = s.groupCounts(name)
	}
	m := &mergedView{groups: groups, counts: sumCounts(parts), length: 1}
	if head != nil && head.length < maxMerged {
		m.next, m.length = head, head.length+1
	}
	s.merged.CompareAndSwap(head, m) // losing to another reader loses a memory only
	return m.counts
}

// Keys returns the number of keys open in the view.
func (v View) Keys() int { return v.counts.keys }

// Count returns how many assets of the view have the key open.
func (v View) Count(k Key) int { return v.counts.of(k) }
