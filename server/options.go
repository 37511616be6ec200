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
	DefaultBodyTotal   = 2 * time.Hour
	DefaultFeedTime    = 15 * time.Minute
	DefaultMaxUploads  = 64
	// DefaultUploadMemory leaves room for an inventory in a container of 1 GB.
	DefaultUploadMemory = 256 << 20
	// DefaultUploadDisk has room for two of the largest bodies.
	DefaultUploadDisk = 2 * DefaultMaxBody
)

// MinUploadMemory is the least that bodies may take together: enough for one of each kind.
const MinUploadMemory = 16 << 20

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
	// BodyTimeout is how long a body may stand still in all, where every 512 bytes that come
	// give a second back; 0 is one minute. BodyTotal is how long it may be waited for however
	// fast it comes; 0 is two hours.
	BodyTimeout, BodyTotal time.Duration
	// FeedTime is how long a feed of changes lasts; 0 is a quarter of an hour. Then its reader comes again, and is
	// asked again who it is.
	FeedTime time.Duration
	// MaxUploads is how many bodies of callers are taken at a time, and a quarter as many of
	// senders who are not known until their body is read. More are answered with 503, and so
	// is a sender's body that would leave fewer free than the sender has. 0 is 64.
	MaxUploads int
	// UploadMemory is how many bytes of memory bodies take together while they are read, in
	// the same shares; a record may take an eighth. A body beyond it is answered with 503,
	// and what was whole of it counts. 0 is 256 MiB.
	UploadMemory int64
	// UploadDisk is how many bytes they take together in TempDir; of senders who are not known
	// yet it is 128 MiB at most. 0 is 16 GiB.
	UploadDisk int64
	// RateLimit is how many requests a caller may send in a second, and as many
	// at once; more are answered with 429. 0 is any number.
	RateLimit int
	// TrustedProxies are the proxies whose X-Forwarded-For is believed: it tells the address
	// that logs and limits know a client by.
	TrustedProxies Proxies
	// AccessLog takes one record per request; nil takes none. It must not block.
	AccessLog *slog.Logger
	// AccessSample keeps one of so many successes in AccessLog; 0 is every one.
	// Of what failed, at most 100 records are kept in a second.
	AccessSample int
	// OpenHosts is a selector of ports, as package expr reads it, of which metrics have how many
	// hosts have them open, by project: at most 5000 counts, those first that are the highest. Empty
	// is none.
	OpenHosts string
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
		{"BodyTotal", int64(o.BodyTotal)},
		{"FeedTime", int64(o.FeedTime)},
		{"MaxUploads", int64(o.MaxUploads)},
		{"UploadDisk", o.UploadDisk},
		{"RateLimit", int64(o.RateLimit)},
		{"AccessSample", int64(o.AccessSample)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("server options: %s is %d: want 0 or more", v.name, v.value))
		}
	}
	if o.UploadMemory != 0 && o.UploadMemory < MinUploadMemory {
		errs = append(errs, fmt.Errorf("server options: UploadMemory is %d: want 0 or at least %d", o.UploadMemory, MinUploadMemory))
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
	if opts.BodyTotal == 0 {
		opts.BodyTotal = DefaultBodyTotal
	}
	if opts.FeedTime == 0 {
		opts.FeedTime = DefaultFeedTime
	}
	if opts.MaxUploads == 0 {
		opts.MaxUploads = DefaultMaxUploads
	}
	if opts.UploadMemory == 0 {
		opts.UploadMemory = DefaultUploadMemory
	}
	if opts.UploadDisk == 0 {
		opts.UploadDisk = DefaultUploadDisk
	}
	opts.AccessSample = max(opts.AccessSample, 1)
	return opts
}
