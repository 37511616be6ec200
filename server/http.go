package server

import (
	"log/slog"
	"net/http"
	"time"
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

// NewHTTPServer returns a server for a public address that answers with the
// handler and holds clients to limits: slow headers, bodies that nobody reads,
// answers that nobody takes, idle connections and large headers end. What
// net/http has to complain about goes to log; nil logs nothing. The caller
// serves and shuts down.
func NewHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		DisableGeneralOptionsHandler: true, // OPTIONS * is a path that does not exist
	}
}
