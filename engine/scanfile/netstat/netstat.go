// Package netstat reads what netstat shows of a host's sockets on Linux, with busybox, on
// BSD, macOS and Windows. It names no host.
//
// A row is
//
//	Proto Recv-Q Send-Q Local Foreign [State] …
//	Proto Local Foreign [State] …             on Windows
//
// where the port follows the last colon of an address, or its last dot on BSD and macOS.
// BSD puts the address of a control block before it with -A. The words of Windows are in the
// language of its user, so what listens there is told by the foreign port, 0 or *. Both
// families of each protocol that has a row were looked at, unless the title says that it is
// without servers.
package netstat

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
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
	if isTitle(words) || isHeader(words) || bytes.HasPrefix(line, notice) {
		return true
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

// notice begins what net-tools says where it may not see the programs.
var notice = []byte("(Not all processes could be identified")

// Within takes what netstat shows behind something else, such as a prompt, by its title.
func Within(head []byte) bool {
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		if words := bytes.Fields(line); isTitle(words) || isHeader(words) {
			return true
		}
	}
	return false
}

// tables are what tables of netstat are of, in their titles.
var tables = []string{"Internet", "Connections", "UNIX", "LOCAL", "Multipath", "kernel", "IPX", "AX.25", "X.25", "Bluetooth"}

// isTitle takes the title of a table, such as "Active Internet connections (only servers)".
func isTitle(words [][]byte) bool {
	if len(words) < 2 {
		return false
	}
	switch first, second := string(words[0]), string(words[1]); first {
	case "Active":
		return slices.Contains(tables, second)
	case "Registered":
		return second == "kernel"
	}
	return false
}

// isHeader takes the names of a table's columns.
func isHeader(words [][]byte) bool {
	if len(words) > 4 && (string(words[0]) == "Tcpcb" || string(words[0]) == "Socket" || string(words[0]) == "PCB") {
		words = words[1:]
	}
	return len(words) > 3 && string(words[0]) == "Proto"
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
	if len(words) > 5 && isControlBlock(words[0]) {
		words = words[1:]
	}
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

// isControlBlock says whether a word is an address in memory, as BSD shows with -A.
func isControlBlock(word []byte) bool {
	return len(word) >= 8 && len(bytes.Trim(word, "0123456789abcdefABCDEFx")) == 0
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

// states are those of TCP, as Linux and BSD write them.
var states = []string{
	"LISTEN", "LISTENING", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "SYN_RCVD", "FIN_WAIT1", "FIN_WAIT2", "FIN_WAIT_1", "FIN_WAIT_2",
	"TIME_WAIT", "CLOSE", "CLOSED", "CLOSE_WAIT", "LAST_ACK", "CLOSING", "NEW_SYN_RECV", "BOUND", "UNKNOWN",
}

// check refuses what no row of netstat has.
func (r *row) check() error {
	for _, end := range [][]byte{r.local, r.foreign} {
		if _, port := reader.SplitLocal(end); len(port) == 0 {
			return fmt.Errorf("%q is not allowed: want an address and a port", reader.Clip(end))
		}
	}
	if tcp := strings.HasPrefix(r.proto, "tcp"); tcp && !r.windows && !slices.Contains(states, r.state) {
		return fmt.Errorf("state: %q is not allowed: want one of TCP's, such as LISTEN", reader.Clip([]byte(r.state)))
	}
	return nil
}

type netstat struct {
	in     *reader.Input
	hosts  *reader.Listeners
	within table
}

// table is what the rows are of.
type table uint8

const (
	beforeTable table = iota
	ofServers         // sockets of IP
	ofClients         // those that listen are left out
	ofWindows         // sockets of IP, and names of programs between them
	ofOthers          // sockets that are not of IP
)

// Read reads what netstat shows.
func Read(in *reader.Input, out *reader.Output) {
	n := &netstat{in: in, hosts: reader.NewListeners(in, out)}
	reader.EachLine(in, out, n.line)
	n.hosts.Report("", time.Time{})
}

func (n *netstat) line(line reader.Line) error {
	if !line.Ended {
		n.in.CutAt(line.No)
		return nil
	}
	words := bytes.Fields(line.Text)
	switch {
	case isTitle(words):
		n.title(words, line.No)
		return nil
	case isHeader(words):
		if n.hosts.Seen(line.No); n.within == beforeTable {
			n.within = ofServers
		}
		return nil
	}
	row, ok := rowOf(words)
	switch {
	case ok:
	case n.within == ofOthers || string(words[0]) == "unix":
		n.hosts.Seen(line.No)
		n.in.LeaveOut(reader.LeftUNIX, 1)
		return nil
	default:
		inTable := n.within == ofServers || n.within == ofClients
		if reader.IsPrompt(line.Text) || !inTable && !reader.HasLocal(words) || bytes.HasPrefix(line.Text, notice) {
			return reader.ErrNoise // titles, names of programs
		}
		return fmt.Errorf("%q is not allowed: want a row such as tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN", reader.Clip(line.Text))
	}
	switch {
	case row.windows:
		n.within = ofWindows
	case n.within == beforeTable || n.within == ofOthers:
		n.within = ofServers
	}
	return n.row(&row, line.No)
}

// title notes what a table is of.
func (n *netstat) title(words [][]byte, line int) {
	n.hosts.Seen(line)
	title := string(bytes.Join(words, []byte(" ")))
	switch {
	case !strings.HasPrefix(title, "Active Internet") && title != "Active Connections":
		n.within = ofOthers
	case strings.Contains(title, "(w/o servers)"), title == "Active Internet connections":
		n.within = ofClients
	default:
		n.within = ofServers
	}
}

func (n *netstat) row(r *row, line int) error {
	n.hosts.Seen(line)
	if err := r.check(); err != nil {
		return err
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
	if n.within != ofClients {
		n.hosts.LookedBoth(line, socket.Type)
	}
	address, number := reader.SplitLocal(r.local)
	if err := n.address(&socket, address, r); err != nil {
		if _, isPort := reader.PortNumber(number); isPort || !isName(address) {
			return err
		}
	}
	if !r.listens() {
		n.in.LeaveOut(reader.LeftConnected, 1)
		return nil
	}
	port, ok := reader.PortNumber(number)
	if !ok {
		return reader.NameOfPort(number, func() { n.hosts.Named(line) })
	}
	socket.Port = port
	n.hosts.Add(&socket, line)
	return nil
}

// address reads the address of a socket. One of IPv6 that was cut to the width of its column
// is one all the same: all that is asked of it is its family.
func (n *netstat) address(s *reader.Socket, text []byte, r *row) (err error) {
	if s.Addr, err = reader.LocalAddress(text); err == nil && len(text) > 0 {
		return nil
	}
	v6 := bytes.Count(text, []byte(":")) > 1 && len(bytes.Trim(text, "0123456789abcdefABCDEF:.%")) == 0
	if v6 = v6 && !strings.HasSuffix(r.proto, "4"); v6 {
		if mapped := []byte("::ffff:"); bytes.HasPrefix(text, mapped) && bytes.IndexByte(text, '.') > 0 {
			s.Addr, s.V6 = netip.IPv4Unspecified(), false
			return nil
		}
		s.Addr, s.V6 = netip.Addr{}, true
		return nil
	}
	return fmt.Errorf("local address: %q is not allowed: want an address and a port", reader.Clip(r.local))
}

// isName says whether a text may be the name of a host.
func isName(text []byte) bool {
	return len(text) > 0 && !reader.IsNumber(text) && len(bytes.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.%[]")) == 0
}
