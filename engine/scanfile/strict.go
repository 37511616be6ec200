package scanfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// strict reads the sources twice: once to check that all is whole and valid,
// and only then to apply it.
func (l *loader) strict(opens []*opened) (err error) {
	for _, src := range opens {
		if err = src.keep(l.opts.TempDir, l.opts.Disk); err != nil {
			break
		}
	}
	defer func() {
		for _, src := range opens {
			err = errors.Join(err, src.close())
		}
	}()
	if err == nil {
		err = l.rehearse(opens)
	}
	if err != nil {
		return err
	}
	return l.pass(opens)
}

// rehearse is the first pass. Without an error the sources are back at their
// start.
func (l *loader) rehearse(opens []*opened) error {
	l.dry = true
	defer func() { l.dry = false }()
	err := l.pass(opens)
	switch {
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case err != nil:
		return fmt.Errorf("%w: %w", ErrStrict, err)
	case !l.sum.Complete || l.sum.Rejected > 0:
		return fmt.Errorf("%w: %s", ErrStrict, l.sum.fault())
	}
	for _, src := range opens {
		if err := src.again(); err != nil {
			return err
		}
	}
	return nil
}

// faultOf names the first thing that is wrong with an input.
func (s *Summary) faultOf(name string) string {
	for i := range s.Errors {
		if s.Errors[i].File == name {
			return fmt.Sprintf("line %d: %s", s.Errors[i].Line, s.Errors[i].Reason)
		}
	}
	for i := range s.Files {
		if f := &s.Files[i]; f.Name == name && f.Problem != "" {
			return f.Describe()
		}
	}
	return "every record was rejected"
}

// fault names the first thing that strict does not accept.
func (s *Summary) fault() string {
	if len(s.Errors) > 0 {
		return s.Errors[0].Error()
	}
	for _, f := range s.Files {
		if !f.Complete {
			return f.Name + ": incomplete: " + f.Describe()
		}
	}
	return "incomplete"
}

// keep makes sure that the source can be read again: it copies what cannot be
// rewound to a temporary file while it is read.
func (o *opened) keep(dir string, room func(n int64) error) error {
	if o.rewind != nil {
		return nil
	}
	spool, err := os.CreateTemp(dir, "portolan-strict-*")
	if err != nil {
		return fmt.Errorf("copy %s: %w", o.name, err)
	}
	// What was peeked goes through the copy like the rest.
	o.spool, o.rest, o.head = spool, io.TeeReader(o.reader(), bounded{spool, room}), nil
	return nil
}

// bounded asks before it writes.
type bounded struct {
	io.Writer
	room func(n int64) error
}

func (b bounded) Write(p []byte) (int, error) {
	if b.room != nil {
		if err := b.room(int64(len(p))); err != nil {
			return 0, err
		}
	}
	return b.Writer.Write(p)
}

// again goes back to the start for the second pass, which gets only what the
// first one read, whatever was appended meanwhile.
func (o *opened) again() error {
	src, start := io.ReadSeeker(o.spool), int64(0)
	if o.spool == nil {
		src, start = o.rewind, o.start
	}
	at, err := src.Seek(start, io.SeekStart)
	if err == nil && at != start {
		err = fmt.Errorf("at byte %d instead of %d", at, start)
	}
	if err != nil {
		return fmt.Errorf("rewind %s: %w", o.name, err)
	}
	o.head, o.rest = nil, io.LimitReader(src, o.read)
	return nil
}

// close removes the temporary file.
func (o *opened) close() error {
	if o.spool == nil {
		return nil
	}
	return errors.Join(o.spool.Close(), os.Remove(o.spool.Name()))
}
