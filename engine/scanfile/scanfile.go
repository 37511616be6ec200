// Package scanfile reads the output of scanners and inventory agents as a
// stream of reports.
package scanfile

import (
	"context"
	"errors"
	"io"
	"time"

	"portolan/engine"
)

// ErrUnknownFormat is returned when an input is none of the known formats. The
// error's text has the input's name and its first bytes. Nothing was applied.
var ErrUnknownFormat = errors.New("unknown format")

// ErrStrict is returned when strict was asked for and something was rejected or
// incomplete. Nothing was applied.
var ErrStrict = errors.New("input refused by strict")

// ErrTooLarge is returned when an input exceeds Options.MaxBytes; what was
// whole before stays applied.
var ErrTooLarge = errors.New("input too large")

// Source is one input and its name for messages.
type Source struct {
	Name   string
	Reader io.Reader
}

// Options says how inputs are read. Project is required.
type Options struct {
	Format            string            // name of a format; empty detects by content
	Project           string            // a line that names another is rejected
	EnterpriseProject string            // for reports that give none; empty gives none
	Category          engine.Category   // for reports that give none
	Scope             *engine.Scope     // for reports whose format leaves the scope open; nil is none
	Strict            bool              // apply nothing unless everything is whole and valid
	MaxBytes          int64             // of one input after inflating; 0 is 8 GiB
	MaxRecord         int               // bytes of one record; 0 is 32 MiB
	TempDir           string            // where strict spools what cannot be rewound; empty is os.TempDir
	Progress          func(bytes int64) // called now and then with the bytes read so far, over all inputs; may be nil
}

// Sink takes reports; [*engine.Stream] is one.
type Sink interface {
	Check(r *engine.Report) error
	Apply(ctx context.Context, reports []engine.Report) (engine.Result, error)
}

// Summary says what became of the inputs of a load.
type Summary struct {
	Complete     bool // every input was whole
	Files        []FileSummary
	Hosts        int            // reports read, one per host record
	Observations int            // open keys in them
	Result       engine.Result  // what the sink did with them
	LeftOut      map[string]int // what was read and deliberately not counted, by reason
	Rejected     int            // records refused
	Errors       []RecordError  // the first 20 of them
	Bytes        int64
	Elapsed      time.Duration
}

// FileSummary says what was found in one input.
type FileSummary struct {
	Name, Format string
	Complete     bool
	Problem      string // why it is not complete
}

// RecordError is one record that was refused.
type RecordError struct {
	File   string
	Line   int // counted from 1
	Reason string
}

// Load reads the sources in order and applies their reports to dst in batches.
// Every source's format is found before anything is applied. Bad records are
// counted in the summary and do not end the load; the summary is valid also
// when an error is returned.
func Load(ctx context.Context, dst Sink, sources []Source, opts *Options) (*Summary, error) {
	panic("todo")
}
