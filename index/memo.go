package index

import "sync/atomic"

// memo remembers on a snapshot how many keys match the filters it was asked, so
// that the next page of a filter needs no counting. It is filled by readers,
// who never wait for each other: a tally, once written, does not change, and a
// reader that loses a race has counted for nothing.
//
// A filter gets a place when it is asked for the second time, so that a stream
// of filters that never repeat allocates nothing. There are two tables of
// memoSize places; when the young one is full it becomes the old one, and what
// was in the old one is forgotten unless it is asked for again.
type memo struct {
	young, old atomic.Pointer[memoTable]
	asked      atomic.Pointer[askedOnce] // nil until the first question
}

// askedOnce is the hashes of filters asked once, by hash.
type askedOnce [64]atomic.Uint64

// memoSize is half of the 64 filters that a snapshot remembers.
const memoSize = 32

type memoKey struct {
	counts *counts
	filter Filter
}

type memoTable struct {
	used    atomic.Uint32
	hashes  [memoSize]atomic.Uint64 // 0: not written yet; stored after the entry
	entries [memoSize]memoEntry
}

type memoEntry struct {
	key   memoKey
	tally tally
}

// hash tells keys apart, mostly: views of one snapshot by what they sum to. It
// is never 0.
func (k *memoKey) hash() uint64 {
	f := &k.filter
	h := uint64(f.Digits.value)<<8 | uint64(f.Digits.n)<<40 | uint64(f.Type)
	h = h*0x9e3779b97f4a7c15 ^ uint64(k.counts.opens)<<20 ^ uint64(k.counts.keys)
	if f.Keys != nil {
		h ^= f.Keys.id << 50
	}
	if f.Also != nil {
		h ^= f.Also.id << 40
	}
	h *= 0xd6e8feb86659fd93
	return (h ^ h>>32) | 1
}

// tally stores in t the plan's count, from memory or by counting.
func (m *memo) tally(key memoKey, p *plan, t *tally) {
	hash := key.hash()
	if m.young.Load().find(hash, &key, t) {
		return
	}
	if m.old.Load().find(hash, &key, t) {
		m.remember(hash, key, t)
		return
	}
	p.count(t)
	asked := m.asked.Load()
	if asked == nil {
		m.asked.CompareAndSwap(nil, new(askedOnce))
		asked = m.asked.Load()
	}
	if slot := &asked[hash>>8%uint64(len(asked))]; slot.Load() == hash {
		m.remember(hash, key, t)
	} else {
		slot.Store(hash)
	}
}

func (t *memoTable) find(hash uint64, key *memoKey, out *tally) bool {
	if t == nil {
		return false
	}
	for i := range min(t.used.Load(), memoSize) {
		if t.hashes[i].Load() == hash && t.entries[i].key == *key {
			*out = t.entries[i].tally
			return true
		}
	}
	return false
}

// remember gives the filter a place in the young table.
func (m *memo) remember(hash uint64, key memoKey, t *tally) {
	young := m.young.Load()
	if young == nil || young.used.Load() >= memoSize {
		fresh := new(memoTable)
		if !m.young.CompareAndSwap(young, fresh) {
			return // another reader just did
		}
		m.old.Store(young)
		young = fresh
	}
	if i := young.used.Add(1) - 1; i < memoSize {
		young.entries[i] = memoEntry{key: key, tally: *t}
		young.hashes[i].Store(hash)
	}
}
