package engine

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"portolan/index"
)

// HostSet is a set of assets by what they have in common, in any state of any inventory. It is
// immutable. A snapshot remembers by it what it was asked, so a caller that asks often makes it
// once; package expr makes one of a text.
type HostSet struct {
	c     *index.Condition
	times bool // it asks for times or looks, which are not kept of the past
}

// HasID is the assets with the ids.
func HasID(ids ...string) *HostSet { return &HostSet{c: index.HasID(slices.Clone(ids)...)} }

// HasOpen is the assets that have one of the keys open.
func HasOpen(keys *KeySet) *HostSet { return &HostSet{c: index.HasOpen(keys)} }

// HasOnly is the assets that have one of the keys open, and none besides.
func HasOnly(keys *KeySet) *HostSet {
	return AllOf(HasOpen(keys), row(func(r *index.Row) bool {
		return !slices.ContainsFunc(r.Keys(), func(k Key) bool { return !keys.Contains(k) })
	}))
}

// HasOpenCount is the assets the number of whose open keys is let through.
func HasOpenCount(lets func(n int) bool) *HostSet {
	return row(func(r *index.Row) bool { return lets(len(r.Keys())) })
}

// InEnterpriseProject is the assets of the enterprise projects.
func InEnterpriseProject(names ...string) *HostSet {
	return &HostSet{c: index.InGroup(In(names...).groups)}
}

// HasAddressIn is the assets whose address lies in one of the networks. One that is no IP address
// lies in none.
func HasAddressIn(networks ...netip.Prefix) *HostSet {
	networks = slices.Clone(networks)
	return row(func(r *index.Row) bool {
		address, ok := r.Address()
		return ok && slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) })
	})
}

// HasAddress is the assets the text of whose address, empty where none is known, is let through. It
// must not be kept or changed. The function is called concurrently.
func HasAddress(lets func(address []byte) bool) *HostSet {
	return row(func(r *index.Row) bool { return lets(r.AddressText()) })
}

// HasName is the assets whose name, empty where none is known, is let through. It must not be kept
// or changed. The function is called concurrently.
func HasName(lets func(name []byte) bool) *HostSet {
	return row(func(r *index.Row) bool { return lets(r.Name()) })
}

// hasTexts is the assets whose name contains one text and whose address the other.
func hasTexts(name, address string) *HostSet {
	n, a := []byte(name), []byte(address)
	return row(func(r *index.Row) bool { return bytes.Contains(r.Name(), n) && bytes.Contains(r.AddressText(), a) })
}

// HasLabel is the assets whose value of the label is let through: the empty text for those that do
// not have it. The function is called concurrently.
func HasLabel(name string, lets func(value string) bool) *HostSet {
	if lets("") {
		return NoneOf(HasLabel(name, func(value string) bool { return !lets(value) }))
	}
	return &HostSet{c: index.HasLabel(name, lets)}
}

// SeenSince is the assets whose newest report is of the time or later.
func SeenSince(t time.Time) *HostSet {
	at := t.UnixMicro()
	set := row(func(r *index.Row) bool { return noteNewest(r.Note()) >= at })
	set.times = true
	return set
}

// AllOf is the assets in all of the sets: every asset, if there are none.
func AllOf(sets ...*HostSet) *HostSet { return combined(index.AllOf, sets) }

// AnyOf is the assets in one of the sets.
func AnyOf(sets ...*HostSet) *HostSet { return combined(index.AnyOf, sets) }

// NoneOf is the assets in none of the sets.
func NoneOf(sets ...*HostSet) *HostSet {
	set := AnyOf(sets...)
	return &HostSet{c: index.NoneOf(set.c), times: set.times}
}

func row(f func(*index.Row) bool) *HostSet { return &HostSet{c: index.HasRow(f)} }

func combined(of func(...*index.Condition) *index.Condition, sets []*HostSet) *HostSet {
	all := &HostSet{}
	list := make([]*index.Condition, len(sets))
	for i, set := range sets {
		list[i] = set.c
		all.times = all.times || set.times
	}
	all.c = of(list...)
	return all
}

// condition returns the condition of a set, as far as it can be asked of the snapshot.
func (s Snapshot) condition(where *HostSet) (*index.Condition, error) {
	if where.times {
		if err := s.present("where", "conditions that do not ask for times or looks"); err != nil {
			return nil, err
		}
	}
	return where.c, nil
}

// present says that what is asked for is not kept of the past, if the snapshot is of it.
func (s Snapshot) present(field, allowed string) error {
	if !s.past {
		return nil
	}
	return &FieldError{Field: field, Value: "as of " + strconv.FormatUint(s.sequence, 10), Allowed: allowed + ": when what was seen is not kept of the past"}
}

// assetsOf returns the assets that a question is asked of.
func (s Snapshot) assetsOf(ctx context.Context, v View, where *HostSet) (index.Set, error) {
	view := s.s.View(v.groups)
	if where == nil {
		return view.Assets(), nil
	}
	c, err := s.condition(where)
	if err != nil {
		return index.Set{}, err
	}
	return view.Find(ctx, c)
}

// view returns the index's view of a question.
func (s Snapshot) view(ctx context.Context, v View, where *HostSet) (index.View, error) {
	view := s.s.View(v.groups)
	if where == nil {
		return view, nil
	}
	c, err := s.condition(where)
	if err != nil {
		return view, err
	}
	return view.Where(ctx, c)
}
