// Package ss reads what ss of iproute2 shows of a host's sockets. It names no host.
//
// A row is
//
//	[Netid] State Recv-Q Send-Q Local:Port Peer:Port [Process and more]
//
// without the first column where ss was asked for one protocol; then LISTEN is TCP and
// UNCONN is UDP.
package ss

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

var (
	netids = []string{"tcp", "udp", "mptcp", "sctp", "dccp", "raw", "nl", "u_str", "u_dgr", "u_seq", "p_raw", "p_dgr", "icmp6", "v_str", "v_dgr", "tipc", "xdp", "ti_st", "ti_dg", "ti_sq", "ti_rd"}
	states = []string{"LISTEN", "UNCONN", "ESTAB", "TIME-WAIT", "CLOSE-WAIT", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "LAST-ACK", "CLOSING"}
)

// Detect takes ss's header, or one of its rows.
func Detect(head []byte, whole bool) bool {
	line, _, ended := bytes.Cut(head, []byte("\n"))
	if !ended && !whole {
		return false
	}
	words := bytes.Fields(line)
	return isHeader(words) || isRow(words)
}

func isHeader(words [][]byte) bool {
	if len(words) > 0 && string(words[0]) == "Netid" {
		words = words[1:]
	}
	return len(words) > 2 && string(words[0]) == "State" && string(words[1]) == "Recv-Q" && string(words[2]) == "Send-Q"
}

// isRow says whether the words are those of a row.
func isRow(words [][]byte) bool {
	if len(words) > 0 && slices.Contains(netids, string(words[0])) {
		words = words[1:]
	}
	if len(words) < 5 || !slices.Contains(states, string(words[0])) {
		return false
	}
	return reader.IsNumber(words[1]) && reader.IsNumber(words[2])
}

type ss struct {
	in    *reader.Input
	hosts *reader.Listeners
}

// Read reads what ss shows.
func Read(in *reader.Input, out *reader.Output) {
	s := &ss{in, reader.NewListeners(in, out)}
	reader.EachLine(in, out, s.line)
	s.hosts.Report("", time.Time{})
}

func (s *ss) line(line reader.Line) error {
	if !line.Ended {
		s.in.CutAt(line.No)
		return nil
	}
	words := bytes.Fields(reader.StripANSI(line.Text))
	if len(words) == 0 || isHeader(words) {
		return nil
	}
	if !isRow(words) {
		s.hosts.Partial()
		return fmt.Errorf("%q is not allowed: want a row such as tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*", reader.Clip(line.Text))
	}
	s.hosts.Seen(line.No)
	netid := ""
	if slices.Contains(netids, string(words[0])) {
		netid, words = string(words[0]), words[1:]
	}
	return s.row(netid, words, line.No)
}

// row takes the words of a row from its state on.
func (s *ss) row(netid string, words [][]byte, line int) error {
	state, local := string(words[0]), words[3]
	socket := reader.Socket{Type: index.TCP}
	switch netid {
	case "tcp", "mptcp":
	case "udp":
		socket.Type = index.UDP
	case "sctp":
		socket.Type = index.SCTP
	case "":
		if state == "UNCONN" {
			socket.Type = index.UDP
		}
	case "u_str", "u_dgr", "u_seq":
		s.in.LeaveOut(reader.LeftUNIX, 1)
		return nil
	default:
		s.in.LeaveOut(reader.LeftOther, 1)
		return nil
	}
	if listens := state == "LISTEN" || state == "UNCONN" && socket.Type == index.UDP; !listens {
		s.in.LeaveOut(reader.LeftConnected, 1)
		return nil
	}
	address, number := reader.SplitLocal(local)
	var err error
	if socket.Addr, err = reader.LocalAddress(address); err != nil {
		s.hosts.Partial()
		return err
	}
	// A socket of IPv6 that takes IPv4, too, is shown as *; only this tells its family.
	socket.V6 = slices.ContainsFunc(words[4:], func(w []byte) bool { return bytes.HasPrefix(w, []byte("v6only:")) })
	port, ok := reader.PortNumber(number)
	if !ok {
		s.hosts.Named(line)
		return nil
	}
	socket.Port = port
	s.hosts.Add(&socket, line)
	return nil
}
