package server_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/server"
)

// TestEndedWhileLeft: a connection that was ended while the front left it to net/http ends no
// other: each one too many ends one.
func TestEndedWhileLeft(t *testing.T) {
	const most, crowd = 8, 400
	r, seen := newRig(t, nil), prometheus.NewPedanticRegistry()
	address := r.start(true, &server.HTTPOptions{MaxConns: most, Metrics: seen}, nil)
	for range crowd {
		fmt.Fprintf(dial(t, address), "POST %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: 100\r\n\r\n", reports, token)
	}
	last := dial(t, address)
	if got := roundTrip(t, last); got != http.StatusOK {
		t.Fatalf("somebody who behaves well: %d", got)
	}
	text := exposed(t, seen)
	if n := gauge(t, text, "portolan_connections_evicted_total") + gauge(t, text, "portolan_connections_refused_total"); n > crowd+1-most {
		t.Errorf("%v connections were ended of %d, want %d", n, crowd+1, crowd+1-most)
	}
}
