package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// scrubber reads a database in the background. An image is read instead of the tables, so
// what has become of those would otherwise be known when the image is gone.
type scrubber struct {
	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	// scrubChunk is how many records are read at a time.
	scrubChunk = 16 << 10
	// scrubRest is how long it rests, in times of what reading has taken: it takes a tenth of
	// a core.
	scrubRest = 9
)

// scrub begins to read the database. What is damaged ends it.
func (s *Store) scrub() {
	if s.readOnly {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.scrubber.mu.Lock()
	defer s.scrubber.mu.Unlock()
	s.scrubber.cancel, s.scrubber.done = cancel, done
	go func() {
		defer close(done)
		start := time.Now()
		records, err := s.readAll(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.fatal.end(fmt.Errorf("database: what was loaded from an image is damaged in its tables: %w", flat{err}))
		default:
			s.opts.Log.Debug("database: read all tables beside the image, and they are sound", "records", records, "took", time.Since(start).Round(time.Millisecond))
		}
	}()
}

// end ends what was begun and waits for it.
func (b *scrubber) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
		<-b.done
	}
}

// readAll reads every record, and rests now and then.
func (s *Store) readAll(ctx context.Context) (records int, err error) {
	for from := []byte(nil); ; {
		start := time.Now()
		n := 0
		from, err = result(s.fatal, func() ([]byte, error) {
			next, read, err := s.readSome(from)
			n = read
			return next, err
		})
		if records += n; err != nil || from == nil {
			return records, err
		}
		select {
		case <-time.After(scrubRest * time.Since(start)):
		case <-ctx.Done():
			return records, ctx.Err()
		}
	}
}

// readSome reads records from a key on, and returns that of the next one, nil for none.
func (s *Store) readSome(from []byte) (next []byte, read int, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from})
	if err != nil {
		return nil, 0, fmt.Errorf("read database: %w", err)
	}
	defer func() {
		if closed := it.Close(); err == nil {
			err = closed
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		if tag := it.Key()[0]; tag == historyTag || tag == countsTag { // the image has nothing of it
			if !it.SeekGE([]byte{tag + 1}) {
				break
			}
		}
		if read == scrubChunk {
			return append([]byte{}, it.Key()...), read, nil
		}
		if _, err := payloadOf(it.Key(), it.Value()); err != nil {
			return nil, read, err
		}
		read++
	}
	return nil, read, it.Error()
}
