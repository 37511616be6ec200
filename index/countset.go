package index

import (
	"context"
	"math/bits"
	"runtime"
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
	words := set.bitmap()
	var mu sync.Mutex
	sum := new(wide)
	shared := map[uint32]uint32{} // how many have a list that is shared
	err := inParallel(ctx, len(words), set.Len()/worthWorker, func() (do func(from, to int), end func()) {
		part, lists := new(wide), map[uint32]uint32{}
		do = func(from, to int) {
			for w := from; w < to; w++ {
				for m := words[w]; m != 0; m &= m - 1 {
					st := s.stateOf(Ordinal(w<<6 | bits.TrailingZeros64(m)))
					if st.keysBig {
						lists[st.keysBlob]++
					} else {
						part.add(st.keys, 1)
					}
				}
			}
		}
		return do, func() {
			mu.Lock()
			defer mu.Unlock()
			for blob, n := range lists {
				shared[blob] += n
			}
			part.addTo(sum)
		}
	})
	if err != nil {
		return nil, err
	}
	for blob, n := range shared {
		sum.add(*s.interned.at(blob), n)
	}
	return sum.counts(), nil
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
			if int(o>>6) < len(words) {
				n += uint32(words[o>>6] >> (o & 63) & 1)
			}
		}
		return n
	}
	for i := range p.blocks {
		n += p.blocks[i].countIn(words)
	}
	return n
}

// countIn returns how many of the block's ordinals are in a bitmap.
func (b *block) countIn(words []uint64) (n uint32) {
	o := b.first
	if int(b.last>>6) >= len(words) { // the end of it lies behind the bitmap
		for data := b.data; ; {
			if int(o>>6) < len(words) {
				n += uint32(words[o>>6] >> (o & 63) & 1)
			}
			if len(data) == 0 {
				return n
			}
			d, w := uvarint32(data)
			data = data[w:]
			o += d
		}
	}
	n = uint32(words[o>>6] >> (o & 63) & 1)
	for data := b.data; len(data) > 0; {
		d, w := uvarint32(data)
		data = data[w:]
		o += d
		n += uint32(words[o>>6] >> (o & 63) & 1)
	}
	return n
}
