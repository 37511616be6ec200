package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Errors about a directory.
var (
	// ErrInUse is returned for a directory that a process has open.
	ErrInUse = errors.New("data directory is in use")
	// ErrForeign is returned for a directory, or a file, that is none of Portolan's.
	ErrForeign = errors.New("not a data directory of Portolan")
	// ErrNewer is returned for a directory that a newer version has written.
	ErrNewer = errors.New("data directory is of a newer version")
	// ErrIncomplete is returned for a directory of which something is missing.
	ErrIncomplete = errors.New("data directory is incomplete")
)

// Names in a data directory.
const (
	markerName   = "PORTOLAN" // says what this is
	markerDraft  = "PORTOLAN.new"
	lockName     = "LOCK"
	databaseName = "db"
)

// formatVersion is the version of everything in the directory, as FORMAT.md counts them.
const formatVersion = 8

// The first line of a marker, and its states.
const (
	markerTitle = "Portolan data directory"
	creating    = "being created" // nothing was acknowledged yet
	copying     = "being copied"  // not all of it is there
	ready       = "ready"
)

// directory is a data directory that this process has.
type directory struct {
	fs   vfs.FS
	path string
	lock io.Closer

	format int // of what was found
}

// takeDirectory makes or finds a data directory and locks it. fresh says that there is no
// database in it yet, which it makes unless it is only to read.
func takeDirectory(fsys vfs.FS, path string, readOnly bool) (d *directory, fresh bool, err error) {
	d = &directory{fs: fsys, path: path}
	state, err := d.inspect()
	if err != nil {
		return nil, false, err
	}
	if state != ready && readOnly {
		return nil, false, fmt.Errorf("%w: %s has no data", ErrIncomplete, path)
	}
	if err := makeDirectory(fsys, path); err != nil {
		return nil, false, fmt.Errorf("make data directory: %w", err)
	}
	if err := d.takeLock(readOnly); err != nil {
		return nil, false, fmt.Errorf("lock data directory: %w", lockError(path, err))
	}
	state, err = d.inspect() // another process may have been faster
	switch {
	case err != nil:
	case state != ready:
		err = errors.Join(fsys.RemoveAll(d.at(databaseName)), fsys.RemoveAll(d.at(witnessName)), d.mark(creating))
	}
	if err != nil {
		return nil, false, errors.Join(err, d.release())
	}
	return d, state != ready, nil
}

// makeDirectory makes a directory and those above it, and makes their names durable.
func makeDirectory(fsys vfs.FS, path string) error {
	if _, err := fsys.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := fsys.PathDir(path)
	if above != path {
		if err := makeDirectory(fsys, above); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return syncDirectory(fsys, above)
}

// lockError names the error of a lock that another has, and returns others as they are.
func lockError(path string, err error) error {
	// Within one process the file system knows itself who has it.
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) && !errors.Is(err, fs.ErrPermission) ||
		strings.Contains(err.Error(), "lock held") {
		return fmt.Errorf("%w: %s is open in a process, which must end first", ErrInUse, path)
	}
	return err
}

func (d *directory) at(name string) string { return d.fs.PathJoin(d.path, name) }

func (d *directory) release() error {
	if err := d.lock.Close(); err != nil {
		return fmt.Errorf("unlock data directory: %w", err)
	}
	return nil
}

// inspect returns the state of a data directory, that of a fresh one if it has nothing in it.
func (d *directory) inspect() (state string, err error) {
	info, err := d.fs.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return creating, nil
	case err != nil:
		return "", fmt.Errorf("data directory: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("%w: %s is a file", ErrForeign, d.path)
	}
	names, err := d.fs.List(d.path)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	if !slices.Contains(names, markerName) {
		for _, name := range names {
			if name != lockName && name != markerDraft && name != "lost+found" {
				return "", fmt.Errorf("%w: %s has %q in it and no %s", ErrForeign, d.path, name, markerName)
			}
		}
		return creating, nil
	}
	if state, err = d.readMarker(); err != nil {
		return "", err
	}
	if state == copying {
		return "", fmt.Errorf("%w: %s is a copy that was not finished; remove it and copy again", ErrIncomplete, d.path)
	}
	if state == ready && !slices.Contains(names, databaseName) {
		return "", fmt.Errorf("%w: %s has no %q", ErrIncomplete, d.path, databaseName)
	}
	return state, nil
}

// maxMarker is more than any marker has.
const maxMarker = 4096

// open opens a file of the directory to be read. What is no file, such as a pipe, might
// never give an answer.
func (d *directory) open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := d.isFile(name); err != nil {
		return nil, err
	}
	return d.fs.Open(d.at(name), opts...)
}

// isFile returns an error unless there is a file with the name.
func (d *directory) isFile(name string) error {
	info, err := d.fs.Stat(d.at(name))
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", d.at(name))
	}
	return err
}

func (d *directory) readMarker() (state string, err error) {
	f, err := d.open(markerName)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMarker))
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	state, d.format, err = parseMarker(d.path, string(data))
	return state, err
}

// parseMarker reads a marker:
//
//	Portolan data directory
//	format: 3
//	state: ready
func parseMarker(path, text string) (state string, format int, err error) {
	lines := strings.Split(text, "\n")
	if lines[0] != markerTitle || len(lines) < 3 {
		return "", 0, fmt.Errorf("%w: the %s of %s does not say so", ErrForeign, markerName, path)
	}
	number, ok := strings.CutPrefix(lines[1], "format: ")
	version, err := strconv.Atoi(number)
	if !ok || err != nil || version < 1 {
		return "", 0, fmt.Errorf("%w: the %s of %s has %q where the format's version should be", ErrIncomplete, markerName, path, lines[1])
	}
	if version > formatVersion {
		return "", 0, fmt.Errorf("%w: %s has format %d, this version knows formats up to %d", ErrNewer, path, version, formatVersion)
	}
	state, _ = strings.CutPrefix(lines[2], "state: ")
	if state != ready && state != creating && state != copying {
		return "", 0, fmt.Errorf("%w: the %s of %s has %q where the state should be", ErrIncomplete, markerName, path, lines[2])
	}
	return state, version, nil
}

// mark writes the marker so that there is the old one or the new one, whatever happens.
func (d *directory) mark(state string) error {
	if err := d.writeFile(markerDraft, markerName, []byte(markerText(state))); err != nil {
		return fmt.Errorf("mark data directory: %w", err)
	}
	return nil
}

func markerText(state string) string {
	return fmt.Sprintf("%s\nformat: %d\nstate: %s\n", markerTitle, formatVersion, state)
}

// writeFile writes a file under the name of a draft, and gives it its name when it is on disk.
func (d *directory) writeFile(draft, name string, data []byte) error {
	f, err := d.fs.Create(d.at(draft), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.fs.Rename(d.at(draft), d.at(name)); err != nil {
		return err
	}
	return syncDirectory(d.fs, d.path)
}

// syncDirectory makes a directory's names durable.
func syncDirectory(fsys vfs.FS, path string) error {
	f, err := fsys.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
