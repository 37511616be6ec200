// Package ss reads what ss of iproute2 shows of a host's sockets. It names no host.
//
// A row is
//
//	[Netid] State Recv-Q Send-Q Local:Port Peer:Port [Process and more]
//
// without the first column where ss was asked for one protocol; then LISTEN is TCP and
// UNCONN is UDP. With it, TCP and UDP were looked at, whether they have rows or not.
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

// Within takes what ss shows behind something else, such as a prompt, by its header.
func Within(head []byte) bool {
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		if isHeader(bytes.Fields(reader.StripANSI(bytes.Clone(line)))) {
			return true
		}
	}
	return false
}

func isHeader(words [][]byte) bool {
	if hasNetid(words) {
		words = words[1:]
	}
	return len(words) > 2 && string(words[0]) == "State" && string(words[1]) == "Recv-Q" && string(words[2]) == "Send-Q"
}

func hasNetid(words [][]byte) bool { return len(words) > 0 && string(words[0]) == "Netid" }

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
	table bool // a header or a row has come
}

// Read reads what ss shows.
func Read(in *reader.Input, out *reader.Output) {
	s := &ss{in: in, hosts: reader.NewListeners(in, out)}
	reader.EachLine(in, out, s.line)
	s.hosts.Report("", time.Time{})
}

func (s *ss) line(line reader.Line) error {
	if !line.Ended {
		s.in.CutAt(line.No)
		return nil
	}
	words := bytes.Fields(reader.StripANSI(line.Text))
	switch {
	case len(words) == 0:
		return nil
	case isHeader(words):
		s.table = true
		if s.hosts.Seen(line.No); hasNetid(words) {
			s.lookedAll(line.No)
		}
		return nil
	case isRow(words):
		s.table = true
	case reader.IsPrompt(line.Text) || !s.table && !reader.HasLocal(words):
		return reader.ErrNoise
	default:
		return fmt.Errorf("%q is not allowed: want a row such as tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*", reader.Clip(line.Text))
	}
	netid := ""
	if slices.Contains(netids, string(words[0])) {
		netid, words = string(words[0]), words[1:]
		s.lookedAll(line.No)
	}
	return s.row(netid, words, line.No)
}

// lookedAll notes what the column Netid tells, which is there where ss was asked for more
// than one type.
func (s *ss) lookedAll(line int) {
	s.hosts.LookedBoth(line, index.TCP)
	s.hosts.LookedBoth(line, index.UDP)
}

// row takes the words of a row from its state on.
func (s *ss) row(netid string, words [][]byte, line int) error {
	state, local := string(words[0]), words[3]
	socket := reader.Socket{Type: index.TCP}
	s.hosts.Seen(line)
	switch netid {
	case "tcp", "mptcp":
	case "udp":
		socket.Type = index.UDP
	case "sctp":
		socket.Type = index.SCTP
		s.hosts.LookedBoth(line, index.SCTP)
	case "":
		switch state {
		case "LISTEN":
			s.hosts.LookedBoth(line, index.TCP)
		case "UNCONN":
			socket.Type = index.UDP
			s.hosts.LookedBoth(line, index.UDP)
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
		return err
	}
	// A socket of IPv6 that takes IPv4, too, is shown as *; only this tells its family.
	socket.V6 = slices.ContainsFunc(words[4:], func(w []byte) bool { return bytes.HasPrefix(w, []byte("v6only:")) })
	port, ok := reader.PortNumber(number)
	if !ok {
		return reader.NameOfPort(number, func() { s.hosts.Named(line) })
	}
	socket.Port = port
	s.hosts.Add(&socket, line)
	return nil
}
