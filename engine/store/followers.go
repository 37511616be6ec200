package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Bounds of what followers keep.
const (
	maxFollowerName = 1 << 10
	maxFollowerData = 64 << 20
)

// followerVersion is the first byte of a follower's payload; the rest is its own.
const followerVersion = 1

func followerKey(name string) []byte { return append([]byte{followerTag}, name...) }

func parseFollower(data []byte) ([]byte, error) {
	if len(data) == 0 || data[0] != followerVersion {
		return nil, fmt.Errorf("%w: %x is not of a follower", errDamaged, data[:min(len(data), 32)])
	}
	return append([]byte{}, data[1:]...), nil
}

// Followers returns what those who follow what changed have kept with [Store.KeepFollower], by name.
func (s *Store) Followers() (map[string][]byte, error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	if s.history.ended() {
		return nil, errClosed
	}
	return result(s.fatal, func() (_ map[string][]byte, err error) {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{followerTag}, UpperBound: []byte{followerTag + 1}})
		if err != nil {
			return nil, fmt.Errorf("read database: %w", err)
		}
		defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
		all := map[string][]byte{}
		for ok := it.First(); ok; ok = it.Next() {
			data, err := readRecord(it.Key(), it.Value(), parseFollower)
			if err != nil {
				return nil, err
			}
			all[string(it.Key()[1:])] = data
		}
		return all, nil
	})
}

// KeepFollower keeps, when it returns and for good, how far a follower of what changed has come, in its own form; nil
// forgets it. It is part of backups. The error says that it is as it was: where the disk has no room, where
// the store is closed or has come to its end.
func (s *Store) KeepFollower(name string, data []byte) error {
	if name == "" || len(name) > maxFollowerName || len(data) > maxFollowerData {
		return fmt.Errorf("follower %.64q with %d bytes: want a name of 1 to %d bytes, and %d bytes at most", name, len(data), maxFollowerName, maxFollowerData)
	}
	if err := s.Ready(true); err != nil {
		return err
	}
	s.reading.RLock()
	defer s.reading.RUnlock()
	switch {
	case s.history.ended():
		return errClosed
	case s.readOnly || s.rests.Load():
		return errors.New("the data directory is open for questions only")
	}
	key := followerKey(name)
	err := s.fatal.do(func() error {
		if data == nil {
			return s.db.Delete(key, pebble.Sync)
		}
		return s.db.Set(key, appendRecord(nil, key, append([]byte{followerVersion}, data...)), pebble.Sync)
	})
	if err != nil {
		return fmt.Errorf("write to database: %w", err)
	}
	return nil
}
