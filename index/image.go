package index

import (
	"encoding/binary"
	"fmt"
	"io"
)

// An image is an index as bytes, so that it need not be made anew from its assets. It is
// for the process, or the next one of the same program, that can make it anew: whoever
// keeps an image makes sure that it gets back what it kept. Numbers are uvarints.
//
//	version   1 byte: imageVersion
//	number of assets, and of ordinals
//	groups    their number; per number its assets, its name's length and the name
//	labels    their number; per number its assets and, if there are any, the lengths of name and value and these
//	blobs     their number; per number its references and, if there are any, its length and the bytes
//	stripes   per stripe its live assets, 8 bytes; and, if there are any, the idents, then the
//	          states: their length, then of each asset a length and a record
//	dictionary: number of tables; per table number of slots, used slots and bits of an ordinal, then the slots, 4 bytes each
//	postings  their number; per posting the key, then see imageWriter.posting
//	everyone  a posting
//	members   per group a posting
//	holders   per label a posting
//	counts    per group and type the number of keys; then per key, in order of type and port, the distance from
//	          the port before and the count
//
// In version 1 there are neither labels nor holders.
const imageVersion = 2

// imageChunk is how many bytes are written at once.
const imageChunk = 1 << 18

// WriteImage writes an image of the state last frozen. It is for the writer, who has
// changed nothing since.
func (x *Index) WriteImage(to io.Writer) error {
	w := imageWriter{to: to, buf: make([]byte, 0, 2*imageChunk)}
	d := &x.next
	w.buf = append(w.buf, imageVersion)
	w.uints(uint64(d.assets), uint64(d.ordinals))
	w.groups(d)
	w.labels(&d.labels)
	w.blobs(&x.blobs)
	for n := range d.numStripes() {
		w.stripe(d.stripe(n))
	}
	w.dict(&d.dict)
	w.uints(uint64(d.tree.Len()))
	d.tree.Scan(func(k Key, p *posting) bool {
		w.uints(uint64(k))
		w.posting(p)
		return w.err == nil
	})
	w.posting(d.everyone)
	for g := range d.usedGroups() {
		p := new(posting)
		if at := d.members.at(g); at != nil && *at != nil {
			p = *at
		}
		w.posting(p)
	}
	for n := range d.labels.used() {
		p := d.labels.holdersOf(n).p
		if p == nil {
			p = new(posting)
		}
		w.posting(p)
	}
	for g := range d.usedGroups() {
		w.counts(d.countsOf(g))
	}
	w.flush(0)
	return w.err
}

// imageWriter appends to a buffer that it writes out when it is full.
type imageWriter struct {
	to  io.Writer
	buf []byte
	err error
}

// flush writes the buffer if it is larger than that.
func (w *imageWriter) flush(size int) {
	if len(w.buf) <= size {
		return
	}
	if w.err == nil {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

func (w *imageWriter) uints(values ...uint64) {
	for _, v := range values {
		w.buf = binary.AppendUvarint(w.buf, v)
	}
	w.flush(imageChunk)
}

func (w *imageWriter) bytes(b []byte) {
	w.uints(uint64(len(b)))
	w.buf = append(w.buf, b...)
	w.flush(imageChunk)
}

func (w *imageWriter) groups(d *data) {
	n := d.usedGroups()
	w.uints(uint64(n))
	for g := range n {
		w.uints(uint64(d.groups.at(g).assets))
		w.bytes([]byte(d.groups.at(g).name))
	}
}

func (w *imageWriter) labels(l *labels) {
	n := l.used()
	w.uints(uint64(n))
	for i := range n {
		label := l.list.at(i)
		if w.uints(uint64(label.assets)); label.assets > 0 {
			w.bytes([]byte(label.Name))
			w.bytes([]byte(label.Value))
		}
	}
}

// usedGroups is the number of groups up to the last one that is there.
func (d *data) usedGroups() uint32 {
	n := d.groups.slots()
	for n > 0 && d.groups.at(n-1).name == "" {
		n--
	}
	return n
}

func (w *imageWriter) blobs(b *blobs) {
	w.uints(uint64(len(b.refs)))
	for n, refs := range b.refs {
		if w.uints(uint64(refs)); refs > 0 {
			w.bytes(*b.items.at(uint32(n)))
		}
	}
}

func (w *imageWriter) stripe(p *stripe) {
	if p == nil {
		p = new(stripe)
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, p.live)
	if p.live == 0 {
		return
	}
	for _, c := range [...]*column{&p.idents, &p.states} {
		w.uints(uint64(len(c.data) - c.dead))
		for slot := range uint32(stripeSize) {
			if p.live>>slot&1 != 0 {
				at := int(c.off[slot])
				w.buf = append(w.buf, c.data[at:at+c.size(slot)]...)
			}
		}
	}
	w.flush(imageChunk)
}

func (w *imageWriter) dict(d *dict) {
	w.uints(uint64(len(d.tables)))
	for _, t := range d.tables {
		w.uints(uint64(len(t.slots)), uint64(t.used), uint64(t.ordBits))
		for _, s := range t.slots {
			w.buf = binary.LittleEndian.AppendUint32(w.buf, s)
		}
		w.flush(imageChunk)
	}
}

// A posting is its number of assets; if that is not 0
//
//	blocks    0 if it is dense; else their number, per block its assets, the first, the last, its length and the data
//	bitmap    if it is dense: its length and the bitmap in roaring's format
func (w *imageWriter) posting(p *posting) {
	w.uints(uint64(p.n))
	if p.n == 0 {
		return
	}
	w.uints(uint64(len(p.blocks)))
	if p.dense != nil {
		w.bitmap(p)
		return
	}
	for i := range p.blocks {
		b := &p.blocks[i]
		w.uints(uint64(b.n), uint64(b.first), uint64(b.last))
		w.bytes(b.data)
	}
}

func (w *imageWriter) bitmap(p *posting) {
	size := p.dense.GetSerializedSizeInBytes()
	w.uints(size)
	w.flush(0)
	if w.err != nil {
		return
	}
	var n int64
	if n, w.err = p.dense.WriteTo(w.to); w.err == nil && uint64(n) != size {
		w.err = fmt.Errorf("a bitmap has %d bytes, written were %d", size, n)
	}
}

func (w *imageWriter) counts(c *counts) {
	for t := SCTP; t < typeLimit; t++ {
		if c.types[t] == nil {
			w.uints(0)
		} else {
			w.uints(uint64(c.types[t].keys))
		}
	}
	last, of := uint16(0), Type(0)
	c.each(func(k Key, n uint32) {
		if k.Type() != of {
			last, of = 0, k.Type()
		}
		w.uints(uint64(k.Port()-last), uint64(n))
		last = k.Port()
	})
}
