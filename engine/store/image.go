package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine/journal"
)

// The image is a file beside the database with what the engine makes of it, so that it can
// be loaded in less time. It is written when the engine is closed, and outdated by the
// first batch after that. The database has its digest: an image that is not the one that was
// written after the last batch, to the last bit, does not count.
const (
	imageName  = "IMAGE"
	imageDraft = "IMAGE.new"
)

// imageRecord is what the database has of an image. Its payload is
//
//	version   1 byte: imageVersion
//	sequence number of the last batch in it, bytes: uvarints
//	digest    32 bytes: SHA-256
type imageRecord struct {
	seq    uint64
	size   int64
	digest [sha256.Size]byte
}

const imageVersion = 1

// imageKey is the key of the image's record.
var imageKey = []byte{imageTag}

func (r *imageRecord) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, imageVersion), r.seq)
	dst = binary.AppendUvarint(dst, uint64(r.size))
	return append(dst, r.digest[:]...)
}

func parseImageRecord(data []byte) (r imageRecord, err error) {
	if len(data) > 0 && data[0] == imageVersion {
		seq, n := binary.Uvarint(data[1:])
		rest := data[1+max(n, 0):]
		size, m := binary.Uvarint(rest)
		if rest = rest[max(m, 0):]; n > 0 && m > 0 && len(rest) == len(r.digest) && size < 1<<62 {
			return imageRecord{seq, int64(size), [sha256.Size]byte(rest)}, nil
		}
	}
	return r, fmt.Errorf("%w: %x is no record of an image", errDamaged, data)
}

// KeepImage implements [journal.ImageKeeper]. What goes wrong is logged: the records are
// there all the same.
func (s *Store) KeepImage(seq uint64, write func(io.Writer) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.readOnly || s.resting != nil || s.opts.noImage || seq != s.seq || s.last == 0 || s.imaged == seq || s.fatal.ended() != nil || s.floor.checkNow() != nil {
		return
	}
	start := time.Now()
	r := imageRecord{seq: seq}
	err := r.write(s.dir, &s.floor, write)
	if err == nil {
		if err = s.floor.checkNow(); err != nil {
			err = errors.Join(err, s.dir.fs.Remove(s.dir.at(imageName)))
		}
	}
	if err == nil {
		err = s.fatal.do(func() error {
			return s.db.Set(imageKey, appendRecord(nil, imageKey, r.append(nil)), pebble.Sync)
		})
	}
	if err != nil {
		s.opts.Log.Warn("no image was kept; the next start takes longer", "problem", err)
		return
	}
	s.imaged = seq
	s.opts.Log.Info("kept an image", "bytes", r.size, "took", time.Since(start).Round(time.Millisecond))
}

// write writes an image and finds out what its record says. It ends where the disk would be
// left with too little.
func (r *imageRecord) write(d *directory, room *floor, write func(io.Writer) error) (err error) {
	f, err := d.fs.Create(d.at(imageDraft), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	digest := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(room, f, digest, (*size)(&r.size)), 1<<18)
	if err = write(out); err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		digest.Sum(r.digest[:0])
		err = d.fs.Rename(d.at(imageDraft), d.at(imageName))
	}
	if err != nil {
		return errors.Join(err, d.fs.Remove(d.at(imageDraft)))
	}
	return syncDirectory(d.fs, d.path)
}

// size counts what is written.
type size int64

func (s *size) Write(p []byte) (int, error) {
	*s += size(len(p))
	return len(p), nil
}

// loadImage loads the image, if there is one that is what was written after the last
// batch. Else it says so in the log, if there should be one, and nothing is loaded.
func (s *Store) loadImage(ctx context.Context, k *kept, into journal.Loader) bool {
	if k.image.seq != max(k.last.Seq, k.lineage.base()) || k.last.Seq == 0 || s.opts.noImage {
		return false
	}
	err := s.readImage(ctx, &k.image, func(r io.Reader) error {
		digest := sha256.New()
		if n, err := io.Copy(digest, r); err != nil || n != k.image.size {
			return fmt.Errorf("%w: it has %d bytes of %d", orUnexpected(err), n, k.image.size)
		}
		if !bytes.Equal(digest.Sum(nil), k.image.digest[:]) {
			return errors.New("it is another one than was written")
		}
		return nil
	})
	if err == nil {
		marks := make([]journal.Mark, len(k.list))
		for i := range k.list {
			marks[i] = k.list[i].mark
		}
		err = s.readImage(ctx, &k.image, func(r io.Reader) error { return into.Image(r, k.image.size, marks) })
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // it may be removed at any time
	case err != nil:
		s.opts.Log.Warn("the image is passed over; loading takes longer", "problem", err)
	}
	return err == nil
}

func (s *Store) readImage(ctx context.Context, r *imageRecord, read func(io.Reader) error) (err error) {
	f, err := s.dir.open(imageName, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err == nil && info.Size() != r.size {
		err = fmt.Errorf("it has %d bytes, of %d", info.Size(), r.size)
	}
	if err != nil {
		return err
	}
	return read(&stoppable{ctx, f})
}

// giveUpImage makes room for what is worth more than an image, and says whether there was
// one.
func (s *Store) giveUpImage() bool {
	if !s.mu.TryLock() { // a commit has it, and gives up the image, too
		return false
	}
	defer s.mu.Unlock()
	if s.outdated {
		return false
	}
	s.outdateImage()
	return true
}

// outdateImage removes the image, once. The lock is held.
func (s *Store) outdateImage() {
	if s.outdated {
		return
	}
	s.outdated, s.imaged = true, 0
	if err := s.opts.fs.Remove(s.dir.at(imageName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.opts.Log.Warn("an image that is outdated cannot be removed", "problem", err)
	}
}
