package index

import (
	"slices"
	"sync/atomic"
)

// dated is something that was made of a version of an index.
type dated[K any] interface {
	is(K) bool          // whether it is what has the key
	madeOf() uint64     // the version
	keyOf() K           // the key
	staleIn(*data) bool // whether it is too old to be of use to a state
}

// latest is what readers of an index have made, newest first, at most so many, each of the newest version
// that it was asked of. Nobody waits for it.
type latest[K any, E dated[K]] struct {
	list atomic.Pointer[[]E]
}

// find returns what has the key.
func (l *latest[K, E]) find(key K) (made E, ok bool) {
	if list := l.list.Load(); list != nil {
		for _, known := range *list {
			if known.is(key) {
				return known, true
			}
		}
	}
	return made, false
}

// keep remembers what was made in place of an older version of it.
func (l *latest[K, E]) keep(made E, most int) {
	for {
		old := l.list.Load()
		list := []E{made}
		if old != nil {
			for _, known := range *old {
				switch {
				case !known.is(made.keyOf()):
					list = append(list, known)
				case known.madeOf() >= made.madeOf():
					return
				}
			}
		}
		list = list[:min(len(list), most)]
		if l.list.CompareAndSwap(old, &list) {
			return
		}
	}
}

// forget lets go of what is of no use to a state.
func (l *latest[K, E]) forget(d *data) {
	stale := func(known E) bool { return known.staleIn(d) }
	for {
		old := l.list.Load()
		if old == nil || !slices.ContainsFunc(*old, stale) {
			return
		}
		list := slices.DeleteFunc(slices.Clone(*old), stale)
		if l.list.CompareAndSwap(old, &list) {
			return
		}
	}
}
