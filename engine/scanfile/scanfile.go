package scanfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

// ErrUnknownFormat is returned when an input is none of the known formats. The
// error's text has the input's name and its first bytes. Nothing was applied.
var ErrUnknownFormat = errors.New("unknown format")

// ErrStrict is returned when strict was asked for and something was rejected or
// incomplete. Nothing was applied.
var ErrStrict = errors.New("input refused by strict")

// ErrNothing is returned when an input has records and not one of them could be
// taken: all were rejected or cut, or the input is not of the format given.
var ErrNothing = errors.New("nothing could be taken")

// ErrTooLarge is returned when an input exceeds Options.MaxBytes; what was
// whole before stays applied.
var ErrTooLarge = errors.New("input too large")

// ErrIncomplete is the last error of [Read] when an input was not whole.
var ErrIncomplete = errors.New("input is incomplete")

// Source is one input and its name for messages.
type Source struct {
	Name   string
	Reader io.Reader
}

// Defaults of [Options].
const (
	DefaultMaxBytes  = 8 << 30
	DefaultMaxRecord = 32 << 20
)

// FixedMemory is about how many bytes an input takes that nobody is asked for.
const FixedMemory = 1 << 20

// Options says how inputs are read. Project is required.
//
// An error of Memory or Disk ends the input like one of its source: what was whole before
// counts. What they gave is free when [Load] or [Read] returns; where Memory is set, Workers
// is 1.
type Options struct {
	Format            string              // name of a format; empty detects by content
	Project           string              // a line that names another is rejected
	EnterpriseProject string              // for reports that give none; empty gives none
	Category          engine.Category     // for reports that give none
	Labels            map[string]string   // for every report; what a report gives itself comes first
	Scope             *engine.Scope       // for reports whose format leaves the scope open; nil is none
	Asset             string              // what a scanner's asset is called by: address, the default, hostname or mac; one without is called by its address
	AssetID           string              // the host of inventories that name none
	IncludeLoopback   bool                // count what inventories show listening on loopback only
	Workers           int                 // how many parts of an input are read at a time, where its format lets it be split; 0 is one per processor
	Strict            bool                // apply nothing unless everything is whole and valid
	MaxBytes          int64               // of one input after inflating; 0 is 8 GiB
	MaxRecord         int                 // bytes of one record (a line, a tag); 0 is 32 MiB
	TempDir           string              // where strict spools what cannot be rewound; empty is os.TempDir
	Memory            func(n int64) error // is asked before an input takes so many more bytes than FixedMemory, or told with -n that they are free; nil: it may
	Disk              func(n int64) error // likewise before so many more are written to TempDir
	Progress          func(bytes int64)   // called now and then with the bytes read so far, over all inputs; starts over for strict's second pass; may be nil
}

// Validate reports every option that is not allowed, joined; each is a
// [*engine.FieldError]. A nil o is the zero value.
func (o *Options) Validate() error {
	var opts Options
	if o != nil {
		opts = *o
	}
	var errs []error
	if opts.Format != "" && formatNamed(opts.Format) == nil {
		errs = append(errs, &engine.FieldError{Field: "format", Value: opts.Format, Allowed: strings.Join(Formats(), ", ")})
	}
	if _, ok := identities[opts.Asset]; !ok {
		errs = append(errs, &engine.FieldError{Field: "asset", Value: opts.Asset, Allowed: strings.Join(Identities(), ", ")})
	}
	blank := engine.Report{
		Project: opts.Project, EnterpriseProject: opts.EnterpriseProject, Category: opts.Category, Asset: "x", Labels: opts.Labels,
	}
	if err := blank.Validate(); err != nil {
		errs = append(errs, err)
	}
	if n := utf8.RuneCountInString(opts.AssetID); n > engine.MaxAssetLen || !utf8.ValidString(opts.AssetID) {
		errs = append(errs, &engine.FieldError{Field: "asset_id", Value: opts.AssetID, Allowed: fmt.Sprintf("1 to %d characters", engine.MaxAssetLen)})
	}
	errs = append(errs, notNegative("workers", int64(opts.Workers)), notNegative("max_bytes", opts.MaxBytes), notNegative("max_record", int64(opts.MaxRecord)))
	return errors.Join(errs...)
}

func notNegative(field string, n int64) error {
	if n >= 0 {
		return nil
	}
	return &engine.FieldError{Field: field, Value: strconv.FormatInt(n, 10), Allowed: "0 or more"}
}

// reader returns what readers are told.
func (o *Options) reader() *reader.Options {
	return &reader.Options{
		Project: o.Project, EnterpriseProject: o.EnterpriseProject, Category: o.Category, Labels: o.Labels,
		Scope: o.Scope, MaxRecord: o.MaxRecord, Identity: identities[o.Asset], AssetID: o.AssetID, IncludeLoopback: o.IncludeLoopback,
	}
}

// identities are the values of Options.Asset.
var identities = map[string]reader.Identity{
	"": reader.ByAddress, "address": reader.ByAddress, "hostname": reader.ByHostname, "mac": reader.ByMAC,
}

// Identities returns the values of Options.Asset.
func Identities() []string { return []string{"address", "hostname", "mac"} }

// AddLabel adds a label, given as NAME=VALUE, to labels, which may be nil, and returns them. A label
// with nothing behind = is taken away from what is reported. The error is a [*engine.FieldError].
func AddLabel(labels map[string]string, text string) (map[string]string, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return nil, &engine.FieldError{Field: "label", Value: text, Allowed: "NAME=VALUE"}
	}
	if err := engine.CheckLabel(name, value); err != nil {
		return nil, err
	}
	if was, twice := labels[name]; twice && was != value {
		return nil, &engine.FieldError{Field: "label", Value: text, Allowed: "each name once; it is " + strconv.Quote(was) + " already"}
	}
	if labels == nil {
		labels = make(map[string]string)
	}
	labels[name] = value
	return labels, nil
}

// resolved returns a copy of the options with the defaults filled in.
func (o *Options) resolved() (Options, error) {
	if err := o.Validate(); err != nil {
		return Options{}, err
	}
	opts := *o // Validate refuses nil: a project is required.
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	if opts.MaxRecord == 0 {
		opts.MaxRecord = DefaultMaxRecord
	}
	if opts.Memory != nil {
		opts.Workers = 1
	}
	return opts, nil
}

// Sink takes reports; [*engine.Import] is one, and each Load has its own.
type Sink interface {
	// Check says whether Apply would accept the report.
	Check(r *engine.Report) error
	// Apply takes the reports, all or none. It keeps none of their slices.
	Apply(ctx context.Context, reports []engine.Report) (engine.Result, error)
}
