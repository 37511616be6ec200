package bench

import (
	"cmp"
	"slices"
	"time"
)

// HTTPResult is what [HTTP] measured.
type HTTPResult struct {
	Machine     Machine `json:"machine"`
	Assets      int     `json:"assets"`      // in the engine
	Connections int     `json:"connections"` // of each side
	Body        int     `json:"body_bytes"`  // of an answer

	Ours Side `json:"ours"`
	Bare Side `json:"bare"`

	// HandlerAllocs is what our handler allocates for a request, without
	// net/http, rounded down.
	HandlerAllocs float64 `json:"handler_allocs"`
	// Throughput is ours by bare, the median of the rounds' ratios: a round's two
	// sides ran next to each other.
	Throughput float64 `json:"throughput_ratio"`
	// P99 is the 99th percentile of the latency, ours by bare, the median of the
	// rounds' ratios.
	P99 float64 `json:"p99_ratio"`

	Targets []Target `json:"targets"`
}

// Side is what one server did.
type Side struct {
	Rounds []Round `json:"rounds"`
	// Median is of each figure by itself, over the rounds.
	Median Round `json:"median"`
}

// Round is what one server did in one round. What it allocated includes
// net/http.
type Round struct {
	Requests  int           `json:"requests"`
	PerSecond float64       `json:"requests_per_second"`
	Took      time.Duration `json:"took_ns"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	P999      time.Duration `json:"p999_ns"`
	Allocs    float64       `json:"allocs_per_request"`
	Bytes     float64       `json:"bytes_per_request"`
}

// Target is what a figure is held against.
type Target struct {
	What     string  `json:"what"`
	Measured float64 `json:"measured"`
	Bound    float64 `json:"bound"`
	AtLeast  bool    `json:"at_least"` // else at most
	Met      bool    `json:"met"`
}

func atLeast(what string, measured, bound float64) Target {
	return Target{What: what, Measured: measured, Bound: bound, AtLeast: true, Met: measured >= bound}
}

func atMost(what string, measured, bound float64) Target {
	return Target{What: what, Measured: measured, Bound: bound, Met: measured <= bound}
}

// conclude fills in what follows from the rounds.
func (r *HTTPResult) conclude() {
	r.Ours.Median, r.Bare.Median = medianRound(r.Ours.Rounds), medianRound(r.Bare.Rounds)
	r.Throughput = r.ratio(func(x *Round) float64 { return x.PerSecond })
	r.P99 = r.ratio(func(x *Round) float64 { return float64(x.P99) })
	r.Targets = []Target{
		atLeast("throughput, ours by bare", r.Throughput, 0.95),
		atMost("p99 latency, ours by bare", r.P99, 1.3),
		atMost("allocations of our handler", r.HandlerAllocs, 4),
	}
}

// ratio returns the median over the rounds of ours by bare.
func (r *HTTPResult) ratio(figure func(*Round) float64) float64 {
	ratios := make([]float64, len(r.Ours.Rounds))
	for i := range ratios {
		ratios[i] = figure(&r.Ours.Rounds[i]) / figure(&r.Bare.Rounds[i])
	}
	return median(ratios)
}

// round returns the figures of a leg that sent at least one request.
func (l *leg) round() Round {
	n := float64(l.requests)
	at := func(percentile float64) time.Duration {
		return time.Duration(l.latencies.ValueAtPercentile(percentile))
	}
	return Round{
		Requests: l.requests, Took: l.took, PerSecond: n / l.took.Seconds(), P50: at(50), P99: at(99), P999: at(99.9),
		Allocs: float64(l.mallocs) / n, Bytes: float64(l.bytes) / n,
	}
}

func medianRound(rounds []Round) Round {
	return Round{
		Requests:  medianOf(rounds, func(r *Round) int { return r.Requests }),
		Took:      medianOf(rounds, func(r *Round) time.Duration { return r.Took }),
		PerSecond: medianOf(rounds, func(r *Round) float64 { return r.PerSecond }),
		P50:       medianOf(rounds, func(r *Round) time.Duration { return r.P50 }),
		P99:       medianOf(rounds, func(r *Round) time.Duration { return r.P99 }),
		P999:      medianOf(rounds, func(r *Round) time.Duration { return r.P999 }),
		Allocs:    medianOf(rounds, func(r *Round) float64 { return r.Allocs }),
		Bytes:     medianOf(rounds, func(r *Round) float64 { return r.Bytes }),
	}
}

// number is a figure.
type number interface {
	cmp.Ordered
	~int | ~int64 | ~float64
}

func medianOf[N number](rounds []Round, figure func(*Round) N) N {
	all := make([]N, len(rounds))
	for i := range rounds {
		all[i] = figure(&rounds[i])
	}
	return median(all)
}

// median returns the middle one of at least one figure, or the mean of the two
// in the middle. It sorts them.
func median[N number](all []N) N {
	slices.Sort(all)
	high := all[len(all)/2]
	if len(all)%2 == 1 {
		return high
	}
	low := all[len(all)/2-1]
	return low + (high-low)/2
}
