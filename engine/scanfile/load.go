package scanfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

// A batch is applied when it has so many reports or open keys. It grows with the inventory:
// each batch copies much of what it touches, and reports in a scanner's order touch all of
// it, so that small ones would copy everything again and again.
const (
	batchReports = 16 << 10
	batchKeys    = 256 << 10
	maxBatch     = 256 << 10 // reports, some 50 MB
	batchPart    = 4         // a batch has as many reports as there are assets, divided by this
)

// sized is a sink that knows how many assets it has.
type sized interface {
	Assets(project string, c engine.Category) int
}

// Load reads the sources in order and applies their reports to dst in batches.
// Every source's format is found before anything is applied. Bad records are
// counted in the summary and do not end the load; the summary is valid also
// when an error is returned. A source that fails, or is too large, keeps what
// was whole before, and the load goes on with the next one; an error of dst or
// of the context ends it. Errors are joined. Load closes no source.
func Load(ctx context.Context, dst Sink, sources []Source, opts *Options) (*Summary, error) {
	start := time.Now()
	l := &loader{ctx: ctx, dst: dst, sum: new(Summary), given: leastBatch}
	err := l.load(sources, opts)
	l.sum.Elapsed = time.Since(start)
	return l.sum, err
}

// loader takes reports from inputs to the sink.
type loader struct {
	ctx    context.Context // It lives as long as one call.
	dst    Sink
	opts   *Options
	sum    *Summary
	dry    bool // check only
	batch  []engine.Report
	from   []origin     // where the batch's reports came from
	keys   int          // in the batch
	weight int64        // of the batch in memory, in bytes
	scope  engine.Scope // of the report weighed last: many share one
	given  int64        // what a batch may weigh
	enough int          // reports of a batch
	told   int64        // bytes at the last progress
	at     int64        // bytes read, of all sources
	before int64        // of the sources before the one that is read
}

// origin is where a report came from.
type origin struct {
	in      *input
	line    int
	closing bool
}

func (l *loader) load(sources []Source, o *Options) error {
	opts, err := o.resolved()
	if err != nil {
		return err
	}
	l.opts = &opts
	l.size()
	opens := make([]*opened, len(sources))
	for i, s := range sources {
		if opens[i], err = open(s, &opts); err != nil {
			return err
		}
	}
	if opts.Strict {
		return l.strict(opens)
	}
	return l.pass(opens)
}

// pass reads every source once.
func (l *loader) pass(opens []*opened) error {
	l.sum, l.told, l.at, l.before = &Summary{Complete: true}, 0, 0, 0
	var faults []error
	for _, src := range opens {
		in := l.input(src, src.reader())
		in.compression = src.compressedBy()
		err := l.file(in, src.format)
		if l.sum.Complete = l.sum.Complete && in.Problem == "" && err == nil; err != nil {
			return errors.Join(append(faults, err)...)
		}
		switch err := in.fault(); {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", in.name, err))
		case in.nothing():
			faults = append(faults, fmt.Errorf("%s: %w: %s", in.name, ErrNothing, l.sum.faultOf(in.name)))
		}
	}
	return errors.Join(append(faults, l.flush())...)
}

// file takes the input's reports. Its error ends the load; the input's own
// faults do not.
func (l *loader) file(in *input, f *reader.Format) (err error) {
	in.run(f, l.opts.Format != "", func(r engine.Report, bad error) bool {
		err = l.take(in, r, bad)
		return err == nil
	})
	if err == nil {
		err = l.ctx.Err()
	}
	if err != nil {
		in.Incomplete("reading was ended: %v", err)
	}
	file := FileSummary{Name: in.name, Complete: in.Problem == "", Problem: in.Problem, Warnings: in.Warnings, PassedOver: Passed(in.Passed), Format: in.format(), Compression: in.compression}
	l.sum.Files = append(l.sum.Files, file)
	l.sum.Duplicates += in.Duplicates
	l.sum.leaveOut(in.LeftOut)
	l.tell()
	l.before = l.at
	return err
}

func (l *loader) take(in *input, r engine.Report, bad error) error {
	if bad == nil {
		err := l.dst.Check(&r)
		if errors.Is(err, engine.ErrClosed) {
			return err
		}
		bad = in.check(err)
	}
	if refused, ok := errors.AsType[*RecordError](bad); ok {
		in.refused++
		l.sum.reject(refused)
		return nil
	}
	in.taken++
	if !in.closing {
		l.sum.Records++
		l.sum.Observations += len(r.Open)
	}
	return l.add(in, r)
}

func (l *loader) add(in *input, r engine.Report) error {
	if l.dry {
		return nil
	}
	if err := l.room(l.weigh(&r)); err != nil {
		return err
	}
	l.batch, l.from = append(l.batch, r), append(l.from, origin{in, in.line, in.closing})
	l.keys += len(r.Open)
	if len(l.batch) < l.enough && l.keys < max(batchKeys, l.enough) {
		return nil
	}
	return l.flush()
}

// What a report weighs, about and with what the sink makes of it, but for its texts: in all,
// and for each key and range. A batch may weigh leastBatch, and asks for more in such steps.
const (
	reportWeight = 600
	labelWeight  = 64
	keyWeight    = 24
	rangeWeight  = 32
	leastBatch   = FixedMemory / 2
)

// weigh estimates how much memory a report takes in a batch.
func (l *loader) weigh(r *engine.Report) int64 {
	weight := reportWeight + 2*(len(r.Asset)+len(r.Name)+len(r.Address)+len(r.EnterpriseProject)) + keyWeight*len(r.Open)
	for name, value := range r.Labels {
		weight += labelWeight + len(name) + len(value)
	}
	if r.Scope != l.scope {
		l.scope = r.Scope
		weight += rangeWeight * r.Scope.Len()
	}
	return int64(weight)
}

// room makes sure that the batch may have so much more weight: where no more memory is given,
// what is there is applied first. A report that weighs more than is given then is too much.
func (l *loader) room(n int64) error {
	if l.opts.Memory == nil {
		return nil
	}
	var err error
	if more := l.weight + n - l.given; more > 0 {
		more = max(more, leastBatch)
		if err = l.opts.Memory(more); err == nil {
			l.given += more
		}
	}
	if err != nil && len(l.batch) > 0 {
		if err := l.flush(); err != nil {
			return err
		}
		return l.room(n)
	}
	l.weight += n
	return err
}

// size finds how large batches are to be.
func (l *loader) size() {
	l.enough = batchReports
	if dst, ok := l.dst.(sized); ok {
		l.enough = min(max(dst.Assets(l.opts.Project, l.opts.Category)/batchPart, batchReports), maxBatch)
	}
}

// flush applies the batch. What the sink would have taken when it was checked and
// refuses now is rejected like any other record.
func (l *loader) flush() error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	var err error
	for len(l.batch) > 0 {
		var result engine.Result
		result, err = l.dst.Apply(l.ctx, l.batch)
		l.sum.Result.Add(result)
		fault, ok := errors.AsType[*engine.ReportError](err)
		if !ok || l.opts.Strict {
			break
		}
		l.retract(fault)
		err = nil
	}
	clear(l.batch)
	l.batch, l.from, l.keys, l.weight = l.batch[:0], l.from[:0], 0, 0
	l.size()
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// retract takes a report that was refused out of the batch and rejects its record.
func (l *loader) retract(fault *engine.ReportError) {
	i := fault.Index
	from := l.from[i]
	from.in.taken--
	from.in.refused++
	if !from.closing {
		l.sum.Records--
		l.sum.Observations -= len(l.batch[i].Open)
	}
	l.sum.reject(&RecordError{File: from.in.name, Line: from.line, Reason: fault.Err.Error()})
	l.batch, l.from = slices.Delete(l.batch, i, i+1), slices.Delete(l.from, i, i+1)
}

// input makes an input of the source, which r reads from its start.
func (l *loader) input(src *opened, r io.Reader) *input {
	counted := &meter{ctx: l.ctx, src: r, limit: l.opts.MaxBytes, left: l.opts.MaxBytes, count: func(n int) {
		src.read += int64(n) // Strict's second pass reads no more.
		l.sum.Bytes += int64(n)
		l.at = l.before + src.consumed(src.read)
		if l.at-l.told >= progressStep {
			l.tell()
		}
	}}
	in := &input{name: src.name, workers: l.opts.Workers}
	in.Opts, in.W = l.opts.reader(), reader.NewWindow(counted, l.opts.MaxRecord)
	in.W.Within(l.opts.Memory)
	return in
}

func (l *loader) tell() {
	if l.told = l.at; l.opts.Progress != nil {
		l.opts.Progress(l.told)
	}
}
