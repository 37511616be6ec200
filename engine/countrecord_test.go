package engine

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"portolan/engine/journal"
	"portolan/index"
)

// countsText is what parts of counts say, a line for each key in each enterprise project and in all.
func countsText(t *testing.T, parts []journal.Counts) (lines []string) {
	t.Helper()
	for _, p := range parts {
		if err := CheckCounts(p); err != nil {
			t.Fatal(err)
		}
		r, err := readCounts(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		for r.next() {
			name := r.group
			if r.all {
				name = "all"
			}
			lines = append(lines, fmt.Sprint(r.key, " ", name, " ", r.counted))
		}
	}
	return lines
}

// TestCounter: what a counter says of batches, or of what counters say of parts of them, is what became of every
// count: the least, the last and the most that it was after one of them.
func TestCounter(t *testing.T) {
	type line struct {
		key   Key
		group string
	}
	for seed := range uint64(36) {
		rng := rand.New(rand.NewPCG(seed, 1))
		groups := []string{"b", "a", "", "ü"}[:1+seed%4]
		ports := []int{3, 400, 60_000}[seed%3]
		now, want := map[line]int{}, map[line]counted{}
		touched := map[line]bool{}
		var whole Counter
		var parts [][]journal.Counts
		var part Counter
		for batch := range 1 + rng.IntN(60) {
			delta := map[line]int{}
			for range 1 + rng.IntN(min(ports/2, 1000)+2) {
				l := line{index.MakeKey(uint16(1+rng.IntN(ports)), []Type{index.TCP, index.UDP6, index.SCTP}[rng.IntN(3)]), groups[rng.IntN(len(groups))]}
				n := 1 - 2*rng.IntN(2)
				for _, c := range []*Counter{&whole, &part} {
					c.seq = uint64(batch)
					c.add(l.key, l.group, n)
				}
				delta[l] += n
				delta[line{l.key, "*"}] += n
			}
			whole.flush()
			part.flush()
			for l, n := range delta {
				now[l] += n
				c := want[l]
				want[l] = counted{least: min(c.least, now[l]), last: now[l], most: max(c.most, now[l])}
				touched[l] = true
			}
			if rng.IntN(8) == 0 {
				parts = append(parts, part.Parts())
			}
		}
		parts = append(parts, part.Parts())
		var lines []string
		for _, l := range slices.SortedFunc(maps.Keys(want), func(a, b line) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.group, b.group)) }) {
			if want[l] == (counted{}) {
				continue
			}
			name := l.group
			if name == "*" {
				name = "all"
			}
			lines = append(lines, fmt.Sprint(l.key, " ", name, " ", want[l]))
		}
		slices.Sort(lines)
		var merged Counter
		for _, list := range parts {
			for _, p := range list {
				if err := merged.Counts(p.Data); err != nil {
					t.Fatal(err)
				}
			}
		}
		for what, c := range map[string]*Counter{"whole": &whole, "merged": &merged} {
			all := c.Parts()
			for i := range all {
				if len(all[i].Data) > 2*countPart || i > 0 && cmp.Or(cmp.Compare(all[i].Section, all[i-1].Section), cmp.Compare(all[i].First, all[i-1].First)) <= 0 {
					t.Fatalf("seed %d: part %d of %d bytes begins at %v", seed, i, len(all[i].Data), all[i].CountsPlace)
				}
			}
			got := countsText(t, all)
			slices.Sort(got)
			if !slices.Equal(got, lines) {
				t.Fatalf("seed %d: %s: got\n%q\nwant\n%q", seed, what, got, lines)
			}
			if len(c.Parts()) > 0 {
				t.Errorf("seed %d: a counter that has said what it knows knows more", seed)
			}
		}
	}
}

// FuzzCounts: whatever bytes are counts, they are read or are damaged, and what is read is written as it was.
func FuzzCounts(f *testing.F) {
	var c Counter
	for i := range 40 {
		c.add(index.MakeKey(uint16(i/2+1), index.TCP), []string{"a", "b"}[i%2], 1-2*(i%3%2))
		c.flush()
	}
	for _, p := range c.Parts() {
		f.Add(p.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := readCounts(data)
		if err != nil {
			return
		}
		var begin journal.Counts
		for n := 0; r.next(); n++ {
			if n == 0 {
				begin.CountsPlace = r.place()
			}
			if !r.key.Valid() || r.least > min(0, r.last) || r.most < max(0, r.last) {
				t.Fatalf("%v: %+v", r.key, r.counted)
			}
		}
		begin.Data = data
		if err := CheckCounts(begin); err == nil && r.Bad {
			t.Fatal("nothing is wrong with what is damaged")
		}
		if r.Bad {
			return
		}
		var c Counter
		if err := c.Counts(data); err != nil {
			t.Fatal(err)
		}
		before := c
		parts := c.Parts()
		var again Counter
		for _, p := range parts {
			if err := again.Counts(p.Data); err != nil {
				t.Fatal(err)
			}
		}
		for at, l := range before.lines {
			name := ""
			if at.group > 0 {
				name = before.names[at.group-1]
			}
			number := uint32(0)
			if at.group > 0 {
				number = again.number(name)
			}
			if got := again.line(countLine{at.key, number}); *got != *l {
				t.Fatalf("%v in %q: %+v, was %+v", at.key, name, *got, *l)
			}
		}
	})
}
