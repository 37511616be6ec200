package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// clock is a monotonic clock: the time since some moment.
type clock func() time.Duration

// systemClock returns the machine's clock.
func systemClock() clock {
	began := time.Now()
	return func() time.Duration { return time.Since(began) }
}

// errClock is returned when time does not pass.
var errClock = errors.New("bench: the clock stands still, so nothing can be timed")

// Timer times single queries. It is for one goroutine.
//
// It looks at the clock once a query, where one ends and the next begins, and keeps
// what each took in a buffer, so that what it costs is little and always the same;
// that is subtracted.
type Timer struct {
	now  clock
	cost time.Duration
	buf  [4096]time.Duration
}

const (
	// blockTime is how long queries are timed before the context and the time are
	// looked at.
	blockTime = 10 * time.Millisecond
	// standstill is how many queries without any time passing are too many.
	standstill = 1 << 18
	// tailSamples is how many samples the 99.9th percentile wants: ten are above it.
	tailSamples = 10_000
	// longer is how many times as long as it was asked to a timer goes on for the
	// sake of tailSamples.
	longer = 4
)

// NewTimer returns a timer that looks at the machine's clock.
func NewTimer(ctx context.Context) (*Timer, error) { return newTimer(ctx, systemClock()) }

// Cost returns what a query's time would be too long by; it is subtracted.
func (t *Timer) Cost() time.Duration { return t.cost }

// Measure calls ask over and over, with a number that counts from 0, for some time, and
// up to four times as long where that makes fewer than 10,000 calls.
func (t *Timer) Measure(ctx context.Context, d time.Duration, ask func(i int) error) (*Latencies, error) {
	return t.measure(ctx, d, &subject{ask: ask})
}

// newTimer returns a timer that knows what it costs itself: the median over a
// million times nothing.
func newTimer(ctx context.Context, now clock) (*Timer, error) {
	t := &Timer{now: now}
	l, err := t.measure(ctx, 20*time.Millisecond, &subject{ask: func(int) error { return nil }})
	if err != nil {
		return nil, err
	}
	t.cost = time.Duration(l.histogram.ValueAtPercentile(50))
	return t, nil
}

// subject is what is timed.
type subject struct {
	// ask puts the i-th query, counted from 0.
	ask func(i int) error
	// every so many queries, before is called and not timed; 0 is never.
	every  int
	before func() error
}

// Latencies is what a number of queries took, the timer's cost subtracted.
type Latencies struct {
	histogram *hdrhistogram.Histogram
	total     time.Duration
}

// measure times queries for a while, and somewhat longer where they are few.
func (t *Timer) measure(ctx context.Context, d time.Duration, s *subject) (*Latencies, error) {
	l := &Latencies{histogram: newHistogram()}
	began := t.now()
	for i := 0; ; {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		n, err := t.block(s, i)
		if err != nil {
			return nil, err
		}
		i += n
		for _, took := range t.buf[:n] {
			took = max(took-t.cost, 0)
			l.total += took
			if err := l.histogram.RecordValue(int64(min(took, maxLatency))); err != nil {
				return nil, fmt.Errorf("bench: a query took %s: %w", took, err)
			}
		}
		switch took := t.now() - began; {
		case took <= 0 && i > standstill:
			return nil, errClock
		case took >= longer*d, took >= d && i >= tailSamples:
			return l, nil
		}
	}
}

// block times queries from the i-th on into the buffer and returns how many.
func (t *Timer) block(s *subject, i int) (n int, err error) {
	start := t.now()
	for last := start; n < len(t.buf) && last-start < blockTime; n++ {
		if s.every > 0 && (i+n)%s.every == 0 {
			if err := s.before(); err != nil {
				return n, err
			}
			last = t.now()
		}
		if err := s.ask(i + n); err != nil {
			return n, err
		}
		now := t.now()
		t.buf[n] = now - last
		last = now
	}
	return n, nil
}

// Count returns how many queries were timed, at least one.
func (l *Latencies) Count() int64 { return l.histogram.TotalCount() }

// Percentile returns the latency that so many percent of the queries were below.
func (l *Latencies) Percentile(p float64) time.Duration {
	return time.Duration(l.histogram.ValueAtPercentile(p))
}

// addTo adds what the queries took to a result.
func (l *Latencies) addTo(r *Result) {
	h := l.histogram
	r.Samples = h.TotalCount()
	r.add("ns/op", float64(l.total)/float64(r.Samples))
	for _, p := range []struct {
		unit string
		at   float64
	}{{"p50-ns", 50}, {"p90-ns", 90}, {"p99-ns", 99}, {"p99.9-ns", 99.9}} {
		r.add(p.unit, float64(h.ValueAtPercentile(p.at)))
	}
	r.add("max-ns", float64(h.Max()))
	if r.Samples < tailSamples {
		r.mark("too few samples: %d, and p99.9 wants %d", r.Samples, tailSamples)
	}
}

// allocations returns what a query allocates in the median: objects and bytes.
// Nothing else should run meanwhile.
func allocations(s *subject, queries int) (objects, bytes float64, err error) {
	var before, after runtime.MemStats
	all, sizes := make([]float64, queries), make([]float64, queries)
	for i := range queries {
		if s.every > 0 && i%s.every == 0 {
			if err := s.before(); err != nil {
				return 0, 0, err
			}
		}
		runtime.ReadMemStats(&before)
		if err := s.ask(i); err != nil {
			return 0, 0, err
		}
		runtime.ReadMemStats(&after)
		all[i] = float64(after.Mallocs - before.Mallocs)
		sizes[i] = float64(after.TotalAlloc - before.TotalAlloc)
	}
	return median(all), median(sizes), nil
}
