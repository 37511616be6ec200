package index

import "math/bits"

// A leaf of a vec has minLeaf to leafSize items, a power of two.
const (
	minLeaf  = 4
	leafSize = 256
)

// vec is a growing array whose copies share what did not change: a root of
// pointers to leaves of items. A copy of the struct is a frozen version. The
// one writer changes items through mut, which copies the root and a leaf at
// most once per epoch. All leaves but the last are full; that one grows twofold,
// so that a short vec is small.
//
//	root ─┬─> leaf of 256 items    <- shared with older versions until written
//	      └─> leaf of up to 256 items
type vec[T any] struct {
	root  []*leaf[T]
	epoch uint64 // of the root
}

type leaf[T any] struct {
	epoch uint64
	items []T
}

// at returns the item, nil where no leaf holds it. It must not be changed.
func (v *vec[T]) at(i uint32) *T {
	if n := int(i / leafSize); n < len(v.root) {
		if items := v.root[n].items; int(i%leafSize) < len(items) {
			return &items[i%leafSize]
		}
	}
	return nil
}

// mut returns the item for changing in this epoch, which is valid until the next
// call; the vec grows to hold it.
func (v *vec[T]) mut(i uint32, epoch uint64) *T {
	if v.epoch != epoch {
		v.root = append(make([]*leaf[T], 0, len(v.root)+1), v.root...)
		v.epoch = epoch
	}
	n, at := int(i/leafSize), int(i%leafSize)
	for n > len(v.root) {
		v.root = append(v.root, &leaf[T]{epoch: epoch, items: make([]T, leafSize)})
	}
	if n == len(v.root) {
		v.root = append(v.root, &leaf[T]{epoch: epoch})
	}
	if l := v.root[n]; l.epoch != epoch || at >= len(l.items) {
		v.root[n] = l.clone(at, epoch)
	}
	return &v.root[n].items[at]
}

// clone returns the leaf for changing in the epoch, with room for the item.
func (l *leaf[T]) clone(at int, epoch uint64) *leaf[T] {
	size := max(len(l.items), minLeaf)
	if at >= size {
		size = 1 << bits.Len(uint(at))
	}
	c := &leaf[T]{epoch: epoch, items: make([]T, size)}
	copy(c.items, l.items)
	return c
}
