package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"portolan/engine/journal"
	"portolan/index"
)

// DefaultTrends is how long counts in the course of time are kept.
const DefaultTrends = 2 * 365 * 24 * time.Hour

// countsOf is what is known of the counts that are kept of the past. Times are at full hours, in microseconds.
type countsOf struct {
	start   journal.Point // where they begin of inventories that were there then
	highest uint32        // the number of the last of those
	counted int64         // up to when they are kept by the hour
	daily   int64         // up to when by the day, a full day
	hourly  int64         // from when on they are kept by the hour; 0: from where they begin
	since   int64         // likewise by the day
}

// tally is what is counted, besides the chronicle, whose lock guards kept and begins.
type tally struct {
	kept   countsOf
	on     bool                     // they are kept
	seq    uint64                   // a batch that is not before the last one counted
	begins map[uint32]journal.Point // by inventory, of those that have a record of it

	dirty     map[uint32]bool // what may have been changed since it was counted; the store's lock guards what follows
	restarted map[uint32]bool // what began anew since counting began
	noted     bool            // the database has what is known
	none      bool            // nothing is there
}

// hourOf returns when the hour of a time begins.
func hourOf(at int64) int64 { return at - ((at%journal.Hour)+journal.Hour)%journal.Hour }

// dayOf returns when the day of a time begins.
func dayOf(at int64) int64 { return at - ((at%journal.Day)+journal.Day)%journal.Day }

// Keys of counts are of countsTag, the number of the inventory, a byte that says of what, the number of the hour or of the
// day since 1970, and the place where the part begins: its section and its first key.
const (
	countsBytes = keyBytes + 1 + 4 + 2 + 4

	ofHour countsKind = 'h' // of all enterprise projects together
	ofDay  countsKind = 'd'

	ofEachHour countsKind = 'H' // of each of them
	ofEachDay  countsKind = 'D'
)

// countsKind is what counts are of.
type countsKind byte

// each returns the kind of the same span for counts of each enterprise project.
func (k countsKind) each() countsKind { return k - ofHour + ofEachHour }

// span returns how long what it is of is.
func (k countsKind) span() int64 {
	if k == ofDay || k == ofEachDay {
		return journal.Day
	}
	return journal.Hour
}

func appendCountsKey(dst []byte, inventory uint32, of countsKind, at int64, place journal.CountsPlace) []byte {
	dst = append(appendKey(dst, countsTag, inventory), byte(of))
	dst = binary.BigEndian.AppendUint32(dst, uint32(max(at, 0)/of.span()))
	dst = binary.BigEndian.AppendUint16(dst, place.Section)
	return binary.BigEndian.AppendUint32(dst, uint32(place.First))
}

// countsPlace returns the place of a key that is of counts.
func countsPlace(key []byte) journal.CountsPlace {
	rest := key[keyBytes+5:]
	return journal.CountsPlace{Section: binary.BigEndian.Uint16(rest), First: index.Key(binary.BigEndian.Uint32(rest[2:]))}
}

// countsVersion is the first byte of a payload of counts; the rest is the engine's.
const countsVersion = 1

// readCounts reads a part, whose data is that of the record.
func readCounts(key, record []byte) (p journal.Counts, err error) {
	if len(key) != countsBytes {
		return p, fmt.Errorf("%w at key %x: the key is of no counts", errDamaged, key)
	}
	of := countsKind(key[keyBytes])
	p.CountsPlace = countsPlace(key)
	if together := of == ofHour || of == ofDay; !together && of != ofEachHour && of != ofEachDay || together != (p.Section == 0) {
		return p, fmt.Errorf("%w at key %x: the key is of no counts", errDamaged, key)
	}
	payload, err := payloadOf(key, record)
	if err != nil {
		return p, err
	}
	if len(payload) == 0 || payload[0] != countsVersion {
		return p, fmt.Errorf("%w at key %x: %x are no counts", errDamaged, key, payload[:min(len(payload), 32)])
	}
	p.From = int64(binary.BigEndian.Uint32(key[keyBytes+1:])) * of.span()
	p.To, p.Data = p.From+of.span(), payload[1:]
	return p, nil
}

// The record of what is kept has the payload
//
//	version   1 byte: countedVersion
//	start     uvarint of the number, and varint of the time, of the batch after which counts are kept of
//	          the inventories that were there then
//	highest   uvarint: the last of those
//	counted, daily, hourly, since: uvarints, in hours since 1970
const countedVersion = 1

var countedKey = []byte{countedTag}

func (c *countsOf) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, countedVersion), c.start.Seq)
	dst = binary.AppendVarint(dst, c.start.Time)
	dst = binary.AppendUvarint(dst, uint64(c.highest))
	for _, at := range []int64{c.counted, c.daily, c.hourly, c.since} {
		dst = binary.AppendUvarint(dst, uint64(max(at, 0)/journal.Hour))
	}
	return dst
}

func parseCounted(data []byte) (c countsOf, err error) {
	if len(data) > 0 && data[0] == countedVersion {
		r := index.Reader{Rest: data[1:]}
		c.start.Seq, c.start.Time = r.Uint64(), r.Int64()
		c.highest = uint32(r.Uint(1<<32 - 1))
		for _, at := range []*int64{&c.counted, &c.daily, &c.hourly, &c.since} {
			*at = int64(r.Uint(1<<32-1)) * journal.Hour
		}
		if !r.Bad && len(r.Rest) == 0 && c.daily%journal.Day == 0 && c.since%journal.Day == 0 {
			return c, nil
		}
	}
	return c, fmt.Errorf("%w: %x says nothing of counts", errDamaged, data[:min(len(data), 32)])
}

// countsAt reads the record of what is kept of counts, or of where those of an inventory begin.
func (s *Store) countsAt(key, record []byte) (err error) {
	h := &s.history
	if len(key) == len(countedKey) {
		h.tally.kept, err = readRecord(key, record, parseCounted)
		h.tally.on, h.tally.noted = err == nil, err == nil
		return err
	}
	if len(key) != keyBytes {
		return fmt.Errorf("%w at key %x: the key has %d bytes", errDamaged, key, len(key))
	}
	p, err := readRecord(key, record, parsePoint)
	if err == nil {
		h.beginCounts(binary.BigEndian.Uint32(key[1:]), p)
	}
	return err
}

// beginCounts has the counts of an inventory begin after a batch.
func (h *chronicle) beginCounts(inventory uint32, at journal.Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.begins[inventory] = at
}

// countsBegin returns after which batch counts of an inventory are kept, and from when on by the hour.
func (h *chronicle) countsBegin(inventory uint32) (begins journal.Point, hourly int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := &h.tally
	begins, recorded := t.begins[inventory]
	if !recorded && inventory <= t.kept.highest {
		begins = t.kept.start
	}
	if t.kept.since > begins.Time {
		begins = journal.Point{Time: t.kept.since - 1} // what was before, nobody asks for
	}
	return begins, t.kept.hourly
}

// keptCounts returns what is known of counts, and whether they are kept.
func (h *chronicle) keptCounts() (kept countsOf, seq uint64, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tally.kept, h.tally.seq, h.tally.on && !h.closed
}

// counts says whether counts are to be kept.
func (s *Store) counts() bool { return s.keeps() && s.opts.Trends > 0 }

// beginCounting goes on with what the directory has, or begins now. The lock is held.
func (s *Store) beginCounting() {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	t := &h.tally
	t.dirty, t.restarted = map[uint32]bool{}, map[uint32]bool{}
	if t.none = !t.on; !s.counts() {
		t.on = false
		return
	}
	if !t.on {
		t.on = true
		t.kept = countsOf{start: journal.Point{Seq: s.seq, Time: s.time}, highest: s.highest, counted: hourOf(s.time), daily: dayOf(s.time)}
	}
	t.seq = s.last // a batch, which the number to go on with may not be of
	for _, n := range s.inventories {
		t.dirty[n] = true
	}
}

// noteCounts writes what is known, unless the database has it. The lock is held.
func (w *writer) noteCounts() {
	t := &w.store.history.tally
	if kept, _, on := w.store.history.keptCounts(); on && !t.noted {
		t.noted, t.none = true, false
		w.set(countedKey, kept.append(nil))
	}
}

// restartCounts has the counts of an inventory begin after a batch, without what there is.
func (w *writer) restartCounts(inventory uint32, at journal.Point) {
	if !w.store.counts() {
		return
	}
	if w.err == nil {
		w.err = w.batch.DeleteRange(appendKey(nil, countsTag, inventory), beyond(countsTag, inventory), nil)
	}
	w.store.history.tally.restarted[inventory] = true
	w.beginCounts(inventory, at)
}

// beginCounts has the counts of an inventory, of which there are none, begin after a batch.
func (w *writer) beginCounts(inventory uint32, at journal.Point) {
	if !w.store.counts() {
		return
	}
	w.store.history.beginCounts(inventory, at) // the batch is written, or the store has ended
	w.key = appendKey(w.key[:0], countedTag, inventory)
	w.payload = appendPoint(w.payload[:0], at)
	w.set(w.key, w.payload)
}

// dropCounts removes all counts. The lock is held.
func (s *Store) dropCounts() error {
	t := &s.history.tally
	if t.none {
		return nil
	}
	t.none = true
	return s.fatal.do(func() error {
		for _, tag := range []byte{countedTag, countsTag} {
			if err := s.db.DeleteRange([]byte{tag}, []byte{tag + 1}, pebble.NoSync); err != nil {
				return fmt.Errorf("write to database: %w", err)
			}
		}
		return nil
	})
}
