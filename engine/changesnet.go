package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"portolan/engine/journal"
	"portolan/index"
)

// maxNet is how many assets and ports a net answer may be about, some 200 bytes each.
const maxNet = 4 << 20

// netAsset is what became of an asset from the first of its changes to the last.
type netAsset struct {
	was    bool         // it was there before
	before string       // its enterprise project then
	last   changedAsset // what became of it at last, without keys
	own    netMark      // of the last change of the asset itself
	seen   micros       // of it
	number uint32       // of the asset in that batch
	at     journal.Point
	keys   map[Key]*netKey
}

// netKey is what became of a key of it.
type netKey struct {
	was  bool // open before
	last keyChange
	mark netMark
}

// netMark says which change a net one ends with, and whether it comes to nothing.
type netMark struct {
	at      journal.Point
	flapped bool
}

// take adds what a batch changed of the asset, and returns how many keys are new.
func (n *netAsset) take(at journal.Point, number uint32, a *changedAsset) (more int) {
	for i := range a.keys {
		k := a.keys[i]
		known := n.keys[k.key]
		if known == nil {
			known = &netKey{was: k.kind == Closed || k.kind == Forgotten}
			n.keys[k.key] = known
			more++
		}
		known.last, known.mark.at = k, at
	}
	if _, told := a.kind(); told {
		n.own.at, n.seen = at, a.seen
		if a.moved {
			n.seen = a.movedAt
		}
	}
	n.at, n.number = at, number
	n.last.what, n.last.group = a.what, a.group
	n.last.names = append(n.last.names[:0], a.names...)
	return more
}

// sum leaves in a what the changes come to, and what they do not, if that is wanted.
func (n *netAsset) sum(a *changedAsset, flapped bool) {
	is := n.last.what != assetForgotten
	*a = changedAsset{
		what: assetChanged, group: n.last.group, seen: n.seen, movedAt: n.seen, names: n.last.names,
		keys: a.keys[:0], own: &n.own,
	}
	switch {
	case n.was && !is:
		a.what, a.group, a.seen = assetForgotten, n.before, never
	case !n.was && is:
		a.what = assetAppeared
	case !n.was && !is: // it came and went
		a.what, n.own.flapped = assetForgotten, true
	case n.before != n.last.group:
		a.moved, a.left = true, n.before
	}
	for _, k := range n.keys {
		open := k.last.kind == Opened || k.last.kind == Found
		if k.mark.flapped = open == k.was; k.mark.flapped && !flapped {
			continue
		}
		k.last.net = &k.mark
		switch {
		case !n.was || open:
		case is:
			k.last.kind = Closed // if it was forgotten, it came again without the port
		default:
			k.last.kind, k.last.seen = Forgotten, never
		}
		a.keys = append(a.keys, k.last)
	}
	slices.SortFunc(a.keys, func(x, y keyChange) int { return cmp.Compare(x.key, y.key) })
}

// net yields what differs between the first and the last of the changes, by the asset's last change.
func (c *Changes) net(ctx context.Context, r *Reading, yield func(*Change, error) bool) {
	assets, size := map[string]*netAsset{}, 0
	var order []*netAsset
	var fault error
	err := c.each(ctx, func(at journal.Point, number uint32, a *changedAsset) bool {
		id, _, _, err := index.ParseNames(a.names)
		if err != nil {
			fault = fmt.Errorf("batch %d: %w: %w", at.Seq, errDamaged, err)
			return false
		}
		n := assets[id]
		if n == nil {
			n = &netAsset{was: a.what != assetAppeared, before: a.group, keys: map[Key]*netKey{}}
			if a.moved {
				n.before = a.left
			}
			assets[id] = n
			order = append(order, n)
			size++
		}
		if size += n.take(at, number, a); size > maxNet {
			fault = &FieldError{Field: "net", Value: "true", Allowed: fmt.Sprintf("a time in which no more than %d assets and ports changed: ask for less, or for changes as they happened", maxNet)}
		}
		return fault == nil
	})
	if err = cmp.Or(err, fault); err != nil {
		yield(nil, err)
		return
	}
	slices.SortFunc(order, func(a, b *netAsset) int {
		return cmp.Or(cmp.Compare(a.at.Seq, b.at.Seq), cmp.Compare(a.number, b.number))
	})
	t := telling{Changes: c, reading: r, yield: yield}
	var sum changedAsset
	for _, n := range order {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		if n.sum(&sum, c.q.Flapped); !t.asset(n.at, n.number, &sum) {
			return
		}
	}
}
