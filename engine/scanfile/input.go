package scanfile

import (
	"context"
	"fmt"
	"io"

	"portolan/engine"
)

// progressStep is how many bytes lie between two calls of Options.Progress.
const progressStep = 1 << 20

// input is one source while it is read. The reader notes here what is not a
// report: what was left out, and why the input is not whole.
type input struct {
	name    string
	opts    *Options
	w       *window
	sum     *Summary
	problem string // why the input is not whole; the first one counts
	passed  Passed // what damage made the reader pass over
	refused int    // records of this input
	cut     int    // records of which nothing could be used, as they are not whole
	taken   int    // reports that the sink accepts
	decoded bool   // the bytes are not the source's: it is in another encoding than UTF-8
	closing bool   // the reports are closing ones, not records of the input
	line    int    // where the record of the report just yielded begins
}

// incomplete marks the input as not whole.
func (in *input) incomplete(format string, args ...any) {
	if in.problem == "" {
		in.problem = fmt.Sprintf(format, args...)
	}
}

// passOver counts what is not read because of damage; lines is how many ends of
// lines it has.
func (in *input) passOver(bytes int64, lines int) {
	in.passed.Bytes += bytes
	in.passed.Lines += max(lines, 1)
}

// nothing says whether there was something to take and nothing of it was taken.
func (in *input) nothing(leftOut int) bool {
	return in.taken == 0 && leftOut == 0 && in.refused+in.cut > 0
}

// blank returns a report with what the options give.
func (in *input) blank() engine.Report {
	return engine.Report{
		Project: in.opts.Project, EnterpriseProject: in.opts.EnterpriseProject, Category: in.opts.Category,
	}
}

// check makes the fault of the report just yielded a refused record.
func (in *input) check(fault error) error {
	if fault == nil {
		return nil
	}
	return &RecordError{File: in.name, Line: in.line, Reason: fault.Error()}
}

// output is where a reader's reports and refused records go. Once done, what is
// given to it is dropped; a reader looks at done to end early.
type output struct {
	in    *input
	yield func(engine.Report, error) bool
	done  bool
}

// report yields the report of the record that began on the line. Whoever
// consumes it holds it against the limits.
func (o *output) report(r *engine.Report, line int) {
	if !o.done {
		o.in.line = line
		o.done = !o.yield(*r, nil)
	}
}

// reject yields a refused record.
func (o *output) reject(line int, reason string) {
	if !o.done {
		o.done = !o.yield(engine.Report{}, &RecordError{File: o.in.name, Line: line, Reason: reason})
	}
}

// run reads the input to its end. Every error that it yields is a *RecordError;
// why the input is not whole is then in problem and fault. A nil format is that of
// an empty input, or of one that failed at once.
func (in *input) run(f *format, yield func(engine.Report, error) bool) {
	out := &output{in: in, yield: yield}
	switch {
	case f == nil:
		_, _ = io.Copy(io.Discard, in.w) // The error stays in w.
		in.incomplete("empty")
	case f.additive && in.opts.Scope != nil:
		closeAtEnd(f, in, out)
	default:
		f.read(in, out)
	}
	if err := in.fault(); err != nil {
		in.problem = err.Error()
	}
}

// fault is the error that ended the source before its end.
func (in *input) fault() error {
	if in.w.cut() {
		return in.w.err
	}
	return nil
}

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
