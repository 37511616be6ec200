package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"portolan/engine/journal"
)

// lineage says which sequence numbers are of batches that are kept. Where some that were told
// may have been lost, as when a backup is restored, the numbers go on far above: so none is
// given twice, and who asks for a batch that was lost hears so.
type lineage struct {
	lagging bool // numbers are being told before their batches are kept
	gaps    []lost
}

// lost is where numbers were passed over: those between two.
type lost struct{ after, before uint64 }

// base is the number from which they go on, if no batch came after it.
func (l *lineage) base() uint64 {
	if len(l.gaps) == 0 {
		return 0
	}
	return l.gaps[len(l.gaps)-1].before
}

const (
	// A gap is chosen by chance, so that two copies of one directory, which both begin a
	// lineage, do not give the same numbers. Numbers stay below 2^53, up to where JSON's are
	// exact everywhere, for a million gaps.
	leastGap = 1 << 32
	// maxGaps is how many gaps are told apart; of more the oldest are one.
	maxGaps = 1024
)

// begin begins a lineage after a batch.
func (l *lineage) begin(after uint64) {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	l.gaps = append(l.gaps, lost{after, after + leastGap + uint64(binary.LittleEndian.Uint32(b[:]))})
	if len(l.gaps) > maxGaps {
		l.gaps[1].after = l.gaps[0].after
		l.gaps = slices.Delete(l.gaps, 0, 1)
	}
}

// lineageKey is the key of the lineage, whose payload is
//
//	version   1 byte: lineageVersion
//	lagging   1 byte: 0 or 1
//	gaps      uvarint of their number; of each the numbers before and after it, ascending:
//	          uvarints of how much higher each is than the one before
var lineageKey = []byte{lineageTag}

const lineageVersion = 1

func (l *lineage) bytes() []byte {
	dst := []byte{lineageVersion, 0}
	if l.lagging {
		dst[len(dst)-1] = 1
	}
	dst = binary.AppendUvarint(dst, uint64(len(l.gaps)))
	last := uint64(0)
	for _, g := range l.gaps {
		dst = binary.AppendUvarint(dst, g.after-last)
		dst = binary.AppendUvarint(dst, g.before-g.after)
		last = g.before
	}
	return dst
}

func parseLineage(data []byte) (l lineage, err error) {
	damaged := fmt.Errorf("%w: %x is no lineage", errDamaged, data[:min(len(data), 64)])
	if len(data) < 3 || data[0] != lineageVersion || data[1] > 1 {
		return l, damaged
	}
	l.lagging = data[1] == 1
	rest, last := data[2:], uint64(0)
	next := func() uint64 {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > 1<<62-last {
			rest, err = nil, damaged
			return 0
		}
		rest = rest[n:]
		last += v
		return last
	}
	count, n := binary.Uvarint(rest)
	if n <= 0 || count > maxGaps {
		return l, damaged
	}
	rest = rest[n:]
	for range count {
		l.gaps = append(l.gaps, lost{after: next(), before: next()})
	}
	if err == nil && len(rest) > 0 {
		err = damaged
	}
	return l, err
}

// resume says where the numbers go on, and which were passed over. A lineage begins if
// numbers may have been told that are of no batch: the witness does not know, as of a copy,
// or the engine before told them early and did not come to its end.
func (s *Store) resume(k *kept, into journal.Loader) (seq uint64) {
	l := k.lineage
	seq = max(k.last.Seq, l.base())
	if s.readOnly {
		return seq
	}
	if l.lagging || k.last.Seq > 0 && s.witness.unsure() {
		l.begin(seq)
		seq = l.base()
		s.opts.Log.Info("database: sequence numbers go on higher, as some that were told may be of no batch", "from", seq)
	}
	changed := len(l.gaps) > len(k.lineage.gaps) || l.lagging != into.Lagging()
	l.lagging = into.Lagging()
	for _, g := range l.gaps {
		into.Gap(g.after, g.before)
	}
	s.lineage, s.lineageKept = l, !changed
	return seq
}

// keepLineage keeps the lineage, and then lets the witness know of the last batch. The lock is
// held.
func (s *Store) keepLineage() error {
	if s.readOnly || s.resting != nil {
		return nil
	}
	if !s.lineageKept {
		record := appendRecord(nil, lineageKey, s.lineage.bytes())
		if err := s.fatal.do(func() error { return s.db.Set(lineageKey, record, pebble.Sync) }); err != nil {
			return fmt.Errorf("write to database: %w", err)
		}
		s.lineageKept = true
	}
	if s.last == 0 {
		return nil
	}
	return s.witness.tell(s.last, 0)
}

// endLineage says, when nothing is to come any more, that all numbers that were told are of
// batches that are kept. The lock is held.
func (s *Store) endLineage() error {
	if !s.lineage.lagging {
		return nil
	}
	s.lineage.lagging, s.lineageKept = false, false
	return s.keepLineage()
}
