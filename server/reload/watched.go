package reload

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// watched is a file and what was last seen of it. It belongs to the watcher's
// goroutine.
type watched struct {
	File
	seen   [sha256.Size]byte // of what the last reload was after
	read   bool              // there was one
	failed string            // its error, empty if it went well

	good     atomic.Int64  // when it went well last, in Unix time; that it was opened counts
	failures atomic.Uint64 // reloads that did not
}

// look reloads the file if it is not as it was, or if told; one that could not
// be read is tried again every time. It logs what is news.
func (f *watched) look(log *slog.Logger, forced bool) {
	now := digest(f.Paths()) // before the reload: a change in between is seen next time
	if !forced && f.failed == "" && now == f.seen {
		return
	}
	first := !f.read
	f.seen, f.read = now, true
	if err := f.Reload(); err != nil {
		if forced || err.Error() != f.failed {
			log.Error("not reloaded; the old contents stay in force", "files", f.Paths(), "error", err)
		}
		f.failed = err.Error()
		f.failures.Add(1)
		return
	}
	f.good.Store(time.Now().Unix())
	if !first {
		log.Info("reloaded", "files", f.Paths())
	}
	f.failed = ""
}

// digest returns what tells the state of files from other states: their
// contents and permissions, or why they cannot be read.
func digest(paths []string) (sum [sha256.Size]byte) {
	all := sha256.New()
	for _, path := range paths {
		content, mode, err := contentOf(path)
		fmt.Fprintf(all, "%q %v %x %v\n", path, mode, content, err)
	}
	all.Sum(sum[:0])
	return sum
}

// contentOf returns a hash of a regular file's contents.
func contentOf(path string) (sum [sha256.Size]byte, mode os.FileMode, err error) {
	info, err := os.Stat(path) // looked at first, as to open a pipe can take forever
	if err != nil || !info.Mode().IsRegular() {
		return sum, mode, err
	}
	f, err := os.Open(path)
	if err != nil {
		return sum, info.Mode(), err
	}
	defer f.Close()
	content := sha256.New()
	_, err = io.Copy(content, f)
	content.Sum(sum[:0])
	return sum, info.Mode(), err
}
