package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
	"portolan/engine/journal"
)

// Options configures a [Store]. Nil and the zero value are the defaults.
type Options struct {
	// Log hears of what goes wrong; nil is nobody.
	Log *slog.Logger
	// Progress, if it is set, is called now and then while a directory is being loaded,
	// with how many assets are loaded, of how many. Calls do not overlap.
	Progress func(done, total int)
	// MinFree is how many bytes of the disk stay free: with less, writes are refused with
	// [engine.ErrRefused]. 0 is DefaultMinFree.
	MinFree uint64
	// History is how long what batches changed is kept, for [engine.Engine.Changes]; 0 is DefaultHistory. With
	// less than 0 none is, and what is there is removed with the next commit.
	History time.Duration
	// HistoryBytes is about how many bytes of the disk it takes at most; 0 is DefaultHistoryBytes. The
	// inventory that has the most gives up its oldest.
	HistoryBytes uint64
	// Trends is how long counts in the course of time are kept, for [engine.Engine.Trend]: by the hour as long as History
	// says, then by the day. 0 is DefaultTrends. With less than 0, or without a history, none are, and what is there is
	// removed with the next commit.
	Trends time.Duration

	fs      vfs.FS // nil: the disk
	noImage bool   // for tests: no image is written or loaded
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.fs == nil {
		c.fs = vfs.Default
	}
	c.fs = privateFS{c.fs}
	if c.MinFree == 0 {
		c.MinFree = DefaultMinFree
	}
	if c.History == 0 {
		c.History = DefaultHistory
	}
	if c.HistoryBytes == 0 {
		c.HistoryBytes = DefaultHistoryBytes
	}
	if c.Trends == 0 {
		c.Trends = DefaultTrends
	}
	return c
}

// Store keeps the batches of one engine in a directory. It implements [journal.ImageKeeper].
type Store struct {
	opts     Options
	readOnly bool
	dir      *directory
	db       *pebble.DB
	fatal    *fatal
	witness  *witness
	floor    floor
	log      atomic.Uint64 // number of the database's newest log
	rests    atomic.Bool   // resting is not nil
	backup   sync.Mutex    // held while one is made
	scrubber scrubber
	counter  counter
	reading  sync.RWMutex // held by who reads the past, and locked while the database is closed

	mu          sync.Mutex              // guards what follows
	resting     error                   // why the database is open for questions only; nil: it is not
	inventories map[journal.Mark]uint32 // numbers, by project and category
	highest     uint32                  // the highest number of an inventory
	last        uint64                  // the last batch
	time        int64                   // of it
	history     chronicle
	seq         uint64 // from which numbers go on: that of the last batch, or higher
	lineage     lineage
	lineageKept bool
	imaged      uint64 // the last batch in the image; 0: there is none that counts
	outdated    bool   // the image was removed
	closed      bool
}

// Sequence returns the sequence number of the last batch that is kept.
func (s *Store) Sequence() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// place is what of a mark says which inventory it is.
func place(project string, category engine.Category) journal.Mark {
	return journal.Mark{Project: project, Category: category}
}

// Open opens a data directory, which it makes if it is not there or empty, and locks it
// until Close. A nil opts is legal. The error is [ErrInUse], [ErrForeign], [ErrNewer] or
// [ErrIncomplete], or one of the disk.
func Open(path string, opts *Options) (*Store, error) { return open(path, opts, false) }

func open(path string, opts *Options, readOnly bool) (*Store, error) {
	o := opts.withDefaults()
	dir, fresh, err := takeDirectory(o.fs, path, readOnly)
	if err != nil {
		return nil, err
	}
	if !readOnly {
		dir.tighten(o.Log)
	}
	s := &Store{opts: o, readOnly: readOnly, dir: dir, fatal: newFatal(o.Log), inventories: make(map[journal.Mark]uint32)}
	s.history.reset()
	s.floor.fs, s.floor.path, s.floor.least, s.floor.now = o.fs, path, o.MinFree, time.Now
	switch {
	case fresh:
		err = s.create()
	case !readOnly:
		err = s.look()
	}
	if err == nil && s.resting == nil {
		err = s.openDatabase(false, readOnly)
	}
	if err == nil {
		if s.witness, err = openWitness(dir, readOnly); err != nil {
			err = errors.Join(err, s.fatal.close(s.db.Close))
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), dir.release())
	}
	return s, nil
}

// look opens the directory without changing it, to see that nothing is missing, and prepares
// it for being written to. Once the database is open for writing, it has applied its logs as
// far as it understood them, and let them go: what could have been mended is lost then. Where
// there is no room for what it writes, it stays open for questions: see rest.
func (s *Store) look() error {
	w, err := openWitness(s.dir, true)
	if err == nil {
		err = errors.Join(s.openDatabase(false, true), w.close())
	}
	if err != nil {
		return err
	}
	last, err := result(s.fatal, func() (last journal.Point, err error) {
		record, closer, err := s.db.Get(sequenceKey)
		if errors.Is(err, pebble.ErrNotFound) {
			return last, nil
		}
		if err != nil {
			return last, fmt.Errorf("read database: %w", err)
		}
		last, err = readRecord(sequenceKey, record, parseSequence)
		return last, errors.Join(err, closer.Close())
	})
	if err == nil {
		err = w.check(last.Seq, s)
	}
	if err == nil {
		err = errors.Join(s.dir.clean(), s.opts.fs.RemoveAll(s.dir.at(imageDraft)), s.sweep())
	}
	if err == nil {
		if s.resting = s.rest(); s.resting != nil {
			s.rests.Store(true)
			s.opts.Log.Warn("data directory: questions only, until there is room to write", "problem", s.resting)
			return nil
		}
	}
	if closed := s.fatal.close(s.db.Close); err == nil {
		err = closed // else it would tell the same again
	}
	if err == nil {
		err = s.adopt()
	}
	return err
}

// adopt makes the directory one of this version: earlier ones would not know what is written
// from now on.
func (s *Store) adopt() error {
	if s.dir.format >= formatVersion {
		return nil
	}
	s.dir.format = formatVersion
	return s.dir.mark(ready)
}

// databasePath is the path of a file of the database.
func (s *Store) databasePath(name string) string {
	return s.opts.fs.PathJoin(s.dir.at(databaseName), name)
}

// create makes an empty database. It is closed again, since the first log of a new one is
// of an old format, in which a damaged record looks like the end of the log.
func (s *Store) create() error {
	if err := s.openDatabase(true, false); err != nil {
		return err
	}
	return errors.Join(s.fatal.close(s.db.Close), s.dir.mark(ready))
}

// The sizes of the database. A larger memtable is written out less often; one is written to
// while another is written out, which takes a tenth of the time that it takes to fill one. As
// many logs, and one more, are kept to be used again.
const (
	memTableSize = 64 << 20
	memTables    = 2
	cacheSize    = 16 << 20
)

func (s *Store) openDatabase(create, readOnly bool) error {
	var fsys vfs.FS = haltingFS{s.opts.fs, s.fatal}
	if readOnly {
		fsys = readingFS{fsys}
	}
	opts := &pebble.Options{
		FS:                          fsys,
		ErrorIfExists:               create,
		ErrorIfNotExists:            !create,
		FormatMajorVersion:          pebble.FormatTableFormatV6, // pinned: see FORMAT.md
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: memTables,
		CacheSize:                   cacheSize,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
		Logger:                      s.fatal,
		EventListener:               s.listener(),
		ReadOnly:                    readOnly,
	}
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	s.fatal.opened.Store(false)
	return s.fatal.do(func() (err error) {
		if s.db, err = pebble.Open(s.dir.at(databaseName), opts); err != nil {
			return flat{fmt.Errorf("open database: %w", s.naming(lockError(s.dir.path, err)))} // one that was halted keeps its lock
		}
		s.fatal.opened.Store(true)
		return nil
	})
}

// listener hears of what goes wrong, and of every log.
func (s *Store) listener() *pebble.EventListener {
	l := s.fatal.listener()
	l.WALCreated = func(info pebble.WALCreateInfo) {
		if info.Err == nil {
			s.log.Store(uint64(info.FileNum))
		}
	}
	return l
}

// Close lets the directory go. The engine is closed first, and a backup that is being made
// comes to its end. The error is that of the disk,
// if the store has come to its end before.
func (s *Store) Close() error {
	s.scrubber.end()
	s.counter.end()
	s.backup.Lock()
	defer s.backup.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.closed = true
	s.history.end()
	s.reading.Lock() // nobody reads any more, nor will
	defer s.reading.Unlock()
	if !s.readOnly && s.resting == nil && s.fatal.ended() == nil {
		if err := s.endLineage(); err != nil {
			s.opts.Log.Warn("database: sequence numbers will go on higher", "problem", err)
		}
		// What is in logs only would have to be read again and sorted by the next start.
		if err := s.fatal.do(s.db.Flush); err != nil {
			s.opts.Log.Warn("database: the next start takes longer", "problem", err)
		}
	}
	err := s.fatal.ended()
	if s.db != nil {
		err = s.fatal.close(s.db.Close)
	}
	return errors.Join(err, s.witness.close(), s.dir.release())
}

// maxBatch is how many bytes of a group are written at once, in a batch of the database,
// whose limit is 4 GiB. A group's batches may be written one after the other.
const maxBatch = 1 << 30

// Commit implements [journal.Log]: it returns when the group is synced.
func (s *Store) Commit(_ context.Context, group []journal.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if s.resting != nil {
		return s.resting
	}
	if len(group) > 0 && group[0].Seq != s.seq+1 {
		return fmt.Errorf("batch %d comes after batch %d: a store is for one engine, which has loaded it", group[0].Seq, s.seq)
	}
	for len(group) > 0 {
		n, size := 0, 0
		for n < len(group) && (n == 0 || size < maxBatch) {
			size += sizeOf(&group[n])
			n++
		}
		if err := s.write(group[:n], size); err != nil {
			return err
		}
		group = group[n:]
	}
	s.outdateImage()
	if err := s.prune(); err != nil { // the batches are safe all the same
		s.opts.Log.Warn("database: what is too old cannot be removed", "problem", err)
	}
	s.countPast()
	return nil
}

// sizeOf is about how many bytes a batch takes.
func sizeOf(b *journal.Batch) int {
	const perChange = 64 // two keys and their lengths
	n := perChange * (len(b.Changed) + len(b.Marks) + len(b.Told) + 1)
	for i := range b.Told {
		n += len(b.Told[i].Data)
	}
	for i := range b.Changed {
		n += len(b.Changed[i].State) + len(b.Changed[i].Times)
	}
	return n
}

// write writes batches in one step.
func (s *Store) write(group []journal.Batch, size int) error {
	w := writer{store: s, batch: s.db.NewBatchWithSize(size)}
	for i := range group {
		w.add(&group[i])
	}
	w.noteCounts()
	last := journal.Point{Seq: group[len(group)-1].Seq, Time: group[len(group)-1].Time}
	w.set(sequenceKey, appendSequence(w.payload[:0], last))
	if w.err != nil {
		return errors.Join(w.err, w.batch.Close())
	}
	err := s.fatal.do(func() error {
		if err := s.db.Apply(w.batch, pebble.Sync); err != nil {
			return fmt.Errorf("write to database: %w", err)
		}
		return w.batch.Close()
	})
	if err != nil {
		return err
	}
	s.last, s.time = last.Seq, last.Time
	s.seq = s.last
	s.history.last(last.Time)
	if err := s.witness.tell(s.last, s.log.Load()); err != nil { // the batch is safe all the same
		s.opts.Log.Warn("database: the last batch cannot be noted", "problem", err)
	}
	return nil
}

// writer fills a batch of the database. It stops at the first error.
type writer struct {
	store                *Store
	batch                *pebble.Batch
	key, payload, record []byte
	err                  error
}

func (w *writer) add(b *journal.Batch) {
	if b.Gone != "" {
		w.forget(b.Gone)
		w.gone(b.Gone, journal.Point{Seq: b.Seq, Time: b.Time})
	}
	for i := range b.Marks {
		m := &b.Marks[i]
		w.mark(w.store.inventory(m.Project, m.Category), m)
	}
	for i := range b.Changed {
		w.asset(&b.Changed[i], b.Seq)
	}
	w.tell(b)
}

// forget removes a project: its inventories, and all records of their assets.
func (w *writer) forget(project string) {
	for c := range engine.Category(2) {
		at := place(project, c)
		n, known := w.store.inventories[at]
		if !known {
			continue
		}
		delete(w.store.inventories, at) // the batch is written, or the store has ended
		w.remove(appendKey(w.key[:0], inventoryTag, n))
		w.remove(appendKey(w.key[:0], beginsTag, n))
		w.remove(appendKey(w.key[:0], countedTag, n))
		w.store.history.number(at, 0)
		delete(w.store.history.oldest, n)
		for _, tag := range []byte{stateTag, timesTag, historyTag, countsTag} {
			if w.err == nil {
				w.err = w.batch.DeleteRange(appendKey(nil, tag, n), beyond(tag, n), nil)
			}
		}
	}
}

func (w *writer) asset(c *journal.Change, seq uint64) {
	n := w.store.inventory(c.Project, c.Category)
	w.key = appendAssetKey(w.key[:0], stateTag, n, c.Asset)
	switch {
	case c.Times == nil:
		w.remove(w.key)
		w.key[0] = timesTag
		w.remove(w.key)
	case c.State == nil:
		w.key[0] = timesTag
		w.payload = appendLater(w.payload[:0], seq, c.Times)
		w.set(w.key, w.payload)
	default:
		w.payload = appendWhole(w.payload[:0], seq, c.Times, c.State)
		w.set(w.key, w.payload)
	}
}

func (w *writer) remove(key []byte) {
	if w.err == nil {
		w.err = w.batch.Delete(key, nil)
	}
}

func (w *writer) mark(inventory uint32, m *journal.Mark) {
	w.key = appendKey(w.key[:0], inventoryTag, inventory)
	w.payload = appendMark(w.payload[:0], m)
	w.set(w.key, w.payload)
}

func (w *writer) set(key, payload []byte) {
	if w.err != nil {
		return
	}
	w.record = appendRecord(w.record[:0], key, payload)
	w.err = w.batch.Set(key, w.record, nil)
}

// inventory returns the number of an inventory, the next one if it is new. The lock is held.
func (s *Store) inventory(project string, category engine.Category) uint32 {
	n, known := s.inventories[place(project, category)]
	if !known {
		s.highest++
		n = s.highest
		s.inventories[place(project, category)] = n
		s.history.number(place(project, category), n)
	}
	return n
}
