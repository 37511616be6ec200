package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"portolan/engine/journal"
	"portolan/index"
)

// What a batch changes of an inventory is kept as lists of bytes, each of them whole by itself, so that it
// can be told later and elsewhere. A list is
//
//	version  1 byte: changesVersion, or an earlier one
//	base     varint: a time in microseconds since 1970, about that of the batch, which others count from
//	groups   uvarint of how many enterprise projects there are; per one uvarint of its length, then its name
//	entries  one asset each, to the end
//
// and an entry
//
//	head     1 byte: what became of the asset (assetChanged, assetAppeared, assetForgotten) | flags
//	group    uvarint of the number of its enterprise project, from 0; where it is moved, of the one that
//	         it left, too, and varint of base less the time that tells of it
//	seen     varint of base less a time: of one that appeared, that of its newest report, of others that of
//	         the first key; not of one that is forgotten
//	names    uvarint of the length; id, address and name, in the form of index.Record
//	texts    where they were others before: likewise, as they were
//	labels   where they were others before, or those of one that is forgotten: uvarint of the length; the set
//	         of labels.go that it had, nothing if it had none
//	keys     of one that appeared or is forgotten: uvarint of the length, all its keys in the form of
//	         index.AppendKeys, and where times differ, per key varint of seen less its time; of
//	         others: uvarint of how many; per key uvarint of (its distance from the one before, from
//	         0)<<3 | kind<<1 | 1 if it has another time than seen, and then varint of seen less it
//	had      where it is moved: uvarint of the length, all keys that it had before, in the form of
//	         index.AppendKeys; from version 2 on
const changesVersion = 2

// What became of an asset, in the head of its entry, and flags.
const (
	assetChanged   = 0
	assetAppeared  = 1
	assetForgotten = 2
	whatMask       = 3

	entryMoved  = 1 << 2
	entryTimes  = 1 << 3 // times of keys differ
	entryTexts  = 1 << 4 // it had other texts before
	entryLabels = 1 << 5 // it had other labels before
	entryKnown  = whatMask | entryMoved | entryTimes | entryTexts | entryLabels
)

// maxList is how many bytes a list has at least when another is begun.
const maxList = 64 << 10

// keyChange is what became of a key.
type keyChange struct {
	key  Key
	kind ChangeKind
	seen micros
	net  *netMark // of a net answer
}

// recorder makes the lists of what a batch changed of an inventory.
type recorder struct {
	was, is lastSeen
	base    micros
	numbers map[string]int // of the list's enterprise projects
	names   []string       // of them, by number
	entries []byte
	keys    []keyChange
	from    uint32 // the number of the list's first entry in the batch
	next    uint32
	lists   []journal.Part
}

// record returns what differs of the touched assets, by ordinal in order, and what was removed.
func (r *recorder) record(old, s *index.Snapshot, touched []touch, removed []string, now micros) []journal.Part {
	r.base, r.from, r.next, r.lists = now, 0, 0, nil
	clear(r.was.shared) // other states may have others by the same numbers
	clear(r.is.shared)
	for i := range touched {
		if touched[i].whole {
			r.asset(old, s, touched[i].o)
		}
	}
	for _, id := range removed {
		if o, ok := old.Find(id); ok {
			r.forgotten(old, o)
		}
	}
	r.end()
	return r.lists
}

// begin begins an entry.
func (r *recorder) begin(head byte, group string) {
	r.next++
	r.entries = append(r.entries, head)
	r.group(group)
}

// group writes the number of an enterprise project.
func (r *recorder) group(name string) {
	n, known := r.numbers[name]
	if !known {
		if r.numbers == nil {
			r.numbers = map[string]int{}
		}
		n = len(r.names)
		r.numbers[name] = n
		r.names = append(r.names, name)
	}
	r.entries = binary.AppendUvarint(r.entries, uint64(n))
}

func (r *recorder) ago(from, at micros) { r.entries = binary.AppendVarint(r.entries, from-at) }

func (r *recorder) bytes(b []byte) {
	r.entries = binary.AppendUvarint(r.entries, uint64(len(b)))
	r.entries = append(r.entries, b...)
}

// asset writes what became of an asset that is there.
func (r *recorder) asset(old, s *index.Snapshot, o index.Ordinal) {
	if old.Has(o) {
		r.changed(old, s, o)
	} else {
		r.appeared(s, o)
	}
	if len(r.entries) >= maxList {
		r.end()
	}
}

func (r *recorder) appeared(s *index.Snapshot, o index.Ordinal) {
	is := s.Record(o)
	newest, one := r.is.known.onlyTime(is.Note)
	if one {
		r.begin(assetAppeared, is.Group)
	} else {
		r.is.load(s, o)
		newest = r.is.known.newest
		r.begin(assetAppeared|entryTimes, is.Group)
	}
	r.ago(r.base, newest)
	r.bytes(is.Names)
	r.bytes(is.Keys)
	if one {
		return
	}
	for _, k := range r.is.open {
		r.ago(newest, r.is.of(k))
	}
}

func (r *recorder) forgotten(old *index.Snapshot, o index.Ordinal) {
	was := old.Record(o)
	labels := labelSet(old, was.Note)
	head := byte(assetForgotten)
	if len(labels) > 0 {
		head |= entryLabels
	}
	r.begin(head, was.Group)
	r.bytes(was.Names)
	if len(labels) > 0 {
		r.bytes(labels)
	}
	r.bytes(was.Keys)
	if len(r.entries) >= maxList {
		r.end()
	}
}

// changed writes what became of an asset that was there before.
func (r *recorder) changed(old, s *index.Snapshot, o index.Ordinal) {
	was, is := old.Record(o), s.Record(o)
	labels := labelSet(old, was.Note)
	head := byte(assetChanged)
	if was.Group != is.Group {
		head |= entryMoved
	}
	if !bytes.Equal(was.Names, is.Names) {
		head |= entryTexts
	}
	if !bytes.Equal(labels, labelSet(s, is.Note)) {
		head |= entryLabels
	}
	r.keys = r.keys[:0]
	if head&entryMoved != 0 || !bytes.Equal(was.Keys, is.Keys) {
		r.was.load(old, o)
		r.is.load(s, o)
		r.keys = appendKeyChanges(r.keys, &r.was, &r.is)
	}
	if head == assetChanged && len(r.keys) == 0 {
		return
	}
	r.begin(head, is.Group)
	if head&entryMoved != 0 {
		r.group(was.Group)
		r.ago(r.base, r.is.known.home)
	}
	first := r.base
	if len(r.keys) > 0 {
		first = r.keys[0].seen
	}
	r.ago(r.base, first)
	r.bytes(is.Names)
	if head&entryTexts != 0 {
		r.bytes(was.Names)
	}
	if head&entryLabels != 0 {
		r.bytes(labels)
	}
	r.entries = binary.AppendUvarint(r.entries, uint64(len(r.keys)))
	before := Key(0)
	for _, k := range r.keys {
		word := uint64(k.key-before)<<3 | uint64(k.kind)<<1
		if before = k.key; k.seen == first {
			r.entries = binary.AppendUvarint(r.entries, word)
			continue
		}
		r.entries = binary.AppendUvarint(r.entries, word|1)
		r.ago(first, k.seen)
	}
	if head&entryMoved != 0 {
		r.bytes(was.Keys)
	}
}

// end ends a list.
func (r *recorder) end() {
	if len(r.entries) > 0 {
		data := make([]byte, 0, len(r.entries)+16+24*len(r.names))
		data = binary.AppendVarint(append(data, changesVersion), r.base)
		data = binary.AppendUvarint(data, uint64(len(r.names)))
		for _, name := range r.names {
			data = binary.AppendUvarint(data, uint64(len(name)))
			data = append(data, name...)
		}
		r.lists = append(r.lists, journal.Part{First: r.from, End: r.next, Data: append(data, r.entries...)})
	}
	r.from = r.next
	r.entries, r.names = r.entries[:0], r.names[:0]
	clear(r.numbers)
}

// labelSet returns the set of labels of an asset with the note, nothing if it has none.
func labelSet(s *index.Snapshot, note []byte) []byte {
	if n, ok := noteLabels(note); ok {
		return s.Interned(n)
	}
	return nil
}

// appendKeyChanges appends what became of the keys of an asset that is in both states, in their order.
func appendKeyChanges(dst []keyChange, before, now *lastSeen) []keyChange {
	was, is := before.open, now.open
	for len(was)+len(is) > 0 {
		switch {
		case len(was) > 0 && len(is) > 0 && was[0] == is[0]:
			was, is = was[1:], is[1:]
		case len(was) == 0 || len(is) > 0 && is[0] < was[0]:
			kind := Found
			if before.looked(is[0]) {
				kind = Opened
			}
			dst = append(dst, keyChange{key: is[0], kind: kind, seen: now.of(is[0])})
			is = is[1:]
		default:
			dst = append(dst, keyChange{key: was[0], kind: Closed, seen: now.of(was[0])})
			was = was[1:]
		}
	}
	return dst
}

// changedAsset is an entry of a list.
type changedAsset struct {
	what    byte
	moved   bool
	group   string
	left    string // the enterprise project that it left
	movedAt micros
	seen    micros
	names   []byte   // in their portable form
	texts   []byte   // as they were before; nil: the same
	labels  []byte   // the set that it had before, if it was relabelled
	own     *netMark // of the change of the asset itself, in a net answer
	keys    []keyChange
	had     []byte // all keys that it had before, if it moved, in their portable form
	room    []Key

	untold     bool // it moved, and the list does not say what it had
	relabelled bool // it had other labels before, or is forgotten and had some
}

// listReader reads a list, which may be damaged.
type listReader struct {
	index.Reader
	version byte
	base    micros
	groups  []string
}

func readList(data []byte) (listReader, error) {
	if len(data) == 0 || data[0] == 0 || data[0] > changesVersion {
		return listReader{}, fmt.Errorf("%w changes: %d bytes, version %d", errDamaged, len(data), first(data))
	}
	l := listReader{Reader: index.Reader{Rest: data[1:]}, version: data[0]}
	l.base = l.Int64()
	n := l.Uint(uint64(len(l.Rest)))
	l.groups = make([]string, 0, n)
	for range n {
		l.groups = append(l.groups, l.Text())
	}
	err := l.damage()
	return l, err
}

// CheckPart says what is wrong with what a journal has kept of a batch.
func CheckPart(p journal.Part) error {
	l, err := readList(p.Data)
	if err != nil {
		return err
	}
	var a changedAsset
	for n := p.First; ; n++ {
		ok, err := l.next(&a)
		switch {
		case err != nil:
			return err
		case !ok && n != p.End:
			return fmt.Errorf("%w changes: of %d assets, where there are to be %d", errDamaged, n-p.First, p.End-p.First)
		case !ok:
			return nil
		}
		if err := a.check(); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
}

// check says what is wrong with what an entry says by value.
func (a *changedAsset) check() error {
	id, _, _, err := index.ParseNames(a.names)
	if err == nil && a.texts != nil {
		var was string
		if was, _, _, err = index.ParseNames(a.texts); err == nil && was != id {
			err = fmt.Errorf("asset %.100q was %.100q before", id, was)
		}
	}
	if err == nil && len(a.labels) > 0 {
		r := index.Reader{Rest: a.labels}
		if readLabels(&r); r.Bad || len(r.Rest) > 0 {
			err = fmt.Errorf("labels %x", clip(a.labels))
		}
	}
	if err == nil {
		_, err = index.ParseKeys(nil, a.had)
	}
	return err
}

func (l *listReader) damage() error {
	if l.Bad {
		return fmt.Errorf("%w changes", errDamaged)
	}
	return nil
}

// next reads the next entry, into a. It is not ok at the end.
func (l *listReader) next(a *changedAsset) (ok bool, err error) {
	if len(l.Rest) == 0 {
		return false, l.damage()
	}
	head := l.Bytes(1)[0]
	a.what, a.moved, a.left, a.keys = head&whatMask, head&entryMoved != 0, "", a.keys[:0]
	a.texts, a.labels, a.had, a.relabelled = nil, nil, nil, head&entryLabels != 0
	if !fits(head) {
		l.Bad = true
	}
	a.group = l.group()
	if a.moved {
		a.left, a.movedAt = l.group(), l.base-l.Int64()
	}
	a.seen = never
	if a.what != assetForgotten {
		a.seen = l.base - l.Int64()
	}
	a.names = l.Bytes(l.Uint(uint64(len(l.Rest))))
	if head&entryTexts != 0 {
		a.texts = l.Bytes(l.Uint(uint64(len(l.Rest))))
	}
	if a.relabelled {
		a.labels = l.Bytes(l.Uint(uint64(len(l.Rest))))
	}
	if a.what == assetChanged {
		l.keyChanges(a)
	} else {
		l.allKeys(a, head&entryTimes != 0)
	}
	a.untold = a.moved && l.version == 1
	if a.moved && !a.untold {
		a.had = l.Bytes(l.Uint(uint64(len(l.Rest))))
	}
	return !l.Bad, l.damage()
}

// fits says whether there may be an entry with the head.
func fits(head byte) bool {
	what := head & whatMask
	switch {
	case head&^entryKnown != 0 || what > assetForgotten:
		return false
	case what == assetAppeared:
		return head&(entryMoved|entryTexts|entryLabels) == 0
	case what == assetForgotten:
		return head&(entryMoved|entryTexts) == 0
	}
	return true
}

func (l *listReader) group() string {
	n := l.Uint64()
	if n >= uint64(len(l.groups)) {
		l.Bad = true
		return ""
	}
	return l.groups[n]
}

// keyChanges reads the keys of an asset that was there before.
func (l *listReader) keyChanges(a *changedAsset) {
	k := uint64(0)
	for n := l.Uint(uint64(len(l.Rest))); n > 0 && !l.Bad; n-- {
		word := l.Uint64()
		change := keyChange{kind: ChangeKind(word >> 1 & 3), seen: a.seen}
		k += min(word>>3, 1<<32)
		if change.key = Key(k); k>>3 > index.MaxPort || !change.key.Valid() || change.kind > Closed {
			l.Bad = true
		}
		if word&1 != 0 {
			change.seen = a.seen - l.Int64()
		}
		a.keys = append(a.keys, change)
	}
}

// allKeys reads those of one that appeared or is forgotten.
func (l *listReader) allKeys(a *changedAsset, times bool) {
	keys, err := index.ParseKeys(a.room[:0], l.Bytes(l.Uint(uint64(len(l.Rest)))))
	a.room = keys
	if err != nil {
		l.Bad = true
		return
	}
	kind := Found
	if a.what == assetForgotten {
		kind = Forgotten
	}
	a.keys = slices.Grow(a.keys, len(keys))
	for _, k := range keys {
		change := keyChange{key: k, kind: kind, seen: a.seen}
		if times {
			change.seen = a.seen - l.Int64()
		}
		a.keys = append(a.keys, change)
	}
}
