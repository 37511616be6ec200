package scanfile

import (
	"context"
	"fmt"
	"iter"

	"portolan/engine"
)

// Read returns the reports of one source in order. They are valid and belong to
// the caller. An error in the stream that is a [*RecordError] is a record that
// was refused, and the stream goes on; any other error is the last value:
// ErrUnknownFormat, ErrIncomplete, ErrTooLarge, an error of the source or of the
// options. The source is read while the stream is consumed, once. Of the
// options, Strict is not looked at.
func Read(s Source, opts *Options) iter.Seq2[engine.Report, error] {
	return func(yield func(engine.Report, error) bool) {
		more := true
		err := read(s, opts, func(r engine.Report, err error) bool {
			more = yield(r, err)
			return more
		})
		if err != nil && more {
			yield(engine.Report{}, err)
		}
	}
}

func read(s Source, o *Options, yield func(engine.Report, error) bool) error {
	opts, err := o.resolved()
	if err != nil {
		return err
	}
	src, err := open(s, &opts)
	if err != nil {
		return err
	}
	l := &loader{ctx: context.Background(), opts: &opts, sum: new(Summary)}
	in := l.input(src, src.reader())
	in.run(src.format, opts.Format != "", func(r engine.Report, err error) bool {
		if err == nil {
			err = in.check(r.Validate())
		}
		if err != nil {
			in.refused++
			r = engine.Report{}
		}
		return yield(r, err)
	})
	if err := in.fault(); err != nil {
		return err
	}
	if in.Problem != "" {
		return fmt.Errorf("%s: %w: %s", s.Name, ErrIncomplete, in.Problem)
	}
	return nil
}
