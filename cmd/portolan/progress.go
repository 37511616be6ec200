package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressDelay is how long a read must take before it shows how far it is.
const progressDelay = 300 * time.Millisecond

// isTerminal says whether somebody watches what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress shows on w how far a long read of total bytes has come; the total is
// -1 where it is not known. The caller calls update with the bytes read so far,
// and done at the end, which wipes the bar.
func progress(w io.Writer, what string, total int64) (update func(int64), done func()) {
	return progressOf(w, what, total, true)
}

// progressOf is progress, of bytes or of other things.
func progressOf(w io.Writer, what string, total int64, bytes bool) (update func(int64), done func()) {
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(bytes),
		progressbar.OptionShowCount(),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetSpinnerChangeInterval(0), // It needs no goroutine of its own.
	)
	bar.StartWithoutRender() // or the rate would be that of what came before it is first drawn, in no time
	start, shown := time.Now(), false
	update = func(n int64) {
		if n == 0 || time.Since(start) < progressDelay {
			return
		}
		if total > 0 {
			n = min(n, total) // A file may grow while it is read.
		}
		shown = true
		_ = bar.Set64(n) // A bar that cannot be drawn is no reason to stop.
	}
	done = func() {
		if shown {
			_ = bar.Clear()
		}
	}
	return update, done
}

// countingReader tells how many bytes have been read through it.
type countingReader struct {
	io.Reader
	n      int64
	update func(int64)
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += int64(n)
	r.update(r.n)
	return n, err
}
