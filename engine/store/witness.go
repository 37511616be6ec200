package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrLost is returned for a directory whose database ends before a batch that was
// acknowledged: a file was damaged or has gone.
var ErrLost = errors.New("acknowledged data is missing")

// witness is a file beside the database with the number of the last batch that was
// acknowledged, and of the log it was written to. It is written after each commit and not
// synced, so it never tells more than the database has kept, and after a power cut maybe
// less. Without it damage at the end of a log or of a manifest looks like a write that was
// cut short, after which the database opens in silence as it was some time ago.
//
// A witness is 24 bytes, little-endian: the batch's number and the CRC-32C of that; the
// log's number, and the CRC-32C of all that. A witness of formats 1 and 2 is its first half.
type witness struct {
	file  vfs.File
	said  uint64 // what the file told when it was opened
	log   uint64 // the log that it named; 0 for none, ofCopy in a copy
	whole bool   // it told both
}

const (
	witnessName  = "WITNESS"
	witnessHalf  = 8 + crc32.Size
	witnessBytes = 2 * witnessHalf

	// ofCopy is in place of a log where a directory is a copy.
	ofCopy = 1<<64 - 1
)

// openWitness opens the witness of a directory. One that is not there, or is not whole, has
// seen nothing.
func openWitness(d *directory, readOnly bool) (*witness, error) {
	err := d.isFile(witnessName)
	missing := errors.Is(err, fs.ErrNotExist)
	if missing && readOnly {
		return &witness{}, nil
	}
	var f vfs.File
	switch {
	case err != nil && !missing:
	case readOnly:
		f, err = d.fs.Open(d.at(witnessName))
	default:
		f, err = d.fs.OpenReadWrite(d.at(witnessName), vfs.WriteCategoryUnspecified)
	}
	if err != nil {
		return nil, fmt.Errorf("open witness: %w", err)
	}
	w := &witness{file: f}
	var b [witnessBytes]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("read witness: %w", err), f.Close())
	}
	sound := func(end int) bool {
		return n >= end && crc32.Checksum(b[:end-crc32.Size], castagnoli) == binary.LittleEndian.Uint32(b[end-crc32.Size:])
	}
	if sound(witnessHalf) {
		w.said = binary.LittleEndian.Uint64(b[:])
		if w.whole = sound(witnessBytes); w.whole {
			w.log = binary.LittleEndian.Uint64(b[witnessHalf:])
		}
	}
	return w, nil
}

// unsure says whether batches may have been acknowledged that the witness knows nothing of.
func (w *witness) unsure() bool { return !w.whole || w.log == ofCopy }

// check holds the last batch of a database against the witness.
func (w *witness) check(seq uint64, s *Store) error {
	if seq >= w.said {
		return nil
	}
	where := "its logs have gone"
	if newest := s.newest("", ".log"); w.log > 0 && w.log != ofCopy {
		log := s.databasePath(fmt.Sprintf("%06d.log", w.log))
		where = "it was written to " + log
		if _, err := s.opts.fs.Stat(log); errors.Is(err, fs.ErrNotExist) {
			where += ", which has gone"
		}
	} else if newest != "" {
		where = "its newest log is " + newest
	}
	return fmt.Errorf("%w: the database ends at batch %d, but batch %d was acknowledged; %s; nothing was changed: "+
		"put back what is damaged, restore a backup, or remove the file %s to go on with what is left", ErrLost, seq, w.said, where, witnessName)
}

// tell records the last batch, and the log it is in, 0 if it is in tables.
func (w *witness) tell(seq, log uint64) error {
	var room [witnessBytes]byte
	_, err := w.file.WriteAt(appendWitness(room[:0], seq, log), 0)
	return err
}

// appendWitness appends what a witness of a batch has in it.
func appendWitness(b []byte, seq, log uint64) []byte {
	at := len(b)
	for _, n := range [...]uint64{seq, log} {
		b = binary.LittleEndian.AppendUint64(b, n)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
	}
	return b
}

func (w *witness) close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
