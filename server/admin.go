package server

import (
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"portolan/server/auth"
)

// NewAdmin returns the handler of an address that only operators can reach:
// /metrics with what the gatherer has, /debug/pprof/, the server's health and, by
// POST /backup, everything that is kept; a nil backup is of a server that keeps nothing.
// It asks nobody who they are, and backups and profiles tell what the process holds: see [GuardAdmin].
func NewAdmin(s *Server, metrics prometheus.Gatherer, backup Backup) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("POST /backup", backupHandler(backup))
	mux.Handle("GET /healthz", s)
	mux.HandleFunc("GET /readyz", s.adminReadiness)
	return mux
}

// AdminGuard says who reaches the operators' address.
type AdminGuard struct {
	// Hosts are names that the address is asked for by, besides localhost and addresses.
	Hosts []string
	// Token is what a request must bear (RFC 6750, section 2.1) or have in X-Auth-Token; empty: none. Who bears it may
	// ask for any name.
	Token string
}

// GuardAdmin keeps pages in a browser out: one whose name was made to lead to the address
// (https://en.wikipedia.org/wiki/DNS_rebinding) asks for its own name, not for an address.
func GuardAdmin(h http.Handler, guard AdminGuard) http.Handler {
	want := auth.TokenSum(guard.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if guard.Token != "" {
			token := r.Header.Get(auth.TokenHeader)
			if scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
				token = bearer
			}
			got := auth.TokenSum(token)
			if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "want Authorization: Bearer and the operators' token", http.StatusUnauthorized)
				return
			}
		} else if !guard.allows(r.Host) {
			http.Error(w, fmt.Sprintf("Host %q is not allowed: want an address, localhost or a name that --admin-hosts has", r.Host), http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// allows says whether a request may ask for the host.
func (g *AdminGuard) allows(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if _, ok := addressIn(host); ok {
		return true
	}
	return strings.EqualFold(host, "localhost") || slices.ContainsFunc(g.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}
