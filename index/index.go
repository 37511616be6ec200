package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// ErrFull is returned when an index holds as many assets as ordinals can number.
var ErrFull = errors.New("index is full")

// MaxAssets is how many assets an index can hold.
const MaxAssets = 1<<31 - 1

// flushAfter is how many changes may wait before they are sorted into the
// postings, behind the writer's back; three buffers of 12 bytes each are in use
// then. keepChanges is how much of a buffer is kept for the next batch.
const (
	flushAfter  = 1 << 20
	keepChanges = 1 << 16
)

// tree is the ordered directory of the postings.
type tree = btree.Map[Key, *posting]

// Index is one inventory: one writer, any number of readers. See the package
// comment.
//
// The writer's state is the next snapshot. Whatever of it a published snapshot
// shares carries an older epoch and is copied before it is changed; publishing
// is freezing the state, which begins the next epoch, and storing a pointer to it.
type Index struct {
	published atomic.Pointer[Snapshot]

	frozen     *Snapshot // the state last frozen
	epoch      uint64
	base       uint64 // of a fork: what carries it or an older epoch is another index's, too
	next       data   // the state being written
	blobs      blobs
	changes    []change // not yet in the postings, in the order they were made
	flushing   flushing
	free       []Ordinal // of removed assets, last out first in
	groups     map[string]uint32
	freeGroup  []uint32
	freeLabel  []uint32
	unused     []uint32 // labels that no asset has any more, yet to be freed
	seen       sightings
	flushAfter int    // waiting changes that are flushed behind the writer
	stripeHint [2]int // bytes in the columns of the last full stripe
	sought     sought
	touched    uint64 // keeps reads that have no other use
	scratch    scratch
}

// scratch is memory that one writer call uses and the next one reuses.
type scratch struct {
	id, rec, list []byte
	keys          []Key
}

// New returns an empty index.
func New() *Index {
	x := &Index{epoch: 1, flushAfter: flushAfter, groups: make(map[string]uint32)}
	x.blobs.items = &x.next.interned
	x.next.whole, x.next.everyone = new(counts), new(posting)
	x.next.dict = newDict(nil, 0, 0, x.epoch)
	x.next.tree = btree.NewMap[Key, *posting](0)
	x.next.groupNames = btree.NewMap[string, uint32](0)
	x.next.labels.numbers = btree.NewMap[string, uint32](0)
	x.next.merges, x.next.recalls = new(merges), new(recalls)
	x.Publish()
	return x
}

// Snapshot returns the state last published. It never waits.
func (x *Index) Snapshot() *Snapshot { return x.published.Load() }

// Publish makes everything done so far visible to readers and returns it.
func (x *Index) Publish() *Snapshot {
	s := x.Freeze()
	x.Show(s)
	return s
}

// Show makes a frozen state the one that readers see. It may be called while the
// writer goes on; states are shown in the order in which they were frozen.
func (x *Index) Show(s *Snapshot) { x.published.Store(s) }

// Freeze returns everything done so far as a state that readers do not see yet. Its
// cost is that of the changes since the last one, not of the inventory.
func (x *Index) Freeze() *Snapshot {
	x.flush()
	x.dropBuffers()
	x.giveBack()
	x.next.merges.forget(&x.next)
	x.next.recalls.forget(&x.next)
	s := &Snapshot{data: x.next, epoch: x.epoch}
	s.tree = x.next.tree.Copy()
	s.groupNames = x.next.groupNames.Copy()
	s.labels.numbers = x.next.labels.numbers.Copy()
	x.frozen = s
	x.epoch++
	x.next.version++
	return s
}

// Frozen returns the state that was frozen last, which readers may not see yet. It is for the writer.
func (x *Index) Frozen() *Snapshot { return x.frozen }

// Resume makes the next state that is frozen have the version: that of a state that
// was kept, with which an index begins that is filled from it.
func (x *Index) Resume(version uint64) { x.next.version = version }

// Assets returns the number of assets in the state being written.
func (x *Index) Assets() int { return x.next.assets }

// shrinkAt is how many slots of the dictionary there are per asset when it is made
// anew, smaller.
const shrinkAt = 16

// giveBack lets go of what removed assets have left.
func (x *Index) giveBack() {
	switch n := x.next.assets; {
	case n == 0 && x.next.ordinals > 0:
		x.free, x.freeGroup, x.freeLabel, x.next.ordinals = nil, nil, nil, 0
		x.next.stripes, x.next.groups = vec[*stripe]{}, vec[group]{}
		x.next.groupCounts, x.next.members = vec[*counts]{}, vec[*posting]{}
		x.next.labels = labels{numbers: x.next.labels.numbers}
		x.next.everyone = new(posting)
		x.next.dict = newDict(nil, 0, 0, x.epoch)
		x.seen = sightings{}
		if len(x.blobs.free) == len(x.blobs.refs) {
			x.blobs = blobs{items: x.blobs.items}
			x.next.interned = vec[[]byte]{}
		}
	case n > 0 && n*shrinkAt < x.next.dict.slots():
		x.next.dict = x.next.rebuildDict(n, x.epoch)
	}
}

// Find returns the ordinal of the asset with the id in the state being written.
func (x *Index) Find(id string) (Ordinal, bool) {
	x.setSought(id)
	return x.next.find(x.sought.stored, x.sought.kind, x.sought.hash)
}

// sought is the id last looked for: whoever adds an asset has just looked for it.
type sought struct {
	id     string
	stored []byte
	kind   idKind
	hash   uint64
}

func (x *Index) setSought(id string) {
	if x.sought.id == id {
		return
	}
	x.sought.id = id
	x.sought.stored, x.sought.kind = appendIdent(x.sought.stored[:0], id)
	x.sought.hash = hashID(x.sought.stored, x.sought.kind)
}

// Reserve makes room in the dictionary for n assets in all, which spares an
// index that is being filled from growing step by step.
func (x *Index) Reserve(n int) {
	if n > 2*x.next.assets {
		x.next.dict = x.next.rebuildDict(n, x.epoch)
	}
}

// Asset is one asset as the index keeps it.
type Asset struct {
	ID            string
	Name, Address string // empty is none
	Group         string
	Note          []byte // the caller's own, not looked into
	Keys          []Key  // open keys: valid, in order, without repeats
}

// Add adds an asset and returns its ordinal. The caller has seen with
// [Index.Find] that the id is not there. The error is [ErrFull].
func (x *Index) Add(a *Asset) (Ordinal, error) {
	o, err := x.takeOrdinal()
	if err != nil {
		return 0, err
	}
	x.setSought(a.ID)
	x.addToDict(x.sought.hash, o)

	p := x.mutStripe(o)
	x.scratch.rec = appendIdentRecord(x.scratch.rec[:0], x.sought.stored, x.sought.kind, a.Address, a.Name)
	x.putIdent(p, o%stripeSize, x.scratch.rec)
	g := x.groupNumber(a.Group)
	x.putState(p, o, &state{group: g}, &state{group: g, note: a.Note}, a.Keys)
	p.live |= 1 << (o % stripeSize)
	if p.live == ^uint64(0) { // both columns have just been written to
		p.idents.trim()
		p.states.trim()
		x.stripeHint = [2]int{len(p.idents.data), len(p.states.data)}
	}
	x.next.assets++
	x.enterGroup(g, o)
	return o, nil
}

func (x *Index) takeOrdinal() (Ordinal, error) {
	if n := len(x.free); n > 0 {
		o := x.free[n-1]
		x.free = x.free[:n-1]
		return o, nil
	}
	if x.next.ordinals == MaxAssets {
		return 0, ErrFull
	}
	x.next.ordinals++
	return Ordinal(x.next.ordinals - 1), nil
}

// mutStripe returns the stripe of an ordinal for changing in this epoch.
func (x *Index) mutStripe(o Ordinal) *stripe {
	at := x.next.stripes.mut(o/stripeSize, x.epoch)
	switch {
	case *at == nil:
		*at = &stripe{epoch: x.epoch, base: noBase, own: [2]bool{true, true}}
		(*at).idents.data = make([]byte, 0, x.stripeHint[0])
		(*at).states.data = make([]byte, 0, x.stripeHint[1])
	case (*at).epoch != x.epoch:
		x.next.copied++
		*at = (*at).clone(x.epoch)
	}
	(*at).touched |= 1 << (o % stripeSize)
	return *at
}

// SetName sets the asset's name and says whether that changed it.
func (x *Index) SetName(o Ordinal, name string) (changed bool) {
	id := x.next.ident(o)
	if string(id.name) == name {
		return false
	}
	x.scratch.rec = appendIdentRecord(x.scratch.rec[:0], id.id, id.kind, id.addressText(), name)
	x.putIdent(x.mutStripe(o), o%stripeSize, x.scratch.rec)
	return true
}

// SetAddress sets the asset's address and says whether that changed it.
func (x *Index) SetAddress(o Ordinal, address string) (changed bool) {
	id := x.next.ident(o)
	stored, kind := appendIdent(x.scratch.id[:0], address)
	x.scratch.id = stored
	if id.hasAddress(stored, kind) {
		return false
	}
	x.scratch.rec = appendIdentRecord(x.scratch.rec[:0], id.id, id.kind, address, string(id.name))
	x.putIdent(x.mutStripe(o), o%stripeSize, x.scratch.rec)
	return true
}

// putIdent stores an ident record, as a blob if it is long.
func (x *Index) putIdent(p *stripe, slot uint32, rec []byte) {
	if len(rec) > maxRecord {
		rec = binary.AppendUvarint([]byte{bigRecord}, uint64(x.blobs.intern(rec, x.epoch)))
	}
	if p.live>>slot&1 != 0 {
		x.releaseIdent(p, slot)
	}
	p.mutIdents().put(slot, rec, p.live)
}

func (x *Index) releaseIdent(p *stripe, slot uint32) {
	if rec := p.idents.record(slot); rec[0] == bigRecord {
		n, _ := uvarint32(rec[1:])
		x.blobs.release(n, x.epoch)
	}
}

// Texts returns the asset's name and address in the state being written.
func (x *Index) Texts(o Ordinal) (name, address string) {
	id := x.next.ident(o)
	return string(id.name), id.addressText()
}

// Group returns the name of the asset's group in the state being written.
func (x *Index) Group(o Ordinal) string { return x.next.group(o) }

// Note returns the caller's note about the asset in the state being written. It
// must not be changed and is valid until the next call that changes the index.
func (x *Index) Note(o Ordinal) []byte {
	st := x.next.stateOf(o)
	return x.next.noteOf(&st)
}

// Keys appends the asset's open keys in the state being written, in order, to dst.
func (x *Index) Keys(o Ordinal, dst []Key) []Key {
	st := x.next.stateOf(o)
	return appendKeys(dst, x.next.listOf(&st))
}

// HasName says whether the asset has the name in the state being written.
func (x *Index) HasName(o Ordinal, name string) bool {
	id := x.next.ident(o)
	return string(id.name) == name
}

// HasAddress says whether the asset has the address in the state being written.
func (x *Index) HasAddress(o Ordinal, address string) bool {
	id := x.next.ident(o)
	stored, kind := appendIdent(x.scratch.id[:0], address)
	x.scratch.id = stored
	return id.hasAddress(stored, kind)
}

// AddressIsID says whether the asset's address is its id in the state being written.
func (x *Index) AddressIsID(o Ordinal) bool { return x.next.ident(o).addrKind == kindSame }

// PutNote is Put for an asset whose group and open keys stay.
func (x *Index) PutNote(o Ordinal, note []byte) {
	old := x.next.stateOf(o)
	st := old
	st.note, st.noteBig = note, false
	x.storeState(x.mutStripe(o), o, &old, &st)
}

// Put sets the asset's group, note and open keys and says whether the group or
// the keys changed. The keys are valid, in order and without repeats.
func (x *Index) Put(o Ordinal, group string, note []byte, keys []Key) (changed bool) {
	old := x.next.stateOf(o)
	st := state{group: old.group, note: note}
	if x.next.groups.at(old.group).name != group {
		st.group = x.groupNumber(group)
		x.moveGroup(o, &old, st.group)
		changed = true
	}
	return x.putState(x.mutStripe(o), o, &old, &st, keys) || changed
}

// moveGroup moves an asset and what it has open to another group.
func (x *Index) moveGroup(o Ordinal, old *state, to uint32) {
	x.scratch.keys = appendKeys(x.scratch.keys[:0], x.next.listOf(old))
	for _, k := range x.scratch.keys {
		x.changes = append(x.changes, makeChange(k, o, old.group, false), makeChange(k, o, to, true))
	}
	x.enterGroup(to, o)
	x.leaveGroup(old.group, o)
}

// putState stores the state, which has its group and note, with the keys, and
// says whether they are others than the old ones.
func (x *Index) putState(p *stripe, o Ordinal, old, st *state, keys []Key) (changed bool) {
	x.scratch.list = appendKeyList(x.scratch.list[:0], keys)
	list := x.scratch.list
	if bytes.Equal(x.next.listOf(old), list) {
		st.keys, st.keysBlob, st.keysBig = old.keys, old.keysBlob, old.keysBig
	} else {
		x.replaceKeys(o, old, st.group, keys)
		x.storeList(old, st, list)
		changed = true
	}
	x.storeState(p, o, old, st)
	if len(x.changes) >= x.flushAfter {
		x.flushBehind()
	}
	return changed
}

// storeState stores the state, of which only the note may still have to become a blob.
func (x *Index) storeState(p *stripe, o Ordinal, old, st *state) {
	x.storeNote(old, st)
	x.scratch.rec = st.append(x.scratch.rec[:0])
	p.putState(o%stripeSize, x.scratch.rec)
}

// replaceKeys records what opens and closes.
func (x *Index) replaceKeys(o Ordinal, old *state, group uint32, keys []Key) {
	if len(x.next.listOf(old)) == 0 {
		for _, k := range keys {
			x.changes = append(x.changes, makeChange(k, o, group, true))
		}
		return
	}
	x.scratch.keys = appendKeys(x.scratch.keys[:0], x.next.listOf(old))
	diffKeys(x.scratch.keys, keys, func(k Key, opens bool) {
		x.changes = append(x.changes, makeChange(k, o, group, opens))
	})
}

// storeList decides where the new key list is kept and lets the old one go.
func (x *Index) storeList(old, st *state, list []byte) {
	switch {
	case len(list) <= minShared:
		st.keys = list
	case len(list) > maxInlineKeys || x.seen.common(hashID(list, 0), x.next.assets):
		st.keysBig, st.keysBlob = true, x.blobs.intern(list, x.epoch)
	default:
		st.keys = list
	}
	if old.keysBig {
		x.blobs.release(old.keysBlob, x.epoch)
	}
}

// storeNote decides where the new note is kept and lets the old one go.
func (x *Index) storeNote(old, st *state) {
	if len(st.note) > maxInlineNote {
		st.noteBig, st.noteBlob = true, x.blobs.intern(st.note, x.epoch)
	}
	if old.noteBig {
		x.blobs.release(old.noteBlob, x.epoch)
	}
}

// Remove takes an asset out; its ordinal is given to a later one.
func (x *Index) Remove(o Ordinal) {
	st := x.next.stateOf(o)
	x.replaceKeys(o, &st, st.group, nil)
	x.storeList(&st, &state{}, nil)
	x.storeNote(&st, &state{})
	p := x.mutStripe(o)
	slot := o % stripeSize
	x.releaseIdent(p, slot)
	p.remove(slot)
	if p.live == 0 {
		*x.next.stripes.mut(o/stripeSize, x.epoch) = nil
	}
	x.free = append(x.free, o)
	x.next.assets--
	x.leaveGroup(st.group, o)
}

// Intern returns a number under which snapshots hold the bytes from now on and
// counts one reference to it: notes refer by it to what many assets share.
func (x *Index) Intern(data []byte) uint32 { return x.blobs.intern(data, x.epoch) }

// Interned returns the bytes that a number stands for in the state being written. They must
// not be changed.
func (x *Index) Interned(n uint32) []byte { return *x.next.interned.at(n) }

// Release takes one reference to an interned number back; the last one frees the
// number, which snapshots published before still hold.
// It says whether that was the last.
func (x *Index) Release(n uint32) (freed bool) { return x.blobs.release(n, x.epoch) }

// groupNumber returns the number of the group with the name, a new one if need be.
func (x *Index) groupNumber(name string) uint32 {
	if g, ok := x.groups[name]; ok {
		return g
	}
	g := uint32(len(x.groups))
	if n := len(x.freeGroup); n > 0 {
		g, x.freeGroup = x.freeGroup[n-1], x.freeGroup[:n-1]
	}
	*x.next.groups.mut(g, x.epoch) = group{name: name}
	x.groups[name] = g
	x.next.groupNames.Set(name, g)
	x.next.naming++
	return g
}

// enterGroup puts an asset into a group.
func (x *Index) enterGroup(n uint32, o Ordinal) {
	x.next.groups.mut(n, x.epoch).assets++
	x.changes = append(x.changes, makeChange(membership, o, n, true))
}

// leaveGroup takes an asset out of a group; the last one frees its number,
// which no waiting change may mean any more.
func (x *Index) leaveGroup(n uint32, o Ordinal) {
	x.changes = append(x.changes, makeChange(membership, o, n, false))
	g := x.next.groups.mut(n, x.epoch)
	if g.assets--; g.assets > 0 {
		return
	}
	x.flush()
	delete(x.groups, g.name)
	x.next.groupNames.Delete(g.name)
	x.next.naming++
	*g = group{}
	*x.next.groupCounts.mut(n, x.epoch) = nil
	x.freeGroup = append(x.freeGroup, n)
}
