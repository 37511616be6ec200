// Package reload reads files again when they change.
//
// # Basics
//
// A [File] is something that was read from files and can be read again. [Watch]
// starts a [Watcher], which calls Reload soon after one of those files changed
// in contents or permissions, whether it was written, replaced or reached by
// another symbolic link, as Kubernetes does with its secrets.
//
// # Caveats
//
// Changes are noticed at once where the operating system tells of them, and
// within a minute everywhere else, such as on network file systems.
//
// A file that is written in place can be seen half written. Its [File] then
// refuses it or, if half a file happens to be valid, takes it until the rest is
// there. Who replaces a file by renaming another has no such moment.
package reload

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"
)

// File is what can be read again. Its methods are called by one goroutine of
// the watcher, while others use what was read.
type File interface {
	// Paths returns the files that are read, always the same.
	Paths() []string
	// Reload reads them. After an error everything stays as it was; the error
	// is logged, so it must hold no secret.
	Reload() error
}

// Times of a watcher.
const (
	// settle is how long after a change the files are looked at: a change
	// seldom comes alone.
	settle = 100 * time.Millisecond
	// pollInterval is how often they are looked at in any case.
	pollInterval = time.Minute
)

// Watcher watches files until it is stopped.
type Watcher struct {
	log    *slog.Logger
	files  []*watched
	folder *folders
	force  chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Watch begins to watch the files, until ctx ends or Stop is called. Each is
// read once at the beginning, so that no change is missed since it was opened.
// What happens is logged: what could be read again at info, what could not as an
// error that says that the old contents stay.
func Watch(ctx context.Context, log *slog.Logger, files ...File) *Watcher {
	return watch(ctx, log, means{pollInterval, fsnotify.NewWatcher}, files)
}

// means is how a watcher learns of changes.
type means struct {
	poll   time.Duration
	notify func() (*fsnotify.Watcher, error)
}

func watch(ctx context.Context, log *slog.Logger, how means, files []File) *Watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &Watcher{log: log, force: make(chan struct{}, 1), cancel: cancel, folder: &folders{}}
	for _, f := range files {
		one := &watched{File: f}
		one.good.Store(time.Now().Unix())
		w.files = append(w.files, one)
	}
	fs, err := how.notify()
	if err == nil {
		w.folder = &folders{fs: fs, events: fs.Events, errors: fs.Errors}
	} else {
		log.Warn("the system does not tell of changes of files; they are looked at now and then", "every", how.poll, "error", err)
	}
	w.done.Go(func() { w.run(ctx, how.poll) })
	return w
}

// Reload has every file read soon, changed or not, and does not wait for it.
func (w *Watcher) Reload() {
	select {
	case w.force <- struct{}{}:
	default: // one is to come already
	}
}

// Stop ends the watching and waits for a reload that is under way. It may be
// called more than once.
func (w *Watcher) Stop() {
	w.cancel()
	w.done.Wait()
}

var (
	reloadedDesc = prometheus.NewDesc("portolan_file_loaded_timestamp_seconds", "When a file was read well last, in Unix time.", []string{"file"}, nil)
	failuresDesc = prometheus.NewDesc("portolan_file_reload_failures_total", "Times that a file could not be read again; the old contents stay in force.", []string{"file"}, nil)
)

// Metrics returns when each file was read last, and how often that failed. A file is known by its
// first path.
func (w *Watcher) Metrics() prometheus.Collector { return ages{w} }

type ages struct{ w *Watcher }

func (a ages) Describe(to chan<- *prometheus.Desc) {
	to <- reloadedDesc
	to <- failuresDesc
}

func (a ages) Collect(to chan<- prometheus.Metric) {
	for _, f := range a.w.files {
		name := strings.ToValidUTF8(f.Paths()[0], "\uFFFD")
		to <- prometheus.MustNewConstMetric(reloadedDesc, prometheus.GaugeValue, float64(f.good.Load()), name)
		to <- prometheus.MustNewConstMetric(failuresDesc, prometheus.CounterValue, float64(f.failures.Load()), name)
	}
}

// run looks at the files whenever there is a reason.
func (w *Watcher) run(ctx context.Context, poll time.Duration) {
	defer w.folder.close()
	every := time.NewTicker(poll)
	defer every.Stop()
	var soon <-chan time.Time
	w.look(false)
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.folder.events:
			if soon == nil { // not put off by more changes, which may never end
				soon = time.After(settle)
			}
		case err := <-w.folder.errors:
			w.log.Warn("changes of files may have been missed", "error", err)
			w.look(false)
		case <-soon:
			soon = nil
			w.look(false)
		case <-every.C:
			w.look(false)
		case <-w.force:
			w.look(true)
		}
	}
}

// look reads the files that changed, or all of them.
func (w *Watcher) look(all bool) {
	w.folder.follow(w.files) // before the look, so that what comes after it is told of
	for _, f := range w.files {
		f.look(w.log, all)
	}
}
