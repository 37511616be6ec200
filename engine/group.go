package engine

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"

	"portolan/index"
)

// The reports of a call are put together by asset before they are applied, so that what is
// known of an asset is read and written once, however many reports about it there are and
// however they are mixed with others'. What became of each is counted as if they had been
// applied one by one.
//
//	reports   b:22  a:22  b:80  a:443      in the order they came
//	entries   a:22  a:443 | b:22  b:80     by asset, of each in the order they came
//	openings  22 443      | 22 80          of one asset, by key

// entry is a report of a call. What most of them say, one open key, stands in it, so that
// the reports, which are larger, are not read again in the order of the assets.
type entry struct {
	at    micros
	place index.Place
	i     uint32    // the number of the report
	key   index.Key // of a plain report
	plain bool      // it has one open key, no scope, and of texts at most its asset's id as address
	same  bool      // it has that
}

// opening is an open key of a report.
type opening struct {
	key index.Key
	n   uint32 // the report's number among those about the asset
	at  micros
}

// scopedReport is a report with a scope.
type scopedReport struct {
	scope Scope
	n     uint32 // its number among those about the asset
	at    micros
}

// effects are what a report did.
type effects uint8

const (
	didChange effects = 1 << iota // an answer
	didMove                       // a time that is kept
	didLook                       // a look that tells something new
	wasLate                       // it is older than what was known
)

// count counts what became of a report.
func (f effects) count(result *Result) {
	switch {
	case f&didChange != 0:
		result.Applied++
	case f&wasLate != 0 && f&(didLook|didMove) == 0:
		result.Stale++
	default:
		result.Unchanged++
	}
}

// applyAll applies valid reports at their times. The lock is held.
func (v *inventory) applyAll(reports []Report, times []micros, result *Result) error {
	entries := v.entries(reports, times)
	ahead := make([]index.Ordinal, 0, 32)
	touched := 0
	for i := 0; i < len(entries); {
		if i >= touched {
			ahead = ahead[:0]
			for touched = i; touched < len(entries) && len(ahead) < cap(ahead); touched++ {
				o, known := entries[touched].place.Ordinal()
				if n := len(ahead); known && (n == 0 || ahead[n-1] != o) {
					ahead = append(ahead, o)
				}
			}
			v.x.Touch(ahead)
		}
		first := i
		for i++; i < len(entries) && entries[i].place == entries[first].place; i++ {
			continue
		}
		if err := v.applyGroup(entries[first:i], reports); err != nil {
			return err
		}
		for _, f := range v.w.effects {
			f.count(result)
		}
	}
	return nil
}

// entries returns the reports' entries by asset.
func (v *inventory) entries(reports []Report, times []micros) []entry {
	w := v.w
	w.places = slices.Grow(w.places[:0], len(reports))[:len(reports)]
	w.entries = slices.Grow(w.entries[:0], len(reports))[:len(reports)]
	v.x.Locate(len(reports), func(i int) string { return reports[i].Asset }, w.places)
	sorted, newest := true, never
	for i := range reports {
		r, e := &reports[i], &w.entries[i]
		newest = max(newest, times[i])
		*e = entry{at: times[i], place: w.places[i], i: uint32(i)}
		e.same = r.Address == r.Asset
		if len(r.Open) == 1 && r.Scope.IsNone() && r.Name == "" && r.EnterpriseProject == "" && len(r.Labels) == 0 && (e.same || r.Address == "") {
			e.plain, e.key = true, r.Open[0]
		}
		sorted = sorted && (i == 0 || w.places[i] >= w.places[i-1])
	}
	v.newest.note(newest)
	if !sorted {
		w.sortEntries()
	}
	return w.entries
}

// sortEntries sorts the entries by place and keeps the order of those of one.
func (w *work) sortEntries() {
	const few = 1 << 9
	if len(w.entries) < few {
		slices.SortFunc(w.entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.i, b.i)) })
		return
	}
	all, differ := w.entries[0].place, index.Place(0)
	for i := range w.entries {
		differ |= w.entries[i].place ^ all
	}
	other := slices.Grow(w.other[:0], len(w.entries))[:len(w.entries)]
	for shift := 0; shift < bits.Len32(uint32(differ)); shift += radixBits {
		if differ>>shift&(1<<radixBits-1) != 0 {
			radixPass(w.entries, other, shift)
			w.entries, other = other, w.entries
		}
	}
	w.other = other
}

const radixBits = 11

// radixPass moves the entries to dst in the order of some bits of their places.
func radixPass(src, dst []entry, shift int) {
	var at [1 << radixBits]uint32
	for i := range src {
		at[src[i].place>>shift&(1<<radixBits-1)]++
	}
	sum := uint32(0)
	for i, n := range at[:] {
		at[i] = sum
		sum += n
	}
	for i := range src {
		b := src[i].place >> shift & (1<<radixBits - 1)
		dst[at[b]] = src[i]
		at[b]++
	}
}

// forget lets go of what is the callers'.
func (w *work) forget() {
	clear(w.scoped)
	clear(w.looks.list)
	clear(w.looks.dropped)
	clear(w.old.looks)
	clear(w.now.looks)
	clear(w.labels.list)
	w.labels.list = w.labels.list[:0]
	w.scoped, w.looks.list, w.looks.dropped = w.scoped[:0], w.looks.list[:0], w.looks.dropped[:0]
	w.old.looks, w.now.looks = w.old.looks[:0], w.now.looks[:0]
}

// applyGroup applies the reports about one asset, and leaves what each did in the effects.
func (v *inventory) applyGroup(group []entry, reports []Report) error {
	w := v.w
	w.effects = append(w.effects[:0], make([]effects, len(group))...)
	o, known := group[0].place.Ordinal()
	alone := len(group) == 1
	var note []byte
	switch {
	case known:
		note = v.x.Note(o)
		if alone && !group[0].plain && v.replaces(note, &reports[group[0].i], group[0].at) {
			if v.replace(o, &reports[group[0].i], group[0].at, note) {
				w.effects[0] = didChange
			}
			return nil
		}
		v.recall(o, note)
	case alone:
		w.effects[0] = didChange
		return v.create(&reports[group[0].i], group[0].at)
	default:
		v.recallNone()
		w.effects[0] = didChange
	}
	texts := v.texts(o, known)
	w.now.newest = w.old.newest
	w.looks.reset(w.old.looks)
	clear(w.scoped)
	w.openings, w.scoped = w.openings[:0], w.scoped[:0]
	for n := range group {
		v.meet(&group[n], uint32(n), reports, &texts)
	}
	v.decideKeys()
	if w.idle() {
		return nil
	}
	v.settleLooks()
	w.now.name, w.now.address, w.now.home = texts.name.at, texts.address.at, texts.home.at
	v.settleLabels()
	if !known {
		return v.add(reports[group[0].i].Asset, &texts)
	}
	v.store(o, note, &texts)
	return nil
}

// idle says whether the reports did nothing at all.
func (w *work) idle() bool {
	all := effects(0)
	for _, f := range w.effects {
		all |= f
	}
	return all&^wasLate == 0 && w.now.newest == w.old.newest
}

// recall reads what is known of an asset, which has the note.
func (v *inventory) recall(o index.Ordinal, note []byte) {
	w := v.w
	w.had = v.x.Keys(o, w.had[:0])
	w.old.decodeNote(note, len(w.had))
	v.resolve(w.old.looks)
}

// recallNone is recall for an asset that is not there.
func (v *inventory) recallNone() {
	w := v.w
	w.had = w.had[:0]
	w.old = evidence{newest: never, name: never, address: never, home: never, looks: w.old.looks[:0], own: w.old.own[:0], labels: labelTimes{at: w.old.labels.at[:0]}}
}

// meet takes note of a report about the asset; keys are decided later.
func (v *inventory) meet(e *entry, n uint32, reports []Report, t *texts) {
	w := v.w
	f := &w.effects[n]
	if e.at < w.now.newest {
		*f |= wasLate
	}
	w.now.newest = max(w.now.newest, e.at)
	if e.plain {
		w.openings = append(w.openings, opening{e.key, n, e.at})
		if e.same {
			*f |= t.giveID(reports, e)
		}
		return
	}
	r := &reports[e.i]
	*f |= t.give(&t.name, nameText, r.Name, e.at) | t.give(&t.address, addressText, r.Address, e.at) | t.give(&t.home, homeText, r.EnterpriseProject, e.at) | v.giveLabels(r.Labels, e.at)
	for _, k := range r.Open {
		w.openings = append(w.openings, opening{k, n, e.at})
	}
	if r.Scope.IsNone() {
		return
	}
	w.scoped = append(w.scoped, scopedReport{r.Scope, n, e.at})
	if w.looks.add(r.Scope, e.at) {
		*f |= didLook
	}
}

// texts are the registers of an asset.
type texts struct {
	name, address, home register
	stored              stored
}

// stored is a text of an asset as the index has it.
type stored struct {
	v     *inventory
	o     index.Ordinal
	known bool // the asset is there
	which whichText
}

type whichText uint8

const (
	nameText whichText = iota
	addressText
	homeText
)

// begin begins with the labels of another asset.
func (w *work) begin() {
	if w.labels.loaded {
		w.labels = labelRegisters{list: w.labels.list[:0]}
	}
}

func (v *inventory) texts(o index.Ordinal, known bool) texts {
	v.w.begin()
	e := &v.w.old
	return texts{
		name: register{at: e.name}, address: register{at: e.address}, home: register{at: e.home},
		stored: stored{v: v, o: o, known: known},
	}
}

// give gives a register a text and returns what that did.
func (t *texts) give(to *register, which whichText, value string, at micros) (f effects) {
	if value == "" {
		return 0
	}
	t.stored.which = which
	changed, moved := to.give(value, at, &t.stored)
	if changed {
		f |= didChange
	}
	if moved {
		f |= didMove
	}
	return f
}

// setTexts stores the name and address, and says whether that changed them.
func (t *texts) setTexts() (changed bool) {
	x := t.stored.v.x
	if t.name.given != "" {
		changed = x.SetName(t.stored.o, t.name.given)
	}
	if t.address.given != "" {
		changed = x.SetAddress(t.stored.o, t.address.given) || changed
	}
	return changed
}

// giveID is give for a report that gives its asset's id as the address.
func (t *texts) giveID(reports []Report, e *entry) (f effects) {
	if t.address.given != "" || !t.stored.known || !t.stored.v.x.AddressIsID(t.stored.o) {
		return t.give(&t.address, addressText, reports[e.i].Address, e.at)
	}
	if e.at > t.address.at { // the same text once more
		t.address.at, f = e.at, didMove
	}
	return f
}

// is says whether it is the text, without a copy of it.
func (l *stored) is(text string) bool {
	switch {
	case !l.known || l.which == homeText:
		return l.text() == text
	case l.which == nameText:
		return l.v.x.HasName(l.o, text)
	}
	return l.v.x.HasAddress(l.o, text)
}

func (l *stored) text() string {
	switch {
	case l.which == homeText && !l.known:
		return DefaultEnterpriseProject
	case !l.known:
		return ""
	case l.which == homeText:
		return l.v.x.Group(l.o)
	}
	name, address := l.v.x.Texts(l.o)
	if l.which == nameText {
		return name
	}
	return address
}

// resolve gives looks the scopes that their refs stand for.
func (v *inventory) resolve(list []look) {
	for i := range list {
		list[i].scope = v.scopeOf(list[i].ref)
	}
}

// settleLooks makes the looks those that are kept, with refs.
func (v *inventory) settleLooks() {
	w := v.w
	w.looks.settle()
	for i := range w.looks.list {
		if l := &w.looks.list[i]; l.ref == refNone {
			l.ref = v.intern(l.scope)
		}
	}
	for _, l := range w.looks.dropped {
		v.release(l.ref)
	}
	w.now.looks = append(w.now.looks[:0], w.looks.list...)
}

// add adds the asset.
func (v *inventory) add(id string, t *texts) error {
	w := v.w
	w.note = w.now.appendNote(w.note[:0], &w.sample)
	o, err := v.x.Add(&index.Asset{
		ID: id, Name: t.name.given, Address: t.address.given, Group: cmp.Or(t.home.given, DefaultEnterpriseProject),
		Note: w.note, Keys: w.keys,
	})
	if err == nil {
		v.relabel(o)
	}
	v.touch(o, true)
	return err
}

// store stores what has become of an asset that had the note.
func (v *inventory) store(o index.Ordinal, note []byte, t *texts) {
	w := v.w
	w.note = w.now.appendNote(w.note[:0], &w.sample)
	later := !bytes.Equal(note, w.note) // the index may write over it
	whole := w.looks.changed || w.labels.changed
	v.relabel(o)
	whole = t.setTexts() || whole
	home := v.x.Group(o)
	switch moved := t.home.given != "" && t.home.given != home; {
	case moved || !slices.Equal(w.had, w.keys):
		v.x.Put(o, cmp.Or(t.home.given, home), w.note, w.keys)
		whole = true
	case later:
		v.x.PutNote(o, w.note)
	}
	if whole || later {
		v.touch(o, whole)
	}
}
