package index

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestCountsKeepVersions changes counts of few keys by much, so that they pass every power
// of 256 in both directions, and compares every version with what it was when it was made.
func TestCountsKeepVersions(t *testing.T) {
	keys := []Key{MakeKey(0, TCP), MakeKey(63, TCP), MakeKey(64, TCP), MakeKey(1023, UDP6), MakeKey(65535, UDP6)}
	steps := []int32{1, 1, 100, 255, 256, 257, 65_535, 65_536, 1 << 24, 1 << 30}
	rng := rand.New(rand.NewPCG(1, 2))
	type version struct {
		c    *counts
		want map[Key]uint32
	}
	versions := []version{{emptyCounts, map[Key]uint32{}}}
	for epoch := uint64(1); epoch < 500; epoch++ {
		last := versions[len(versions)-1]
		c, want := last.c.clone(epoch), maps.Clone(last.want)
		for range rng.IntN(4) {
			k := keys[rng.IntN(len(keys))]
			n := steps[rng.IntN(len(steps))]
			switch have := want[k]; {
			case have > 1<<31 || rng.IntN(4) == 0:
				n = -int32(min(have, 1<<31-1)) // as far down as one call takes it
			case rng.IntN(2) == 0:
				n = -int32(min(have, uint32(n)))
			}
			if n == 0 {
				continue
			}
			c.add(k, n, epoch)
			if want[k] += uint32(n); want[k] == 0 {
				delete(want, k)
			}
		}
		versions = append(versions, version{c, want})
	}
	for i, v := range versions {
		got := map[Key]uint32{}
		v.c.each(func(k Key, n uint32) { got[k] = n })
		if !maps.Equal(got, v.want) {
			t.Fatalf("version %d has %v, want %v", i, got, v.want)
		}
		sum := 0
		for _, k := range keys {
			sum += v.c.of(k)
			if v.c.of(k) != int(v.want[k]) || v.c.isOpen(k) != (v.want[k] > 0) {
				t.Fatalf("version %d has %v %d times, open: %t; want %d", i, k, v.c.of(k), v.c.isOpen(k), v.want[k])
			}
		}
		if v.c.keys != len(v.want) || v.c.opens != sum {
			t.Fatalf("version %d: %d keys, %d open; want %d, %d", i, v.c.keys, v.c.opens, len(v.want), sum)
		}
	}
}

// TestCountsAddUp adds up counts of which some are above what a line holds.
func TestCountsAddUp(t *testing.T) {
	parts := make([]*counts, 3)
	for i := range parts {
		parts[i] = &counts{epoch: 1}
		parts[i].add(MakeKey(22, TCP), 200, 1)
	}
	parts[1].add(MakeKey(443, TCP), 70_000, 1)
	parts[2].add(MakeKey(443, TCP), 255, 1)
	sum := sumCounts(parts)
	if n := sum.of(MakeKey(22, TCP)); n != 600 {
		t.Errorf("three times 200 are %d", n)
	}
	if n := sum.of(MakeKey(443, TCP)); n != 70_255 || sum.keys != 2 || sum.opens != 70_855 {
		t.Errorf("70000 and 255 are %d; %d keys, %d open", n, sum.keys, sum.opens)
	}
	if n := parts[1].of(MakeKey(443, TCP)); n != 70_000 {
		t.Errorf("a part has %d after it was added to others", n)
	}
}
