package main

import (
	"context"
	"iter"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"

	"portolan/engine"
)

// bitmaps is what one writes first: a roaring bitmap per key.
type bitmaps struct {
	keys   map[engine.Key]*roaring.Bitmap
	groups map[uint16]*roaring.Bitmap
	all    *roaring.Bitmap
	sorted []engine.Key
}

func openRoaring() (peer, error) {
	return &bitmaps{keys: map[engine.Key]*roaring.Bitmap{}, groups: map[uint16]*roaring.Bitmap{}}, nil
}

func (b *bitmaps) load(ctx context.Context, assets iter.Seq[asset]) error {
	for a := range assets {
		addTo(b.groups, a.group, a.host)
		for _, k := range a.open {
			addTo(b.keys, k, a.host)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for _, set := range b.keys {
		set.RunOptimize()
	}
	b.all = roaring.New()
	for _, set := range b.groups {
		set.RunOptimize()
		b.all.Or(set)
	}
	b.sorted = sortedKeys(b.keys)
	return nil
}

func addTo[K comparable](m map[K]*roaring.Bitmap, key K, host uint32) {
	set := m[key]
	if set == nil {
		set = roaring.New()
		m[key] = set
	}
	set.Add(host)
}

func (b *bitmaps) ports(_ context.Context, q *question) (page, error) {
	if q.groups == nil && q.digits == "" && q.port == 0 && q.has == 0 && !q.byCount { // every key is a row
		p := page{total: len(b.sorted)}
		for _, k := range b.sorted[min(q.offset, len(b.sorted)):][:min(q.limit, max(0, len(b.sorted)-q.offset))] {
			p.rows = append(p.rows, row{k, int(b.keys[k].GetCardinality())})
		}
		return p, nil
	}
	keys := b.sorted
	if q.port != 0 {
		first := sort.Search(len(keys), func(i int) bool { return keys[i].Port() >= q.port })
		last := sort.Search(len(keys), func(i int) bool { return keys[i].Port() > q.port })
		keys = keys[first:last]
	}
	var within *roaring.Bitmap
	if q.groups != nil {
		sets := make([]*roaring.Bitmap, 0, len(q.groups))
		for _, g := range q.groups {
			if b.groups[g] != nil {
				sets = append(sets, b.groups[g])
			}
		}
		within = roaring.FastOr(sets...)
	}
	if q.has != 0 {
		within = b.keys[q.has]
		if q.hasNot {
			within = roaring.AndNot(b.all, within)
		}
	}
	var rows []row
	for _, k := range keys {
		if !q.matches(k) {
			continue
		}
		n := int(b.keys[k].GetCardinality())
		if within != nil {
			n = int(b.keys[k].AndCardinality(within))
		}
		if n > 0 {
			rows = append(rows, row{k, n})
		}
	}
	return q.pageOf(rows), nil
}

func (b *bitmaps) distinct(_ context.Context, keys []engine.Key) (int, error) {
	sets := make([]*roaring.Bitmap, 0, len(keys))
	for _, k := range keys {
		if b.keys[k] != nil {
			sets = append(sets, b.keys[k])
		}
	}
	return int(roaring.FastOr(sets...).GetCardinality()), nil
}

func (b *bitmaps) size(context.Context) (int64, error) { return 0, nil }

func (b *bitmaps) close() error { return nil }
