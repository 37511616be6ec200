package bench

import (
	"math"
	"runtime/metrics"
	"slices"
	"time"
)

// usage is what the process used between some moments.
type usage struct {
	cpu      time.Duration // of all threads; 0 where the system does not say
	gc, busy float64       // of the collector, and of it and the program; seconds
	pause    time.Duration // the longest that the collector stopped the program
}

// moment is what the process used until a moment.
type moment struct {
	cpu      time.Duration
	gc, busy float64
	pauses   *metrics.Float64Histogram
}

func usedSoFar() moment {
	s := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/user:cpu-seconds"},
		{Name: "/sched/pauses/total/gc:seconds"},
	}
	metrics.Read(s)
	gc := s[0].Value.Float64()
	return moment{cpu: processTime(), gc: gc, busy: gc + s[1].Value.Float64(), pauses: s[2].Value.Float64Histogram()}
}

// add adds what was used between two moments.
func (u *usage) add(now, before moment) {
	u.cpu += now.cpu - before.cpu
	u.gc += now.gc - before.gc
	u.busy += now.busy - before.busy
	for i, n := range slices.Backward(now.pauses.Counts) {
		if n > before.pauses.Counts[i] {
			u.pause = max(u.pause, bucketTop(now.pauses.Buckets, i))
			break
		}
	}
}

// bucketTop returns the upper bound of a bucket of seconds; of the last one, which
// has none, the lower.
func bucketTop(bounds []float64, i int) time.Duration {
	top := bounds[i+1]
	if math.IsInf(top, 1) {
		top = bounds[i]
	}
	return time.Duration(top * float64(time.Second))
}
