package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Baseline measures what a bare Pebble does on a disk: it writes records, each of so many
// bytes and with a sync of its own, to a new database in the directory, which it leaves
// there, and returns how long that took. A [Store] is compared with it.
func Baseline(path string, records, size int) (took time.Duration, err error) {
	db, err := pebble.Open(path, &pebble.Options{
		ErrorIfExists: true, FormatMajorVersion: pebble.FormatTableFormatV6, MemTableSize: memTableSize, Logger: silent{},
	})
	if err != nil {
		return 0, fmt.Errorf("open bare database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	key, value := make([]byte, keyBytes+16), make([]byte, size)
	start := time.Now()
	for i := range records {
		binary.BigEndian.PutUint64(key[keyBytes:], uint64(i)*0x9e3779b97f4a7c15) // spread like ids
		if err := db.Set(key, value, pebble.Sync); err != nil {
			return 0, fmt.Errorf("write to bare database: %w", err)
		}
	}
	return time.Since(start), nil
}

// silent is a logger that says nothing but what ends the process.
type silent struct{}

func (silent) Infof(string, ...any)              {}
func (silent) Errorf(string, ...any)             {}
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Usage is what a store has written, and what it takes on disk, in bytes.
type Usage struct {
	Logical uint64 // of keys and records, since the store was opened
	Written uint64 // to logs and tables, since the store was opened
	Disk    uint64 // all files of the database
}

// Amplification is how many bytes were written for each that there was to write.
func (u Usage) Amplification() float64 { return float64(u.Written) / float64(max(u.Logical, 1)) }

// Usage returns what the store has used so far.
func (s *Store) Usage() Usage {
	m := s.db.Metrics()
	u := Usage{Logical: m.WAL.BytesIn, Written: m.WAL.BytesWritten, Disk: m.DiskSpaceUsage()}
	for i := range m.Levels {
		u.Written += m.Levels[i].TableBytesFlushed + m.Levels[i].TableBytesCompacted
	}
	return u
}
