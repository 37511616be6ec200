package store

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// privateFS makes what is kept nobody else's, whatever the directory it lies in and the
// process's umask say. What has no descriptor is no file of the disk.
type privateFS struct{ vfs.FS }

const others = fs.FileMode(0o077) // bits of a mode

// Create implements [vfs.FS].
func (p privateFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := p.FS.Create(name, category)
	return private(name, f, err)
}

// OpenReadWrite implements [vfs.FS].
func (p privateFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := p.FS.OpenReadWrite(name, category, opts...)
	return private(name, f, err)
}

// ReuseForWrite implements [vfs.FS].
func (p privateFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := p.FS.ReuseForWrite(oldname, newname, category)
	return private(newname, f, err)
}

// MkdirAll implements [vfs.FS].
func (p privateFS) MkdirAll(dir string, perm fs.FileMode) error {
	return p.FS.MkdirAll(dir, perm&^others)
}

// Lock implements [vfs.FS]. The file is made before, if it is not there: one that is locked
// must not be opened, as closing it lets the lock go.
func (p privateFS) Lock(name string) (io.Closer, error) {
	if _, err := p.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if f, err := p.OpenReadWrite(name, vfs.WriteCategoryUnspecified); err == nil {
			_ = f.Close() // nothing was written
		}
	}
	return p.FS.Lock(name)
}

// private takes the rights of others from a file that was opened.
func private(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || f.Fd() == vfs.InvalidFd {
		return f, err
	}
	if err := os.Chmod(name, 0o600); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
		// not one of another user, who gave us the right to write, nor a disk that knows no rights
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// tighten takes the rights of others from the directory and all that is in it, as earlier
// versions, or those who copied it, left them. What is another user's stays as it is.
func (d *directory) tighten(log *slog.Logger) {
	if !d.onDisk() {
		return
	}
	err := tightenBelow(d.path)
	if err != nil {
		log.Warn("data directory: others may have rights to it", "problem", err)
	}
}

// tightenBelow does so below a path, in which it follows no links.
func tightenBelow(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() == "lost+found" {
			return cmp.Or(err, fs.SkipDir)
		}
		info, err := entry.Info()
		if err != nil || info.Mode()&fs.ModeSymlink != 0 || info.Mode()&others == 0 {
			return err
		}
		return root.Chmod(name, info.Mode()&^others)
	})
}

// onDisk says whether the directory is one of the operating system's.
func (d *directory) onDisk() bool {
	f, err := d.fs.OpenDir(d.path)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Fd() != vfs.InvalidFd
}

// takeLock locks the directory. One that is only read may lie where nothing can be written:
// then it is enough that nobody has it.
func (d *directory) takeLock(readOnly bool) (err error) {
	d.lock, err = d.fs.Lock(d.at(lockName))
	if err == nil || !readOnly || !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	free, asked := lockFree(d.at(lockName))
	if asked != nil {
		return errors.Join(err, asked)
	}
	if !free {
		return syscall.EAGAIN
	}
	d.lock = noLock{}
	return nil
}

// noLock stands for a lock where there is nobody to keep out.
type noLock struct{}

func (noLock) Close() error { return nil }

// readingFS is a file system of which a database is read only: the lock of the directory
// around it is enough, and the database's own could not be made on some.
type readingFS struct{ vfs.FS }

// Lock implements [vfs.FS].
func (readingFS) Lock(string) (io.Closer, error) { return noLock{}, nil }
