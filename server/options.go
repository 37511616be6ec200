package server

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"portolan/engine/scanfile"
	"portolan/server/auth"
)

// Defaults of [Options].
const (
	DefaultMaxBody     = scanfile.DefaultMaxBytes
	DefaultBodyTimeout = time.Minute
)

// Options configures a [Server]. All but Auth may be left zero.
type Options struct {
	// Auth tells who sends a request. It is required: without it anybody could
	// read and write.
	Auth auth.Authenticator
	// Log takes faults of the server and of identity sources, never a request
	// that is merely refused. Nil logs nothing.
	Log *slog.Logger
	// MaxBody is the most bytes of a body, after inflating; 0 is 8 GiB.
	MaxBody int64
	// BodyTimeout is how long a body may stand still; 0 is one minute. A body
	// that keeps flowing may take any time.
	BodyTimeout time.Duration
	// TempDir is where bodies sent with strict=true are kept while they are
	// checked; empty is [os.TempDir].
	TempDir string
}

// Validate reports every option that is not allowed, joined.
func (o *Options) Validate() error {
	if o == nil || o.Auth == nil {
		return errors.Join(errors.New("server options: Auth is required"), o.limits())
	}
	return o.limits()
}

func (o *Options) limits() error {
	if o == nil {
		return nil
	}
	var errs []error
	if o.MaxBody < 0 {
		errs = append(errs, fmt.Errorf("server options: MaxBody is %d: want 0 or more bytes", o.MaxBody))
	}
	if o.BodyTimeout < 0 {
		errs = append(errs, fmt.Errorf("server options: BodyTimeout is %v: want 0 or more", o.BodyTimeout))
	}
	return errors.Join(errs...)
}

// resolved returns a copy of valid options with the defaults filled in.
func (o *Options) resolved() Options {
	opts := *o
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.MaxBody == 0 {
		opts.MaxBody = DefaultMaxBody
	}
	if opts.BodyTimeout == 0 {
		opts.BodyTimeout = DefaultBodyTimeout
	}
	return opts
}
