package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// serving returns the address of a server that answers with the handler.
func serving(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

var hi = &set{[][]byte{[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")}, [][]byte{[]byte("hi")}}

// TestClientProcess: a client in a process of its own counts what it sent, and its own
// CPU time.
func TestClientProcess(t *testing.T) {
	t.Setenv(clientVariable, "1")
	l, err := newLoader(t.Context(), []string{os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	var served atomic.Int64
	addr := serving(t, func(w http.ResponseWriter, _ *http.Request) { served.Add(1); _, _ = io.WriteString(w, "hi") })
	for range 2 { // the second order sends the same set
		served.Store(0)
		r, err := l.carryOut(t.Context(), hi, order{Addr: addr, Connections: 3, For: time.Minute, Most: 300})
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests != 300 || served.Load() != 300 || hdrhistogram.Import(r.Latencies).TotalCount() != 300 || r.Took <= 0 {
			t.Errorf("%d requests in %s, %d served", r.Requests, r.Took, served.Load())
		}
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
	if _, err := newLoader(t.Context(), []string{"/none/such"}); err == nil {
		t.Error("a client that is not there has started")
	}
}

// TestClientRefuses: an answer that is not the one expected, or none, is an error.
func TestClientRefuses(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, c := range map[string]struct{ addr, says string }{
		"an error":       {serving(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hi", http.StatusTeapot) }), "418"},
		"another answer": {serving(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ho") }), "not the one"},
		"no length":      {serving(t, func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }), "no Content-Length"},
		"nobody":         {closed.Addr().String(), "refused"},
		"a panic":        {serving(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "EOF"},
	} {
		for _, rate := range []float64{0, 1000} {
			l, err := newLoader(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = l.carryOut(t.Context(), hi, order{Addr: c.addr, Connections: 2, For: time.Minute, Rate: rate})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v: want %q in it", name, err, c.says)
			}
			if _, err := l.carryOut(t.Context(), hi, order{Addr: c.addr}); err == nil {
				t.Errorf("%s: no connections are no error", name)
			}
			if err := l.close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestOpenLoopCountsWaiting: requests that were due while the server stood still count
// from when they were due, those that were never sent, too.
func TestOpenLoopCountsWaiting(t *testing.T) {
	var stalled atomic.Bool
	addr := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		if !stalled.Swap(true) {
			time.Sleep(300 * time.Millisecond)
		}
		_, _ = io.WriteString(w, "hi")
	})
	l := newLocalLoader(t.Context())
	r, err := l.carryOut(t.Context(), hi, order{Addr: addr, Connections: 1, For: 200 * time.Millisecond, Rate: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
	h := hdrhistogram.Import(r.Latencies)
	// One was sent; of the 19 others the last was due 110 ms before the answer came.
	if r.Requests != 1 || h.TotalCount() != 20 || h.Min() < int64(100*time.Millisecond) || h.Max() < int64(300*time.Millisecond) {
		t.Errorf("%d sent, %d counted, %s to %s", r.Requests, h.TotalCount(), time.Duration(h.Min()), time.Duration(h.Max()))
	}
}

// TestClientStops: a client ends when its context does.
func TestClientStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := serving(t, func(w http.ResponseWriter, _ *http.Request) { cancel(); _, _ = io.WriteString(w, "hi") })
	l := newLocalLoader(ctx)
	if _, err := l.carryOut(ctx, hi, order{Addr: addr, Connections: 2, For: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}

// fakeLegs returns rounds of so many requests a second.
func fakeLegs(name string, perSecond ...int) *rounds {
	r := &rounds{server: &opponent{name: name}}
	for _, n := range perSecond {
		l := newLeg()
		l.requests, l.took, l.cpu, l.client = n, time.Second, time.Second, time.Second/2
		for range n {
			_ = l.latencies.RecordValue(int64(time.Second) / int64(n))
		}
		r.legs = append(r.legs, l)
	}
	return r
}

// TestComparisonsJudgeThemselves: what is noisy, small or done by a busy client says so.
func TestComparisonsJudgeThemselves(t *testing.T) {
	c := &contest{load: &loader{own: true}}
	topic := &topic{name: "page"}
	steady := c.ratios(topic.name, fakeLegs(Ours, 5000, 5100, 4900), fakeLegs(Bare, 10_000, 10_000, 10_000))
	if v, _ := steady.Value("throughput-ratio"); v != 0.5 || len(steady.Marks) > 0 {
		t.Errorf("%+v", steady)
	}
	wild := c.ratios(topic.name, fakeLegs(Ours, 5000, 8000, 4900), fakeLegs(Bare, 10_000, 10_000, 10_000))
	if !strings.Contains(fmt.Sprint(wild.Marks), "noisy") {
		t.Errorf("%+v", wild)
	}
	fine := c.side(topic.name, fakeLegs(Ours, 5000, 6000))
	if cpu, _ := fine.Value("cpu-ns"); len(fine.Marks) > 0 || fine.Samples != 11_000 || cpu < 181_000 || cpu > 182_000 {
		t.Errorf("%+v", fine)
	}
	few := c.side(topic.name, fakeLegs(Ours, 100))
	if !strings.Contains(fmt.Sprint(few.Marks), "too few samples") {
		t.Errorf("%+v", few)
	}
	busy := fakeLegs(Ours, 20_000)
	busy.legs[0].client = 2 * time.Second
	if got := c.side(topic.name, busy); !strings.Contains(fmt.Sprint(got.Marks), "client is saturated") {
		t.Errorf("%+v", got)
	}
	c.load.own = false
	if got := c.side(topic.name, fakeLegs(Ours, 20_000)); !strings.Contains(fmt.Sprint(got.Marks), "server's process") {
		t.Errorf("%+v", got)
	}
}

// TestOpponentsAnswerTheSame: a server with another answer is never compared.
func TestOpponentsAnswerTheSame(t *testing.T) {
	topic := &topic{asks: []httpAsk{{}}, set: hi, header: http.Header{"Content-Length": {"2"}, "Content-Type": {"text/plain; charset=utf-8"}}}
	same := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }
	if err := topic.checkSame(t.Context(), serving(t, same), hi.Wants, true); err != nil {
		t.Error(err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"a body":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ho") },
		"a field": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X", "y"); same(w, r) },
		"a fault": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			same(w, r)
		},
	} {
		if err := topic.checkSame(t.Context(), serving(t, h), hi.Wants, true); err == nil {
			t.Errorf("%s that differs is not found", name)
		}
	}
}
