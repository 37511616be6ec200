// Package osquery reads what osquery logs of its table listening_ports, event by event, in
// batches or as snapshots, and the rows of a query.
//
// A snapshot, and the rows of a query, are a whole look of the host. Events say what came
// and went: sockets are counted within one stream, a port being open as long as one of them
// has it, and at the end there is one report for each host. After a fresh start (the counter
// 0, of any epoch) its scope is all ports, else those that the stream mentions. What was
// removed without having been added closes nothing. Events that a log repeats, which are
// older than those before and of no later counter, are passed over.
package osquery

import (
	"bytes"
	"errors"
	"strings"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// Detect takes lines of a log of any shape, and rows of the table.
func Detect(head []byte, _ bool) bool {
	keys := reader.FirstKeys(head)
	return keys.Has("action", "columns") || keys.Has("snapshot") || keys.Has("diffResults") ||
		keys.Has("port", "protocol", "address", "pid") || keys.Has("port", "protocol", "family")
}

// The fields of a line.
const (
	fieldAction = iota
	fieldColumns
	fieldSnapshot
	fieldDiff
	fieldHost
	fieldHostname
	fieldTime
	fieldEpoch
	fieldCounter
	fieldName
	fieldPort // of a row that stands alone
)

type osquery struct {
	in   *reader.Input
	out  *reader.Output
	line *reader.Object
	diff *reader.Object
	list reader.Object
	row  *reader.Object

	logs map[string]*log // by host
	all  []*log          // in the order of their first events
	rows *log            // the rows of a query; nil without any
}

// Read reads logs and rows.
func Read(in *reader.Input, out *reader.Output) {
	o := &osquery{
		in: in, out: out, logs: map[string]*log{},
		line: reader.NewObject("action", "columns", "snapshot", "diffResults", "hostIdentifier", "hostname", "unixTime", "epoch", "counter", "name", "port"),
		diff: reader.NewObject("added", "removed"),
		row:  reader.NewObject(columns...),
	}
	refused := out.Refused
	reader.EachObject(in, out, o.object)
	if o.rows != nil {
		o.rows.fresh = true
		o.all = append(o.all, o.rows)
	}
	for _, l := range o.all { // what was refused may have been of any of them
		l.partial = l.partial || out.Refused > refused
		o.report(l)
	}
}

// errForeign is returned for an object that osquery does not write.
var errForeign = errors.New("the object is not one of osquery's: want columns, snapshot, diffResults or a row of listening_ports")

func (o *osquery) object(object []byte, line int) error {
	l := o.line
	if err := l.Read(object); err != nil {
		return err
	}
	columns, snapshot, diff := l.Raw(fieldColumns), l.Raw(fieldSnapshot), l.Raw(fieldDiff)
	if columns == nil && snapshot == nil && diff == nil {
		if l.Raw(fieldPort) == nil {
			return errForeign
		}
		if o.rows == nil {
			o.rows = &log{line: line}
		}
		return o.add(o.rows, object)
	}
	if name := string(l.Text(fieldName)); name != "" && !strings.Contains(name, "listening_ports") && !o.isPorts(columns, snapshot, diff) {
		o.in.LeaveOut("other-query", 1)
		return nil
	}
	host := reader.CleanText(l.Text(fieldHost))
	if host == "" {
		host = reader.CleanText(l.Text(fieldHostname))
	}
	if snapshot != nil {
		s := &log{host: host, line: line, seen: reader.UnixSeconds(l.Text(fieldTime)), fresh: true}
		refused := o.out.Refused
		if err := o.each(snapshot, func(row []byte) error { return o.add(s, row) }, line); err != nil {
			return err
		}
		s.partial = o.out.Refused > refused
		o.report(s)
		o.in.W.Hold(-s.held)
		return nil
	}
	return o.events(host, columns, diff, line)
}

// isPorts says whether the first row of a query has the columns of listening_ports.
func (o *osquery) isPorts(columns, snapshot, diff []byte) bool {
	for _, text := range [][]byte{columns, snapshot, diff} {
		if bytes.Contains(text, []byte(`"port"`)) && bytes.Contains(text, []byte(`"protocol"`)) && !bytes.Contains(text, []byte(`"remote_port"`)) {
			return true
		}
	}
	return false
}

// events takes an event, or a batch of them.
func (o *osquery) events(host string, columns, diff []byte, line int) error {
	l := o.logs[host]
	if l == nil {
		l = &log{host: host, line: line}
		l.hold(o.in, logSize+2*len(host))
		o.logs[host] = l
		o.all = append(o.all, l)
	}
	if !l.advance(reader.UnixSeconds(o.line.Text(fieldTime)), o.line.Text(fieldEpoch), o.line.Text(fieldCounter)) {
		return nil // a repeated one
	}
	if diff == nil {
		if columns[0] != '{' {
			return errForeign
		}
		switch action := string(o.line.Text(fieldAction)); action {
		case "added":
			return o.add(l, columns)
		case "removed":
			return o.remove(l, columns)
		default:
			return &engine.FieldError{Field: "action", Value: reader.Clip([]byte(action)), Allowed: "added, removed or snapshot"}
		}
	}
	if diff[0] != '{' {
		return errForeign
	}
	if err := o.diff.Read(diff); err != nil {
		return err
	}
	added, removed := o.diff.Raw(0), o.diff.Raw(1)
	return errors.Join(
		o.each(removed, func(row []byte) error { return o.remove(l, row) }, line),
		o.each(added, func(row []byte) error { return o.add(l, row) }, line))
}

// each takes the rows of a list; those that are wrong are refused.
func (o *osquery) each(list []byte, take func(row []byte) error, line int) error {
	if len(list) == 0 || list[0] != '[' {
		return nil // osquery writes an empty text for no rows
	}
	return o.list.Elements(list, func(row []byte) bool {
		err := errForeign
		if row[0] == '{' {
			err = take(row)
		}
		if err != nil {
			o.out.Reject(line, err.Error())
		}
		return !o.out.Done
	})
}

// columns are the columns of the table, of which the first ones tell sockets apart.
var columns = []string{"port", "protocol", "family", "address", "pid", "fd", "socket", "path", "net_namespace"}

const identifying = 7

// socket reads a row. A reason to leave it out may come instead of an error.
func (o *osquery) socket(row []byte) (s reader.Socket, left string, err error) {
	if err := o.row.Read(row); err != nil {
		return s, "", err
	}
	family := string(o.row.Text(2))
	if family == "1" || len(o.row.Text(7)) > 0 { // AF_UNIX, or a path
		return s, reader.LeftUNIX, nil
	}
	switch string(o.row.Text(1)) {
	case "6":
		s.Type = index.TCP
	case "17":
		s.Type = index.UDP
	case "132":
		s.Type = index.SCTP
	default:
		if n, ok := reader.PortNumber(o.row.Text(1)); !ok || n > 255 {
			return s, "", &engine.FieldError{Field: "protocol", Value: reader.Clip(o.row.Text(1)), Allowed: "the number of a protocol, such as 6 or 17"}
		}
		return s, "other-protocol", nil
	}
	if family != "" && !reader.IsNumber([]byte(family)) {
		return s, "", &engine.FieldError{Field: "family", Value: reader.Clip([]byte(family)), Allowed: "the number of a family of addresses, such as 2 or 10"}
	}
	port, ok := reader.PortNumber(o.row.Text(0))
	if !ok {
		return s, "", &engine.FieldError{Field: "port", Value: reader.Clip(o.row.Text(0)), Allowed: "a port from 1 to 65535"}
	}
	if s.Addr, err = reader.LocalAddress(o.row.Text(3)); err != nil {
		return s, "", err
	}
	s.Port, s.V6 = port, family != "" && family != "2"
	left = o.in.Left(&s)
	return s, left, nil
}

// add takes a socket that listens.
func (o *osquery) add(l *log, row []byte) error {
	s, left, err := o.socket(row)
	switch {
	case err != nil:
		return err
	case left != "":
		if o.in.LeaveOut(left, 1); s.Port > 0 && !s.Addr.IsLoopback() {
			l.unsure.Add(s.Key())
		}
		return nil
	}
	before := len(l.sockets)
	space := o.row.Text(8)
	named := len(l.spaces)
	l.add(o.identity(), s.Key(), space)
	l.hold(o.in, socketSize*(len(l.sockets)-before)+(socketSize+2*len(space))*(len(l.spaces)-named))
	return nil
}

// remove takes a socket that no longer does.
func (o *osquery) remove(l *log, row []byte) error {
	s, left, err := o.socket(row)
	if err != nil {
		return err
	}
	if left == "" && !l.remove(o.identity(), s.Key()) {
		o.in.LeaveOut("removed-without-added", 1)
	}
	return nil
}

// report yields what a host has open at the end of its events.
func (o *osquery) report(l *log) {
	r := o.in.Blank()
	r.Seen = l.seen
	if r.Asset = l.host; r.Asset == "" {
		r.Asset = o.in.Opts.AssetID
	}
	if r.Asset == "" {
		o.out.Reject(l.line, reader.ErrNoHost.Error())
		return
	}
	open, elsewhere := l.open()
	o.in.LeaveOut("other-namespace", elsewhere)
	n := len(open)
	r.Open = reader.SortedOnce(open)
	o.in.Duplicates += n - len(r.Open)
	switch {
	case l.partial || o.in.Problem != "" || o.in.Fault() != nil:
	case o.in.Opts.Scope != nil:
		r.Scope = *o.in.Opts.Scope
	case l.fresh:
		r.Scope = everything.Minus(l.unsure.Ranges())
	default:
		r.Scope = l.mentioned()
	}
	o.out.Report(&r, l.line)
}

// everything is what the table looks at.
var everything = reader.AllPorts(index.TCP, index.TCP6, index.UDP, index.UDP6)
