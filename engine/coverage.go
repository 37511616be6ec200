package engine

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"portolan/index"
)

// CoverageQuery asks how much is known about ports. The zero value of every field means no
// restriction.
type CoverageQuery struct {
	// Project is required; a [Snapshot] has its own.
	Project string
	View    View
	// Where is the assets of the view that are asked of; nil is all.
	Where    *HostSet
	Category Category
	// AtLeast is the [Result].Sequence of a write that the answer must include.
	AtLeast uint64
	// Keys is what looks are asked for; nil is all keys. A look at one of them counts.
	Keys *KeySet
}

// Coverage is the answer to a [CoverageQuery]. An asset was looked at for a key if a report had it in
// its scope, or found it open. One that was not looked at is not closed: nothing is known of it.
type Coverage struct {
	Assets int // asked of, those with nothing open included
	// Looked is how many were looked at for one of the keys, and Open how many have one of them open.
	Looked, Open int
	// Oldest and Newest are the times of the newest looks at the assets that were looked at: the one
	// that is the longest ago, and the last one; zero where there are none.
	Oldest, Newest time.Time
	Version        uint64 // the inventory's data version the answer was read from
	// Sequence is a batch that the answer includes, with all before it, if the query has
	// AtLeast; else 0, as the number tells of other projects, too.
	Sequence uint64
}

// Coverage answers the query from the newest snapshot. The error is [ErrNoProject], or a [*FieldError]
// for a query that makes no sense.
func (e *Engine) Coverage(ctx context.Context, q CoverageQuery) (Coverage, error) {
	s, err := e.with(ctx, q.AtLeast, q.Project, q.Category)
	if err != nil {
		return Coverage{}, err
	}
	return s.Coverage(ctx, q)
}

// Coverage answers the query from this snapshot. A query that names another project is refused, and
// so is one that names containers of a snapshot of hosts. It looks at each of the assets asked of,
// some 0.3 µs each, on all processors.
func (s Snapshot) Coverage(ctx context.Context, q CoverageQuery) (Coverage, error) {
	if err := ctx.Err(); err != nil {
		return Coverage{}, err
	}
	if err := s.check(q.Project, q.Category, q.AtLeast, 0, 0); err != nil {
		return Coverage{}, err
	}
	if err := s.present("coverage", "only of now"); err != nil {
		return Coverage{}, err
	}
	c := Coverage{Version: s.Version(), Sequence: s.included(q.AtLeast)}
	if s.s == nil {
		return c, nil
	}
	assets, err := s.assetsOf(ctx, q.View, q.Where)
	if err != nil {
		return Coverage{}, err
	}
	keys := q.Keys
	if keys == nil {
		keys = index.AllKeys()
	}
	c.Assets = assets.Len()
	oldest, newest := micros(0), never
	var mu sync.Mutex
	err = s.s.EachRow(ctx, assets, func() (look func(*index.Row), done func()) {
		of := newLooker(keys)
		return of.count, func() {
			mu.Lock()
			defer mu.Unlock()
			if of.looked > 0 && (c.Looked == 0 || of.oldest < oldest) {
				oldest = of.oldest
			}
			newest = max(newest, of.newest)
			c.Looked += of.looked
			c.Open += of.open
		}
	})
	if err != nil {
		return Coverage{}, err
	}
	if c.Looked > 0 {
		c.Oldest, c.Newest = time.UnixMicro(oldest).UTC(), time.UnixMicro(newest).UTC()
	}
	return c, nil
}

// looker finds out when assets were looked at for one of its keys. It belongs to one goroutine.
type looker struct {
	keys   *KeySet
	some   bool            // there are keys
	scopes map[uint32]bool // whether the scope of a ref has one of the keys
	e      evidence

	looked, open   int
	oldest, newest micros
}

func newLooker(keys *KeySet) *looker {
	return &looker{keys: keys, some: keys.Len() > 0, scopes: make(map[uint32]bool)}
}

// has says whether the scope of a look has one of the keys.
func (l *looker) has(r *index.Row, ref uint32) bool {
	if ref == refAll {
		return l.some
	}
	has, known := l.scopes[ref]
	if !known {
		for _, part := range decodeScope(r.Interned(ref - 1)).parts() {
			if has = l.keys.Meets(part); has {
				break
			}
		}
		l.scopes[ref] = has
	}
	return has
}

// at returns when the asset was last looked at for one of the keys, never if it was not, and whether
// it has one of them open.
func (l *looker) at(r *index.Row) (at micros, open bool) {
	keys, note := r.Keys(), r.Note()
	l.e.decodeNote(note, len(keys))
	at = never
	for i := range l.e.looks {
		if look := &l.e.looks[i]; look.time > at && l.has(r, look.ref) {
			at = look.time
		}
	}
	for i, k := range keys {
		if l.keys.Contains(k) {
			at, open = max(at, l.e.ownOf(i)), true
		}
	}
	return at, open
}

func (l *looker) count(r *index.Row) {
	at, open := l.at(r)
	if open {
		l.open++
	}
	if at == never {
		return
	}
	if l.looked == 0 {
		l.oldest, l.newest = at, at
	}
	l.looked++
	l.oldest, l.newest = min(l.oldest, at), max(l.newest, at)
}

// LookedAt is the assets that were looked at for one of the keys, as [Coverage] counts them.
func LookedAt(keys *KeySet) *HostSet {
	return &HostSet{times: true, c: index.HasRowWith(func() func(*index.Row) bool {
		of := newLooker(keys)
		return func(r *index.Row) bool {
			at, _ := of.at(r)
			return at != never
		}
	})}
}

// Looks returns the query about what was looked at behind the answers to this one, of a snapshot with the
// policy: at the assets that are counted, for one of the keys that are let through.
func (q *PortQuery) Looks(policy *Policy) CoverageQuery {
	f := keyFilter{port: q.Port, digits: q.PortString, typ: q.Type, status: q.Status, keys: q.Keys}
	return CoverageQuery{Project: q.Project, View: q.View, Where: q.Where, Category: q.Category, AtLeast: q.AtLeast, Keys: f.set(policy)}
}

// Looks returns the query about what was looked at behind the answers to this one, of a snapshot with the
// policy: at the assets that are listed if they have a key open, for one of the keys that are let through.
func (q *HostQuery) Looks(policy *Policy) CoverageQuery {
	f := keyFilter{port: q.Port, typ: q.Type, status: q.Status, keys: q.Keys}
	c := CoverageQuery{Project: q.Project, View: q.View, Where: q.Where, Category: q.Category, AtLeast: q.AtLeast, Keys: f.set(policy)}
	var sets []*HostSet
	if q.Where != nil {
		sets = append(sets, q.Where)
	}
	if q.Name != "" || q.Address != "" {
		sets = append(sets, hasTexts(q.Name, q.Address))
	}
	if q.Asset != "" {
		sets = append(sets, HasID(q.Asset))
	}
	if len(sets) > 0 {
		c.Where = AllOf(sets...)
	}
	return c
}

// keyFilter is what a query asks of keys.
type keyFilter struct {
	port   int
	digits string
	typ    Type
	status Status
	keys   *KeySet
}

// set returns the keys that are let through, nil for all.
func (f *keyFilter) set(policy *Policy) *KeySet {
	if f.port == 0 && f.digits == "" && f.typ == AnyType && f.status == AnyStatus {
		return f.keys
	}
	var b index.KeySetBuilder
	add := func(lo, hi int) {
		for _, t := range index.Types() {
			if f.typ == AnyType || f.typ == t {
				b.AddRange(Range{Type: t, Lo: uint16(lo), Hi: uint16(hi)})
			}
		}
	}
	lo, hi := 1, index.MaxPort
	if f.port != 0 {
		lo, hi = f.port, f.port
	}
	switch {
	case lo < 1 || hi > index.MaxPort: // which no key has
	case f.digits == "":
		add(lo, hi)
	default:
		for port := lo; port <= hi; port++ {
			if strings.Contains(strconv.Itoa(port), f.digits) {
				add(port, port)
			}
		}
	}
	if f.keys != nil {
		b.Retain(f.keys)
	}
	if f.status != AnyStatus {
		b.Retain(policy.Keys(f.status))
	}
	return b.Build()
}
