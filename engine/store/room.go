package store

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// What is done where the disk has little left: recovery writes as much as the logs hold, so it
// waits until that leaves the floor free; while writing, what can be written anew is given up,
// then the logs, which are kept to be used again; and removals, which make room, are taken
// down to half of the floor.

// smallLogs is how many bytes logs hold at most that recovery may write whatever is free.
const smallLogs = 4 << 20

// Ready implements [journal.Log].
func (s *Store) Ready(removal bool) error {
	if err := s.fatal.ended(); err != nil {
		return err
	}
	if s.rests.Load() { // commits hold the lock
		if err := s.awake(); err != nil {
			return err
		}
	}
	asked, err := s.floor.check()
	if err != nil && asked && (s.giveUpImage() || s.giveUpLogs() || s.giveUpHistory()) {
		err = s.floor.checkNow()
	}
	if err != nil && removal && s.floor.half() {
		return nil
	}
	return err
}

// Space returns how many bytes the disk of the directory has free, and below how many it takes no
// writes.
func (s *Store) Space() (free, floor uint64, err error) {
	usage, err := s.opts.fs.GetDiskUsage(s.dir.path)
	return usage.AvailBytes, s.floor.least, err
}

// rest says why the database, which is open for reading, must not be opened for writing.
func (s *Store) rest() error {
	need := s.db.Metrics().MemTable.Size // what was read from logs, and is to be in tables
	usage, err := s.opts.fs.GetDiskUsage(s.dir.path)
	if err != nil || usage.AvailBytes >= s.floor.least+need || need <= smallLogs && s.floor.isHalf(usage.AvailBytes) {
		return nil
	}
	return fmt.Errorf("the disk of the data directory has %s free, of which %s are kept free, and what is in logs takes up to %s",
		mebibytes(usage.AvailBytes), mebibytes(s.floor.least), mebibytes(need))
}

// awake opens the database for writing, if it is open for questions only and there is room by
// now. It says why it is not.
func (s *Store) awake() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resting == nil || s.closed {
		return nil
	}
	if !s.floor.due() || !s.backup.TryLock() {
		return s.resting
	}
	defer s.backup.Unlock()
	if err := s.rest(); err != nil {
		s.resting = err
		return err
	}
	s.scrubber.end()
	s.reading.Lock()
	defer s.reading.Unlock()
	err := s.fatal.close(s.db.Close)
	s.db = nil // until it is open again
	if err == nil {
		err = s.adopt()
	}
	if err == nil {
		err = s.openDatabase(false, false)
	}
	if err == nil {
		s.resting = nil
		s.rests.Store(false)
		err = s.keepLineage()
	}
	if err != nil { // all that is kept is in memory
		s.fatal.end(err)
		return s.fatal.ended()
	}
	s.opts.Log.Info("data directory: there is room to write again")
	if s.imaged > 0 {
		s.scrub()
	}
	return nil
}

// giveUpLogs has what is in logs written to tables, and removes the logs, if that makes room.
// It says whether it did.
func (s *Store) giveUpLogs() bool {
	if !s.mu.TryLock() { // a commit has it, which may take as long as the disk does
		return false
	}
	defer s.mu.Unlock()
	if s.closed || s.resting != nil {
		return false
	}
	m := s.db.Metrics()
	usage, err := s.opts.fs.GetDiskUsage(s.dir.path)
	if m.WAL.PhysicalSize+m.WAL.ObsoletePhysicalSize <= smallLogs || err != nil || usage.AvailBytes < m.WAL.Size {
		return false
	}
	if err := s.fatal.do(s.db.Flush); err != nil {
		return false // it has ended
	}
	// Nothing was written meanwhile, so all logs but the newest are superfluous.
	names, err := s.opts.fs.List(s.dir.at(databaseName))
	for _, name := range names {
		number, isLog := strings.CutSuffix(name, ".log")
		if n, errNumber := strconv.ParseUint(number, 10, 64); isLog && errNumber == nil && n < s.log.Load() {
			if errRemove := s.opts.fs.Remove(s.databasePath(name)); !errors.Is(errRemove, fs.ErrNotExist) {
				err = errors.Join(err, errRemove)
			}
		}
	}
	if err != nil {
		s.opts.Log.Warn("database: logs that are not needed cannot be removed", "problem", err)
	}
	return true
}

// tableFile is what the tables of a database are called.
var tableFile = regexp.MustCompile(`^([0-9]+)\.sst$`)

// sweep removes tables that are not the database's, which is open for reading: those of an
// earlier start, or of a merge, that did not come to its end.
func (s *Store) sweep() error {
	return s.fatal.do(func() error {
		levels, err := s.db.SSTables()
		if err != nil {
			return fmt.Errorf("read database: %w", err)
		}
		live := make(map[uint64]bool)
		for _, level := range levels {
			for i := range level {
				live[uint64(level[i].BackingSSTNum)] = true
			}
		}
		names, err := s.opts.fs.List(s.dir.at(databaseName))
		for _, name := range names {
			m := tableFile.FindStringSubmatch(name)
			if m == nil {
				continue
			}
			if n, errNumber := strconv.ParseUint(m[1], 10, 64); errNumber == nil && !live[n] {
				err = errors.Join(err, s.opts.fs.Remove(s.databasePath(name)))
			}
		}
		return err
	})
}
