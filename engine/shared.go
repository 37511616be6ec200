package engine

import (
	"cmp"
	"context"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"

	"portolan/index"
)

// SharedQuery asks which addresses several assets have. The zero value of every field means no
// restriction.
type SharedQuery struct {
	// Project is required; a [Snapshot] has its own.
	Project string
	View    View
	// Where is the assets of the view that are asked of; nil is all.
	Where    *HostSet
	Category Category
	// AtLeast is the [Result].Sequence of a write that the answer must include.
	AtLeast uint64
	// Offset is how many addresses to skip; at or past the end the page is empty.
	Offset int
	// Limit is the most addresses to return; 0 means all.
	Limit int
}

// SharedAddress is an IP address that several assets have: mostly one host that is reported under
// several ids, such as by an agent and by a scanner, and counted as often.
type SharedAddress struct {
	Address string
	Num     int // assets that have it
	// Assets are the least ids of them, in order, at most MaxSharers.
	Assets []string
}

// MaxSharers is how many of the assets that have an address are named.
const MaxSharers = 10

// SharedPage is the answer to a [SharedQuery]: those that most assets have first, then by address.
type SharedPage struct {
	Total   int // addresses
	Assets  int // assets that have one of them
	Rows    []SharedAddress
	Version uint64 // the inventory's data version the answer was read from
	// Sequence is a batch that the page includes, with all before it, if the query has
	// AtLeast; else 0, as the number tells of other projects, too.
	Sequence uint64
}

// Shared answers the query from the newest snapshot. The error is [ErrNoProject], or a [*FieldError]
// for a query that makes no sense.
func (e *Engine) Shared(ctx context.Context, q SharedQuery) (SharedPage, error) {
	s, err := e.with(ctx, q.AtLeast, q.Project, q.Category)
	if err != nil {
		return SharedPage{}, err
	}
	return s.Shared(ctx, q)
}

// Shared answers the query from this snapshot. A query that names another project is refused, and so
// is one that names containers of a snapshot of hosts. An asset has its address, or its id where
// that is the only one that is an IP address; loopback, link-local and unspecified addresses, which
// every host has, are nobody's. It looks at each asset, and takes 8 bytes for each while it does.
func (s Snapshot) Shared(ctx context.Context, q SharedQuery) (SharedPage, error) {
	if err := ctx.Err(); err != nil {
		return SharedPage{}, err
	}
	if err := s.check(q.Project, q.Category, q.AtLeast, q.Offset, q.Limit); err != nil {
		return SharedPage{}, err
	}
	page := SharedPage{Version: s.Version(), Sequence: s.included(q.AtLeast)}
	if s.s == nil {
		return page, nil
	}
	assets, err := s.assetsOf(ctx, q.View, q.Where)
	if err != nil {
		return SharedPage{}, err
	}
	all, err := s.sharers(ctx, assets)
	if err != nil {
		return SharedPage{}, err
	}
	page.Total = len(all)
	for i := range all {
		page.Assets += all[i].num
	}
	all = all[min(q.Offset, len(all)):]
	if q.Limit > 0 {
		all = all[:min(q.Limit, len(all))]
	}
	for i := range all {
		page.Rows = append(page.Rows, SharedAddress{Address: all[i].address.String(), Num: all[i].num, Assets: all[i].ids})
	}
	return page, nil
}

// sharers is who has an address.
type sharers struct {
	address netip.Addr
	num     int
	ids     []string // the least ones, in order
}

// addressOf returns the address of an asset, if it is one that tells hosts apart.
func addressOf(r *index.Row) (a netip.Addr, ok bool) {
	if a, ok = r.Address(); !ok {
		if a, ok = r.IDAddress(); !ok {
			return a, false
		}
	}
	a = a.Unmap()
	return a, !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsUnspecified()
}

// sharers finds the addresses that several of the assets have, in the order of a page.
func (s Snapshot) sharers(ctx context.Context, assets index.Set) ([]sharers, error) {
	several, err := s.repeated(ctx, assets)
	if err != nil {
		return nil, err
	}
	found := map[netip.Addr]*sharers{}
	var mu sync.Mutex
	err = s.s.EachRow(ctx, assets, func() (look func(*index.Row), done func()) {
		part := map[netip.Addr]*sharers{}
		return func(r *index.Row) {
				if a, ok := addressOf(r); ok && several.has(a) {
					of(part, a).add(1, r.ID())
				}
			}, func() {
				mu.Lock()
				defer mu.Unlock()
				for a, some := range part {
					of(found, a).add(some.num, some.ids...)
				}
			}
	})
	if err != nil {
		return nil, err
	}
	list := make([]sharers, 0, len(found))
	for _, at := range found {
		if at.num > 1 { // else a hash was that of another, too
			list = append(list, *at)
		}
	}
	slices.SortFunc(list, func(a, b sharers) int {
		return cmp.Or(cmp.Compare(b.num, a.num), a.address.Compare(b.address))
	})
	return list, ctx.Err()
}

// of returns who has an address.
func of(found map[netip.Addr]*sharers, a netip.Addr) *sharers {
	at := found[a]
	if at == nil {
		at = &sharers{address: a}
		found[a] = at
	}
	return at
}

// add adds assets, of which the least ids are given.
func (a *sharers) add(num int, ids ...string) {
	a.num += num
	for _, id := range ids {
		at, _ := slices.BinarySearch(a.ids, id)
		if at == MaxSharers {
			continue
		}
		if a.ids = slices.Insert(a.ids, at, id); len(a.ids) > MaxSharers {
			a.ids = a.ids[:MaxSharers]
		}
	}
}

// repeated is hashes, in order, that the addresses of several assets have.
type repeated struct {
	seed   maphash.Seed
	hashes []uint64
}

func (r *repeated) has(a netip.Addr) bool {
	_, found := slices.BinarySearch(r.hashes, maphash.Comparable(r.seed, a))
	return found
}

// repeated finds them.
func (s Snapshot) repeated(ctx context.Context, assets index.Set) (repeated, error) {
	seed := maphash.MakeSeed()
	var mu sync.Mutex
	all := make([]uint64, 0, assets.Len())
	err := s.s.EachRow(ctx, assets, func() (look func(*index.Row), done func()) {
		some := make([]uint64, 0, 1024)
		give := func() {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, some...)
			some = some[:0]
		}
		return func(r *index.Row) {
			if a, ok := addressOf(r); ok {
				if some = append(some, maphash.Comparable(seed, a)); len(some) == cap(some) {
					give()
				}
			}
		}, give
	})
	if err != nil {
		return repeated{}, err
	}
	slices.Sort(all)
	several := all[:0]
	for i := 0; i < len(all); {
		from := i
		for i < len(all) && all[i] == all[from] {
			i++
		}
		if i-from > 1 {
			several = append(several, all[from])
		}
	}
	return repeated{seed, several}, nil
}
