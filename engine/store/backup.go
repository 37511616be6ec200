package store

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
)

// ErrBackup is returned by [Store.Backup] while another backup is being made.
var ErrBackup = errors.New("a backup is being made already")

// checkpointName is a directory in the data directory: what a backup in the making is made of.
const checkpointName = "CHECKPOINT"

// Backup writes everything that is committed as a tar archive, which is a data directory
// for [Unpack], or for any tar. Commits go on: they wait only while the files are linked. The
// archive is whole only if there is no error. One backup is made at a time.
//
// What the archive holds is as it was written; whether it still is on the disk, the
// reader finds out: then [BackupOf] makes one of what is in memory.
func (s *Store) Backup(ctx context.Context, to io.Writer) (err error) {
	if !s.backup.TryLock() {
		return ErrBackup
	}
	defer s.backup.Unlock()
	if err := s.fatal.ended(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	a := archive{ctx: ctx, fs: s.opts.fs, tar: tar.NewWriter(to), now: time.Now()}
	if s.rests.Load() { // and goes on to while a backup is made: nothing changes
		err = a.directory(s.dir.at(databaseName), s.Sequence())
	} else {
		var seq uint64
		if seq, err = s.checkpoint(); err == nil {
			err = errors.Join(a.directory(s.dir.at(checkpointName), seq), s.dir.clean())
		}
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// BackupOf writes what readers of an engine see as [Store.Backup] does, from memory: where a
// store has come to its end, or what it has on the disk is damaged. What it takes on the disk,
// in the directory for temporary files, is about what the archive takes.
func BackupOf(ctx context.Context, e *engine.Engine, to io.Writer, opts *Options) (err error) {
	dir, err := os.MkdirTemp("", "portolan-backup-")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := Open(filepath.Join(dir, "data"), opts)
	if err != nil {
		return err
	}
	err = e.Copy(ctx, s)
	if err == nil {
		err = s.Backup(ctx, to)
	}
	return errors.Join(err, s.Close())
}

// checkpoint links what is committed into a directory of its own, up to the batch that it
// returns.
func (s *Store) checkpoint() (seq uint64, err error) {
	if err := s.dir.clean(); err != nil { // of one that did not come to its end
		return 0, err
	}
	// Logs are copied while commits wait, so most of them are made superfluous before.
	if err := s.fatal.do(s.db.Flush); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	err = s.fatal.do(func() error {
		return s.db.Checkpoint(s.dir.at(checkpointName), pebble.WithFlushedWAL())
	})
	return s.last, err
}

// clean removes what a backup has left behind.
func (d *directory) clean() error { return d.fs.RemoveAll(d.at(checkpointName)) }

// archive is a data directory on its way into a tar archive.
type archive struct {
	ctx context.Context // It lives as long as one call.
	fs  vfs.FS
	tar *tar.Writer
	now time.Time
}

// directory writes a data directory whose database lies in a directory and ends with a
// batch. The marker says that it is whole in the archive's last entry only.
func (a *archive) directory(database string, seq uint64) error {
	names, err := a.fs.List(database)
	if err != nil {
		return err
	}
	slices.Sort(names)
	if err := a.data(markerName, markerText(copying)); err != nil {
		return err
	}
	for _, name := range names {
		if name == lockName {
			continue
		}
		if err := a.file(databaseName+"/"+name, a.fs.PathJoin(database, name)); err != nil {
			return err
		}
	}
	if err := a.data(witnessName, string(appendWitness(nil, seq, ofCopy))); err != nil {
		return err
	}
	if err := a.data(markerName, markerText(ready)); err != nil {
		return err
	}
	return a.tar.Close()
}

func (a *archive) header(name string, size int64) error {
	return a.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: a.now, Format: tar.FormatPAX})
}

func (a *archive) data(name, text string) error {
	if err := a.header(name, int64(len(text))); err != nil {
		return err
	}
	_, err := io.WriteString(a.tar, text)
	return err
}

// file writes a file, if it is one: a database may have an empty directory for what it
// throws away.
func (a *archive) file(name, path string) (err error) {
	info, err := a.fs.Stat(path)
	if err != nil || info.IsDir() {
		return err
	}
	f, err := a.fs.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := a.header(name, info.Size()); err != nil {
		return err
	}
	n, err := io.Copy(a.tar, &stoppable{a.ctx, io.LimitReader(f, info.Size())})
	if err == nil && n < info.Size() {
		err = fmt.Errorf("%s ends after %d of %d bytes", name, n, info.Size())
	}
	return err
}

// stoppable reads until a context is done.
type stoppable struct {
	ctx context.Context
	io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}
