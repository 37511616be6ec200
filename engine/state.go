package engine

import (
	"encoding/binary"
	"errors"
	"fmt"

	"portolan/index"
)

// The portable form of an asset is two byte strings that hold everything by value, so
// that another process, with other numbers for its assets and scopes, can read them.
//
// State changes with what the asset is and has:
//
//	version   1 byte: stateVersion, labelledState for an asset with labels
//	name, address, enterprise project: uvarint of its length, then the text
//	labels    in version labelledState: a set of labels.go
//	looks     uvarint of their number; per look uvarint of the scope's ranges, 0 for all;
//	          per range its type, 1 byte, uvarint(lowest port), uvarint(ports beyond the lowest)
//	keys      in the form of index.AppendKeys, to the end
//
// Times change with every report that tells something:
//
//	version   1 byte: timesVersion, labelledTimes for an asset with labels; own times are never dense in
//	          those of version 1
//	the note of evidence.go, where of labels, and of looks that are listed, only the ages stand, in
//	the order of State
const (
	stateVersion  = 1
	labelledState = 2
	timesVersion  = 2
	labelledTimes = 3
)

// errDamaged is wrapped by errors about bytes that are no portable form.
var errDamaged = errors.New("damaged")

// appendState appends the State of an asset as it is being written. The lock is held.
func (v *inventory) appendState(dst []byte, o index.Ordinal) []byte {
	name, address := v.x.Texts(o)
	note := v.x.Note(o)
	dst = appendWho(dst, [...]string{name, address, v.x.Group(o)}, note, v.x.Interned)
	e := &v.w.old
	e.decodeNote(note, -1)
	dst = binary.AppendUvarint(dst, uint64(len(e.looks)))
	for _, l := range e.looks {
		dst = appendLook(dst, l.ref, v.x.Interned)
	}
	return v.x.AppendKeysOf(dst, o)
}

// appendWho appends what a State begins with.
func appendWho(dst []byte, texts [3]string, note []byte, interned func(n uint32) []byte) []byte {
	set, labelled := noteLabels(note)
	version := byte(stateVersion)
	if labelled {
		version = labelledState
	}
	dst = append(dst, version)
	for _, text := range texts {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	if labelled {
		dst = append(dst, interned(set)...)
	}
	return dst
}

// appendLook appends the scope of a look, which is interned if it is not all.
func appendLook(dst []byte, ref uint32, interned func(n uint32) []byte) []byte {
	if ref == refAll {
		return binary.AppendUvarint(dst, 0)
	}
	form := interned(ref - 1)
	return append(binary.AppendUvarint(dst, uint64(scopeRanges(form))), form...)
}

// scopeRanges returns how many ranges the bytes of a scope have: each is a byte below 0x80 and
// two varints, which end with one.
func scopeRanges(form []byte) int {
	ends := 0
	for _, b := range form {
		ends += int(^b >> 7)
	}
	return ends / 3
}

// appendTimes appends the Times of an asset as it is being written. The lock is held.
func (v *inventory) appendTimes(dst []byte, o index.Ordinal) []byte {
	note := v.x.Note(o)
	dst = append(dst, versionOfTimes(note))
	if !hasRefs(note) {
		return append(dst, note...)
	}
	v.w.had = v.x.Keys(o, v.w.had[:0])
	v.w.old.decodeNote(note, len(v.w.had))
	return v.w.old.append(dst, false, &v.w.sample)
}

// versionOfTimes returns the version of the Times of an asset with the note.
func versionOfTimes(note []byte) byte {
	if note[0]&3 == labelledLooks {
		return labelledTimes
	}
	return timesVersion
}

// hasRefs says whether a note has numbers that Times have not.
func hasRefs(note []byte) bool { return note[0]&3 == labelledLooks || note[0]&3 == listedLooks }

// maxRanges is more than a scope has: no two of its ranges touch.
const maxRanges = 6 * (index.MaxPort + 1) / 2

// readScope reads the scope of a look.
func readScope(r *index.Reader) Scope {
	n := r.Uint(maxRanges)
	if n == 0 {
		return ScopeAll()
	}
	ranges := make([]index.Range, 0, min(n, len(r.Rest)/3))
	for i := 0; i < n && !r.Bad; i++ {
		ranges = append(ranges, readRange(r))
	}
	s := ScopeOf(ranges...)
	if r.Bad || s.Err() != nil || len(s.parts()) != n { // those that touch are joined
		r.Bad = true
		return Scope{}
	}
	return s
}

// readRange reads a range of a scope.
func readRange(r *index.Reader) index.Range {
	t := r.Bytes(1)
	lo := r.Uint(index.MaxPort)
	more := r.Uint(index.MaxPort)
	if r.Bad || lo+more > index.MaxPort {
		r.Bad = true
		return index.Range{}
	}
	return index.Range{Type: index.Type(t[0]), Lo: uint16(lo), Hi: uint16(lo + more)}
}

// decodeScope returns the scope whose bytes appendScope has made.
func decodeScope(form []byte) Scope {
	ranges := make([]index.Range, 0, scopeRanges(form))
	for r := (index.Reader{Rest: form}); len(r.Rest) > 0; {
		ranges = append(ranges, readRange(&r))
	}
	return Scope{&scope{ranges: ranges}}
}

// knownTimes says whether Times have a version that fits what they begin with.
func knownTimes(times []byte) bool {
	if len(times) < 2 {
		return false
	}
	version := versionOfTimes(times[1:])
	return times[0] == version || version == timesVersion && times[0] == 1
}

// decodeTimes reads Times that may be damaged, of an asset with so many open keys and labels, into
// the evidence, whose looks and labels have their refs already.
func (e *evidence) decodeTimes(times []byte, keys, labels int) error {
	if !knownTimes(times) {
		return fmt.Errorf("%w times: %d bytes, version %d", errDamaged, len(times), first(times))
	}
	head := times[1]
	refs := e.looks
	full := len(refs) == 1 && refs[0].ref == refAll
	r := index.Reader{Rest: times[2:]}
	looks := e.decodeHead(&r, head, false)
	if n := len(e.labels.at); n > 1 && n != labels || (n > 0) != (labels > 0) {
		r.Bad = true
	}
	switch {
	case head>>2&3 > given || head>>4&3 > given || head>>6&3 > given:
		r.Bad = true
	case looks == noLooks:
		r.Bad = r.Bad || len(refs) != 0
	case looks == oneFullLook:
		r.Bad = r.Bad || !full
	case looks == listedLooks:
		for i := range refs {
			refs[i].time = e.newest - r.Int64()
		}
		r.Bad = r.Bad || len(refs) == 0
		e.looks = refs
	default:
		r.Bad = true
	}
	if len(r.Rest) > 0 && !r.Bad {
		e.decodeOwn(&r, keys)
	}
	if r.Bad {
		return fmt.Errorf("%w times: %x, of %d looks, %d open keys and %d labels", errDamaged, clip(times), len(refs), keys, labels)
	}
	return nil
}

// first returns the first byte, 0 if there is none.
func first(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// clip shortens bytes before they go into an error.
func clip(b []byte) []byte { return b[:min(len(b), 32)] }
