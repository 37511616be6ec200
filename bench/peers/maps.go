package main

import (
	"context"
	"iter"

	"portolan/engine"
)

// maps is sets as Go has them, and counts by walking them.
type maps struct {
	keys   map[engine.Key]map[uint32]struct{}
	groups []uint16 // by host
	sorted []engine.Key
}

func openMaps() (peer, error) {
	return &maps{keys: map[engine.Key]map[uint32]struct{}{}}, nil
}

func (m *maps) load(ctx context.Context, assets iter.Seq[asset]) error {
	for a := range assets {
		m.groups = append(m.groups, a.group)
		for _, k := range a.open {
			set := m.keys[k]
			if set == nil {
				set = map[uint32]struct{}{}
				m.keys[k] = set
			}
			set[a.host] = struct{}{}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	m.sorted = sortedKeys(m.keys)
	return nil
}

func (m *maps) ports(_ context.Context, q *question) (page, error) {
	var within map[uint16]bool
	if q.groups != nil {
		within = map[uint16]bool{}
		for _, g := range q.groups {
			within[g] = true
		}
	}
	has := func(uint32) bool { return true }
	if q.has != 0 {
		set := m.keys[q.has]
		has = func(host uint32) bool { _, in := set[host]; return in != q.hasNot }
	}
	var rows []row
	for _, k := range m.sorted {
		if !q.matches(k) {
			continue
		}
		n := len(m.keys[k])
		if within != nil || q.has != 0 {
			n = 0
			for host := range m.keys[k] {
				if (within == nil || within[m.groups[host]]) && has(host) {
					n++
				}
			}
		}
		if n > 0 {
			rows = append(rows, row{k, n})
		}
	}
	return q.pageOf(rows), nil
}

func (m *maps) distinct(_ context.Context, keys []engine.Key) (int, error) {
	all := map[uint32]struct{}{}
	for _, k := range keys {
		for host := range m.keys[k] {
			all[host] = struct{}{}
		}
	}
	return len(all), nil
}

func (m *maps) size(context.Context) (int64, error) { return 0, nil }

func (m *maps) close() error { return nil }
