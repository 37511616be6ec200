package engine

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portolan/index"
)

// TestCover: prepared or not, a cover gives the time of the newest look at a key.
func TestCover(t *testing.T) {
	types := index.Types()
	rapid.Check(t, func(t *rapid.T) {
		type scoped struct {
			s  Scope
			at micros
		}
		looks := make([]scoped, rapid.IntRange(0, maxLooks).Draw(t, "looks"))
		var c cover
		c.reset()
		for i := range looks {
			ranges := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) index.Range {
				lo := rapid.Uint16Range(1, 90).Draw(t, "lo")
				hi := lo + rapid.Uint16Range(0, 20).Draw(t, "more")
				if rapid.IntRange(0, 9).Draw(t, "to the end") == 0 {
					hi = index.MaxPort
				}
				return index.Range{Type: rapid.SampledFrom(types).Draw(t, "type"), Lo: lo, Hi: hi}
			}), 1, 6).Draw(t, "ranges")
			looks[i] = scoped{ScopeOf(ranges...), rapid.Int64Range(-4, 4).Draw(t, "at")}
			if rapid.IntRange(0, 30).Draw(t, "all") == 0 {
				looks[i].s = ScopeAll()
			}
			c.add(looks[i].s, looks[i].at)
		}
		var keys []Key
		for _, ty := range types {
			for _, port := range []uint16{1, 2, 5, 40, 41, 89, 90, 91, 110, 111, 65535} {
				if rapid.Bool().Draw(t, "asked") {
					keys = append(keys, MakeKey(port, ty))
				}
			}
		}
		slices.Sort(keys)
		many := rapid.SampledFrom([]int{0, 1 << 20}).Draw(t, "for so many keys")
		c.prepare(many)
		if want := many > 0 && len(c.looks) > 0; c.prepared != want {
			t.Fatalf("prepared %t, want %t", c.prepared, want)
		}
		for _, k := range keys {
			want := never
			for _, l := range looks {
				if l.s.Contains(k) {
					want = max(want, l.at)
				}
			}
			if got := c.at(k); got != want {
				t.Fatalf("%v: %d, want %d", k, got, want)
			}
		}
	})
}
