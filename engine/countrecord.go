package engine

import (
	"cmp"
	"encoding/binary"
	"fmt"

	"portolan/engine/journal"
	"portolan/index"
)

// What changed of the counts of an inventory in the course of an hour, or of a day, is kept as lists of bytes, each of them
// whole by itself: those of the counts in all enterprise projects, by key in order; and those of the counts in each, by a number
// that follows from its name (sectionOf), then key, then name. A list is
//
//	version  1 byte: countsVersion
//	names    uvarint of how many enterprise projects there are; per one uvarint of its length, then its name
//	runs     to the end
//
// and a run, of keys in order,
//
//	whose    uvarint: 0 of all, else the number of a name, from 1
//	keys     uvarint of how many
//	counts   per key uvarint of its distance from the one before, from 0, and its counts
//
// and counts, relative to the one before,
//
//	last     uvarint of (the one at the end, zigzag)<<2 | below<<1 | above
//	below    where it was less than at the beginning and at the end: uvarint of how much less than the lesser one
//	above    where it was more than both: uvarint of how much more than the greater one
const countsVersion = 1

// countPart is how many bytes a list has at least when another is begun: who asks for one key reads one of them.
const countPart = 4 << 10

// countWriter makes lists.
type countWriter struct {
	names   []string            // of the counter
	place   journal.CountsPlace // of the list
	numbers map[uint32]uint64   // of the list's enterprise projects, by those of the counter
	dict    []byte
	runs    []byte
	run     []byte // the counts of the run that is being written
	of      uint32 // whose it is
	keys    uint64 // how many it has
	before  Key
	parts   []journal.Counts
}

// line adds a line.
func (w *countWriter) line(l *placedLine) {
	if w.keys > 0 && (l.group != w.of || l.First <= w.before) {
		w.endRun()
	}
	if l.Section > 0 && w.place.Section == 0 {
		w.end()
	}
	if w.keys == 0 {
		if len(w.runs) == 0 {
			w.place = l.CountsPlace
		}
		w.of, w.before = l.group, 0
	}
	w.run = binary.AppendUvarint(w.run, uint64(l.First-w.before))
	w.run = l.append(w.run)
	w.before = l.First
	w.keys++
	if len(w.dict)+len(w.runs)+len(w.run) >= countPart {
		w.end()
	}
}

func (w *countWriter) endRun() {
	if w.keys == 0 {
		return
	}
	number := uint64(0)
	if w.of > 0 {
		if w.numbers == nil {
			w.numbers = map[uint32]uint64{}
		}
		if number = w.numbers[w.of]; number == 0 {
			name := w.names[w.of-1]
			number = uint64(len(w.numbers) + 1)
			w.numbers[w.of] = number
			w.dict = append(binary.AppendUvarint(w.dict, uint64(len(name))), name...)
		}
	}
	w.runs = binary.AppendUvarint(w.runs, number)
	w.runs = binary.AppendUvarint(w.runs, w.keys)
	w.runs = append(w.runs, w.run...)
	w.run, w.keys = w.run[:0], 0
}

// end ends a list.
func (w *countWriter) end() {
	w.endRun()
	if len(w.runs) > 0 {
		data := binary.AppendUvarint(append(make([]byte, 0, len(w.dict)+len(w.runs)+4), countsVersion), uint64(len(w.numbers)))
		w.parts = append(w.parts, journal.Counts{CountsPlace: w.place, Data: append(append(data, w.dict...), w.runs...)})
	}
	clear(w.numbers)
	w.dict, w.runs = w.dict[:0], w.runs[:0]
}

func (c *counted) append(b []byte) []byte {
	below, above := min(0, c.last)-c.least, c.most-max(0, c.last)
	word := (uint64(c.last)<<1 ^ uint64(c.last>>63)) << 2
	if below > 0 {
		word |= 2
	}
	if above > 0 {
		word |= 1
	}
	b = binary.AppendUvarint(b, word)
	if below > 0 {
		b = binary.AppendUvarint(b, uint64(below))
	}
	if above > 0 {
		b = binary.AppendUvarint(b, uint64(above))
	}
	return b
}

// countReader reads a list, which may be damaged.
type countReader struct {
	index.Reader
	names []string
	left  int // of the run

	key   Key
	group string // whose the counts are
	all   bool   // they are those of all
	counted
}

func readCounts(data []byte) (countReader, error) {
	if len(data) == 0 || data[0] != countsVersion {
		return countReader{}, fmt.Errorf("%w counts: %d bytes, version %d", errDamaged, len(data), first(data))
	}
	r := countReader{Reader: index.Reader{Rest: data[1:]}}
	n := r.Uint(uint64(len(r.Rest)))
	r.names = make([]string, 0, n)
	for range n {
		r.names = append(r.names, r.Text())
	}
	err := r.damage()
	return r, err
}

func (r *countReader) damage() error {
	if r.Bad {
		return fmt.Errorf("%w counts", errDamaged)
	}
	return nil
}

// next reads the next counts. It is false at the end, and where there is damage.
func (r *countReader) next() bool {
	if r.Bad || len(r.Rest) == 0 && r.left == 0 {
		return false
	}
	if r.left == 0 && !r.run() {
		return false
	}
	r.left--
	distance := r.Uint64()
	key := uint64(r.key) + min(distance, 1<<32)
	r.key, r.counted = Key(key), r.counts()
	if distance == 0 || key>>3 > index.MaxPort || !r.key.Valid() {
		r.Bad = true
	}
	return !r.Bad
}

// run reads the head of a run.
func (r *countReader) run() bool {
	of := r.Uint(uint64(len(r.names)))
	if r.left = r.Uint(uint64(len(r.Rest))); r.left == 0 {
		r.Bad = true
		return false
	}
	r.key, r.group, r.all = 0, "", of == 0
	if of > 0 {
		r.group = r.names[of-1]
	}
	return true
}

// place returns where the counts that were read last are.
func (r *countReader) place() journal.CountsPlace {
	p := journal.CountsPlace{First: r.key}
	if !r.all {
		p.Section = sectionOf(r.group)
	}
	return p
}

// counts reads counts; none of them is more than there may be assets, or rather more than an int32 has.
func (r *countReader) counts() (c counted) {
	const most = 1 << 40
	word := r.Uint64()
	c.last = int(word>>3) ^ -int(word>>2&1)
	c.least, c.most = min(0, c.last), max(0, c.last)
	if word&2 != 0 {
		c.least -= r.Uint(most)
	}
	if word&1 != 0 {
		c.most += r.Uint(most)
	}
	r.Bad = r.Bad || word>>3 > most
	return c
}

// CheckCounts says what is wrong with what a journal has kept of counts.
func CheckCounts(p journal.Counts) error {
	r, err := readCounts(p.Data)
	if err != nil {
		return err
	}
	begun := false
	var before journal.CountsPlace
	for name := ""; r.next(); name = r.group {
		at := r.place()
		order := cmp.Or(cmp.Compare(at.Section, before.Section), cmp.Compare(at.First, before.First), cmp.Compare(r.group, name))
		switch {
		case !begun && at != p.CountsPlace:
			return fmt.Errorf("%w counts: they begin at %v, where there is to be %v", errDamaged, at, p.CountsPlace)
		case begun && order <= 0:
			return fmt.Errorf("%w counts: %v comes after %v", errDamaged, at, before)
		case (at.Section > 0) != (p.Section > 0):
			return fmt.Errorf("%w counts: of all enterprise projects and of single ones", errDamaged)
		}
		begun, before = true, at
	}
	return r.damage()
}
