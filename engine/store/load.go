package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	"portolan/engine/journal"
	"portolan/index"
)

// Load implements [journal.Log].
func (s *Store) Load(ctx context.Context, into journal.Loader) (seq uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fatal.ended(); err != nil {
		return 0, err // what was loading may still be at it
	}
	clear(s.inventories) // an earlier load may have been cut short
	s.highest = 0
	s.history.reset()
	type loaded struct {
		last        journal.Point
		seq, imaged uint64
	}
	l, err := result(s.fatal, func() (l loaded, err error) {
		k, err := s.contents()
		if err == nil {
			err = s.witness.check(k.last.Seq, s)
		}
		if err != nil {
			return l, err
		}
		l = loaded{last: k.last, seq: s.resume(k, into)}
		if s.loadImage(ctx, k, into) {
			l.imaged = k.image.seq
			return l, nil
		}
		return l, s.fill(ctx, k.list, into)
	})
	if err == nil {
		s.last, s.time, s.seq = l.last.Seq, l.last.Time, l.seq
		s.history.begin(s.highest, journal.Point{Seq: l.seq, Time: l.last.Time})
		s.beginCounting()
		err = s.keepLineage()
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.dir.path, err)
	}
	s.fatal.loaded.Store(true)
	if s.imaged = l.imaged; l.imaged > 0 {
		s.scrub()
	}
	return l.seq, nil
}

// content is one inventory as it is kept.
type content struct {
	number uint32
	mark   journal.Mark
}

// kept is everything in a database but the assets.
type kept struct {
	last    journal.Point
	lineage lineage
	list    []content
	image   imageRecord // zero if there is none
}

// contents reads everything but the assets.
func (s *Store) contents() (_ *kept, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return nil, fmt.Errorf("read database: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	k := new(kept)
	for ok := it.First(); ok; {
		key := it.Key()
		switch key[0] {
		case stateTag, timesTag, historyTag, countsTag:
			ok = it.SeekGE([]byte{key[0] + 1})
			continue
		case sequenceTag:
			k.last, err = readRecord(key, it.Value(), parseSequence)
		case goneTag:
			var at journal.Point
			at, err = readRecord(key, it.Value(), parsePoint)
			s.history.remove(string(key[1:]), at)
		case beginsTag:
			err = s.beginsAt(key, it.Value())
		case countedTag:
			err = s.countsAt(key, it.Value())
		case followerTag:
			_, err = readRecord(key, it.Value(), parseFollower)
		case imageTag:
			k.image, err = readRecord(key, it.Value(), parseImageRecord)
		case lineageTag:
			k.lineage, err = readRecord(key, it.Value(), parseLineage)
		case inventoryTag:
			err = s.inventoryAt(k, key, it.Value())
		default:
			err = fmt.Errorf("%w at key %x: no such kind", errDamaged, key)
		}
		if err != nil {
			return nil, err
		}
		ok = it.Next()
	}
	if len(k.list) > 0 && k.last.Seq == 0 {
		return nil, fmt.Errorf("%w: %d inventories and sequence number %d", errDamaged, len(k.list), k.last.Seq)
	}
	return k, errors.Join(it.Error(), strays(it, k.list))
}

// inventoryAt reads what there is of an inventory but its assets.
func (s *Store) inventoryAt(k *kept, key, record []byte) error {
	c, err := readContent(key, record)
	if err != nil {
		return err
	}
	at := place(c.mark.Project, c.mark.Category)
	if _, twice := s.inventories[at]; twice || c.number <= s.highest {
		return fmt.Errorf("%w at key %x: inventory %d of project %q comes after %d", errDamaged, key, c.number, c.mark.Project, s.highest)
	}
	s.inventories[at], s.highest = c.number, c.number
	s.history.number(at, c.number)
	k.list = append(k.list, c)
	return nil
}

// strays looks for assets, and for the past, of inventories that there are none of: those whose numbers lie
// between the numbers of the others, which ascend.
func strays(it *pebble.Iterator, list []content) error {
	for _, tag := range []byte{beginsTag, countedTag, countsTag, historyTag, stateTag, timesTag} {
		from := []byte{tag}
		if tag == countedTag {
			from = append(from, 0) // after the record of all
		}
		for i := 0; i <= len(list); i++ {
			to := []byte{tag + 1}
			if i < len(list) {
				to = appendKey(nil, tag, list[i].number)
			}
			if !bytes.Equal(from, to) && it.SeekGE(from) && bytes.Compare(it.Key(), to) < 0 {
				return fmt.Errorf("%w at key %x: there is no such inventory", errDamaged, it.Key())
			}
			if i < len(list) {
				from = beyond(tag, list[i].number)
			}
		}
	}
	return it.Error()
}

// readRecord reads a record whose payload is parsed so.
func readRecord[T any](key, record []byte, parse func(payload []byte) (T, error)) (T, error) {
	payload, err := payloadOf(key, record)
	if err != nil {
		var none T
		return none, err
	}
	return parse(payload)
}

func readContent(key, record []byte) (c content, err error) {
	if len(key) != keyBytes {
		return c, fmt.Errorf("%w at key %x: the key has %d bytes", errDamaged, key, len(key))
	}
	c.number = uint32(key[1])<<24 | uint32(key[2])<<16 | uint32(key[3])<<8 | uint32(key[4])
	c.mark, err = readRecord(key, record, parseMark)
	return c, err
}

// fill loads the assets of all inventories, several at a time.
func (s *Store) fill(ctx context.Context, contents []content, into journal.Loader) error {
	p := progress{tell: s.opts.Progress}
	for i := range contents {
		p.total += contents[i].mark.Assets
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range contents {
		c := &contents[i]
		filling, err := into.Inventory(c.mark)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return s.fillOne(ctx, c.number, filling, &p) })
	}
	return g.Wait()
}

// progress is told as assets are loaded.
type progress struct {
	tell        func(done, total int)
	mu          sync.Mutex // guards done, and calls of tell
	done, total int
}

func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done += n; p.tell != nil {
		p.tell(p.done, p.total)
	}
}

// chunkAssets is how many assets are handed on together.
const chunkAssets = 1024

// chunk is assets as they are read, in one piece of memory.
type chunk struct {
	data   []byte
	assets []rawAsset
}

// rawAsset is where in a chunk's data an asset's state and times end.
type rawAsset struct {
	id               string
	start, mid, stop int
}

// fillOne loads the assets of an inventory. While some are read, others are added.
func (s *Store) fillOne(ctx context.Context, number uint32, into journal.Filling, p *progress) error {
	full, empty := make(chan *chunk, 2), make(chan *chunk, 3)
	for range cap(empty) {
		empty <- new(chunk)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(full)
		return s.read(ctx, number, empty, full)
	})
	g.Go(func() error {
		for c := range full {
			for _, a := range c.assets {
				if err := into.Add(a.id, c.data[a.start:a.mid], c.data[a.mid:a.stop]); err != nil {
					return err
				}
			}
			p.add(len(c.assets))
			c.data, c.assets = c.data[:0], c.assets[:0]
			empty <- c
		}
		return nil
	})
	return g.Wait()
}

// read reads an inventory's assets into chunks.
func (s *Store) read(ctx context.Context, number uint32, empty <-chan *chunk, full chan<- *chunk) error {
	pairs, err := s.pairs(number)
	if err != nil {
		return err
	}
	defer pairs.close()
	for more := true; more; {
		var c *chunk
		select {
		case c = <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
		for len(c.assets) < chunkAssets {
			if more, err = pairs.next(); err != nil {
				return err
			}
			if !more {
				break
			}
			a := rawAsset{id: pairs.id, start: len(c.data)}
			c.data = append(c.data, pairs.state...)
			a.mid = len(c.data)
			c.data = append(c.data, pairs.times...)
			a.stop = len(c.data)
			c.assets = append(c.assets, a)
		}
		select {
		case full <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// pairs walks the whole records of an inventory and the later times that belong to them.
type pairs struct {
	wholes, laters *pebble.Iterator
	begun          bool

	id           string
	state, times []byte // valid until the next step
	kept         []byte // later times
}

func (s *Store) pairs(number uint32) (*pairs, error) {
	p := &pairs{}
	var err error
	if p.wholes, err = s.within(stateTag, number); err != nil {
		return nil, err
	}
	if p.laters, err = s.within(timesTag, number); err != nil {
		return nil, errors.Join(err, p.wholes.Close())
	}
	return p, nil
}

// within returns an iterator over one kind of record of an inventory.
func (s *Store) within(tag byte, number uint32) (*pebble.Iterator, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendKey(nil, tag, number), UpperBound: beyond(tag, number)})
	if err != nil {
		return nil, fmt.Errorf("read database: %w", err)
	}
	return it, nil
}

func (p *pairs) close() error { return errors.Join(p.wholes.Close(), p.laters.Close()) }

// next goes on to the next asset and says whether there is one.
func (p *pairs) next() (bool, error) {
	var more bool
	if p.begun {
		more = p.wholes.Next()
	} else {
		more, p.begun = p.wholes.First(), true
		p.laters.First()
	}
	if err := errors.Join(p.wholes.Error(), p.laters.Error()); err != nil {
		return false, fmt.Errorf("read database: %w", err)
	}
	if p.laters.Valid() && (!more || bytes.Compare(p.laters.Key()[1:], p.wholes.Key()[1:]) < 0) {
		return false, fmt.Errorf("%w at key %x: times of an asset that is not there", errDamaged, p.laters.Key())
	}
	if !more {
		return false, nil
	}
	return true, p.read(p.wholes.Key())
}

// read reads an asset's records. After damage the walk may go on.
func (p *pairs) read(key []byte) (err error) {
	later, found := uint64(0), p.laters.Valid() && bytes.Equal(p.laters.Key()[1:], key[1:])
	if found {
		later, err = p.readLater() // before the iterator goes on
		p.laters.Next()
	}
	if err != nil {
		return err
	}
	payload, err := payloadOf(key, p.wholes.Value())
	if err != nil {
		return err
	}
	written, times, state, err := parseWhole(payload)
	if err != nil {
		return fmt.Errorf("%w at key %x", err, key)
	}
	if p.id, err = index.ParseID(key[keyBytes:]); err != nil {
		return fmt.Errorf("%w at key %x: %w", errDamaged, key, err)
	}
	if p.state = state; !found || later < written {
		p.times = times
		return nil
	}
	if later == written {
		return fmt.Errorf("%w at key %x: batch %d wrote the asset twice", errDamaged, key, later)
	}
	p.times = p.kept
	return nil
}

// readLater keeps the later times that the walk is at.
func (p *pairs) readLater() (seq uint64, err error) {
	payload, err := payloadOf(p.laters.Key(), p.laters.Value())
	if err != nil {
		return 0, err
	}
	seq, times, err := parseLater(payload)
	p.kept = append(p.kept[:0], times...)
	return seq, err
}
