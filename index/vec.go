package index

// leafSize is the number of items in a leaf of a vec.
const leafSize = 512

// vec is a growing array whose copies share what did not change: a root of
// pointers to leaves of items. A copy of the struct is a frozen version. The
// one writer changes items through mut, which copies the root and a leaf at
// most once per epoch.
//
//	root ─┬─> leaf of 512 items    <- shared with older versions until written
//	      └─> leaf of 512 items
type vec[T any] struct {
	root  []*leaf[T]
	epoch uint64 // of the root
}

type leaf[T any] struct {
	epoch uint64
	items [leafSize]T
}

// at returns the item, nil where no leaf holds it. It must not be changed.
func (v *vec[T]) at(i uint32) *T {
	if n := int(i / leafSize); n < len(v.root) {
		return &v.root[n].items[i%leafSize]
	}
	return nil
}

// mut returns the item for changing in this epoch; the vec grows to hold it.
func (v *vec[T]) mut(i uint32, epoch uint64) *T {
	if v.epoch != epoch {
		v.root = append(make([]*leaf[T], 0, len(v.root)+1), v.root...)
		v.epoch = epoch
	}
	n := int(i / leafSize)
	for n >= len(v.root) {
		v.root = append(v.root, &leaf[T]{epoch: epoch})
	}
	if l := v.root[n]; l.epoch != epoch {
		c := *l
		c.epoch = epoch
		v.root[n] = &c
	}
	return &v.root[n].items[i%leafSize]
}
