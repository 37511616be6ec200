package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrLost is returned for a directory whose database ends before a batch that was
// acknowledged: a file was damaged or has gone.
var ErrLost = errors.New("acknowledged data is missing")

// witness is a file beside the database with the number of the last batch that was
// acknowledged. It is written after each commit and not synced, so it never tells more
// than the database has kept, and after a power cut maybe less. Without it damage at the
// end of a log or of a manifest looks like a write that was cut short, after which the
// database opens in silence as it was some time ago.
//
// A witness is 12 bytes: the number and the CRC-32C of that, both little-endian.
type witness struct {
	file vfs.File
	said uint64 // what the file told when it was opened
}

const (
	witnessName  = "WITNESS"
	witnessBytes = 8 + crc32.Size
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
	if n, _ := f.ReadAt(b[:], 0); n == len(b) && crc32.Checksum(b[:8], castagnoli) == binary.LittleEndian.Uint32(b[8:]) {
		w.said = binary.LittleEndian.Uint64(b[:8])
	}
	return w, nil
}

// check holds the last batch of a database, whose newest log it names, against the witness.
func (w *witness) check(seq uint64, log string) error {
	if seq >= w.said {
		return nil
	}
	where := "its logs have gone"
	if log != "" {
		where = "its newest log is " + log
	}
	return fmt.Errorf("%w: the database ends at batch %d, but batch %d was acknowledged; %s; nothing was changed: "+
		"put back what is damaged, restore a backup, or remove the file %s to go on with what is left", ErrLost, seq, w.said, where, witnessName)
}

// tell records the last batch.
func (w *witness) tell(seq uint64) error {
	var room [witnessBytes]byte
	_, err := w.file.WriteAt(appendWitness(room[:0], seq), 0)
	return err
}

// appendWitness appends what a witness of a batch has in it.
func appendWitness(b []byte, seq uint64) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(b, seq)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

func (w *witness) close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
