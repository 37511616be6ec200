package server

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewAdmin returns the handler of an address that only operators can reach:
// /metrics with what the gatherer has, /debug/pprof/, the server's health and, by
// POST /backup, everything that is kept; a nil backup is of a server that keeps nothing.
// It asks nobody who they are, and backups and profiles tell what the process holds.
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
