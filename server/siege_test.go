package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"portolan/server"
)

// Limits of a siege. Those of the server are short, so that a test can wait for
// them; the others are so long that only a fault reaches them.
const (
	siegeLimit = 3 * time.Second  // of the server: headers, idle connections, answers
	siegeConns = 512              // of the server: connections
	siegeBody  = 4 << 20          // of the server: bytes of a body
	probeLimit = 5 * time.Second  // an answer to somebody who behaves well
	siegeEnd   = 20 * time.Second // whatever the server is to end by itself
	calmHeap   = 8 << 20          // what may stay on the heap afterwards
	siegeHeap  = 256 << 20        // what may be on it meanwhile
)

// siege is a server on a real address that answers somebody who behaves well
// while others attack it.
type siege struct {
	*rig
	address string
	seen    *prometheus.Registry
	log     safeBuffer    // what net/http complains of
	probes  atomic.Int64  // answers to the one who behaves well
	peak    atomic.Uint64 // bytes on the heap
}

// attack is one way to molest a server, and what the attacker must see.
type attack struct {
	name string
	do   func(*testing.T, *siege)
}

// besiege starts all attacks at once against one server. Meanwhile everybody
// else gets their answer, and afterwards the process holds what it held before.
func besiege(t *testing.T, attacks ...attack) {
	t.Helper()
	eachWay(t, func(t *testing.T, fronted bool) { besieged(t, fronted, attacks) })
}

func besieged(t *testing.T, fronted bool, attacks []attack) {
	t.Helper()
	s := newSiege(t, fronted)
	probe := s.prober(false)
	probe(t)
	probe(nil) // ends its connections
	before, known := held(), goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	var behaving, attacking sync.WaitGroup
	behaving.Go(func() { s.keepAsking(ctx, t) })
	for _, a := range attacks {
		attacking.Go(func() { t.Run(a.name, func(t *testing.T) { a.do(t, s) }) })
	}
	attacking.Wait()
	n := s.probes.Load()
	s.await(n + 1) // one more answer after it all
	cancel()
	behaving.Wait()
	s.calm(t, before, known)
}

func newSiege(t *testing.T, fronted bool) *siege {
	t.Helper()
	s := &siege{
		rig:  newRig(t, nil, func(o *server.Options) { o.MaxBody, o.MaxUploads = siegeBody, 1024 }).known(),
		seen: prometheus.NewPedanticRegistry(),
	}
	opts := &server.HTTPOptions{MaxConns: siegeConns, Metrics: s.seen, Log: slog.New(slog.NewTextHandler(&s.log, nil))}
	s.address = s.start(fronted, opts, func(srv *http.Server) {
		srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout = siegeLimit, siegeLimit, siegeLimit, siegeLimit
	})
	return s
}

// prober returns a function that asks the published example and wants its
// answer, over a connection of its own or over one that is kept. Asked with nil,
// it ends the connection.
func (s *siege) prober(fresh bool) func(testing.TB) {
	client := &http.Client{Timeout: probeLimit, Transport: &http.Transport{DisableKeepAlives: fresh}}
	return func(t testing.TB) {
		if t == nil {
			client.CloseIdleConnections()
			return
		}
		req, err := http.NewRequest(http.MethodGet, "http://"+s.address+statistics+"?port=123&category=host", http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("X-Auth-Token", token)
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("somebody who behaves well: %v", err)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if want := `{"total_num":1,"data_list":[{"num":4,"port":123,"type":"UDP","status":"danger"}]}`; err != nil || string(body) != want {
			t.Errorf("somebody who behaves well gets %d %s, %v", resp.StatusCode, body, err)
		}
	}
}

// keepAsking probes until the context ends.
func (s *siege) keepAsking(ctx context.Context, t *testing.T) {
	kept, fresh := s.prober(false), s.prober(true)
	defer kept(nil)
	for ctx.Err() == nil {
		kept(t)
		fresh(t)
		s.probes.Add(1)
		s.peak.Store(max(s.peak.Load(), heapBytes()))
		time.Sleep(5 * time.Millisecond) // leaves the processor to the others
	}
}

// await returns when so many probes were answered.
func (s *siege) await(probes int64) {
	for began := time.Now(); s.probes.Load() < probes && time.Since(began) < siegeEnd; {
		time.Sleep(time.Millisecond)
	}
}

// calm waits until the process holds what it held before.
func (s *siege) calm(t *testing.T, before holding, known goleak.Option) {
	t.Helper()
	now := held()
	for began := time.Now(); !now.within(before) && time.Since(began) < siegeEnd; now = held() {
		time.Sleep(50 * time.Millisecond)
	}
	if !now.within(before) {
		t.Errorf("the process holds %+v, before %+v: %v", now, before, goleak.Find(known))
	}
	if peak := s.peak.Load(); peak > before.heap+siegeHeap {
		t.Errorf("%d MiB were on the heap", peak>>20)
	}
	if n := s.handler.(*server.Server).Panics(); n != 0 || strings.Contains(s.log.String(), "panic") {
		t.Errorf("%d panics, log %s", n, &s.log)
	}
	if s.probes.Load() == 0 {
		t.Error("nobody who behaves well was answered")
	}
}

// holding is what a process has that an attack could make it keep.
type holding struct {
	goroutines, files int
	heap              uint64
}

func held() holding {
	runtime.GC()
	runtime.GC() // pools keep what they have for one more
	return holding{runtime.NumGoroutine(), openFiles(), heapBytes()}
}

func (h holding) within(before holding) bool {
	return h.goroutines <= before.goroutines && h.files <= before.files && h.heap <= before.heap+calmHeap
}

// openFiles counts the process's descriptors; it is 0 where the system does not say.
func openFiles() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// open connects to the besieged server; the end of the test closes it.
func (s *siege) open(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.address, siegeEnd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(siegeEnd)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// crowd connects many times and sends the same over each.
func (s *siege) crowd(t *testing.T, size int, text string) []*net.TCPConn {
	t.Helper()
	var all []*net.TCPConn
	for range many(size) {
		conn := s.open(t)
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
	return all
}

// many is so many, or a tenth of it where the tests shall be short.
func many(n int) int {
	if testing.Short() {
		return max(1, n/10)
	}
	return n
}

// ended reads a connection until the server ends it and returns what came.
func ended(t *testing.T, conn net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
	return string(text)
}

// safeBuffer is a buffer for several goroutines.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
