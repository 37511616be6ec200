package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"portolan/server"
)

// serve serves the handler with at most so many connections.
func serve(t *testing.T, h http.Handler, most int) (address string, seen *prometheus.Registry) {
	t.Helper()
	seen = prometheus.NewPedanticRegistry()
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = server.NewHTTPServer(h, &server.HTTPOptions{MaxConns: most, Metrics: seen})
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), seen
}

// exposed returns what the gatherer has, as Prometheus reads it.
func exposed(t testing.TB, from prometheus.Gatherer) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(from, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// roundTrip asks over a connection and returns the status, 0 if it has ended.
func roundTrip(t *testing.T, conn net.Conn) int {
	t.Helper()
	fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("neither an answer nor an end")
	}
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// TestConnections: of too many connections the one that waited the longest ends,
// also if it is sending its header byte by byte.
func TestConnections(t *testing.T) {
	address, seen := serve(t, newRig(t, nil).handler, 3)
	used, silent, slow := dial(t, address), dial(t, address), dial(t, address)
	for tries := 0; !strings.Contains(exposed(t, seen), "portolan_connections 3\n"); tries++ {
		if tries == 10_000 { // one that is accepted later would be behind the used one
			t.Fatal("three connections are never accepted")
		}
		time.Sleep(time.Millisecond)
	}
	if roundTrip(t, used) != 200 { // waits the shortest now
		t.Fatal("no answer")
	}
	fmt.Fprintf(slow, "GET /healthz HTTP/1.1\r\nHo")
	fourth := dial(t, address)
	if got := roundTrip(t, fourth); got != 200 {
		t.Errorf("the new one: %d", got)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the silent one is open: %v", err)
	}
	fifth := dial(t, address)
	if got := roundTrip(t, fifth); got != 200 {
		t.Errorf("another new one: %d", got)
	}
	if _, err := slow.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the slow one is open: %v", err)
	}
	for _, c := range []net.Conn{used, fourth, fifth} {
		if got := roundTrip(t, c); got != 200 {
			t.Errorf("one that asks: %d", got)
		}
	}
	text := exposed(t, seen)
	for _, want := range []string{"portolan_connections 3", "portolan_connections_evicted_total 2", "portolan_connections_refused_total 0"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// TestConnectionsThatAreAnswered are never ended to make room.
func TestConnectionsThatAreAnswered(t *testing.T) {
	arrived, finish := make(chan bool), make(chan bool)
	address, _ := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- true
		<-finish
	}), 2)
	first, second := dial(t, address), dial(t, address)
	done := make(chan int)
	for _, c := range []net.Conn{first, second} {
		go func() { done <- roundTrip(t, c) }()
		<-arrived
	}
	third := dial(t, address)
	if _, err := third.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a third connection is open: %v", err)
	}
	close(finish)
	for range 2 {
		if got := <-done; got != 200 {
			t.Errorf("one that was being answered: %d", got)
		}
	}
}

// TestDrippingBodies: a few bytes of a body are no progress, and many are: of a connection
// that waits in its body and one that is idle the one ends that has gone longer without any.
func TestDrippingBodies(t *testing.T) {
	for _, c := range []struct {
		name   string
		bytes  int
		status int // of the idle one
	}{{"few", 10, 200}, {"many", 100_000, 0}} {
		t.Run(c.name, func(t *testing.T) {
			came := make(chan int)
			var working func() bool // for the body's connection: not waiting for more of it
			address, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					working = server.Working(r.Context())
				}
				buf := make([]byte, 1<<20)
				for more := r.Method == http.MethodPost; more; {
					n, err := r.Body.Read(buf)
					more = err == nil
					came <- n
				}
			}), 2)
			dripping, idle := dial(t, address), dial(t, address)
			fmt.Fprintf(dripping, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n.")
			<-came
			if got := roundTrip(t, idle); got != 200 {
				t.Fatalf("the idle one: %d", got)
			}
			fmt.Fprint(dripping, strings.Repeat(".", c.bytes))
			for left := c.bytes; left > 0; {
				left -= <-came
			}
			for end := time.Now().Add(10 * time.Second); working(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the body is not waited for")
				}
			}
			if got := roundTrip(t, dial(t, address)); got != 200 {
				t.Errorf("a third: %d", got)
			}
			if got := roundTrip(t, idle); got != c.status {
				t.Errorf("the idle one, then: %d, want %d", got, c.status)
			}
			dripping.Close()
			<-came
		})
	}
}
