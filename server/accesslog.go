package server

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"portolan/server/auth"
)

// maxFailures is how many records of requests that failed are kept in a second,
// so that nobody can fill the disk by being refused.
const maxFailures = 100

// accessLog writes one record per request, of successes a sample. A record
// names the route instead of the address, as a query may hold anything, and
// holds no header of the client.
type accessLog struct {
	log      *slog.Logger
	sample   int
	failures *rate.Limiter
}

func newAccessLog(log *slog.Logger, sample int) *accessLog {
	if log == nil {
		return nil
	}
	return &accessLog{log: log, sample: sample, failures: rate.NewLimiter(maxFailures, maxFailures)}
}

// keeps says whether the request is one to write down.
func (a *accessLog) keeps(c *call) bool {
	if c.answered.status >= http.StatusBadRequest {
		return a.failures.Allow()
	}
	return a.sample == 1 || rand.IntN(a.sample) == 0
}

func (a *accessLog) request(c *call, took time.Duration) {
	if a == nil || !a.keeps(c) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", string(c.id[:])), slog.String("method", printable(c.Method)),
		slog.String("route", c.route.name()), slog.Int("status", c.answered.status), slog.Int("bytes", len(c.answered.body)),
		slog.Int64("took_ns", took.Nanoseconds()), slog.String("remote", c.Remote),
	}
	if c.caller == nil && c.answered.status == http.StatusUnauthorized {
		if kind, id := auth.Presented(&c.Request); kind != "" {
			attrs = append(attrs, slog.String("presented", kind), slog.String("presented_id", id))
		}
	}
	if c.caller != nil { // then the project is one that it is granted, or tried
		attrs = append(attrs, slog.String("caller", c.caller.Name), slog.String("source", c.caller.Source),
			slog.String("project", c.project))
	}
	a.log.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs...)
}

// printable keeps a method that somebody made up short.
func printable(method string) string { return method[:min(len(method), 16)] }
