package index

import (
	"context"
	"iter"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/tidwall/btree"
)

// Label is a name and a value that assets may have, such as env and prod. A name has no NUL.
type Label struct{ Name, Value string }

// key orders labels by name, then value.
func (l Label) key() string { return l.Name + "\x00" + l.Value }

// labels are those that assets have, each under a number.
type labels struct {
	list    vec[labelled]
	numbers *btree.Map[string, uint32] // by key
	holders vec[*posting]              // by number, written by flushes only; nil: none
}

// labelled is a label and how many assets have it. A number that none has is free.
type labelled struct {
	Label
	assets int
}

// holdersOf returns the assets that have the label with the number.
func (l *labels) holdersOf(n uint32) Set {
	if p := l.holders.at(n); p != nil {
		return Set{*p}
	}
	return Set{}
}

// used is the number of labels up to the last one that assets have.
func (l *labels) used() uint32 {
	n := l.list.slots()
	for n > 0 && l.list.at(n-1).assets == 0 {
		n--
	}
	return n
}

// labelling is no key: it stands for an asset gaining or losing a label, whose number stands where
// that of a group does.
const labelling Key = 1

// Label gives an asset a label that it does not have. Which labels an asset has is for the caller
// to know; it takes them back before it removes the asset.
func (x *Index) Label(o Ordinal, l Label) {
	d := &x.next.labels
	n, there := d.numbers.Get(l.key())
	if !there {
		n = uint32(d.numbers.Len())
		if free := len(x.freeLabel); free > 0 {
			n, x.freeLabel = x.freeLabel[free-1], x.freeLabel[:free-1]
		}
		d.list.mut(n, x.epoch).Label = l
		d.numbers.Set(l.key(), n)
	}
	d.list.mut(n, x.epoch).assets++
	x.mutStripe(o) // for those who remember what assets are alike
	x.changes = append(x.changes, makeChange(labelling, o, n, true))
}

// Unlabel takes a label from an asset that has it.
func (x *Index) Unlabel(o Ordinal, l Label) {
	d := &x.next.labels
	n, _ := d.numbers.Get(l.key())
	x.mutStripe(o)
	x.changes = append(x.changes, makeChange(labelling, o, n, false))
	at := d.list.mut(n, x.epoch)
	if at.assets--; at.assets == 0 {
		x.unused = append(x.unused, n)
	}
}

// freeLabels frees the numbers of labels that no asset has any more. No waiting change may mean them.
func (x *Index) freeLabels() {
	d := &x.next.labels
	for _, n := range x.unused {
		at := d.list.mut(n, x.epoch)
		if at.assets > 0 || at.Name == "" { // it has come back, or is free already
			continue
		}
		d.numbers.Delete(at.key())
		*at = labelled{}
		x.freeLabel = append(x.freeLabel, n)
	}
	x.unused = x.unused[:0]
}

// postLabels makes the changes of which assets have which labels, which are in the order they came.
func (x *Index) postLabels(changes []change, universe int) {
	changes = sortByGroup(changes)
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].group == changes[0].group {
			n++
		}
		if settled := settle(changes[:n]); len(settled) > 0 {
			p := x.next.labels.holders.mut(changes[0].group, x.epoch)
			if *p = x.changed(*p, settled, universe); (*p).n == 0 {
				*p = nil
			}
		}
		changes = changes[n:]
	}
}

// LabelNames yields the names of the labels that assets have, in order.
func (s *Snapshot) LabelNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		from, more := "", true
		for more {
			more = false
			s.labels.numbers.Ascend(from, func(key string, _ uint32) bool {
				name, _, _ := strings.Cut(key, "\x00")
				from = name + "\x01" // behind all of the name
				more = yield(name)
				return false
			})
		}
	}
}

// Labelled yields the values of the labels with the name that assets have, in order, and the assets.
func (s *Snapshot) Labelled(name string) iter.Seq2[string, Set] {
	return func(yield func(string, Set) bool) {
		s.labels.numbers.Ascend(name+"\x00", func(_ string, n uint32) bool {
			l := s.labels.list.at(n)
			return l.Name == name && yield(l.Value, s.labels.holdersOf(n))
		})
	}
}

// Members yields the groups that have assets, by name, and these.
func (s *Snapshot) Members() iter.Seq2[string, Set] {
	return func(yield func(string, Set) bool) {
		s.groupNames.Scan(func(name string, g uint32) bool { return yield(name, s.membersOf(g)) })
	}
}

// ShareOf returns how many assets each of the sets shares with the other one, in their order. It
// reads what the sets hold, on all processors. The error is that of the context.
func (s *Snapshot) ShareOf(ctx context.Context, sets []Set, with Set) ([]int, error) {
	n := make([]int, len(sets))
	if with.p == nil {
		return n, ctx.Err()
	}
	if with.p == s.everyone {
		for i := range sets {
			n[i] = sets[i].Len()
		}
		return n, ctx.Err()
	}
	total := 0
	for i := range sets {
		total += sets[i].Len()
	}
	words, bitmap := with.bitmap(), with.p.dense
	if bitmap == nil {
		bitmap = roaring.FromDense(words, false)
	}
	err := inParallel(ctx, len(sets), total/worthWorker, func() (do func(from, to int), end func()) {
		return func(from, to int) {
			for i := from; i < to; i++ {
				n[i] = sets[i].sharedWith(bitmap, words)
			}
		}, func() {}
	})
	return n, err
}

// sharedWith returns how many assets the set shares with another one, of which there are the bitmap
// and its words.
func (s Set) sharedWith(bitmap *roaring.Bitmap, words []uint64) int {
	if s.p == nil {
		return 0
	}
	if s.p.dense != nil {
		return int(s.p.dense.AndCardinality(bitmap))
	}
	n := uint32(0)
	for i := range s.p.blocks {
		n += s.p.blocks[i].countIn(words)
	}
	return int(n)
}
