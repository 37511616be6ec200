package scanfile

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

// partSize is how many bytes of an input are read apart, at least.
const partSize = 64 << 10

// maxPart is where a piece of an input without a place to cut it is read in order.
const maxPart = 4 << 20

// maxWorkers is the most that Options.Workers is by default.
const maxWorkers = 8

// part is a piece of an input that begins with a record, what was read of it, and what to
// read where it does not end with one.
type part struct {
	text []byte
	line int           // where it begins
	err  error         // why nothing follows; nil if something does
	long bool          // it ends inside of a record that is longer than may be
	done chan struct{} // is closed once it was read

	in    reader.Input
	next  *reader.Format // what begins in it, if in.Switched
	items []item
}

// item is a report of a part, or a record that was refused, which has a reason.
type item struct {
	report  engine.Report
	line    int
	refused string
}

// parts reads an input in parts, several at a time, and gives what they say in their order.
type parts struct {
	of     *input
	format *reader.Format
	given  bool
	queue  chan *part // in order
	work   chan *part
	stop   chan struct{}
	free   chan *part     // whose memory may be used again
	over   sync.WaitGroup // all that run beside the one who reads

	carry   []byte       // behind the last part
	line    int          // where carry begins
	pending *part        // made, and not queued any more
	most    atomic.Int64 // how many items a part had, which the next one may have, too
}

// inParts reads the input in parts if it is worth it. It is false if nothing was read yet.
func (in *input) inParts(f *reader.Format, given bool, out *reader.Output, workers int) (next *reader.Format, read bool) {
	if workers == 0 {
		workers = min(runtime.GOMAXPROCS(0), maxWorkers)
	}
	if f.Split == nil || workers < 2 {
		return nil, false
	}
	p := &parts{
		of: in, format: f, given: given, line: in.W.LineNo(), stop: make(chan struct{}),
		queue: make(chan *part, workers), work: make(chan *part, workers), free: make(chan *part, workers+2),
	}
	first := p.cut()
	if first.err != nil || first.long { // all there is, or nothing to split
		in.W = reader.NewWindowAt(p.behind(first, 0), in.Opts.MaxRecord, first.line)
		return nil, false
	}
	return p.read(first, workers, out), true
}

// read gives what the parts say, from the first one on.
func (p *parts) read(first *part, workers int, out *reader.Output) (next *reader.Format) {
	p.over.Go(func() { p.produce(first) })
	for range workers {
		p.over.Go(func() {
			for one := range p.work {
				one.read(p)
				p.most.Store(int64(len(one.items)))
				close(one.done)
			}
		})
	}
	empty, bracket := true, byte(0)
	for one := range p.queue {
		at := 0
		if !one.long {
			<-one.done
			p.of.take(one, out)
			empty, bracket = empty && one.in.Empty, last(bracket, one.in.Bracket)
			at = int(one.in.W.Offset())
		}
		if one.long || one.in.Unsure {
			p.end()
			next = p.rest(one, at, out)
			empty, bracket = empty && p.of.Empty, last(bracket, p.of.Bracket)
			break
		}
		if one.in.Switched {
			p.end()
			p.of.Switched, next = true, one.next
			p.of.W = reader.NewWindowAt(p.behind(one, at), p.of.Opts.MaxRecord, one.in.W.LineNo())
			break
		}
		if out.Done {
			break
		}
		p.recycle(one)
	}
	p.end()
	switch {
	case out.Done:
	case empty:
		p.of.Incomplete("empty")
	case bracket == '[':
		p.of.Incomplete("the list has no end")
	}
	return next
}

func last(before, now byte) byte {
	if now != 0 {
		return now
	}
	return before
}

// end stops all that run beside the one who reads. What was cut stays in queue, pending and
// carry.
func (p *parts) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.over.Wait()
}

// behind is the input from a place in a part on, which is the last that was taken.
func (p *parts) behind(one *part, at int) io.Reader {
	all := []io.Reader{bytes.NewReader(one.text[at:])}
	for left := range p.left() {
		all = append(all, bytes.NewReader(left.text))
	}
	return io.MultiReader(append(all, bytes.NewReader(p.carry), p.of.W)...)
}

// left yields what was cut and not taken.
func (p *parts) left() func(yield func(*part) bool) {
	return func(yield func(*part) bool) {
		for {
			select {
			case one, ok := <-p.queue:
				if ok {
					if !yield(one) {
						return
					}
					continue
				}
			default:
			}
			break
		}
		if p.pending != nil {
			yield(p.pending)
		}
	}
}

// recycle makes the memory of a part that was taken that of a later one.
func (p *parts) recycle(one *part) {
	clear(one.items)
	select {
	case p.free <- &part{text: one.text[:0], items: one.items[:0]}:
	default:
	}
}

// rest reads on in order, from a place in a part on where reading it apart had to end.
func (p *parts) rest(one *part, at int, out *reader.Output) (next *reader.Format) {
	in, line := p.of, one.line
	if at > 0 {
		line = one.in.W.LineNo()
	}
	in.W = reader.NewWindowAt(p.behind(one, at), in.Opts.MaxRecord, line)
	in.Began, in.Part = -1, true
	defer func() { in.Part = false }()
	in.Other = other(p.format, p.given, &next)
	if p.format.Read(&in.Input, out); !in.Switched {
		return nil
	}
	return next
}

// produce cuts the input into parts and queues them, until it ends or is stopped.
func (p *parts) produce(one *part) {
	defer close(p.work)
	defer close(p.queue)
	for {
		select {
		case p.queue <- one:
		case <-p.stop:
			p.pending = one
			return
		}
		if one.long {
			return
		}
		select {
		case p.work <- one:
		case <-p.stop:
			return
		}
		if one.err != nil {
			return
		}
		one = p.cut()
	}
}

// cut reads the next part.
func (p *parts) cut() *part {
	one := new(part)
	select {
	case one = <-p.free:
	default:
	}
	one.line, one.done = p.line, make(chan struct{})
	one.items = slices.Grow(one.items, int(p.most.Load()))
	buf := append(slices.Grow(one.text[:0], partSize+len(p.carry)), p.carry...)
	for {
		for len(buf) < cap(buf) && one.err == nil {
			var n int
			n, one.err = p.of.W.Read(buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
		}
		end := len(buf)
		if one.err == nil {
			end = p.format.Split(buf)
		}
		switch {
		case end > 0 || one.err != nil:
			one.text, p.carry = buf[:end], append(p.carry[:0], buf[end:]...)
		case len(buf) < maxPart:
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
			continue
		default:
			one.text, p.carry, one.long = buf, nil, true
		}
		p.line += bytes.Count(one.text, []byte{'\n'})
		return one
	}
}

// read reads the part.
func (one *part) read(p *parts) {
	err := one.err
	if err == nil {
		err = io.EOF
	}
	one.in = reader.Input{
		Opts: p.of.Opts, W: reader.NewPiece(one.text, p.of.Opts.MaxRecord, one.line, err),
		Decoded: p.of.Decoded, Part: true, Followed: one.err == nil, Began: -1,
	}
	if one.line == 1 {
		one.in.Began = 0
	}
	one.in.Other = other(p.format, p.given, &one.next)
	p.format.Read(&one.in, &reader.Output{
		Take: func(r *engine.Report, line int) bool {
			one.items = append(one.items, item{report: *r, line: line})
			return true
		},
		Refuse: func(line int, reason string) bool {
			one.items = append(one.items, item{line: line, refused: reason})
			return true
		},
	})
}

// take gives what a part says.
func (in *input) take(one *part, out *reader.Output) {
	for i := range one.items {
		switch it := &one.items[i]; {
		case out.Done:
			return
		case it.refused != "":
			out.Reject(it.line, it.refused)
		default:
			out.Report(&it.report, it.line)
		}
	}
	in.Duplicates += one.in.Duplicates
	in.Cut += one.in.Cut
	in.Noise += one.in.Noise
	for reason, n := range one.in.LeftOut {
		in.LeaveOut(reason, n)
	}
	if one.in.Problem != "" {
		in.Incomplete("%s", one.in.Problem)
	}
}

// other returns what says whether another format begins, and which one; nil if the format
// is given.
func other(f *reader.Format, given bool, next **reader.Format) func(head []byte) bool {
	if given {
		return nil
	}
	return func(head []byte) bool {
		*next = detect(head, false)
		return *next != nil && (*next).Name != f.Name
	}
}
