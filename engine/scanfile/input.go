package scanfile

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

// progressStep is how many bytes lie between two calls of Options.Progress.
const progressStep = 1 << 20

// maxEmptyReads is how often a source may give neither a byte nor an error.
const maxEmptyReads = 100

// input is one source while it is read, and what becomes of its records.
type input struct {
	reader.Input
	name        string
	formats     []string // that were found in it
	compression string
	workers     int  // Options.Workers
	refused     int  // records of this input
	taken       int  // reports that the sink accepts
	closing     bool // the reports are closing ones, not records of the input
	line        int  // where the record of the report just yielded begins
}

// nothing says whether there was something to take and nothing of it was taken.
// Lines between objects are noise, too: they are no records that rightly do not count.
func (in *input) nothing() bool {
	lines := in.LeftOut[reader.LeftLines]
	known := len(in.LeftOut) > 1 || len(in.LeftOut) == 1 && lines == 0
	return in.taken == 0 && !known && in.refused+in.Cut+in.Noise+lines > 0
}

// check makes the fault of the report just yielded a refused record.
func (in *input) check(fault error) error {
	if fault == nil {
		return nil
	}
	return &RecordError{File: in.name, Line: in.line, Reason: fault.Error()}
}

// run reads the input to its end. Every error that it yields is a *RecordError;
// why the input is not whole is then in Problem and Fault. A nil format is that of
// an empty input, or of one that failed at once.
func (in *input) run(f *reader.Format, given bool, yield func(engine.Report, error) bool) {
	out := &reader.Output{
		Take: func(r *engine.Report, line int) bool {
			in.line = line
			return yield(*r, nil)
		},
		Refuse: func(line int, reason string) bool {
			return yield(engine.Report{}, &RecordError{File: in.name, Line: line, Reason: reason})
		},
	}
	c := newClosings(in)
	if f == nil {
		_, _ = io.Copy(io.Discard, in.W) // The error stays in W.
		in.Incomplete("empty")
		if isDamaged(in.Fault()) {
			in.Cut++
		}
	}
	if f != nil && !f.Binary {
		in.ToUTF8(nil)
	}
	for f != nil && !out.Done {
		f = in.read(f, given, c, out)
	}
	if in.Problem == "" && in.refused == 0 && in.Fault() == nil && !out.Done {
		c.report(in, out)
	}
	if err := in.Fault(); err != nil {
		in.Problem = err.Error()
	}
}

// fault is the error that ended the source before its end. That the source is compressed and
// cut is none: what was whole counts, as with other cuts.
func (in *input) fault() error {
	if err := in.Fault(); !isDamaged(err) {
		return err
	}
	return nil
}

// read reads the input as far as it is of one format, and returns the one that begins
// there, nil at the end.
func (in *input) read(f *reader.Format, given bool, c *closings, out *reader.Output) (next *reader.Format) {
	if !slices.Contains(in.formats, f.Name) {
		in.formats = append(in.formats, f.Name)
	}
	in.Switched = false
	take := out.Take
	defer func() { out.Take = take }()
	if c.wants(f) {
		out.Take = func(r *engine.Report, line int) bool {
			c.note(r, f.Additive)
			return take(r, line)
		}
	}
	if given := in.Opts.Scope; given != nil && f.Scanner && !f.Additive {
		next := out.Take
		out.Take = func(r *engine.Report, line int) bool {
			if !r.Scope.IsNone() { // a whole look, of which somebody knows more than the file
				r.Scope = *given
			}
			return next(r, line)
		}
	}
	if next, read := in.inParts(f, given, out, in.workers); read {
		return next
	}
	in.Other, in.Began = other(f, given, &next), in.W.Offset()
	if f.Read(&in.Input, out); !in.Switched {
		return nil
	}
	return next
}

// format is what the summary calls the input's format.
func (in *input) format() string { return strings.Join(in.formats, ", ") }

// meter counts and limits the bytes of a source, and ends it with the context.
type meter struct {
	ctx   context.Context // A Reader has no other way to end early.
	src   io.Reader
	limit int64
	left  int64
	count func(n int)
}

// Read is [io.Reader.Read]; the byte after the last one allowed is ErrTooLarge.
func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	if m.left <= 0 {
		return 0, m.beyond()
	}
	n, err := m.src.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	m.count(n)
	return n, err
}

// beyond looks whether anything follows the last byte allowed.
func (m *meter) beyond() error {
	var one [1]byte
	for range maxEmptyReads {
		n, err := m.src.Read(one[:])
		if n > 0 {
			return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, m.limit)
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
