package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"portolan/engine"
)

// Assets that are too old are looked for ten times within the time that they may have, but
// neither all the time nor seldom enough to be noticed.
const (
	mostOftenExpired = time.Second
	leastExpired     = time.Minute
)

// expireEvery is how often assets are looked for that may be as old as limit.
func expireEvery(limit time.Duration) time.Duration {
	return min(max(limit/10, mostOftenExpired), leastExpired)
}

// startExpiring begins to forget assets that are too old, and returns what ends it.
func startExpiring(ctx context.Context, e *engine.Engine, limit time.Duration, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { keepExpiring(ctx, e, limit, log) })
	return func() { cancel(); running.Wait() }
}

// keepExpiring forgets assets that are too old until the context is done.
func keepExpiring(ctx context.Context, e *engine.Engine, limit time.Duration, log *slog.Logger) {
	tick := time.NewTicker(expireEvery(limit))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			expireNow(ctx, e, log)
		}
	}
}

// expireNow forgets the assets that are too old now.
func expireNow(ctx context.Context, e *engine.Engine, log *slog.Logger) {
	result, err := e.Expire(ctx)
	if result.Removed > 0 {
		log.Info("forgot assets that nobody reports on", "assets", result.Removed)
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, engine.ErrClosed) {
		log.Warn("assets that are too old cannot be forgotten at present", "problem", err)
	}
}
