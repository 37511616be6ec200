package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"portolan/index"
)

// Limits on the labels of a report, and on those that an asset keeps, names that were taken away
// included: beyond MaxLabels it keeps those that were given last, at equal times those with the
// greater names.
const (
	MaxLabels        = 64
	MaxLabelNameLen  = 128 // characters
	MaxLabelValueLen = 256 // characters
)

// CheckLabel says what is wrong with a label of a report, as a [*FieldError]; ok, nil.
func CheckLabel(name, value string) error {
	if err := CheckLabelName(name); err != nil {
		return err
	}
	return checkText("labels", value, 0, MaxLabelValueLen)
}

// CheckLabelName says what is wrong with the name of a label, as a [*FieldError].
func CheckLabelName(name string) error {
	if err := checkText("labels", name, 1, MaxLabelNameLen); err != nil {
		return err
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '=' || r == 0x7f }) {
		return &FieldError{Field: "labels", Value: name, Allowed: "names without = and control characters"}
	}
	return nil
}

// checkLabels says what is wrong with the labels of a report: of several faults that of the
// least name.
func checkLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return &FieldError{Field: "labels", Value: strconv.Itoa(len(labels)), Allowed: "at most " + strconv.Itoa(MaxLabels) + " of them"}
	}
	for name, value := range labels {
		if CheckLabel(name, value) == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			if err := CheckLabel(name, labels[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// labelTimes is when the labels of an asset were last given: in at one for each, in the order of
// their names, or one for all; none, if it was never given any. What they are stands in a set, which
// the index holds under a number.
type labelTimes struct {
	set uint32
	at  []micros
}

func (l *labelTimes) none() bool { return len(l.at) == 0 }

func (l *labelTimes) of(i int) micros {
	if len(l.at) == 1 {
		return l.at[0]
	}
	return l.at[i]
}

// labelRegister is a label of an asset and when it was last given. Without a value it was taken away
// then. The bytes must not be changed.
type labelRegister struct {
	name, value []byte
	at          micros
}

// A set of labels as bytes is uvarint of their number, and for each of them, by name, uvarint of its
// name's length, the name, uvarint of its value's length, 0 if it was taken away, and the value.

// appendLabelSet appends what stands in the registers as a set.
func appendLabelSet(dst []byte, list []labelRegister) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for i := range list {
		for _, text := range [...][]byte{list[i].name, list[i].value} {
			dst = binary.AppendUvarint(dst, uint64(len(text)))
			dst = append(dst, text...)
		}
	}
	return dst
}

// appendRegisters appends the registers of a set, with the times, to dst. They lie in the set.
func appendRegisters(dst []labelRegister, set []byte, times *labelTimes) []labelRegister {
	r := index.Reader{Rest: set}
	for i := range r.Uint(MaxLabels) {
		dst = append(dst, labelRegister{name: r.Bytes(r.Uint(maxLabelBytes)), value: r.Bytes(r.Uint(maxLabelBytes)), at: times.of(i)})
	}
	return dst
}

// maxLabelBytes is more than a name or a value has.
const maxLabelBytes = utf8.UTFMax * MaxLabelValueLen

// readLabels reads a set of labels, which is not empty, and returns its bytes and how many there are.
func readLabels(r *index.Reader) (set []byte, n int) {
	from, last := r.Rest, []byte(nil)
	n = r.Uint(MaxLabels)
	r.Bad = r.Bad || n == 0
	for i := range n {
		name := r.Bytes(r.Uint(maxLabelBytes))
		value := r.Bytes(r.Uint(maxLabelBytes))
		if r.Bad || i > 0 && bytes.Compare(name, last) <= 0 || CheckLabel(string(name), string(value)) != nil {
			r.Bad = true
			return nil, 0
		}
		last = name
	}
	return from[:len(from)-len(r.Rest)], n
}

// labelRegisters are the registers of an asset while reports about it are applied.
type labelRegisters struct {
	list    []labelRegister // by name
	loaded  bool            // the list is the asset's
	changed bool            // it has other names or values than the asset's set
}

// give is a report with a label; without a value it takes it away. It says what that did.
func (l *labelRegisters) give(name, value string, at micros) (f effects) {
	i, found := slices.BinarySearchFunc(l.list, name, func(r labelRegister, name string) int { return cmp.Compare(string(r.name), name) })
	if !found {
		l.list = slices.Insert(l.list, i, labelRegister{[]byte(name), []byte(value), at})
		l.changed = true
		if value != "" {
			return didChange | didMove
		}
		return didMove
	}
	was := &l.list[i]
	same := string(was.value) == value
	if at < was.at || at == was.at && (same || value < string(was.value)) {
		return 0
	}
	if !same {
		was.value, l.changed, f = []byte(value), true, didChange
	}
	if at > was.at {
		was.at = at
		f |= didMove
	}
	return f
}

// settle keeps MaxLabels of more.
func (l *labelRegisters) settle() {
	order := slices.Clone(l.list)
	slices.SortFunc(order, func(a, b labelRegister) int {
		return cmp.Or(cmp.Compare(a.at, b.at), bytes.Compare(a.name, b.name))
	})
	for _, last := range order[:len(order)-MaxLabels] {
		l.list = slices.DeleteFunc(l.list, func(r labelRegister) bool { return bytes.Equal(r.name, last.name) })
	}
	l.changed = true
}

// since says what became of registers that were others before.
func (l *labelRegisters) since(before []labelRegister) (f effects) {
	same := func(a, b labelRegister) bool {
		return bytes.Equal(a.name, b.name) && bytes.Equal(a.value, b.value)
	}
	there := func(list []labelRegister) []labelRegister {
		return slices.DeleteFunc(slices.Clone(list), func(r labelRegister) bool { return len(r.value) == 0 })
	}
	if !slices.EqualFunc(there(before), there(l.list), same) {
		f |= didChange
	}
	if !slices.EqualFunc(before, l.list, func(a, b labelRegister) bool { return a.at == b.at && same(a, b) }) {
		f |= didMove
	}
	return f
}

// giveLabels is a report with labels. It says what they did.
func (v *inventory) giveLabels(labels map[string]string, at micros) (f effects) {
	if len(labels) == 0 {
		return 0
	}
	l := &v.w.labels
	if !l.loaded {
		if l.loaded = true; !v.w.old.labels.none() {
			l.list = appendRegisters(l.list, v.x.Interned(v.w.old.labels.set), &v.w.old.labels)
		}
	}
	var before []labelRegister
	if len(l.list)+len(labels) > MaxLabels {
		before = slices.Clone(l.list)
	}
	for name, value := range labels {
		f |= l.give(name, value, at)
	}
	if len(l.list) > MaxLabels {
		l.settle()
		f = l.since(before)
	}
	return f
}

// settleLabels makes the labels those that are kept, and says whether that changed what they are.
func (v *inventory) settleLabels() (changed bool) {
	w := v.w
	old, now, l := &w.old.labels, &w.now.labels, &w.labels
	if !l.loaded {
		if now.at = now.at[:0]; !old.none() {
			now.set, now.at = old.set, append(now.at, old.at...)
		}
		return false
	}
	now.set = old.set
	now.at = now.at[:0]
	for i := range l.list {
		now.at = append(now.at, l.list[i].at)
	}
	if l.changed {
		w.set = appendLabelSet(w.set[:0], l.list)
		now.set = v.x.Intern(w.set)
	}
	return l.changed
}

// relabel has the index give an asset the labels that are kept now, in place of those it had, where
// they are others.
func (v *inventory) relabel(o index.Ordinal) {
	if v.w.labels.changed {
		v.relabelAnew(o)
	}
}

func (v *inventory) relabelAnew(o index.Ordinal) {
	w := v.w
	var had []labelRegister
	if old := &w.old.labels; !old.none() {
		had = appendRegisters(nil, v.x.Interned(old.set), old)
		defer v.x.Release(old.set)
	}
	now := w.labels.list
	for len(had) > 0 || len(now) > 0 {
		switch order := compareFirst(had, now); {
		case order < 0:
			v.unlabel(o, had[:1])
			had = had[1:]
		case order > 0:
			v.label(o, now[:1])
			now = now[1:]
		default:
			if !bytes.Equal(had[0].value, now[0].value) {
				v.unlabel(o, had[:1])
				v.label(o, now[:1])
			}
			had, now = had[1:], now[1:]
		}
	}
}

// compareFirst says which list has the lesser name first; one that is empty has the greatest.
func compareFirst(a, b []labelRegister) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return bytes.Compare(a[0].name, b[0].name)
}

// label has the index give an asset the labels of registers, unlabel take them from it.
func (v *inventory) label(o index.Ordinal, list []labelRegister) {
	for i := range list {
		if r := &list[i]; len(r.value) > 0 {
			v.x.Label(o, index.Label{Name: string(r.name), Value: string(r.value)})
		}
	}
}

func (v *inventory) unlabel(o index.Ordinal, list []labelRegister) {
	for i := range list {
		if r := &list[i]; len(r.value) > 0 {
			v.x.Unlabel(o, index.Label{Name: string(r.name), Value: string(r.value)})
		}
	}
}

// labelsOf returns the labels of a set that were not taken away, nil for none.
func labelsOf(set []byte) map[string]string {
	var labels map[string]string
	for _, r := range appendRegisters(nil, set, &labelTimes{at: []micros{0}}) {
		if len(r.value) == 0 {
			continue
		}
		if labels == nil {
			labels = make(map[string]string)
		}
		labels[string(r.name)] = string(r.value)
	}
	return labels
}
