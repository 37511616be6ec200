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
	DefaultMaxUploads  = 64
)

// Options configures a [Server]. All but Auth may be left zero.
type Options struct {
	// Auth tells who sends a request. It is required: without it anybody could
	// read and write.
	Auth auth.Authenticator
	// Log takes faults of the server and of identity sources, never a request
	// that is merely refused. Nil logs nothing.
	Log *slog.Logger
	// MaxBody is the most bytes of a body, as sent and after inflating; 0 is 8 GiB.
	MaxBody int64
	// BodyTimeout is how long a body may stand still; 0 is one minute. A body
	// that keeps flowing may take any time.
	BodyTimeout time.Duration
	// MaxUploads is how many bodies are taken at a time; more are answered with
	// 503. 0 is 64.
	MaxUploads int
	// RateLimit is how many requests a caller may send in a second, and as many
	// at once; more are answered with 429. 0 is any number.
	RateLimit int
	// AccessLog takes one record per request; nil takes none. It must not block.
	AccessLog *slog.Logger
	// AccessSample keeps one of so many successes in AccessLog; 0 is every one.
	// Of what failed, at most 100 records are kept in a second.
	AccessSample int
	// Loading makes a server that answers 503 to all but its public calls until
	// [Server.Loaded] is called.
	Loading bool
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
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"MaxBody", o.MaxBody},
		{"BodyTimeout", int64(o.BodyTimeout)},
		{"MaxUploads", int64(o.MaxUploads)},
		{"RateLimit", int64(o.RateLimit)},
		{"AccessSample", int64(o.AccessSample)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("server options: %s is %d: want 0 or more", v.name, v.value))
		}
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
	if opts.MaxUploads == 0 {
		opts.MaxUploads = DefaultMaxUploads
	}
	opts.AccessSample = max(opts.AccessSample, 1)
	return opts
}
