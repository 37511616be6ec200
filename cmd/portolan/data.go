package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"portolan/engine"
	"portolan/engine/store"
)

// data is what a server holds: an engine, and the store behind it, if there is one.
type data struct {
	engine   *engine.Engine
	store    *store.Store // nil: in memory only
	log      *slog.Logger
	loaded   func()       // wipes the progress bar
	copies   sync.Mutex   // held while a backup is made from memory
	backedUp atomic.Int64 // when one was sent whole last, in Unix time
}

// openData opens the data directory of the flags, if they name one. Its contents are yet to
// be loaded.
func (c *cli) openData(f *serveFlags, log *slog.Logger) (*data, error) {
	if f.lag.value != 0 && f.data.path == "" {
		return nil, misuse("--durable-within goes with --data")
	}
	engineOpts := &engine.Options{DurableWithin: f.lag.value, Expire: f.expire.value}
	if f.history.value == 0 {
		engineOpts.ChangesBytes = -1
	}
	e, err := engine.Open(engineOpts)
	if err != nil {
		return nil, usageError{err}
	}
	d := &data{engine: e, log: log, loaded: func() {}}
	if f.data.path == "" {
		return d, nil
	}
	opts := &store.Options{Log: log, MinFree: uint64(f.minFree.value), History: f.history.value, HistoryBytes: uint64(f.historyBytes.value), Trends: f.trends.value}
	if opts.History == 0 {
		opts.History = -1
	}
	if opts.Trends == 0 {
		opts.Trends = -1
	}
	opts.Progress, d.loaded = c.loadProgress()
	if d.store, err = store.Open(f.data.path, opts); err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	return d, nil
}

// load loads what the directory holds.
func (d *data) load(ctx context.Context) error {
	if d.store == nil {
		return nil
	}
	start := time.Now()
	err := d.engine.Attach(ctx, d.store)
	d.loaded()
	if err != nil {
		return fmt.Errorf("load data: %w", err)
	}
	held, err := d.engine.Stats()
	if err != nil {
		return err
	}
	d.log.Info("loaded data", "projects", held.Projects, "assets", held.Assets, "open_ports", held.Observations,
		"took", time.Since(start).Round(time.Millisecond))
	return nil
}

// close ends the engine, then the store.
func (d *data) close() error {
	err := d.engine.Close()
	if d.store != nil {
		err = errors.Join(err, d.store.Close())
	}
	return err
}

// loadProgress shows, to somebody who watches, how many assets are loaded.
func (c *cli) loadProgress() (tell func(done, total int), end func()) {
	return c.assetProgress("loading assets")
}

// assetProgress shows, to somebody who watches, of how many assets something is done.
func (c *cli) assetProgress(what string) (tell func(done, total int), end func()) {
	if !isTerminal(c.stderr) {
		return nil, func() {}
	}
	var update func(int64)
	end = func() {}
	tell = func(done, total int) {
		if update == nil {
			update, end = progressOf(c.stderr, what, int64(total), false)
		}
		update(int64(done))
	}
	return tell, func() { end() }
}
