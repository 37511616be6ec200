package index

import (
	"fmt"
	"math"
)

// KeyLimit is more than any key, as a number.
const KeyLimit = int(MaxPort+1) << 3

// Adding returns the view with other counts: those that it has, and what is added to each, by key. It is one to count in, by Keys, Count, Select
// and Rank, and has no assets. A count that would be less than none, or more than there may be assets, is an error.
func (v View) Adding(changes []int32) (View, error) {
	const epoch = math.MaxUint64 // of no snapshot, so that nothing that is shared is written to
	c := v.counts.clone(epoch)
	for i, n := range changes {
		if n == 0 {
			continue
		}
		k := Key(i)
		if was := v.Count(k); !k.Valid() || was+int(n) < 0 || was+int(n) > MaxAssets {
			return View{}, fmt.Errorf("%d assets with %v, and %d", was, k, n)
		}
		c.add(k, n, epoch)
	}
	return View{snapshot: new(Snapshot), counts: c, groups: []string{}}, nil
}

// Bounds returns the first and the last key of the set. It is false of the empty one.
func (s *KeySet) Bounds() (lo, hi Key, some bool) {
	for r := range s.Ranges() {
		first, last := MakeKey(r.Lo, r.Type), MakeKey(r.Hi, r.Type)
		if !some {
			lo, hi, some = first, last, true
		}
		lo, hi = min(lo, first), max(hi, last)
	}
	return lo, hi, some
}
