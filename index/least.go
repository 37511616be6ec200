package index

import (
	"bytes"
	"context"
	"slices"
	"sync"
)

// named is an asset and its id.
type named struct {
	id []byte
	o  Ordinal
}

// leastIDs is those of many assets that have the least ids behind one, at most so many. It belongs to one
// goroutine.
type leastIDs struct {
	after, bound []byte // ids must lie between; nil is no bound
	most         int
	list         []named
	room         [maxIDText]byte
}

// maxIDText is more than the text of most ids.
const maxIDText = 256

// look adds an asset if it is one of them so far.
func (l *leastIDs) look(r *Row) {
	id := r.s.ident(r.o)
	text := appendFormat(l.room[:0], id.kind, id.id)
	if l.after != nil && bytes.Compare(text, l.after) <= 0 || l.bound != nil && bytes.Compare(text, l.bound) >= 0 {
		return
	}
	l.list = append(l.list, named{bytes.Clone(text), r.o})
	if len(l.list) >= 2*l.most {
		l.cut()
	}
}

// cut forgets all but the least.
func (l *leastIDs) cut() {
	slices.SortFunc(l.list, func(a, b named) int { return bytes.Compare(a.id, b.id) })
	if len(l.list) >= l.most {
		l.list = l.list[:l.most]
		l.bound = l.list[l.most-1].id
	}
}

// LeastIDs returns the assets of the set that have the least ids behind the given one, in the order of
// their ids, byte by byte; an empty id is before all. It returns at most so many, all for a number that
// is not positive. It looks at each asset of the set. The error is that of the context.
func (s *Snapshot) LeastIDs(ctx context.Context, set Set, after string, most int) ([]Ordinal, error) {
	if set.p == nil {
		return nil, ctx.Err()
	}
	if most <= 0 || most > set.Len() {
		most = set.Len()
	}
	all := &leastIDs{most: most}
	var mu sync.Mutex
	err := s.EachRow(ctx, set, func() (look func(*Row), done func()) {
		part := &leastIDs{most: most}
		if after != "" {
			part.after = []byte(after)
		}
		return part.look, func() {
			mu.Lock()
			defer mu.Unlock()
			all.list = append(all.list, part.list...)
		}
	})
	if err != nil {
		return nil, err
	}
	all.cut()
	list := make([]Ordinal, len(all.list))
	for i := range all.list {
		list[i] = all.list[i].o
	}
	return list, nil
}
