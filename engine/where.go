package engine

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"time"

	"portolan/index"
)

// HostSet is a set of assets by what they have in common, in any state of any inventory. It is
// immutable. A snapshot remembers by it what it was asked, so a caller that asks often makes it
// once; package expr makes one of a text.
type HostSet struct{ c *index.Condition }

// HasID is the assets with the ids.
func HasID(ids ...string) *HostSet { return &HostSet{index.HasID(slices.Clone(ids)...)} }

// HasOpen is the assets that have one of the keys open.
func HasOpen(keys *KeySet) *HostSet { return &HostSet{index.HasOpen(keys)} }

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
	return &HostSet{index.InGroup(In(names...).groups)}
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
	return &HostSet{index.HasLabel(name, lets)}
}

// SeenSince is the assets whose newest report is of the time or later.
func SeenSince(t time.Time) *HostSet {
	at := t.UnixMicro()
	return row(func(r *index.Row) bool { return noteNewest(r.Note()) >= at })
}

// AllOf is the assets in all of the sets: every asset, if there are none.
func AllOf(sets ...*HostSet) *HostSet { return &HostSet{index.AllOf(conditions(sets)...)} }

// AnyOf is the assets in one of the sets.
func AnyOf(sets ...*HostSet) *HostSet { return &HostSet{index.AnyOf(conditions(sets)...)} }

// NoneOf is the assets in none of the sets.
func NoneOf(sets ...*HostSet) *HostSet { return &HostSet{index.NoneOf(AnyOf(sets...).c)} }

func row(f func(*index.Row) bool) *HostSet { return &HostSet{index.HasRow(f)} }

func conditions(sets []*HostSet) []*index.Condition {
	list := make([]*index.Condition, len(sets))
	for i, set := range sets {
		list[i] = set.c
	}
	return list
}

// assetsOf returns the assets that a question is asked of.
func (s Snapshot) assetsOf(ctx context.Context, v View, where *HostSet) (index.Set, error) {
	view := s.s.View(v.groups)
	if where == nil {
		return view.Assets(), nil
	}
	return view.Find(ctx, where.c)
}

// view returns the index's view of a question.
func (s Snapshot) view(ctx context.Context, v View, where *HostSet) (index.View, error) {
	view := s.s.View(v.groups)
	if where == nil {
		return view, nil
	}
	return view.Where(ctx, where.c)
}
