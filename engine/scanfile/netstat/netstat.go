// Package netstat reads what netstat shows of a host's sockets on Linux, with busybox, on
// BSD, macOS and Windows. It names no host.
//
// A row is
//
//	Proto Recv-Q Send-Q Local Foreign [State] …
//	Proto Local Foreign [State] …             on Windows
//
// where the port follows the last colon of an address, or its last dot on BSD and macOS.
// The words of Windows are in the language of its user, so what listens there is told by
// the foreign port, 0 or *.
package netstat

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// Detect takes a header of netstat, or one of its rows.
func Detect(head []byte, whole bool) bool {
	line, rest, ended := bytes.Cut(head, []byte("\n"))
	if !ended && !whole {
		return false
	}
	words := bytes.Fields(line)
	if len(words) == 0 {
		return false
	}
	switch string(words[0]) {
	case "Active": // Internet connections
		return len(words) > 1 && (string(words[1]) == "Internet" || string(words[1]) == "Connections" || string(words[1]) == "UNIX")
	case "Proto":
		return len(words) > 3
	}
	if row, ok := rowOf(words); ok {
		return row.known()
	}
	// Windows has a title in the user's language, then the header, then rows.
	for range 4 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if row, ok := rowOf(bytes.Fields(line)); ok && row.windows {
			return whole && row.known()
		}
	}
	return false
}

// row is the parts of a row.
type row struct {
	proto          string // in small letters
	local, foreign []byte
	state          string
	windows        bool
}

// rowOf takes the words of a line apart; false means that it is no row of a socket of IP.
func rowOf(words [][]byte) (r row, ok bool) {
	if len(words) < 3 {
		return r, false
	}
	r.proto = strings.ToLower(string(words[0]))
	if base := strings.TrimRight(r.proto, "46"); base != "tcp" && base != "udp" && base != "sctp" && base != "udplite" {
		return r, false
	}
	if len(words) > 4 && reader.IsNumber(words[1]) && reader.IsNumber(words[2]) {
		words = words[2:]
	} else {
		r.windows = true
	}
	r.local, r.foreign = words[1], words[2]
	if len(words) > 3 {
		r.state = string(words[3])
	}
	return r, true
}

// known says whether the row has addresses where one has.
func (r *row) known() bool {
	address, _ := reader.SplitLocal(r.local)
	_, err := reader.LocalAddress(address)
	return err == nil && len(address) > 0
}

// listens says whether the row's socket waits for anybody.
func (r *row) listens() bool {
	_, port := reader.SplitLocal(r.foreign)
	nobody := string(port) == "*" || string(port) == "0"
	if strings.HasPrefix(r.proto, "udp") {
		return nobody
	}
	return strings.HasPrefix(r.state, "LISTEN") || r.windows && nobody
}

type netstat struct {
	in    *reader.Input
	hosts *reader.Listeners
}

// Read reads what netstat shows.
func Read(in *reader.Input, out *reader.Output) {
	n := &netstat{in, reader.NewListeners(in, out)}
	reader.EachLine(in, out, n.line)
	n.hosts.Report("", time.Time{})
}

func (n *netstat) line(line reader.Line) error {
	if !line.Ended {
		n.in.CutAt(line.No)
		return nil
	}
	words := bytes.Fields(line.Text)
	row, ok := rowOf(words)
	if !ok {
		if len(words) > 0 && string(words[0]) == "unix" {
			n.hosts.Seen(line.No)
			n.in.LeaveOut(reader.LeftUNIX, 1)
			return nil
		}
		return reader.ErrNoise // titles, headers, names of programs
	}
	n.hosts.Seen(line.No)
	return n.row(&row, line.No)
}

func (n *netstat) row(r *row, line int) error {
	if !r.listens() {
		n.in.LeaveOut(reader.LeftConnected, 1)
		return nil
	}
	socket := reader.Socket{Type: index.TCP, V6: strings.HasSuffix(r.proto, "6")}
	switch strings.TrimRight(r.proto, "46") {
	case "udp":
		socket.Type = index.UDP
	case "sctp":
		socket.Type = index.SCTP
	case "udplite":
		n.in.LeaveOut("other-protocol", 1)
		return nil
	}
	address, number := reader.SplitLocal(r.local)
	var err error
	if socket.Addr, err = reader.LocalAddress(address); err != nil || len(address) == 0 {
		n.hosts.Partial()
		if r.known() || err == nil {
			err = fmt.Errorf("local address: %q is not allowed: want an address and a port", reader.Clip(r.local))
		}
		if _, isPort := reader.PortNumber(number); isPort {
			return err
		}
		n.hosts.Named(line) // a name of a host and one of a port
		return nil
	}
	port, ok := reader.PortNumber(number)
	if !ok {
		n.hosts.Named(line)
		return nil
	}
	socket.Port = port
	n.hosts.Add(&socket, line)
	return nil
}
