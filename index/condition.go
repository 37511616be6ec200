package index

import (
	"cmp"
	"context"
	"math/bits"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

// Condition is what assets of a set have in common. It is immutable. A snapshot remembers by it
// what it was asked, so a caller that asks often makes it once.
type Condition struct {
	kind   conditionKind
	parts  []*Condition
	keys   *KeySet
	groups Groups
	ids    []string
	label  string
	lets   func(value string) bool // with label
	row    rowTest
}

type conditionKind uint8

// The kinds, those that cost least first.
const (
	byID conditionKind = iota
	byKeys
	byGroup
	byLabel
	byNone // not
	byAny  // or
	byAll  // and
	byRow
)

// HasID holds for the assets with the ids.
func HasID(ids ...string) *Condition { return &Condition{kind: byID, ids: ids} }

// HasOpen holds for the assets that have one of the keys open.
func HasOpen(keys *KeySet) *Condition { return &Condition{kind: byKeys, keys: keys} }

// InGroup holds for the assets of the groups.
func InGroup(groups Groups) *Condition { return &Condition{kind: byGroup, groups: groups} }

// HasLabel holds for the assets that have a label with the name, whose value the function lets
// through. It is called concurrently.
func HasLabel(name string, lets func(value string) bool) *Condition {
	return &Condition{kind: byLabel, label: name, lets: lets}
}

// HasRow holds for the assets for whose rows the function does. It is called concurrently.
func HasRow(f func(*Row) bool) *Condition {
	return HasRowWith(func() func(*Row) bool { return f })
}

// HasRowWith is HasRow of a function that is made for each goroutine, and search, which looks at rows:
// it may remember what it has seen of one snapshot.
func HasRowWith(test func() func(*Row) bool) *Condition { return &Condition{kind: byRow, row: test} }

// rowTest makes a function that says whether a row is let through, for one goroutine.
type rowTest = func() func(*Row) bool

// AllOf holds where all of the conditions do: everywhere, if there are none.
func AllOf(parts ...*Condition) *Condition {
	return joined(byAll, parts, func(tests []rowTest) func(*Row) bool {
		rows := made(tests)
		return func(r *Row) bool {
			for _, row := range rows {
				if !row(r) {
					return false
				}
			}
			return true
		}
	})
}

// AnyOf holds where one of the conditions does.
func AnyOf(parts ...*Condition) *Condition {
	return joined(byAny, parts, func(tests []rowTest) func(*Row) bool {
		rows := made(tests)
		return func(r *Row) bool {
			for _, row := range rows {
				if row(r) {
					return true
				}
			}
			return false
		}
	})
}

// NoneOf holds where the condition does not.
func NoneOf(c *Condition) *Condition {
	if c.kind == byRow {
		return HasRowWith(func() func(*Row) bool {
			row := c.row()
			return func(r *Row) bool { return !row(r) }
		})
	}
	return &Condition{kind: byNone, parts: []*Condition{c}}
}

// joined returns several conditions as one. Those that look at each asset become one, so that it
// is looked at once, and come last, as fewer are left then.
func joined(kind conditionKind, parts []*Condition, join func([]rowTest) func(*Row) bool) *Condition {
	var sorted []*Condition
	var rows []rowTest
	for _, part := range parts {
		if part.kind == byRow {
			rows = append(rows, part.row)
		} else {
			sorted = append(sorted, part)
		}
	}
	if len(rows) > 0 {
		row := HasRowWith(func() func(*Row) bool { return join(rows) })
		if len(sorted) == 0 {
			return row
		}
		sorted = append(sorted, row)
	}
	if len(sorted) == 1 {
		return sorted[0]
	}
	slices.SortStableFunc(sorted, func(a, b *Condition) int { return cmp.Compare(a.cost(), b.cost()) })
	return &Condition{kind: kind, parts: sorted}
}

// made makes the functions of tests.
func made(tests []rowTest) []func(*Row) bool {
	rows := make([]func(*Row) bool, len(tests))
	for i, test := range tests {
		rows[i] = test()
	}
	return rows
}

func (c *Condition) cost() conditionKind {
	cost := c.kind
	for _, part := range c.parts {
		cost = max(cost, part.cost())
	}
	return cost
}

// Row is one asset that a condition looks at. It belongs to one goroutine.
type Row struct {
	s    *Snapshot
	o    Ordinal
	keys []Key
	text [64]byte
}

// Keys returns the open keys, valid until the next call.
func (r *Row) Keys() []Key {
	st := r.s.stateOf(r.o)
	r.keys = appendKeys(r.keys[:0], r.s.listOf(&st))
	return r.keys
}

// Name returns the name, which must not be changed; empty is none.
func (r *Row) Name() []byte { return r.s.ident(r.o).name }

// Note returns the caller's note, which must not be changed.
func (r *Row) Note() []byte { return r.s.Note(r.o) }

// Address returns the address, of either family, if the asset's is one.
func (r *Row) Address() (address netip.Addr, ok bool) {
	id := r.s.ident(r.o)
	if id.addrKind == kindSame {
		return r.addressIn(id.kind, id.id)
	}
	return r.addressIn(id.addrKind, id.addr)
}

// addressIn returns the address that a stored form is.
func (r *Row) addressIn(kind idKind, data []byte) (address netip.Addr, ok bool) {
	switch kind {
	case kindIPv4:
		return netip.AddrFrom4([4]byte(data)), true
	case kindIPv6:
		return netip.AddrFrom16([16]byte(data)), true
	case kindText:
		address, err := netip.ParseAddr(string(appendFormat(r.text[:0], kind, data)))
		return address.WithZone(""), err == nil
	default:
		return address, false
	}
}

// Interned returns the bytes that a number in the note stands for, which must not be changed.
func (r *Row) Interned(n uint32) []byte { return r.s.Interned(n) }

// EachRow shows the assets of a set to functions, of which each is made for its goroutine, on all
// processors; done is called for each that has seen the last of its own. The error is that of the
// context.
func (s *Snapshot) EachRow(ctx context.Context, set Set, worker func() (look func(*Row), done func())) error {
	if set.p == nil {
		return ctx.Err()
	}
	words := set.bitmap()
	return inParallel(ctx, len(words), set.Len()/worthWorker, func() (do func(from, to int), end func()) {
		row := &Row{s: s}
		look, done := worker()
		return func(from, to int) {
			for w := from; w < to; w++ {
				row.those(words[w], w, func(r *Row) bool {
					look(r)
					return true
				})
			}
		}, done
	})
}

// HasPrefix says whether the id begins with the text.
func (r *Row) HasPrefix(prefix []byte) bool { return r.s.HasPrefix(r.o, prefix) }

// ID returns the id.
func (r *Row) ID() string {
	id := r.s.ident(r.o)
	return id.idText()
}

// IDAddress is Address of the id.
func (r *Row) IDAddress() (address netip.Addr, ok bool) {
	id := r.s.ident(r.o)
	return r.addressIn(id.kind, id.id)
}

// AddressText returns the address as it is, valid until the next call; empty is none.
func (r *Row) AddressText() []byte {
	id := r.s.ident(r.o)
	return id.appendAddress(r.text[:0])
}

// found is a list of the sets that a snapshot remembers by their conditions, newest first, at most
// maxFound long.
type found struct {
	condition *Condition
	of        View // that was asked; views without an open key share their counts
	set       Set
	view      atomic.Pointer[View] // with counts; nil until they are asked for
	next      *found
	length    int
}

// maxFound bounds the memory: of ten million assets a set takes 1.2 MB, and its counts up to 2 MB.
const maxFound = 8

// Find returns those assets of the view that meet a condition. They are looked for when they are
// first asked for, and remembered. The error is that of the context.
func (v View) Find(ctx context.Context, c *Condition) (Set, error) {
	f, err := v.find(ctx, c)
	if err != nil {
		return Set{}, err
	}
	return f.set, nil
}

// Where returns the view of those assets that meet a condition, as [View.Find] does, with counts
// of what they have open.
func (v View) Where(ctx context.Context, c *Condition) (View, error) {
	f, err := v.find(ctx, c)
	if err != nil {
		return View{}, err
	}
	if view := f.view.Load(); view != nil {
		return *view, nil
	}
	view := View{snapshot: v.snapshot, groups: []string{}, set: &f.set}
	if v.set == nil {
		by := v.findKey(c)
		view.by = &by
	}
	if view.counts, err = view.count(ctx); err != nil {
		return View{}, err
	}
	if f.view.CompareAndSwap(nil, &view) {
		return view, nil
	}
	return *f.view.Load(), nil // another reader's, by whose counts more may be remembered
}

// count counts what the set of a view has open.
func (v View) count(ctx context.Context) (*counts, error) {
	if v.by == nil {
		return v.snapshot.countsIn(ctx, *v.set)
	}
	return v.snapshot.countsAgain(ctx, *v.by, *v.set)
}

func (v View) find(ctx context.Context, c *Condition) (*found, error) {
	s := v.snapshot
	head := s.found.Load()
	if f := v.found(c); f != nil {
		return f, nil
	}
	f := &found{condition: c, of: v, length: 1}
	search := finder{s: s, ctx: ctx}
	var err error
	if f.set, err = search.findAgain(c, v); err != nil {
		return nil, err
	}
	if head != nil && head.length < maxFound {
		f.next, f.length = head, head.length+1
	}
	s.found.CompareAndSwap(head, f) // losing to another reader loses a memory only
	return f, nil
}

// same says whether views of one snapshot have the same assets because they were asked for alike.
func (v *View) same(o *View) bool {
	return v.counts == o.counts && v.set == o.set && (v.groups == nil) == (o.groups == nil) && slices.Equal(v.groups, o.groups)
}

// Meets says whether the asset with the ordinal, which must be there, meets a condition. The error
// is that of the context.
func (s *Snapshot) Meets(ctx context.Context, o Ordinal, c *Condition) (bool, error) {
	search := finder{s: s, ctx: ctx}
	set, err := search.find(c, setOf([]Ordinal{o}))
	return set.Len() > 0, err
}

// finder looks for the assets that meet a condition.
type finder struct {
	s   *Snapshot
	ctx context.Context //nolint:containedctx // it lives as long as one call
}

// find returns those of a set that meet the condition.
func (f *finder) find(c *Condition, within Set) (Set, error) {
	if within.p == nil {
		return Set{}, nil
	}
	if err := f.ctx.Err(); err != nil {
		return Set{}, err
	}
	switch c.kind {
	case byID:
		return f.named(c.ids, within), nil
	case byGroup:
		return f.cut(f.s.View(c.groups).Assets(), within), nil
	case byLabel:
		return f.labelled(c, within)
	case byKeys:
		return f.holders(c.keys, within)
	case byRow:
		return f.rows(within, c.row)
	case byNone:
		if set, ok := f.s.single(c.parts[0]); ok {
			return Subtract(within, set), nil
		}
		not, err := f.find(c.parts[0], within)
		return Subtract(within, not), err
	case byAny:
		return f.any(c.parts, within)
	case byAll:
		for _, part := range c.parts {
			var err error
			if within, err = f.find(part, within); err != nil {
				return Set{}, err
			}
		}
	}
	return within, nil
}

// any returns those of a set that meet one of the conditions. Each is held against what none
// before has found.
func (f *finder) any(parts []*Condition, within Set) (Set, error) {
	found, left := Set{}, within
	for _, part := range parts {
		some, err := f.find(part, left)
		if err != nil {
			return Set{}, err
		}
		found, left = Unite(found, some), Subtract(left, some)
	}
	return found, nil
}

// cut is Intersect that knows the set of all assets.
func (f *finder) cut(set, within Set) Set {
	if within.p == f.s.everyone {
		return set
	}
	return Intersect(set, within)
}

// named returns those of a set that have one of the ids.
func (f *finder) named(ids []string, within Set) Set {
	var list []Ordinal
	for _, id := range ids {
		if o, ok := f.s.Find(id); ok && within.Contains(o) {
			list = append(list, o)
		}
	}
	slices.Sort(list)
	return setOf(slices.Compact(list))
}

// labelled returns those of a set that have a label.
func (f *finder) labelled(c *Condition, within Set) (Set, error) {
	var sets []Set
	n := 0
	for value, holders := range f.s.Labelled(c.label) {
		if n++; n%lookEvery == 0 && f.ctx.Err() != nil {
			return Set{}, f.ctx.Err()
		}
		if c.lets(value) {
			sets = append(sets, holders)
		}
	}
	return f.cut(Unite(sets...), within), nil
}

// fewAssets are looked at without a look at what holds the keys.
const fewAssets = 64

// rowCost is how many steps through postings a look at the keys of an asset is worth.
const rowCost = 16

// holders returns those of a set that have one of the keys open: by what holds the keys, or by
// what the assets have, whichever is less.
func (f *finder) holders(keys *KeySet, within Set) (Set, error) {
	hasOne := func() func(*Row) bool {
		return func(r *Row) bool { return slices.ContainsFunc(r.Keys(), keys.Contains) }
	}
	if within.Len() <= fewAssets {
		return f.rows(within, hasOne)
	}
	var sets []Set
	steps := 0
	whole := View{snapshot: f.s, counts: f.s.whole}
	c := whole.Select(Filter{Keys: keys})
	for c.Seek(0, false); c.Next(); {
		sets = append(sets, f.s.Holders(c.key))
		steps += c.Count()
	}
	switch {
	case len(sets) == 1:
		return f.cut(sets[0], within), nil
	case steps/rowCost <= within.Len():
		return f.cut(Unite(sets...), within), nil
	}
	return f.rows(within, hasOne)
}

// rows returns those of a set that a test lets through.
func (f *finder) rows(within Set, test rowTest) (Set, error) {
	if within.Len() < f.s.ordinals/stripeSize {
		row, found, lets := Row{s: f.s}, []Ordinal(nil), test()
		for o := range within.From(0) {
			if row.o = o; o%lookEvery == 0 && f.ctx.Err() != nil {
				break
			}
			if lets(&row) {
				found = append(found, o)
			}
		}
		return setOf(found), f.ctx.Err()
	}
	words := within.bitmap()
	err := inParallel(f.ctx, len(words), within.Len()/worthWorker, func() (do func(from, to int), end func()) {
		row, lets := &Row{s: f.s}, test()
		return func(from, to int) {
			for w := from; w < to; w++ {
				words[w] = row.those(words[w], w, lets)
			}
		}, func() {}
	})
	if err != nil {
		return Set{}, err
	}
	return setOfBitmap(roaring.FromDense(words, false)), nil
}

// those returns what a function lets through of a word of ordinals.
func (r *Row) those(word uint64, at int, lets func(*Row) bool) (found uint64) {
	for ; word != 0; word &= word - 1 {
		bit := bits.TrailingZeros64(word)
		r.o = Ordinal(at<<6 | bit)
		if lets(r) {
			found |= 1 << bit
		}
	}
	return found
}

// bitmap returns a set that is not empty as words, which are the caller's.
func (s Set) bitmap() []uint64 {
	if s.p.dense != nil {
		return s.p.words(nil)
	}
	words := make([]uint64, s.p.wordLen())
	for o := range s.From(0) {
		words[o>>6] |= 1 << (o & 63)
	}
	return words
}

// lookEvery is how many assets are passed over between two looks at the context.
const lookEvery = 4096

// pieces is how many parts of work are handed out at a time to each of the goroutines that share
// it: enough that one that is slow keeps no other waiting.
const pieces = 16

// inParallel has all of 0 to n done, piece by piece, by at most so many workers on as many
// processors, until the context ends. Each worker is made for its goroutine, and its end is called
// where it was not cut off. A panic comes out of it as if the work had been done here.
func inParallel(ctx context.Context, n, most int, worker func() (do func(from, to int), end func())) error {
	workers := max(1, min(maxWorkers(), most, n))
	step := (n + workers*pieces - 1) / (workers * pieces)
	var next atomic.Int64
	run := func() {
		do, end := worker()
		for ctx.Err() == nil {
			from := int(next.Add(1)-1) * step
			if from >= n {
				end()
				return
			}
			do(from, min(from+step, n))
		}
	}
	if workers == 1 {
		run()
		return ctx.Err()
	}
	panics := make(chan any, workers)
	for range workers {
		go func() {
			defer func() { panics <- recover() }()
			run()
		}()
	}
	var first any
	for range workers {
		if p := <-panics; p != nil {
			first = p
		}
	}
	if first != nil {
		panic(first)
	}
	return ctx.Err()
}
