package store

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
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
func (f *fatal) Fatalf(format string, args ...any) {
	f.end(fmt.Errorf("database: %s", oneLine(fmt.Sprintf(format, args...))))
	f.stop.Do(func() { close(f.stuck) })
	select {}
}

func (f *fatal) end(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.over)
	})
}

// do runs what uses the database, and returns when it is done or the database has ended.
func (f *fatal) do(use func() error) error {
	done := make(chan error, 1)
	go func() { done <- use() }()
	select {
	case err := <-done:
		return err
	case <-f.over:
		return f.err
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

// listener hears of what goes wrong behind the database's back.
func (f *fatal) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			f.log.Warn("database: writing behind the scenes failed", "problem", oneLine(err.Error()))
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			f.end(fmt.Errorf("database: %s", oneLine(info.String())))
		},
	}
}
