package bench

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// steps is a clock that goes on by a step each time it is looked at.
type steps struct{ at, step time.Duration }

func (s *steps) now() time.Duration {
	s.at += s.step
	return s.at
}

func nothing(int) error { return nil }

// TestTimer: what a query took is the time between two looks at the clock, less what
// the timer costs itself.
func TestTimer(t *testing.T) {
	c := &steps{step: 10}
	timer, err := newTimer(t.Context(), c.now)
	if err != nil || timer.cost != 10 {
		t.Fatalf("cost %s, %v", timer.cost, err)
	}
	before := 0
	l, err := timer.measure(t.Context(), time.Millisecond, &subject{
		ask:    func(int) error { c.at += 90; return nil },
		every:  7,
		before: func() error { before++; c.at += time.Microsecond; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	n := l.histogram.TotalCount()
	if n < tailSamples || l.histogram.Max() != 90 || l.histogram.Min() != 90 || l.total != time.Duration(90*n) {
		t.Errorf("%d queries took %s, %d to %d ns", n, l.total, l.histogram.Min(), l.histogram.Max())
	}
	if want := int(n+6) / 7; before != want {
		t.Errorf("%d preparations for %d queries, want %d", before, n, want)
	}
}

// TestTimerRefuses: what cannot be timed is an error.
func TestTimerRefuses(t *testing.T) {
	if _, err := newTimer(t.Context(), func() time.Duration { return 0 }); !errors.Is(err, errClock) {
		t.Errorf("a clock that stands still: %v", err)
	}
	c := &steps{step: 10}
	timer, err := newTimer(t.Context(), c.now)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for name, s := range map[string]*subject{
		"a query that fails":       {ask: func(i int) error { return map[bool]error{true: broken}[i == 5000] }},
		"a preparation that fails": {ask: nothing, every: 1, before: func() error { return broken }},
	} {
		if _, err := timer.measure(t.Context(), time.Minute, s); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := allocations(s, 5001); !errors.Is(err, broken) {
			t.Errorf("%s: allocations: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := timer.measure(ctx, time.Minute, &subject{ask: nothing}); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

// TestFewSamplesAreMarked: a query so slow that its tail is not known says so.
func TestFewSamplesAreMarked(t *testing.T) {
	c := &steps{step: 10}
	timer, err := newTimer(t.Context(), c.now)
	if err != nil {
		t.Fatal(err)
	}
	for took, few := range map[time.Duration]bool{time.Microsecond: false, time.Millisecond: true, time.Hour: true} {
		l, err := timer.measure(t.Context(), 50*time.Millisecond, &subject{ask: func(int) error { c.at += took; return nil }})
		if err != nil {
			t.Fatal(err)
		}
		var r Result
		l.addTo(&r)
		if len(r.Marks) > 0 != few {
			t.Errorf("%s: %d samples, marks %q", took, r.Samples, r.Marks)
		}
		if p50, ok := r.Value("p50-ns"); !ok || p50 < 0.99*float64(min(took, maxLatency)) {
			t.Errorf("%s: p50 is %v", took, p50)
		}
	}
}

// TestAllocations: objects and bytes are counted, and nothing where there are none.
func TestAllocations(t *testing.T) {
	var keep []byte
	objects, bytes, err := allocations(&subject{ask: func(int) error { keep = make([]byte, 1024); return nil }}, 20)
	if objects != 1 || bytes != 1024 || err != nil || len(keep) != 1024 {
		t.Errorf("%v objects, %v bytes, %v", objects, bytes, err)
	}
	prepared := 0
	objects, bytes, err = allocations(&subject{ask: nothing, every: 10, before: func() error { prepared++; keep = make([]byte, 8); return nil }}, 20)
	if objects != 0 || bytes != 0 || err != nil || prepared != 2 {
		t.Errorf("%v objects, %v bytes, %v, prepared %d times", objects, bytes, err, prepared)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list []int
		want int
	}{{[]int{9, 1, 3}, 3}, {[]int{4, 0, 1, 3}, 2}, {[]int{7}, 7}} {
		if got := median(slices.Clone(c.list)); got != c.want {
			t.Errorf("median of %v is %d, want %d", c.list, got, c.want)
		}
	}
}
