package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"portolan/index"
)

// benchIndex returns an index of assets with a few popular keys and some rare
// ones each, in ten groups.
func benchIndex(b *testing.B, assets int) *index.Index {
	b.Helper()
	x, rng := index.New(), rand.New(rand.NewPCG(1, 1))
	popular := rand.NewZipf(rng, 1.1, 1, 999)
	x.Reserve(assets)
	for i := range assets {
		a := index.Asset{ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", rng.Uint32(), i), Group: fmt.Sprint(i % 10)}
		for range 7 {
			a.Keys = append(a.Keys, index.MakeKey(uint16(1+popular.Uint64()*37), index.TCP+2*index.Type(rng.IntN(2))))
		}
		for range 4 {
			a.Keys = append(a.Keys, index.MakeKey(uint16(32768+rng.IntN(28232)), index.TCP))
		}
		slices.Sort(a.Keys)
		a.Keys = slices.Compact(a.Keys)
		if _, err := x.Add(&a); err != nil {
			b.Fatal(err)
		}
	}
	x.Publish()
	return x
}

// filters returns n filters, all different where there are that many.
func filters(n int) []index.Filter {
	rng := rand.New(rand.NewPCG(1, 2))
	var odd index.KeySetBuilder
	for p := uint16(1); p < 65535; p += 2 {
		odd.AddRange(index.Range{Type: index.TCP, Lo: p, Hi: p})
		odd.AddRange(index.Range{Type: index.UDP, Lo: p, Hi: p})
	}
	set := odd.Build()
	out := make([]index.Filter, n)
	for i := range out {
		f := &out[i]
		if rng.IntN(4) > 0 {
			f.Digits, _ = index.ParseDigits(fmt.Sprint(rng.IntN(9999)))
		}
		if rng.IntN(2) == 0 {
			f.Type = index.TCP + 2*index.Type(rng.IntN(2))
		}
		if rng.IntN(3) == 0 {
			f.Keys = set
		}
	}
	return out
}

func benchPage(b *testing.B, fs []index.Filter) {
	s := benchIndex(b, 100_000).Snapshot()
	views := []index.View{s.View(index.Groups{}), s.View(index.GroupsOf([]string{"3"}))}
	rows := make([]index.Key, 0, 10)
	i, n := 0, 0
	for _, f := range fs { // the second time a filter is remembered, if there is room
		for range 2 {
			c := views[0].Select(f)
			n += c.Total()
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		c := views[i/len(fs)%len(views)].Select(fs[i%len(fs)])
		rows = rows[:0]
		for c.Seek(c.Total()/2, i%2 == 0); len(rows) < cap(rows) && c.Next(); {
			rows = append(rows, c.Key())
			n += c.Count()
		}
		i++
	}
	if n == 0 {
		b.Fatal("nothing was counted")
	}
}

// BenchmarkPageSeen reads pages of ten rows of filters that the snapshot remembers.
func BenchmarkPageSeen(b *testing.B) { benchPage(b, filters(16)) }

// BenchmarkPageUnseen reads pages of ten rows of filters that it does not.
func BenchmarkPageUnseen(b *testing.B) { benchPage(b, filters(50_000)) }

// BenchmarkTop is the first page of the counts, of 30,000 keys.
func BenchmarkTop(b *testing.B) {
	s := benchIndex(b, 2_000_000).Snapshot()
	v := s.View(index.Groups{})
	for _, descending := range []bool{true, false} {
		r := index.Ranking{By: index.ByCount, Descending: descending}
		b.Run(fmt.Sprintf("new/desc=%t", descending), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				index.ForgetRanked(s)
				v.Rank(&r, 10)
			}
		})
		b.Run(fmt.Sprintf("all/desc=%t", descending), func(b *testing.B) {
			for b.Loop() {
				index.ForgetRanked(s)
				v.Rank(&r, 1<<20)
			}
		})
		b.Run(fmt.Sprintf("again/desc=%t", descending), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Rank(&r, 10)
			}
		})
	}
}

// BenchmarkMerge makes views of eight groups together that the snapshot does not remember.
func BenchmarkMerge(b *testing.B) {
	s := benchIndex(b, 100_000).Snapshot()
	var sets []index.Groups
	for i := range 10 {
		for j := range i {
			var names []string
			for g := range 10 {
				if g != i && g != j {
					names = append(names, fmt.Sprint(g))
				}
			}
			sets = append(sets, index.GroupsOf(names))
		}
	}
	i, n := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		n += s.View(sets[i%len(sets)]).Keys()
		i++
	}
	if n == 0 {
		b.Fatal("nothing was counted")
	}
}

// BenchmarkPublishOne puts and publishes one asset at a time into a large index.
func BenchmarkPublishOne(b *testing.B) {
	x := benchIndex(b, 100_000)
	rng := rand.New(rand.NewPCG(1, 3))
	var keys []index.Key
	b.ReportAllocs()
	for b.Loop() {
		o := index.Ordinal(rng.IntN(100_000))
		keys = x.Keys(o, keys[:0])
		keys[len(keys)-1] = index.MakeKey(uint16(61000+rng.IntN(4000)), index.TCP)
		x.Put(o, x.Group(o), nil, keys)
		x.Publish()
	}
}
