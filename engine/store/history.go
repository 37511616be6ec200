package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"portolan/engine"
	"portolan/engine/journal"
)

// DefaultHistory is how long what batches changed is kept, and DefaultHistoryBytes how many bytes of the
// disk it takes.
const (
	DefaultHistory      = 90 * 24 * time.Hour
	DefaultHistoryBytes = 8 << 30
)

// ErrNoHistory is returned for questions about the past to a store that keeps none.
var ErrNoHistory = errors.New("no history is kept")

// chronicle is what is known of what is kept of the past. The store's lock guards it; what readers need has
// another, which nobody holds while the disk is asked.
type chronicle struct {
	oldest map[uint32]int64 // the time of the oldest batch that is kept, of those where somebody looked
	pruned int64            // the time of the batch after which was looked what is too old
	given  time.Time        // when some was given up for room
	none   bool             // nothing is there

	mu      sync.Mutex // guards what follows
	numbers map[journal.Mark]uint32
	begins  map[uint32]journal.Point // by inventory, of those that have a record of it
	tally   tally                    // its begins and what is kept
	gone    map[string]journal.Point // when projects were removed; of the empty name, of all that it is not kept of
	loaded  uint32                   // inventories to this number were there when the directory was loaded
	start   journal.Point            // the last batch then: of theirs that have no record, nothing before is kept
	time    int64                    // of the last batch
	closed  bool
}

// reset begins to know anew.
func (h *chronicle) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.numbers, h.begins, h.oldest = map[journal.Mark]uint32{}, map[uint32]journal.Point{}, map[uint32]int64{}
	h.gone = map[string]journal.Point{}
	h.tally = tally{begins: map[uint32]journal.Point{}}
}

// begin says what there was when the directory was loaded.
func (h *chronicle) begin(inventories uint32, last journal.Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.time = last.Time
	if last.Time == 0 { // it was written before batches had times
		last.Time = time.Now().UnixMicro()
	}
	h.loaded, h.start = inventories, last
}

// number says which number an inventory has, 0 for none any more.
func (h *chronicle) number(at journal.Mark, n uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n > 0 {
		h.numbers[at] = n
		return
	}
	delete(h.begins, h.numbers[at])
	delete(h.tally.begins, h.numbers[at])
	delete(h.numbers, at)
}

// set has the past of an inventory begin after a batch.
func (h *chronicle) set(inventory uint32, at journal.Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begins[inventory] = at
}

// of returns after which batch the past of an inventory is kept, and whether it has a record of that.
func (h *chronicle) of(inventory uint32) (at journal.Point, recorded bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, recorded = h.begins[inventory]
	if !recorded && inventory <= h.loaded {
		at = h.start
	}
	return at, recorded
}

// remove says when a project was removed.
func (h *chronicle) remove(project string, at journal.Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone[project] = at
}

// removed returns after which batch there may be anything of a project that is made anew.
func (h *chronicle) removed(project string) journal.Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.gone[project]
	if all := h.gone[""]; all.Seq > at.Seq {
		at = all
	}
	return at
}

// removedBefore forgets the projects that were removed before a time, and returns them and the last time that one was.
func (h *chronicle) removedBefore(time int64) (old []string, last journal.Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last = h.gone[""]
	for project, at := range h.gone {
		if project == "" || at.Time >= time {
			continue
		}
		delete(h.gone, project) // the batch is written, or the store has ended
		old = append(old, project)
		if at.Seq > last.Seq {
			last = at
		}
	}
	return old, last
}

// find returns the number of an inventory.
func (h *chronicle) find(project string, category engine.Category) (n uint32, known, closed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, known = h.numbers[place(project, category)]
	return n, known, h.closed
}

// end says that the store is closed.
func (h *chronicle) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

// ended says whether the store is closed.
func (h *chronicle) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// last says when the last batch was.
func (h *chronicle) last(at int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.time = at
}

// Keys of what batches changed are of historyTag, the number of the inventory, that of the batch, and that
// of the part's first asset.
const historyBytes = keyBytes + 8 + 4

func appendHistoryKey(dst []byte, inventory uint32, seq uint64, first uint32) []byte {
	dst = binary.BigEndian.AppendUint64(appendKey(dst, historyTag, inventory), seq)
	return binary.BigEndian.AppendUint32(dst, first)
}

// A part's payload is
//
//	version  1 byte: partVersion
//	time     varint: of the batch, in microseconds since 1970
//	assets   uvarint: how many it is about
//	data     to the end
const partVersion = 1

func appendPart(dst []byte, time int64, p *journal.Part) []byte {
	dst = binary.AppendVarint(append(dst, partVersion), time)
	dst = binary.AppendUvarint(dst, uint64(p.End-p.First))
	return append(dst, p.Data...)
}

// readPart reads a part, whose data is a copy if it is asked for, else none.
func readPart(key, record []byte, data bool) (p journal.Past, err error) {
	if len(key) != historyBytes {
		return p, fmt.Errorf("%w at key %x: the key has %d bytes", errDamaged, key, len(key))
	}
	payload, err := payloadOf(key, record)
	if err != nil {
		return p, err
	}
	p.Seq, p.First = binary.BigEndian.Uint64(key[keyBytes:]), binary.BigEndian.Uint32(key[keyBytes+8:])
	if len(payload) > 0 && payload[0] == partVersion {
		at, n := binary.Varint(payload[1:])
		assets, m := binary.Uvarint(payload[1+max(n, 0):])
		if n > 0 && m > 0 && assets > 0 && assets <= math.MaxUint32-uint64(p.First) {
			p.Time, p.End = at, p.First+uint32(assets)
			if data {
				p.Data = slices.Clone(payload[1+n+m:])
			}
			return p, nil
		}
	}
	return p, fmt.Errorf("%w at key %x: %x is no part of a batch", errDamaged, key, payload[:min(len(payload), 32)])
}

// beginsVersion is the first byte of the record that says after which batch the past of an inventory is kept;
// then come its number, a uvarint, and its time, a varint.
const beginsVersion = 1

func appendPoint(dst []byte, p journal.Point) []byte {
	return binary.AppendVarint(binary.AppendUvarint(append(dst, beginsVersion), p.Seq), p.Time)
}

func parsePoint(data []byte) (p journal.Point, err error) {
	if len(data) > 0 && data[0] == beginsVersion {
		seq, n := binary.Uvarint(data[1:])
		at, m := binary.Varint(data[1+max(n, 0):])
		if n > 0 && m > 0 && 1+n+m == len(data) {
			return journal.Point{Seq: seq, Time: at}, nil
		}
	}
	return p, fmt.Errorf("%w: %x is no batch", errDamaged, data[:min(len(data), 32)])
}

// beginsAt reads after which batch the past of an inventory is kept.
func (s *Store) beginsAt(key, record []byte) error {
	if len(key) != keyBytes {
		return fmt.Errorf("%w at key %x: the key has %d bytes", errDamaged, key, len(key))
	}
	p, err := readRecord(key, record, parsePoint)
	if err == nil {
		s.history.set(binary.BigEndian.Uint32(key[1:]), p)
	}
	return err
}

// keeps says whether what batches change is kept.
func (s *Store) keeps() bool { return s.opts.History > 0 }

// tell writes what a batch changed.
func (w *writer) tell(b *journal.Batch) {
	s := w.store
	if !s.keeps() {
		return
	}
	for i := range b.Marks {
		n := s.inventory(b.Marks[i].Project, b.Marks[i].Category)
		at, recorded := s.history.of(n)
		switch {
		case b.Told == nil && len(b.Changed) > 0: // nobody knows what
			w.begin(n, journal.Point{Seq: b.Seq, Time: b.Time})
			w.restartCounts(n, journal.Point{Seq: b.Seq, Time: b.Time})
		case !recorded:
			if gone := s.history.removed(b.Marks[i].Project); gone.Seq > at.Seq { // what another of the name had is not there
				at = gone
			}
			w.begin(n, at)
			if n > s.history.tally.kept.highest {
				w.beginCounts(n, at)
			}
		}
		s.history.tally.dirty[n] = true
	}
	for i := range b.Told {
		t := &b.Told[i]
		w.key = appendHistoryKey(w.key[:0], s.inventory(t.Project, t.Category), b.Seq, t.First)
		w.payload = appendPart(w.payload[:0], b.Time, &t.Part)
		w.set(w.key, w.payload)
	}
}

func goneKey(project string) []byte { return append([]byte{goneTag}, project...) }

// gone keeps when a project was removed: the past of another of its name begins then.
func (w *writer) gone(project string, at journal.Point) {
	w.store.history.remove(project, at) // the batch is written, or the store has ended
	w.payload = appendPoint(w.payload[:0], at)
	w.set(goneKey(project), w.payload)
}

// begin has the past of an inventory begin after a batch.
func (w *writer) begin(inventory uint32, at journal.Point) {
	w.store.history.set(inventory, at) // the batch is written, or the store has ended
	delete(w.store.history.oldest, inventory)
	if at != (journal.Point{}) && w.err == nil {
		w.err = w.batch.DeleteRange(appendKey(nil, historyTag, inventory), appendHistoryKey(nil, inventory, at.Seq+1, 0), nil)
	}
	w.key = appendKey(w.key[:0], beginsTag, inventory)
	w.payload = appendPoint(w.payload[:0], at)
	w.set(w.key, w.payload)
}

// errNoInventory is returned for the past of what is not there.
var errNoInventory = fmt.Errorf("%w: it is not there any more", engine.ErrNoProject)

// Newest implements [journal.Historian].
func (s *Store) Newest() int64 {
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	return s.history.time
}

// Begins implements [journal.Historian].
func (s *Store) Begins(project string, category engine.Category) journal.Point {
	n, known, _ := s.history.find(project, category)
	if !known {
		return s.history.removed(project)
	}
	at, _ := s.history.of(n)
	return at
}

// past calls f with an iterator over what is kept of the past of an inventory, in order, which nothing closes
// the database under.
func (s *Store) past(project string, category engine.Category, f func(it *pebble.Iterator, inventory uint32, begins journal.Point) error) (err error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	n, known, closed := s.history.find(project, category)
	begins, _ := s.history.of(n)
	if err := s.fatal.ended(); err != nil {
		return err
	}
	switch {
	case closed:
		return errClosed
	case !s.keeps():
		return ErrNoHistory
	case !known:
		return errNoInventory
	}
	return s.fatal.do(func() (err error) {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendHistoryKey(nil, n, begins.Seq+1, 0), UpperBound: beyond(historyTag, n)})
		if err != nil {
			return fmt.Errorf("read database: %w", err)
		}
		defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
		return f(it, n, begins)
	})
}

// Before implements [journal.Historian]: times ascend with the numbers, among which it looks by halves.
func (s *Store) Before(ctx context.Context, project string, category engine.Category, time int64) (seq uint64, err error) {
	err = s.past(project, category, func(it *pebble.Iterator, n uint32, begins journal.Point) error {
		at, err := lastBefore(ctx, it, n, begins, time)
		seq = at.Seq
		return err
	})
	switch {
	case errors.Is(err, errNoInventory):
		return 0, nil
	case err != nil:
		return 0, err // what is stopped may still be at it
	}
	return seq, nil
}

// lastBefore returns the last batch before a time, of those that the iterator is over, and least if there is
// none.
func lastBefore(ctx context.Context, it *pebble.Iterator, inventory uint32, least journal.Point, time int64) (journal.Point, error) {
	if !it.Last() {
		return least, it.Error()
	}
	last, hi := least, binary.BigEndian.Uint64(it.Key()[keyBytes:])+1 // the first that is not before lies in (last, hi]
	for lo := least.Seq; lo+1 < hi; {
		if err := ctx.Err(); err != nil {
			return least, err
		}
		mid := lo + (hi-lo)/2
		if !it.SeekGE(appendHistoryKey(nil, inventory, mid, 0)) {
			hi = mid
			continue
		}
		p, err := readPart(it.Key(), it.Value(), false)
		switch {
		case err != nil:
			return least, err
		case p.Time < time:
			lo, last = p.Seq, p.Point
		default:
			hi = mid
		}
	}
	return last, it.Error()
}

// pastBytes is about how much of the past is read at a time.
const pastBytes = 1 << 20

// Past implements [journal.Historian].
func (s *Store) Past(ctx context.Context, project string, category engine.Category, from uint64, asset uint32, to uint64) (list []journal.Past, err error) {
	err = s.past(project, category, func(it *pebble.Iterator, n uint32, _ journal.Point) error {
		// The part that has the asset begins with it or before it.
		ok := it.SeekLT(appendHistoryKey(nil, n, from, min(asset, math.MaxUint32-1)+1))
		if ok && binary.BigEndian.Uint64(it.Key()[keyBytes:]) < from || !ok && it.Error() == nil {
			ok = it.SeekGE(appendHistoryKey(nil, n, from, 0))
		}
		for size := 0; ok && size < pastBytes; ok = it.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			p, err := readPart(it.Key(), it.Value(), true)
			if err != nil {
				return err
			}
			if p.Seq > to {
				break
			}
			if p.Seq > from || p.End > asset {
				list = append(list, p)
				size += len(p.Data)
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, errNoInventory):
		return nil, nil
	case err != nil:
		return nil, err // as with Before
	}
	return list, nil
}

// Back implements [journal.Historian].
func (s *Store) Back(ctx context.Context, project string, category engine.Category, before uint64, asset uint32, after uint64) (list []journal.Past, err error) {
	err = s.past(project, category, func(it *pebble.Iterator, n uint32, _ journal.Point) error {
		ok := it.SeekLT(appendHistoryKey(nil, n, before, asset))
		for size := 0; ok && size < pastBytes; ok = it.Prev() {
			if err := ctx.Err(); err != nil {
				return err
			}
			p, err := readPart(it.Key(), it.Value(), true)
			if err != nil {
				return err
			}
			if p.Seq <= after {
				break
			}
			list = append(list, p)
			size += len(p.Data)
		}
		return nil
	})
	if err != nil {
		return nil, err // as with Before
	}
	return list, nil
}
