package engine

import (
	"encoding/binary"
	"fmt"

	"portolan/engine/journal"
	"portolan/index"
)

// What changed of the counts of an inventory in the course of an hour, or of a day, is kept as lists of bytes, each of them
// whole by itself. A list is
//
//	version  1 byte: countsVersion
//	groups   uvarint of how many enterprise projects there are; per one uvarint of its length, then its name
//	keys     to the end, in order
//
// and a key
//
//	head     uvarint of its distance from the one before, from 0, <<1 | 1 if it changed in several of the
//	         enterprise projects
//	all      of several: uvarint of how many; then the counts of all together
//	counts   of each: uvarint of the number of its enterprise project, from 0, unless the list has one only, and its
//	         counts
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
	numbers map[uint32]int // of the list's enterprise projects, by those of the counter
	names   []string
	keys    []countedKey
	size    int // about how many bytes they take
	parts   []journal.Counts
}

// countedKey is what became of the counts of a key.
type countedKey struct {
	key    Key
	all    counted
	groups []numberedCount
}

type numberedCount struct {
	number int
	counted
}

// key adds a key, whose lines are that of all enterprise projects and one or more of single ones.
func (w *countWriter) key(c *Counter, lines []countLine) {
	k := countedKey{key: lines[0].key, all: *c.lines[lines[0]]}
	for _, at := range lines[1:] {
		n, known := w.numbers[at.group]
		if !known {
			if w.numbers == nil {
				w.numbers = map[uint32]int{}
			}
			n = len(w.names)
			w.numbers[at.group] = n
			w.names = append(w.names, c.names[at.group-1])
			w.size += 1 + len(c.names[at.group-1])
		}
		k.groups = append(k.groups, numberedCount{n, *c.lines[at]})
		w.size += 2
	}
	w.keys = append(w.keys, k)
	if w.size += 2; w.size >= countPart {
		w.end()
	}
}

// end ends a list.
func (w *countWriter) end() {
	if len(w.keys) > 0 {
		w.parts = append(w.parts, journal.Counts{First: w.keys[0].key, Data: w.list()})
	}
	*w = countWriter{parts: w.parts}
}

func (w *countWriter) list() []byte {
	b := binary.AppendUvarint(append(make([]byte, 0, w.size+w.size/4+16), countsVersion), uint64(len(w.names)))
	for _, name := range w.names {
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
	}
	before := Key(0)
	for i := range w.keys {
		k := &w.keys[i]
		head := uint64(k.key-before) << 1
		if before = k.key; len(k.groups) == 1 {
			b = binary.AppendUvarint(b, head)
		} else {
			b = binary.AppendUvarint(b, head|1)
			b = binary.AppendUvarint(b, uint64(len(k.groups)))
			b = k.all.append(b)
		}
		for _, g := range k.groups {
			if len(w.names) > 1 {
				b = binary.AppendUvarint(b, uint64(g.number))
			}
			b = g.append(b)
		}
	}
	return b
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

	key    Key
	all    counted
	groups []groupCount // never none
}

// groupCount is what became of a count in an enterprise project.
type groupCount struct {
	name string
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
	r.Bad = r.Bad || len(r.names) == 0
	err := r.damage()
	return r, err
}

func (r *countReader) damage() error {
	if r.Bad {
		return fmt.Errorf("%w counts", errDamaged)
	}
	return nil
}

// next reads the next key. It is false at the end, and where there is damage.
func (r *countReader) next() bool {
	if r.Bad || len(r.Rest) == 0 {
		return false
	}
	head, n := r.Uint64(), 1
	if head&1 != 0 {
		n = r.Uint(uint64(len(r.names)))
		r.all = r.counts()
		r.Bad = r.Bad || n < 2
	}
	key := uint64(r.key) + min(head>>1, 1<<32)
	r.Bad = r.Bad || key <= uint64(r.key) || key>>3 > index.MaxPort || !Key(key).Valid()
	r.groups = r.groups[:0]
	for range n {
		number := 0
		if len(r.names) > 1 {
			number = r.Uint(uint64(len(r.names)) - 1)
		}
		c := r.counts()
		if r.Bad {
			return false
		}
		r.groups = append(r.groups, groupCount{r.names[number], c})
	}
	if n == 1 {
		r.all = r.groups[0].counted
	}
	r.key = Key(key)
	return !r.Bad
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
	for before := Key(0); r.next(); before = r.key {
		if before == 0 && r.key != p.First {
			return fmt.Errorf("%w counts: they begin with %v, where there is to be %v", errDamaged, r.key, p.First)
		}
	}
	return r.damage()
}
