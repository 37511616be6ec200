package reader

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNoise is returned for a line that means nothing to the format and may stand there.
var ErrNoise = errors.New("not a record")

// ErrBegins is returned for a line with which a run begins, of the format or of another one.
// If it is of no other, the line is given once more, as one that is the format's own.
var ErrBegins = errors.New("a run begins")

// probeMax is how much of a strange record tells whether another format begins with it.
const probeMax = 8 << 10

// Line is one line of an input, without its end.
type Line struct {
	Text  []byte // valid until the next line
	No    int    // counted from 1
	Ended bool   // it had an end; only the last line has none, and may be cut
	Own   bool   // no other format begins here
}

// EachLine gives each line that is not blank to take, until the input ends, out is done or
// another format begins. Take returns nil for a line that it took, [ErrNoise] for one that
// means nothing, and another error for one that is refused; of the latter two another
// format may begin.
func EachLine(in *Input, out *Output, take func(Line) error) {
	blank := true
	for n := in.W.LineNo(); !out.Done; n++ {
		at := in.W.Offset()
		text, ended, tooLong, ok := in.W.NextLine()
		if !ok {
			break
		}
		switch {
		case tooLong:
			out.Reject(n, fmt.Sprintf("the line is longer than %d bytes", in.Opts.MaxRecord))
		case IsBlank(text):
			continue
		case !ended && in.W.Cut():
			in.CutAt(n)
		default:
			line := Line{Text: bytes.TrimSuffix(text, []byte{'\r'}), No: n, Ended: ended}
			err := take(line)
			if err != nil && in.strange(out, at, n, err) {
				return
			}
			if errors.Is(err, ErrBegins) && in.W.back(at) {
				text, _, _, _ = in.W.NextLine()
				line.Text, line.Own = bytes.TrimSuffix(text, []byte{'\r'}), true
				if err := take(line); err != nil {
					out.Reject(n, err.Error())
				}
			}
		}
		blank = false
	}
	in.emptyIf(blank, out)
}

// CutAt marks the input as ending inside the record that begins on a line, of which
// nothing can be used.
func (in *Input) CutAt(line int) {
	in.Incomplete("line %d is cut", line)
	in.Cut++
}

func (in *Input) emptyIf(blank bool, out *Output) {
	in.Empty = blank
	if blank && !out.Done && !in.Part {
		in.Incomplete("empty")
	}
}

// probes bounds what looking for other formats costs: each look that finds none costs one
// of a store that the bytes of the input refill. Else an input of short lines that mean
// nothing would be looked at line by line.
type probes struct {
	used int64 // how many looks, less those that were refilled
	at   int64 // how far the store was refilled
}

const (
	maxProbes  = 512
	probeEvery = 1 << 10 // bytes
)

// spend takes a look out of the store at an offset; false means that it is empty.
func (p *probes) spend(at int64) bool {
	refill := (at - p.at) / probeEvery
	p.at += refill * probeEvery
	p.used = max(p.used-refill, 0)
	if p.used >= maxProbes {
		return false
	}
	p.used++
	return true
}

// strange deals with a record, from an offset to what is used, that the format does not
// know. It says whether another format begins with it, which is then unread.
func (in *Input) strange(out *Output, at int64, line int, err error) (switched bool) {
	used := in.W.Offset() - at
	if in.Other != nil && at > in.Began && in.probes.spend(at) && in.W.back(at) {
		if first := in.W.Rest()[0]; first == '<' || first == '#' { // such formats are told by more than a line
			for len(in.W.Rest()) < probeMax && in.W.More() {
				continue
			}
			if in.Unsure = in.Followed && len(in.W.Rest()) < probeMax; in.Unsure {
				return true
			}
		}
		rest := in.W.Rest()
		if in.Other(PlainHead(rest[:min(len(rest), probeMax)])) {
			in.Switched = true
			return true
		}
		in.W.Skip(int(used))
	}
	switch {
	case errors.Is(err, ErrNoise):
		in.Noise++
	case !errors.Is(err, ErrBegins):
		out.Reject(line, err.Error())
	}
	return false
}
