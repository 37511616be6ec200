package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
)

// fatal is the end of a database: Pebble asks its logger to end the process when it cannot
// go on. The process has answers to give, so what asks is stopped instead, for ever, with
// all that it holds: the database is not used any more, and whoever waits for it hears.
type fatal struct {
	log   *slog.Logger
	over  chan struct{} // closed at the end
	once  sync.Once
	err   error         // why; set before over is closed
	stuck chan struct{} // closed when something is stopped for ever
	stop  sync.Once

	opened atomic.Bool // the database is open
	loaded atomic.Bool // and what it has is in memory
}

func newFatal(log *slog.Logger) *fatal {
	return &fatal{log: log, over: make(chan struct{}), stuck: make(chan struct{})}
}

// Infof implements [pebble.Logger].
func (f *fatal) Infof(string, ...any) {}

// Errorf implements [pebble.Logger].
func (f *fatal) Errorf(format string, args ...any) {
	f.log.Warn("database", "problem", oneLine(fmt.Sprintf(format, args...)))
}

// Fatalf implements [pebble.Logger]. It does not return.
func (f *fatal) Fatalf(format string, args ...any) { f.halt(fmt.Sprintf(format, args...)) }

// halt ends the database and does not return.
func (f *fatal) halt(reason string) {
	f.end(fmt.Errorf("database: %s", oneLine(reason)))
	f.stop.Do(func() { close(f.stuck) })
	select {}
}

func (f *fatal) end(err error) {
	f.once.Do(func() {
		f.err = endedError{err, f.loaded.Load()}
		f.log.Error("database has ended and takes nothing more; questions are answered", "problem", err)
		close(f.over)
	})
}

// endedError is why a database has ended, for good.
type endedError struct {
	error
	loaded bool // all of it is in memory
}

// Error says what happened and what to do.
func (e endedError) Error() string {
	if !e.loaded {
		return e.error.Error()
	}
	return e.error.Error() + "; what was acknowledged is in memory: make a backup of it, see to the disk and start again, or restore the backup"
}

// Is makes every one match [engine.ErrReadOnly].
func (endedError) Is(target error) bool { return target == engine.ErrReadOnly }

func (e endedError) Unwrap() error { return e.error }

// haltingFS is a file system for Pebble, which panics when a directory cannot be synced, or
// a log not be closed: also in goroutines of its own, or with a lock that it lets go of
// twice, after which no process goes on.
type haltingFS struct {
	vfs.FS
	fatal *fatal
}

// Create implements [vfs.FS].
func (h haltingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.Create(name, category)
	return h.log(name, f, err)
}

// ReuseForWrite implements [vfs.FS].
func (h haltingFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.ReuseForWrite(oldname, newname, category)
	if errors.Is(err, fs.ErrNotExist) { // it was removed to make room
		f, err = h.FS.Create(newname, category)
	}
	return h.log(newname, f, err)
}

// log returns a file as it is, but for a log. That one cannot be made is an error for who
// opens the database only.
func (h haltingFS) log(name string, f vfs.File, err error) (vfs.File, error) {
	switch {
	case !strings.HasSuffix(name, ".log"):
		return f, err
	case err == nil:
		return &haltingLog{File: f, fatal: h.fatal}, nil
	case h.fatal.opened.Load():
		h.fatal.halt("make a log: " + err.Error())
	}
	return nil, err
}

// A log's room grows by as much as it has, within these. Pebble would reserve all of it with
// its first bytes: 70 MB for a directory of a few assets.
const (
	leastLogStep = 64 << 10
	mostLogStep  = 4 << 20
)

// haltingLog is a log of the database. It does not return from an error.
type haltingLog struct {
	vfs.File
	fatal             *fatal
	written, reserved int64 // bytes from the start
}

// Preallocate implements [vfs.File]. What room there is is the log's own affair.
func (h *haltingLog) Preallocate(int64, int64) error { return nil }

// reserve makes room for n more bytes, so that what makes the file longer is not part of
// every sync. A disk on which that cannot be done is as good.
func (h *haltingLog) reserve(n int) {
	if h.written += int64(n); h.written > h.reserved {
		step := min(max(h.reserved, leastLogStep), mostLogStep)
		more := (h.written - h.reserved + step - 1) / step * step
		_ = h.File.Preallocate(h.reserved, more)
		h.reserved += more
	}
}

func (h *haltingLog) sure(doing string, err error) error {
	if err != nil {
		h.fatal.halt(doing + " the log: " + err.Error())
	}
	return nil
}

// Write implements [vfs.File].
func (h *haltingLog) Write(p []byte) (int, error) {
	h.reserve(len(p))
	n, err := h.File.Write(p)
	return n, h.sure("write to", err)
}

// Sync implements [vfs.File].
func (h *haltingLog) Sync() error { return h.sure("sync", h.File.Sync()) }

// SyncData implements [vfs.File].
func (h *haltingLog) SyncData() error { return h.sure("sync", h.File.SyncData()) }

// SyncTo implements [vfs.File].
func (h *haltingLog) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = h.File.SyncTo(length)
	return fullSync, h.sure("sync", err)
}

// Close implements [vfs.File].
func (h *haltingLog) Close() error { return h.sure("close", h.File.Close()) }

// OpenDir implements [vfs.FS].
func (h haltingFS) OpenDir(name string) (vfs.File, error) {
	f, err := h.FS.OpenDir(name)
	return haltingFile{f, h.fatal}, err
}

type haltingFile struct {
	vfs.File
	fatal *fatal
}

// Sync implements [vfs.File]. It does not return an error.
func (h haltingFile) Sync() error {
	if err := h.File.Sync(); err != nil {
		h.fatal.halt("sync of a directory: " + err.Error())
	}
	return nil
}

// do runs what uses the database, and returns when it is done or something is stopped for
// ever. That may be what runs: what it finds out it must return, by result.
func (f *fatal) do(use func() error) error {
	_, err := result(f, func() (struct{}, error) { return struct{}{}, use() })
	return err
}

// result is [fatal.do] for what finds something out. There is none with an error.
func result[T any](f *fatal, use func() (T, error)) (found T, err error) {
	type outcome struct {
		found T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() {
			if problem := recover(); problem != nil {
				f.halt(fmt.Sprint("panic: ", problem))
			}
		}()
		found, err := use()
		done <- outcome{found, err}
	}()
	select {
	case o := <-done: // also after the end, unless something is stopped
		if o.err == nil {
			return o.found, nil
		}
		return found, cmp.Or(f.ended(), o.err) // that says in one line what this says in several
	case <-f.stuck:
		return found, f.err
	}
}

// ended returns why the database has ended, nil while it has not.
func (f *fatal) ended() error {
	select {
	case <-f.over:
		return f.err
	default:
		return nil
	}
}

// close closes what is still to be closed, unless something that is stopped may hold it.
func (f *fatal) close(what func() error) error {
	done := make(chan error, 1)
	go func() {
		select {
		case <-f.stuck:
		default:
			done <- what()
		}
	}()
	select {
	case err := <-done:
		return errors.Join(f.ended(), err)
	case <-f.stuck:
		return f.err
	}
}

// oneLine keeps the first line of a message.
func oneLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// flat is an error in one line.
type flat struct{ error }

var lines = strings.NewReplacer("\n  ", "; ", "\n", "; ")

func (f flat) Error() string { return lines.Replace(f.error.Error()) }

func (f flat) Unwrap() error { return f.error }

// listener hears of what goes wrong behind the database's back. Pebble would try again at
// once and without end, and writers would wait for it.
func (f *fatal) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { f.halt(err.Error()) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			f.end(fmt.Errorf("database: %s", oneLine(info.String())))
		},
	}
}
