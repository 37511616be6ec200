package server_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/server"
)

// TestClientBehindProxies: the address is what a trusted proxy says, as far as its word goes, and
// nobody else's word counts.
func TestClientBehindProxies(t *testing.T) {
	var out bytes.Buffer
	r := newRig(t, nil, func(o *server.Options) {
		o.AccessLog = slog.New(slog.NewJSONHandler(&out, nil))
		o.TrustedProxies = server.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	})
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:5", []string{"198.51.100.7"}, "192.0.2.1:5"},
		{"10.0.0.1:5", nil, "10.0.0.1:5"},
		{"10.0.0.1:5", []string{"198.51.100.7"}, "198.51.100.7"},
		{"[::ffff:10.0.0.1]:5", []string{"198.51.100.7"}, "198.51.100.7"},
		{"[fd00::1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
		{"10.0.0.1:5", []string{"203.0.113.9, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"203.0.113.9", "198.51.100.7 ,10.0.0.2"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:5", []string{"198.51.100.7:1234"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"[2001:db8::7]:1234"}, "2001:db8::7"},
		{"10.0.0.1:5", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"10.0.0.1:5", []string{"203.0.113.9, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:5", []string{"nonsense"}, "10.0.0.1:5"},
		{"10.0.0.1:5", []string{""}, "10.0.0.1:5"},
	} {
		req := httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody)
		req.RemoteAddr = c.remote
		req.Header["X-Forwarded-For"] = c.forwarded
		out.Reset()
		r.handler.ServeHTTP(httptest.NewRecorder(), req)
		if !strings.Contains(out.String(), fmt.Sprintf(`"remote":%q`, c.want)) {
			t.Errorf("%s, %q: %s, want %s", c.remote, c.forwarded, &out, c.want)
		}
	}
}

// TestConnectionsPerAddress: an address has so many connections and no more, but for a proxy's.
func TestConnectionsPerAddress(t *testing.T) {
	for _, trusted := range []server.Proxies{nil, {netip.MustParsePrefix("127.0.0.0/8")}} {
		eachWay(t, func(t *testing.T, fronted bool) {
			r, seen := newRig(t, nil), prometheus.NewPedanticRegistry()
			address := r.start(fronted, &server.HTTPOptions{MaxConnsPerAddress: 3, TrustedProxies: trusted, Metrics: seen}, nil)
			kept := 0
			var first net.Conn
			for range 8 {
				conn := dial(t, address)
				if first == nil {
					first = conn
				}
				if roundTrip(t, conn) == http.StatusOK {
					kept++
				}
			}
			if want := map[bool]int{true: 8, false: 3}[trusted != nil]; kept != want {
				t.Errorf("%d connections, want %d", kept, want)
			}
			if refused := gauge(t, exposed(t, seen), "portolan_connections_refused_total"); refused != float64(8-kept) {
				t.Errorf("%v connections are counted as refused, want %d", refused, 8-kept)
			}
			first.Close()
			for began := time.Now(); trusted == nil && time.Since(began) < siegeEnd; {
				conn := dial(t, address)
				if roundTrip(t, conn) == http.StatusOK {
					return
				}
			}
			if trusted == nil {
				t.Error("one that ended makes no room")
			}
		})
	}
}

// TestAdminHosts: a page that has its own name lead to the operators' address reaches nothing there.
func TestAdminHosts(t *testing.T) {
	r := newRig(t, nil)
	admin := server.GuardAdmin(server.NewAdmin(r.handler.(*server.Server), prometheus.NewRegistry(), nil), server.AdminGuard{Hosts: []string{"metrics.example"}})
	for host, want := range map[string]int{
		"127.0.0.1:9090": 200, "[::1]:9090": 200, "10.1.2.3": 200, "localhost:9090": 200, "LOCALHOST": 200, "metrics.example:9090": 200, "Metrics.Example": 200,
		"attacker.example": 421, "127.0.0.1.attacker.example:9090": 421, "localhost.attacker.example": 421, "": 421, "metrics.example.attacker.example": 421,
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/healthz", "/readyz"} {
			req := httptest.NewRequest(http.MethodGet, path, http.NoBody)
			req.Host = host
			w := httptest.NewRecorder()
			admin.ServeHTTP(w, req)
			if w.Code != want {
				t.Errorf("%s for %q: %d, want %d", path, host, w.Code, want)
			}
		}
	}
	guarded := server.GuardAdmin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }), server.AdminGuard{Token: token})
	for value, want := range map[string]int{"Bearer " + token: 200, "bearer " + token: 200, "Bearer " + token + "x": 401, "": 401, token: 401} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		req.Host = "any.example" // who has the token is no page
		if value != "" {
			req.Header.Set("Authorization", value)
		}
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("with %q: %d, want %d", value, w.Code, want)
		}
	}
}
