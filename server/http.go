package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
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
	// MaxConnsPerAddress is the most connections of an address, or of a network of 64 bits of
	// IPv6; more end at once. 0 is any number. TrustedProxies have as many as they like.
	MaxConnsPerAddress int
	TrustedProxies     Proxies
	// Metrics is told about connections; nil is told nothing.
	Metrics prometheus.Registerer

	sampled *slog.Logger // takes what strangers can cause
}

// shoutBurst is how many records in a row are kept of what strangers can cause, such as handshakes
// that fail; then one a second.
const shoutBurst = 10

// sampler keeps some records and says with the next one how many it did not keep.
type sampler struct {
	slog.Handler
	limit   *rate.Limiter
	dropped *atomic.Uint64
}

// Handle is [slog.Handler.Handle].
func (s *sampler) Handle(ctx context.Context, r slog.Record) error {
	if !s.limit.Allow() {
		s.dropped.Add(1)
		return nil
	}
	if n := s.dropped.Swap(0); n > 0 {
		r.AddAttrs(slog.Uint64("dropped", n))
	}
	return s.Handler.Handle(ctx, r)
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
	o.sampled = slog.New(&sampler{o.Log.Handler(), rate.NewLimiter(1, shoutBurst), new(atomic.Uint64)})
	limited = newConns(o.MaxConns)
	limited.mostOfOne, limited.proxies = o.MaxConnsPerAddress, o.TrustedProxies
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
		ErrorLog:                     slog.NewLogLogger(o.sampled.Handler(), slog.LevelWarn),
		DisableGeneralOptionsHandler: true, // OPTIONS * is a path that does not exist
	}
	limited.limit(srv)
	return srv, limited, o
}
