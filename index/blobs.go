package index

import (
	"bytes"

	"github.com/cespare/xxhash/v2"
)

// blobs holds byte strings that several assets share or that are too large for
// a stripe of assets, each under a number for as long as it is referred to. Equal
// bytes have one number, but for a collision of hashes, which costs a second copy.
// Snapshots hold the items; the rest is the writer's.
type blobs struct {
	items *vec[[]byte]
	ids   map[uint64]uint32 // by hash
	refs  []uint32          // by number
	free  []uint32
}

// intern returns the number of the bytes and counts one more reference to it.
func (b *blobs) intern(data []byte, epoch uint64) uint32 {
	hash := xxhash.Sum64(data)
	id, taken := b.ids[hash]
	if taken && bytes.Equal(*b.items.at(id), data) {
		b.refs[id]++
		return id
	}
	if n := len(b.free); n > 0 {
		id, b.free = b.free[n-1], b.free[:n-1]
	} else {
		id = uint32(len(b.refs))
		b.refs = append(b.refs, 0)
	}
	*b.items.mut(id, epoch) = bytes.Clone(data)
	b.refs[id] = 1
	if b.ids == nil {
		b.ids = make(map[uint64]uint32)
	}
	if !taken {
		b.ids[hash] = id
	}
	return id
}

// release takes one reference back; the last one frees the number.
func (b *blobs) release(id uint32, epoch uint64) (freed bool) {
	if b.refs[id]--; b.refs[id] > 0 {
		return false
	}
	item := b.items.mut(id, epoch)
	if hash := xxhash.Sum64(*item); b.ids[hash] == id {
		delete(b.ids, hash)
	}
	*item = nil
	b.free = append(b.free, id)
	return true
}

// sightings decides which key lists are worth sharing: a list is shared when it
// is seen for the fourth time while it is still remembered. Lists that are
// unique, as with random ports, then cost no table entry and no reference.
type sightings struct {
	recent []sighting // direct-mapped by hash
}

type sighting struct {
	hash  uint32
	times uint32
}

const (
	minSightings = 16 // remembered; more among more assets
	maxSightings = 4096
	shareAfter   = 4
	minShared    = 5 // a shorter list costs less than a reference to it
)

// common records a sighting of a list with the hash, among so many assets, and
// says whether to share it.
func (s *sightings) common(hash uint64, assets int) bool {
	if assets < shareAfter {
		return false
	}
	if n := len(s.recent); n < minSightings || n < maxSightings && n < assets {
		s.recent = make([]sighting, max(minSightings, n*2)) // what was seen is forgotten
	}
	slot := &s.recent[hash%uint64(len(s.recent))]
	if h := uint32(hash >> 32); slot.hash != h {
		*slot = sighting{hash: h}
	}
	slot.times++
	return slot.times >= shareAfter
}
