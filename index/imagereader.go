package index

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cespare/xxhash/v2"
)

// ErrImage is wrapped by every error about bytes that are no image of an index.
var ErrImage = errors.New("not an image of an index")

// ReadImage makes an index of an image, that is yet to be published. left is how many
// bytes there may be at most, and is counted down. It finds out whether the parts of an image fit together, but not whether the assets
// are those that the postings hold: see [Snapshot.Check].
func ReadImage(from *bufio.Reader, left *int64) (*Index, error) {
	r := imageReader{from: from, left: *left, x: New()}
	defer func() { *left = r.left }()
	version := r.bytes(1)[0]
	if r.err == nil && (version == 0 || version > imageVersion) {
		r.fault("version %d", version)
	}
	r.x.next.whole = &counts{epoch: r.x.epoch}
	r.x.next.assets = int(r.uint(MaxAssets))
	r.x.next.ordinals = int(r.uint(MaxAssets))
	labels, holders := r.labels, r.holders
	if version == 1 {
		labels, holders = func() {}, func() {}
	}
	for _, part := range []func(){r.groups, labels, r.blobs, r.stripes, r.dict, r.postings, r.members, holders, r.groupCounts} {
		if r.err == nil {
			part()
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.x, nil
}

// imageReader reads an image into an index. After an error it reads zeros.
type imageReader struct {
	from *bufio.Reader
	left int64
	x    *Index
	err  error

	// What was read, to be held against what the image says elsewhere.
	stripeAssets int
	groupAssets  int
}

func (r *imageReader) fault(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrImage, fmt.Sprintf(format, args...))
	}
}

// uint reads a number that is at most so large.
func (r *imageReader) uint(most uint64) uint64 {
	v := uint64(0)
	for shift := 0; r.err == nil; shift += 7 {
		b, err := r.from.ReadByte()
		r.left--
		switch {
		case err != nil:
			r.ended(err)
		case r.left < 0 || shift == 63 && b > 1:
			r.fault("a number goes on too long")
		case b < 0x80:
			if v |= uint64(b) << shift; v > most {
				r.fault("%d where there are at most %d", v, most)
				return 0
			}
			return v
		}
		v |= uint64(b&0x7f) << shift
	}
	return 0
}

func (r *imageReader) ended(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if r.err == nil {
		r.err = fmt.Errorf("%w: %w", ErrImage, err)
	}
}

// length reads how many things are to come, each of so many bytes at least.
func (r *imageReader) length(each int64) int { return int(r.uint(uint64(max(r.left, 0) / each))) }

// bytes reads n bytes into memory of their own.
func (r *imageReader) bytes(n int) []byte {
	if int64(n) > r.left {
		r.fault("%d bytes where %d are left", n, r.left)
	}
	if r.err != nil || n == 0 {
		return make([]byte, min(n, 8))
	}
	b := make([]byte, n)
	r.left -= int64(n)
	if _, err := io.ReadFull(r.from, b); err != nil {
		r.ended(err)
	}
	return b
}

func (r *imageReader) groups() {
	x := r.x
	for g := range uint32(r.length(2)) {
		n := int(r.uint(MaxAssets))
		name := string(r.bytes(r.length(1)))
		if r.err != nil {
			return
		}
		r.groupAssets += n
		*x.next.groups.mut(g, x.epoch) = group{name: name, assets: n}
		if name == "" {
			x.freeGroup = append(x.freeGroup, g)
			continue
		}
		x.groups[name] = g
		x.next.groupNames.Set(name, g)
	}
	if r.groupAssets != x.next.assets {
		r.fault("%d assets are in groups, of %d", r.groupAssets, x.next.assets)
	}
}

func (r *imageReader) labels() {
	x := r.x
	d := &x.next.labels
	for n := range uint32(r.length(1)) {
		at := d.list.mut(n, x.epoch)
		if at.assets = int(r.uint(uint64(x.next.assets))); at.assets == 0 {
			x.freeLabel = append(x.freeLabel, n)
			continue
		}
		at.Name = string(r.bytes(r.length(1)))
		at.Value = string(r.bytes(r.length(1)))
		if r.err != nil {
			return
		}
		if _, twice := d.numbers.Set(at.key(), n); twice || at.Name == "" || strings.Contains(at.Name, "\x00") {
			r.fault("label %q is there twice, or has no name", at.key())
		}
	}
}

// holders reads the assets of each label.
func (r *imageReader) holders() {
	x := r.x
	d := &x.next.labels
	for n := range d.used() {
		if p := r.posting(); p.n > 0 {
			*d.holders.mut(n, x.epoch) = p
		}
		if want := d.list.at(n).assets; r.err == nil && d.holdersOf(n).Len() != want {
			r.fault("a label of %d assets that should have %d", d.holdersOf(n).Len(), want)
		}
	}
}

func (r *imageReader) blobs() {
	b, epoch := &r.x.blobs, r.x.epoch
	n := uint32(r.length(1))
	b.refs, b.ids = make([]uint32, n), make(map[uint64]uint32, n)
	for i := range n {
		item := b.items.mut(i, epoch)
		if b.refs[i] = uint32(r.uint(math.MaxUint32)); b.refs[i] == 0 {
			b.free = append(b.free, i)
			continue
		}
		data := r.bytes(r.length(1))
		if r.err != nil {
			return
		}
		*item = data
		hash := xxhash.Sum64(data)
		if _, taken := b.ids[hash]; !taken {
			b.ids[hash] = i
		}
	}
}

func (r *imageReader) stripes() {
	x := r.x
	for n := range x.next.numStripes() {
		live := binary.LittleEndian.Uint64(r.bytes(8))
		at := x.next.stripes.mut(n, x.epoch)
		if r.err != nil {
			return
		}
		for free := ^live; free != 0; free &= free - 1 {
			if o := n*stripeSize + uint32(bits.TrailingZeros64(free)); int(o) < x.next.ordinals {
				x.free = append(x.free, o)
			}
		}
		if live == 0 {
			continue
		}
		if last := int(n*stripeSize) + bits.Len64(live); last > x.next.ordinals {
			r.fault("asset %d of %d", last, x.next.ordinals)
		}
		p := &stripe{epoch: x.epoch, base: noBase, live: live, own: [2]bool{true, true}}
		r.column(&p.idents, live)
		r.column(&p.states, live)
		r.stripeAssets += bits.OnesCount64(live)
		*at = p
	}
	if r.stripeAssets != x.next.assets {
		r.fault("%d assets are in stripes, of %d", r.stripeAssets, x.next.assets)
	}
}

// column reads the records of the assets that are live.
func (r *imageReader) column(c *column, live uint64) {
	c.data = r.bytes(int(r.uint(1 << 16)))
	at := 0
	for ; live != 0 && r.err == nil; live &= live - 1 {
		n, w := binary.Uvarint(c.data[at:])
		if w <= 0 || n == 0 || n > maxRecord || int(n) > len(c.data)-at-w {
			r.fault("a record of %d bytes", n)
			return
		}
		c.off[bits.TrailingZeros64(live)] = uint16(at)
		at += w + int(n)
	}
	if at != len(c.data) {
		r.fault("%d bytes of records, of %d", at, len(c.data))
	}
}

func (r *imageReader) dict() {
	tables := r.length(3)
	if tables != 1 && tables != numShards {
		r.fault("a dictionary of %d tables", tables)
		return
	}
	d := dict{tables: make([]*table, tables), epoch: r.x.epoch}
	for i := range d.tables {
		n := r.length(4)
		t := &table{used: int(r.uint(uint64(n))), ordBits: uint8(r.uint(32)), epoch: r.x.epoch}
		raw := r.bytes(4 * n)
		if n < minTable || float64(t.used) > maxLoad*float64(n) {
			r.fault("a table of %d slots, %d of them used", n, t.used)
		}
		if r.err != nil {
			return
		}
		t.slots = make([]uint32, n)
		used := 0
		for j := range t.slots {
			if t.slots[j] = binary.LittleEndian.Uint32(raw[4*j:]); t.slots[j] != 0 {
				used++
			}
		}
		if used != t.used {
			r.fault("%d slots are used, of %d", used, t.used)
		}
		d.tables[i] = t
	}
	r.x.next.dict = d
}

func (r *imageReader) postings() {
	x := r.x
	for range r.length(2) {
		k := Key(r.uint(math.MaxUint32))
		p := r.posting()
		if !k.Valid() || p.n == 0 {
			r.fault("a posting of %d assets for key %d", p.n, k)
		}
		if r.err != nil {
			return
		}
		if _, twice := x.next.tree.Set(k, p); twice {
			r.fault("two postings for %v", k)
		}
		x.next.whole.add(k, int32(p.n), x.epoch)
	}
}

// posting reads a posting, whose ordinals are those of assets that there may be.
func (r *imageReader) posting() *posting {
	p := &posting{epoch: r.x.epoch, own: true}
	if p.n = int(r.uint(uint64(r.x.next.assets))); p.n == 0 {
		return p
	}
	blocks := r.length(4)
	if blocks == 0 {
		r.bitmap(p)
		return p
	}
	if p.blocks = p.one[:0]; blocks > 1 {
		p.blocks = make([]block, 0, blocks)
	}
	next, sum := uint64(0), 0
	for range blocks {
		b := block{n: uint32(r.uint(blockMax)), first: Ordinal(r.uint(MaxAssets)), last: Ordinal(r.uint(MaxAssets))}
		b.data = r.bytes(r.length(1))
		if r.err == nil && (uint64(b.first) < next || !b.fits()) {
			r.fault("a block of %d assets from %d to %d", b.n, b.first, b.last)
		}
		if r.err != nil {
			return p
		}
		next, sum = uint64(b.last)+1, sum+int(b.n)
		p.blocks = append(p.blocks, b)
	}
	if sum != p.n || next > uint64(r.x.next.ordinals) {
		r.fault("a posting of %d assets, up to %d, that should have %d", sum, next, p.n)
	}
	return p
}

// fits says whether the data of a block that was read is what the rest says.
func (b *block) fits() bool {
	if len(b.data) == 0 {
		b.data = nil
	}
	at, n := uint64(b.first), uint32(1)
	for data := b.data; len(data) > 0; n++ {
		d, w := binary.Uvarint(data)
		if w <= 0 || d == 0 || d > MaxAssets {
			return false
		}
		data, at = data[w:], at+d
	}
	return n == b.n && at == uint64(b.last)
}

// bitmap reads a dense posting.
func (r *imageReader) bitmap(p *posting) {
	size := int64(r.length(1))
	if r.err != nil {
		return
	}
	p.dense = roaring.New()
	n, err := p.dense.ReadFrom(io.LimitReader(r.from, size))
	r.left -= n
	if err == nil {
		err = p.dense.Validate()
	}
	switch {
	case err != nil:
		r.fault("a bitmap: %v", err)
	case n != size || p.dense.GetCardinality() != uint64(p.n) || int(p.dense.Maximum()) >= r.x.next.ordinals:
		r.fault("a bitmap of %d bytes with %d assets, that should have %d and %d", n, p.dense.GetCardinality(), size, p.n)
	}
	p.dense.SetCopyOnWrite(true)
}

func (r *imageReader) members() {
	x := r.x
	if x.next.everyone = r.posting(); x.next.everyone.n != x.next.assets {
		r.fault("%d assets, of %d", x.next.everyone.n, x.next.assets)
	}
	for g := range x.next.usedGroups() {
		if p := r.posting(); p.n > 0 {
			*x.next.members.mut(g, x.epoch) = p
		}
		if n := x.next.groups.at(g).assets; r.err == nil && x.next.membersOf(g).Len() != n {
			r.fault("a group of %d assets that should have %d", x.next.membersOf(g).Len(), n)
		}
	}
}

func (r *imageReader) groupCounts() {
	x, opens := r.x, 0
	for g := range x.next.usedGroups() {
		c := &counts{epoch: x.epoch}
		var keys [typeLimit]int
		for t := SCTP; t < typeLimit; t++ {
			keys[t] = int(r.uint(MaxPort))
		}
		for t := SCTP; t < typeLimit; t++ {
			port := uint64(0)
			for range keys[t] {
				port += r.uint(MaxPort - port)
				k := MakeKey(uint16(port), t)
				n := r.uint(uint64(x.next.groups.at(g).assets))
				if r.err == nil && (!k.Valid() || n == 0 || c.isOpen(k)) {
					r.fault("a count of %d for %v", n, k)
				}
				if r.err != nil {
					return
				}
				c.add(k, int32(n), x.epoch)
			}
		}
		if opens += c.opens; c.opens > 0 {
			*x.next.groupCounts.mut(g, x.epoch) = c
		}
	}
	if opens != x.next.whole.opens {
		r.fault("counts of groups add up to %d, those of all to %d", opens, x.next.whole.opens)
	}
}
