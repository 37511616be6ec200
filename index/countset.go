package index

import (
	"context"
	"math/bits"
	"runtime"
	"slices"
	"sync"
)

// worthWorker is how many assets to look at are worth a goroutine, with what it adds up apart.
const worthWorker = 16 << 10

func maxWorkers() int { return min(runtime.GOMAXPROCS(0), 16) }

// What counting costs, by measurement: a key of an asset that is looked at counts keySteps times
// what a step through the postings does.
const keySteps = 6

// countsIn returns how many assets of a set have each key open: counted by what each asset has, or
// by what each posting shares with the set, or by what the assets that are not in it have, whichever
// is least. The error is that of the context.
func (s *Snapshot) countsIn(ctx context.Context, set Set) (*counts, error) {
	n, all := set.Len(), s.assets
	switch n {
	case 0:
		return emptyCounts, nil
	case all:
		return s.whole, nil
	}
	other := all - n
	if min(n, other)*keySteps > all { // by what each key has, of either as many
		return s.countByKey(ctx, set)
	}
	if n <= other {
		return s.countByAsset(ctx, set)
	}
	rest, err := s.countByAsset(ctx, Subtract(Set{s.everyone}, set))
	if err != nil {
		return nil, err
	}
	return s.whole.without(rest), nil
}

// wide is a count for every key, made for each type when it is first needed.
type wide [typeLimit]*[MaxPort + 1]uint32

func (w *wide) of(t Type) *[MaxPort + 1]uint32 {
	if w[t] == nil {
		w[t] = new([MaxPort + 1]uint32)
	}
	return w[t]
}

// add adds the keys of a list so many times.
func (w *wide) add(list []byte, times uint32) {
	if len(list) == 0 {
		return
	}
	types := list[0]
	list = list[1:]
	for t := SCTP; t < typeLimit; t++ {
		if types>>t&1 == 0 {
			continue
		}
		counts := w.of(t)
		head, n := uvarint32(list)
		if list = list[n:]; head&3 == listForm {
			port := uint32(0)
			for range head >> 2 {
				d, n := uvarint32(list)
				list = list[n:]
				port += d
				counts[port&MaxPort] += times
			}
			continue
		}
		list = addMany(counts, list, head&3, times)
	}
}

// addMany adds the ports of a type that are not a list, and returns what follows them.
func addMany(counts *[MaxPort + 1]uint32, list []byte, form, times uint32) []byte {
	if form == bitmapForm {
		for i, b := range list[:bitmapSize] {
			for ; b != 0; b &= b - 1 {
				counts[i<<3+bits.TrailingZeros8(b)] += times
			}
		}
		return list[bitmapSize:]
	}
	runs, n := uvarint32(list)
	list = list[n:]
	port := uint32(0)
	for range runs {
		gap, n := uvarint32(list)
		list = list[n:]
		more, n := uvarint32(list)
		list = list[n:]
		port += gap
		for range more + 1 {
			counts[port&MaxPort] += times
			port++
		}
	}
	return list
}

// countByAsset counts by what each asset of a set has. A list that many share is looked at once.
func (s *Snapshot) countByAsset(ctx context.Context, set Set) (*counts, error) {
	if c := s.countFew(set); c != nil {
		return c, ctx.Err()
	}
	var list []Ordinal
	var words []uint64
	if set.Len() < s.ordinals/stripeSize {
		list = slices.AppendSeq(make([]Ordinal, 0, set.Len()), set.From(0))
	} else {
		words = set.bitmap()
	}
	var mu sync.Mutex
	sum := &lookedAt{s: s, keys: new(wide), shared: map[uint32]uint32{}}
	err := inParallel(ctx, max(len(list), len(words)), set.Len()/worthWorker, func() (do func(from, to int), end func()) {
		part := &lookedAt{s: s, keys: new(wide), shared: map[uint32]uint32{}}
		do = func(from, to int) { part.addWords(words[from:to], from) }
		if list != nil {
			do = func(from, to int) { part.add(list[from:to]) }
		}
		return do, func() {
			mu.Lock()
			defer mu.Unlock()
			sum.addPart(part)
		}
	})
	if err != nil {
		return nil, err
	}
	for blob, n := range sum.shared {
		sum.keys.add(*s.interned.at(blob), n)
	}
	return sum.keys.counts(), nil
}

// Of so few assets, with so few keys together, the keys are sorted: it spares making a count of
// every key there is.
const (
	fewRows = 512
	fewKeys = 8 << 10
)

// countFew counts what few assets have; nil if these are too many.
func (s *Snapshot) countFew(set Set) *counts {
	if set.Len() > fewRows {
		return nil
	}
	var keys []Key
	for o := range set.From(0) {
		st := s.stateOf(o)
		if keys = appendKeys(keys, s.listOf(&st)); len(keys) > fewKeys {
			return nil
		}
	}
	slices.Sort(keys)
	sum := new(counts)
	for len(keys) > 0 {
		n := 1
		for n < len(keys) && keys[n] == keys[0] {
			n++
		}
		sum.add(keys[0], int32(n), 0)
		keys = keys[n:]
	}
	return sum
}

// lookedAt is what assets have that were looked at.
type lookedAt struct {
	s      *Snapshot
	keys   *wide
	shared map[uint32]uint32 // how many have a list that is shared, by its number
}

// addWords adds the assets of some words of a bitmap, of which the first is the from-th.
func (l *lookedAt) addWords(words []uint64, from int) {
	var some [stage]Ordinal
	n := 0
	for w, word := range words {
		for ; word != 0; word &= word - 1 {
			some[n] = Ordinal((from+w)<<6 | bits.TrailingZeros64(word))
			if n++; n == len(some) {
				l.add(some[:])
				n = 0
			}
		}
	}
	l.add(some[:n])
}

// add adds assets.
func (l *lookedAt) add(ordinals []Ordinal) {
	for part := range slices.Chunk(ordinals, stage) {
		l.s.touchStates(part)
		for _, o := range part {
			st := l.s.stateOf(o)
			if st.keysBig {
				l.shared[st.keysBlob]++
			} else {
				l.keys.add(st.keys, 1)
			}
		}
	}
}

// addPart adds what others are; they are not used any more.
func (l *lookedAt) addPart(part *lookedAt) {
	for blob, n := range part.shared {
		l.shared[blob] += n
	}
	part.keys.addTo(l.keys)
}

// addTo adds the counts to a sum. They are not used any more.
func (w *wide) addTo(sum *wide) {
	for t, counts := range w {
		switch {
		case counts == nil:
		case sum[t] == nil:
			sum[t] = counts
		default:
			for i, n := range counts {
				sum[t][i] += n
			}
		}
	}
}

// counts returns them in the form that pages are served from.
func (w *wide) counts() *counts {
	sum := new(counts)
	for t, ports := range w {
		if ports == nil {
			continue
		}
		tc := new(typeCounts)
		for i := range numChunks {
			lines := (*[chunkWords][64]uint32)(nil)
			for word := range chunkWords {
				line := (*[64]uint32)(ports[i<<10|word<<6:])
				open := uint64(0)
				for bit, n := range line {
					sum.opens += int(n)
					if n > 0 {
						open |= 1 << bit
					}
				}
				if open == 0 {
					continue
				}
				if lines == nil {
					lines, tc.chunks[i] = new([chunkWords][64]uint32), new(chunk)
				}
				tc.chunks[i].open[word], lines[word] = open, *line
			}
			if lines != nil {
				tc.chunks[i].fill(lines)
				tc.keys += int(tc.chunks[i].keys)
			}
		}
		if tc.keys > 0 {
			sum.types[t] = tc
			sum.keys += tc.keys
		}
	}
	return sum
}

// without returns the counts less others, which are counts of some of the same assets.
func (c *counts) without(rest *counts) *counts {
	const epoch = ^uint64(0) // of no version, so that nothing shared is written to
	left := c.clone(epoch)
	rest.each(func(k Key, n uint32) { left.add(k, -int32(n), epoch) })
	return left
}

// countByKey counts what each posting shares with the set.
func (s *Snapshot) countByKey(ctx context.Context, set Set) (*counts, error) {
	type held struct {
		key     Key
		posting *posting
	}
	all := make([]held, 0, s.whole.keys)
	s.tree.Scan(func(k Key, p *posting) bool {
		all = append(all, held{k, p})
		return true
	})
	words := set.bitmap()
	sum := new(wide)
	for _, h := range all {
		sum.of(h.key.Type()) // before it is written to concurrently
	}
	err := inParallel(ctx, len(all), s.whole.opens/worthWorker, func() (do func(from, to int), end func()) {
		return func(from, to int) {
			for _, h := range all[from:to] {
				sum[h.key.Type()][h.key.Port()] = h.posting.countIn(words, set)
			}
		}, func() {}
	})
	if err != nil {
		return nil, err
	}
	return sum.counts(), nil
}

// countIn returns how many of the posting are in a set, which is also given as words.
func (p *posting) countIn(words []uint64, set Set) uint32 {
	if p.dense != nil && set.p.dense != nil {
		return uint32(p.dense.AndCardinality(set.p.dense))
	}
	n := uint32(0)
	if p.dense != nil {
		for o := range p.from(0) {
			n += bitOf(words, o)
		}
		return n
	}
	for i := range p.blocks {
		n += p.blocks[i].countIn(words)
	}
	return n
}

// countIn returns how many of the block's ordinals are in a bitmap, which may end before it does.
func (b *block) countIn(words []uint64) (n uint32) {
	o := b.first
	n = bitOf(words, o)
	for data := b.data; len(data) > 0; {
		switch { // most distances take two bytes: they are decoded here
		case data[0] < 0x80:
			o += uint32(data[0])
			data = data[1:]
		case data[1] < 0x80:
			o += uint32(data[0]&0x7f) | uint32(data[1])<<7
			data = data[2:]
		default:
			d, w := uvarint32Long(data)
			data = data[w:]
			o += d
		}
		n += bitOf(words, o)
	}
	return n
}

// bitOf returns 1 if the ordinal is in a bitmap.
func bitOf(words []uint64, o Ordinal) uint32 {
	if int(o>>6) >= len(words) {
		return 0
	}
	return uint32(words[o>>6]>>(o&63)) & 1
}
