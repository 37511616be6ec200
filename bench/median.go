package bench

import (
	"cmp"
	"slices"
)

// median returns the middle one of at least one figure, or the mean of the two in the
// middle. It sorts them.
func median[N interface {
	cmp.Ordered
	~int | ~int64 | ~float64
}](all []N) N {
	slices.Sort(all)
	high := all[len(all)/2]
	if len(all)%2 == 1 {
		return high
	}
	low := all[len(all)/2-1]
	return low + (high-low)/2
}
