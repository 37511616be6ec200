package server

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limits of [NewHTTPServer]. Bodies of reports may take longer than readTimeout
// and writeTimeout: their handler moves both deadlines on.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = time.Minute
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// DefaultMaxConns is the most connections that are open at a time.
const DefaultMaxConns = 4096

// HTTPOptions configures [NewHTTPServer]. Nil and zero are the defaults.
type HTTPOptions struct {
	// Log takes what net/http has to complain about; nil logs nothing.
	Log *slog.Logger
	// MaxConns is the most connections that are open at a time; beyond it, those end
	// that have waited the longest for their clients, to send or to take something.
	// 0 is 4096.
	MaxConns int
	// Metrics is told about connections; nil is told nothing.
	Metrics prometheus.Registerer
}

// NewHTTPServer returns a server for a public address that answers with the
// handler and holds clients to limits: slow headers, bodies that nobody reads,
// answers that nobody takes, idle connections, large headers and connections
// beyond a number end. The caller serves and shuts down.
func NewHTTPServer(h http.Handler, opts *HTTPOptions) *http.Server {
	srv, _, _ := newHTTPServer(h, opts)
	return srv
}

func newHTTPServer(h http.Handler, opts *HTTPOptions) (srv *http.Server, limited *conns, o HTTPOptions) {
	if opts != nil {
		o = *opts
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxConns <= 0 {
		o.MaxConns = DefaultMaxConns
	}
	limited = newConns(o.MaxConns)
	if o.Metrics != nil {
		o.Metrics.MustRegister(limited.gauge, limited.evicted, limited.refused)
	}
	srv = &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		DisableGeneralOptionsHandler: true, // OPTIONS * is a path that does not exist
	}
	limited.limit(srv)
	return srv, limited, o
}
