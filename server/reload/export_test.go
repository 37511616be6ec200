package reload

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchPolling is Watch with another interval and a system that tells of
// nothing if an error is given.
func WatchPolling(ctx context.Context, log *slog.Logger, poll time.Duration, err error, files ...File) *Watcher {
	notify := fsnotify.NewWatcher
	if err != nil {
		notify = func() (*fsnotify.Watcher, error) { return nil, err }
	}
	return watch(ctx, log, means{poll, notify}, files)
}
