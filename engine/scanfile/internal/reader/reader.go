// Package reader is what the readers of all formats share: the input with the part of it
// that is held in memory, the output that takes reports, and the values that formats have
// in common.
package reader

import (
	"bytes"
	"fmt"
	"slices"

	"portolan/engine"
)

// Format is one format of input: a row of the table that [portolan/engine/scanfile] has.
type Format struct {
	Name string
	// Detect says whether an input begins like this format. The first bytes come as
	// UTF-8 without byte order mark and leading white space, and are not empty; whole
	// says that nothing follows them.
	Detect func(head []byte, whole bool) bool
	// Within says whether something of this format is among the first lines of an input
	// that begins with something else, such as what a terminal shows. It may be nil.
	Within func(head []byte) bool
	// Read yields the input's reports and refused records through out. It returns when
	// the input ends, out is done, or another format begins (see [Input.Switch]).
	Read func(in *Input, out *Output)
	// Additive reports name no scope of their own, so Options.Scope gives every asset one
	// closing report at the end.
	Additive bool
	// Scanner says that assets are found from outside, so that Options.Identity says what
	// one is called.
	Scanner bool
	// Binary input is not text in any encoding.
	Binary bool
	// Split says where the last record in a piece of an input begins, which others follow or
	// which is not whole; 0 if that is not known. What lies before and behind that place can
	// be read apart. Nil is for formats whose records depend on others.
	Split func(piece []byte) int
}

// SplitLines is [Format.Split] of formats with a record a line.
func SplitLines(piece []byte) int { return bytes.LastIndexByte(piece, '\n') + 1 }

// SplitObjects is [Format.Split] of formats of JSON objects: one begins where a line does.
func SplitObjects(piece []byte) int { return bytes.LastIndex(piece, []byte("\n{")) + 1 }

// Identity is what a scanner's asset is called by.
type Identity uint8

// The identities.
const (
	ByAddress Identity = iota
	ByHostname
	ByMAC
)

// Options is what readers are told.
type Options struct {
	Project           string
	EnterpriseProject string
	Labels            map[string]string
	Category          engine.Category
	Scope             *engine.Scope // nil if none is given
	Identity          Identity
	AssetID           string // of the host of an inventory that names none
	IncludeLoopback   bool   // what listens on loopback only counts
	MaxRecord         int    // bytes
}

// Passed is a part of an input that was not read.
type Passed struct {
	Bytes int64
	Lines int
}

// Input is one source while it is read. The reader notes here what is not a report: what
// was left out, and why the input is not whole.
type Input struct {
	Opts *Options
	W    *Window

	Duplicates int            // open keys that a record gave again
	LeftOut    map[string]int // what was read and deliberately not counted, by reason
	Problem    string         // why the input is not whole; the first one counts
	Warnings   []string       // what else somebody should know of it
	Noise      int            // lines that mean nothing to the format
	Passed     Passed         // what damage made the reader pass over
	Cut        int            // records of which nothing could be used, as they are not whole
	Decoded    bool           // the bytes are not the source's: it is in another encoding than UTF-8

	// Other says whether another format than the one that is read begins with these
	// bytes. It is nil where that does not matter.
	Other func(head []byte) bool
	// Switched says that reading ended because another format begins.
	Switched bool
	// Began is the offset at which the format begins that is read. There, no other one
	// begins, so that two readers cannot give an input to each other for ever.
	Began int64

	// Part says that the input is a part of another one, and Followed that a record follows
	// it there. Of a part, nobody is told that it is empty or a list without an end: whether
	// it is empty, and which bracket between records was the last, is noted here.
	Part, Followed bool
	Empty          bool
	Bracket        byte
	// Unsure says that reading ended because more than the part must be seen to tell whether
	// another format begins.
	Unsure bool

	probes probes
}

// Incomplete marks the input as not whole.
func (in *Input) Incomplete(format string, args ...any) {
	if in.Problem == "" {
		in.Problem = fmt.Sprintf(format, args...)
	}
}

// Warn notes what somebody should know of an input that is whole, once.
func (in *Input) Warn(text string) {
	if !slices.Contains(in.Warnings, text) {
		in.Warnings = append(in.Warnings, text)
	}
}

// PassOver counts what is not read because of damage; lines is how many ends of lines it
// has.
func (in *Input) PassOver(bytes int64, lines int) {
	in.Passed.Bytes += bytes
	in.Passed.Lines += max(lines, 1)
}

// LeaveOut counts what was read and is deliberately not counted.
func (in *Input) LeaveOut(reason string, n int) {
	if n <= 0 {
		return
	}
	if in.LeftOut == nil {
		in.LeftOut = map[string]int{}
	}
	in.LeftOut[reason] += n
}

// Blank returns a report with what the options give.
func (in *Input) Blank() engine.Report {
	return engine.Report{
		Project: in.Opts.Project, EnterpriseProject: in.Opts.EnterpriseProject, Category: in.Opts.Category, Labels: in.Opts.Labels,
	}
}

// Fault is the error that ended the source before its end.
func (in *Input) Fault() error {
	if in.W.Cut() {
		return in.W.err
	}
	return nil
}

// Switch says whether another format begins at the next byte that is no white space, where
// the reader is between two records. Then the reader returns.
func (in *Input) Switch() bool {
	if in.Other == nil {
		return false
	}
	for {
		rest := PlainHead(in.W.Rest())
		if len(rest) > 0 {
			in.Switched = in.W.Offset() > in.Began && in.Other(rest)
			return in.Switched
		}
		in.W.Skip(len(in.W.Rest()))
		if !in.W.More() {
			return false
		}
	}
}

// SwitchBehind is [Input.Switch] for formats that others are told from by more than a line.
func (in *Input) SwitchBehind() bool {
	if in.Other == nil || in.W.Offset() <= in.Began {
		return false
	}
	for len(in.W.Rest()) < probeMax && in.W.More() {
		continue
	}
	return in.Switch()
}

// Output is where a reader's reports and refused records go. Once it is done, what is
// given to it is dropped; a reader looks at Done to end early.
type Output struct {
	// Take takes a report, Refuse the reason for which a record is refused; both are
	// told the line that the record begins on and return false to have no more.
	Take   func(r *engine.Report, line int) bool
	Refuse func(line int, reason string) bool
	Done   bool
	// Refused is how many records were refused so far.
	Refused int
}

// Report yields the report of the record that began on the line. Whoever consumes it
// holds it against the limits, and keeps its slices.
func (o *Output) Report(r *engine.Report, line int) {
	if !o.Done {
		o.Done = !o.Take(r, line)
	}
}

// Reject yields a refused record.
func (o *Output) Reject(line int, reason string) {
	o.Refused++
	if !o.Done {
		o.Done = !o.Refuse(line, reason)
	}
}
