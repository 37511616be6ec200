//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lockWait is how long a lock is waited for: far longer than an edit takes.
const lockWait = 10 * time.Second

// lockFolder waits until nobody else has the folder locked. The lock is a file,
// which a process that is killed leaves behind.
func lockFolder(dir string) (unlock func(), err error) {
	name := filepath.Join(dir, ".portolan-lock")
	for end := time.Now().Add(lockWait); ; time.Sleep(10 * time.Millisecond) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		switch {
		case err == nil:
			_ = f.Close() // nothing was written to it
			return func() { _ = os.Remove(name) }, nil
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		case time.Now().After(end):
			return nil, fmt.Errorf("%s is there: remove it if no other edit is under way", name)
		}
	}
}

// keepOwner does nothing: the folder says who owns a file.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// syncFolder does nothing: these systems cannot sync a folder.
func syncFolder(string) error { return nil }
