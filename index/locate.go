package index

import (
	"math/bits"
	"runtime"
	"sync/atomic"
)

// Place is where an asset is: its ordinal, or, of one that is not there, newcomer plus a
// number. Those numbers begin at 0 and are in the order in which the ids first came, so that
// places in order are ordinals in order, then newcomers in the order in which they came.
type Place uint32

// newcomer is more than any ordinal.
const newcomer Place = 1 << 31

// Ordinal returns the ordinal of an asset that is there.
func (p Place) Ordinal() (o Ordinal, known bool) { return Ordinal(p), p < newcomer }

// stage is how many ids are looked for at a time. The steps of a search depend on each
// other, and each may miss the processor's caches; those of different searches do not, so
// they are taken side by side.
const stage = 32

// search is the ids of a stage.
type search struct {
	stored []byte // their stored forms, one behind the other
	end    [stage]int
	kind   [stage]idKind
	hash   [stage]uint64
	hint   [stage]Ordinal // the first ordinal that the dictionary names, or noHint
}

const noHint = ^Ordinal(0)

// Locate stores where the assets with n ids are in the state being written.
func (x *Index) Locate(n int, id func(i int) string, places []Place) {
	if n != 1 {
		x.locateAll(n, id, places)
		return
	}
	places[0] = newcomer
	if o, ok := x.Find(id(0)); ok {
		places[0] = Place(o)
	}
}

func (x *Index) locateAll(n int, id func(i int) string, places []Place) {
	var s search
	var strangers newcomers
	for from := 0; from < n; from += stage {
		to := min(from+stage, n)
		s.hashAll(from, to, id)
		x.hintAll(&s, to-from)
		begin := 0
		for i := from; i < to; i++ {
			at := i - from
			stored := s.stored[begin:s.end[at]]
			begin = s.end[at]
			if i > 0 && id(i) == id(i-1) {
				places[i] = places[i-1]
			} else if o, ok := x.next.find(stored, s.kind[at], s.hash[at]); ok {
				places[i] = Place(o)
			} else {
				places[i] = strangers.place(i, n, s.hash[at], id)
			}
		}
	}
}

// hashAll finds the stored forms and the hashes of some ids.
func (s *search) hashAll(from, to int, id func(i int) string) {
	s.stored = s.stored[:0]
	for i := from; i < to; i++ {
		at, begin := i-from, len(s.stored)
		s.stored, s.kind[at] = appendIdent(s.stored, id(i))
		s.end[at], s.hash[at] = len(s.stored), hashID(s.stored[begin:], s.kind[at])
	}
}

// hintAll reads what the searches for the first n of a stage will read, step by step, so
// that it is in the cache when they do.
func (x *Index) hintAll(s *search, n int) {
	for i := range n {
		p := x.next.dict.probe(s.hash[i])
		x.touched += uint64(atomic.LoadUint32(&p.t.slots[p.slot]))
	}
	for i := range n {
		p := x.next.dict.probe(s.hash[i])
		s.hint[i] = noHint
		if o, ok := p.next(); ok {
			s.hint[i] = o
		}
	}
	x.touch(s.hint[:n], func(p *stripe) *column { return &p.idents })
}

// Touch reads where the states of assets lie, all of which are there, so that it is in the
// cache when they are read in earnest. It is worth it for a few dozen at a time.
func (x *Index) Touch(ordinals []Ordinal) {
	x.touch(ordinals, func(p *stripe) *column { return &p.states })
}

func (x *Index) touch(ordinals []Ordinal, of func(*stripe) *column) {
	x.touched += x.next.touch(ordinals, of)
}

// touchStates is Touch of a snapshot.
func (s *Snapshot) touchStates(ordinals []Ordinal) {
	if s.touch(ordinals, func(p *stripe) *column { return &p.states }) == ^uint64(0) {
		runtime.Gosched() // hardly ever: the sum must have a use, or nothing would be read
	}
}

// touch reads a byte of where each asset's record is, in steps: those of different assets do not
// depend on each other. What it returns says nothing.
func (d *data) touch(ordinals []Ordinal, of func(*stripe) *column) (sum uint64) {
	for _, o := range ordinals {
		if p := d.stripe(o / stripeSize); p != nil {
			sum += p.live
		}
	}
	for _, o := range ordinals {
		if p := d.stripe(o / stripeSize); p != nil {
			sum += uint64(of(p).off[o%stripeSize])
		}
	}
	for _, o := range ordinals {
		if p := d.stripe(o / stripeSize); p != nil && p.live>>(o%stripeSize)&1 != 0 {
			c := of(p)
			sum += uint64(c.data[c.off[o%stripeSize]])
		}
	}
	return sum
}

// newcomers numbers ids of no asset.
type newcomers struct {
	slots []uint32 // by hash, one more than the number of an id; a power of two of them
	ids   []newID  // by number
}

// newID is an id of no asset: its hash, and the first i that has it.
type newID struct {
	hash uint64
	i    int
}

// place returns the place of the i-th of n ids, which is of no asset.
func (l *newcomers) place(i, n int, hash uint64, id func(i int) string) Place {
	if l.slots == nil {
		l.slots = make([]uint32, 1<<bits.Len(uint(2*(n-i))))
	}
	mask := uint64(len(l.slots) - 1)
	slot := hash & mask
	for ; l.slots[slot] != 0; slot = (slot + 1) & mask {
		number := l.slots[slot] - 1
		if have := l.ids[number]; have.hash == hash && id(have.i) == id(i) {
			return newcomer + Place(number)
		}
	}
	l.ids = append(l.ids, newID{hash, i})
	l.slots[slot] = uint32(len(l.ids))
	return newcomer + Place(len(l.ids)-1)
}
