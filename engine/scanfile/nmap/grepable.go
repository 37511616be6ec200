package nmap

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// DetectGrepable takes what nmap writes with -oG, by the line behind its comment or a
// host's. A comment alone is that of -oN, too: then what nmap was called with tells.
func DetectGrepable(head []byte, whole bool) bool {
	if !bytes.HasPrefix(head, nmapStart) {
		return isGrepable(head)
	}
	comment, rest, _ := bytes.Cut(head, []byte("\n"))
	if isGrepable(rest) {
		return true
	}
	rest = bytes.TrimLeft(rest, "\r\n")
	named := bytes.Contains(comment, []byte(" -oG ")) || bytes.Contains(comment, []byte(" -oA "))
	return whole && named && (len(rest) == 0 || bytes.HasPrefix(rest, nmapDone))
}

// isGrepable says whether a line begins that only -oG has.
func isGrepable(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return bytes.HasPrefix(line, hostLine) && (bytes.IndexByte(line, '\t') > 0 || lostTab.Match(line)) || bytes.HasPrefix(line, scannedLine)
}

// lostTab is where a tab stood before it was pasted as spaces.
var lostTab = regexp.MustCompile(` +(Status|Ports|Protocols|Ignored State|OS|Seq Index|IP ID Seq): `)

var (
	nmapStart   = []byte("# Nmap ")
	nmapDone    = []byte("# Nmap done")
	scannedLine = []byte("# Ports scanned: ")
	hostLine    = []byte("Host: ")
)

// grepable reads what nmap writes with -oG: two lines for each host, of which the second
// has its ports. Its reports only add, as what was looked at is not told.
type grepable struct {
	finder reader.Finder
	open   bool // a run was begun that is not done
	seen   time.Time
	up     reader.Found // a host that is up, whose ports may follow
	upAt   int
	keys   []index.Key
}

// ReadGrepable reads what nmap writes with -oG.
func ReadGrepable(in *reader.Input, out *reader.Output) {
	g := &grepable{finder: reader.Finder{In: in, Out: out}}
	reader.EachLine(in, out, g.line)
	g.flush()
	if g.open && !out.Done {
		in.Incomplete("the last run has no line that it is done")
	}
}

func (g *grepable) line(line reader.Line) error {
	text := line.Text
	if text[0] == '#' {
		return g.comment(line)
	}
	seen := g.seen
	if stamped, ok := bytes.CutPrefix(text, []byte("Timestamp: ")); ok { // masscan's
		stamp, rest, _ := bytes.Cut(stamped, []byte("\t"))
		seen, text = g.finder.Unix(stamp), rest
	}
	host, ok := bytes.CutPrefix(text, hostLine)
	if !ok {
		if !line.Ended {
			g.finder.In.CutAt(line.No)
			return nil
		}
		return fmt.Errorf("%q is not allowed: want a host or a comment", reader.Clip(line.Text))
	}
	return g.host(host, seen, line)
}

// comment takes a line that says where a run begins or is done.
func (g *grepable) comment(line reader.Line) error {
	text := string(line.Text)
	switch {
	case strings.Contains(text, " scan initiated "):
		if !line.Own {
			return reader.ErrBegins
		}
		if g.open {
			g.finder.In.Incomplete("line %d: a run begins before the last one is done", line.No)
		}
		g.open, g.seen = true, startTime(text)
	case strings.HasPrefix(text, "# Nmap done at ") && (line.Ended || strings.HasSuffix(text, " seconds")), strings.HasPrefix(text, "# Masscan done at ") && line.Ended:
		g.open = false
	case !line.Ended:
		g.finder.In.CutAt(line.No)
	}
	return nil
}

// startTime reads the time at which a run began, in "# Nmap 7.93 scan initiated Mon Nov 23
// 20:40:39 2026 as: …" or "Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-23 20:51 UTC".
// It has no zone that tells an offset, and is taken as UTC.
func startTime(text string) time.Time {
	layout := time.ANSIC
	_, when, ok := strings.Cut(text, " scan initiated ")
	if !ok {
		layout = "2006-01-02 15:04"
		_, when, _ = strings.Cut(text, ") at ")
	}
	t, err := time.Parse(layout, when[:min(len(when), len(layout))])
	if err != nil || t.Unix() <= 0 {
		return time.Time{}
	}
	return t
}

// host takes a line of a host.
func (g *grepable) host(text []byte, seen time.Time, line reader.Line) error {
	if bytes.IndexByte(text, '\t') < 0 && lostTab.Match(text) {
		g.finder.In.Incomplete("line %d: tabs have become spaces, and what they part may be taken for something else", line.No)
		text = lostTab.ReplaceAll(text, []byte("\t$1: "))
	}
	who, rest, whole := bytes.Cut(text, []byte("\t"))
	if !whole && !line.Ended {
		g.finder.In.CutAt(line.No)
		return nil
	}
	addr, name, err := g.who(who)
	if err != nil {
		return err
	}
	found := reader.Found{Addr: addr, Name: name, Seen: seen}
	for field := range bytes.SplitSeq(rest, []byte("\t")) {
		label, value, _ := bytes.Cut(field, []byte(": "))
		last := !line.Ended && len(field) > 0 && &field[len(field)-1] == &text[len(text)-1]
		switch string(label) {
		case "Status":
			g.status(&found, value, line, last)
		case "Ports":
			g.ports(&found, value, line, last)
		case "Protocols":
			g.finder.In.LeaveOut("ip-protocol", bytes.Count(value, []byte("/,"))+1)
			g.flush()
		case "Ignored State":
			g.ignored(value)
		case "OS", "Seq Index", "IP ID Seq", "":
		default:
			if !last {
				return fmt.Errorf("field: %q is not allowed: want Status, Ports, Protocols, Ignored State, OS, Seq Index or IP ID Seq", reader.Clip(label))
			}
		}
	}
	if !line.Ended {
		g.finder.In.Incomplete("line %d is cut", line.No)
	}
	return nil
}

// who reads an address and a name in parentheses.
func (g *grepable) who(text []byte) (netip.Addr, string, error) {
	address, name, _ := bytes.Cut(text, []byte(" ("))
	addr, err := g.finder.Address("host", address)
	return addr, g.finder.Name(bytes.TrimSuffix(name, []byte(")"))), err
}

// status takes what is said of a host as a whole.
func (g *grepable) status(found *reader.Found, value []byte, line reader.Line, cut bool) {
	g.flush()
	switch {
	case string(value) == "Up":
		g.up, g.upAt = *found, line.No
	case cut:
		g.finder.In.Cut++
	default:
		g.finder.In.LeaveOut(leftHost[parseHostState(bytes.ToLower(value))], 1)
	}
}

// ignored takes the state of ports that are not listed, such as "open|filtered (98)".
func (g *grepable) ignored(value []byte) {
	state, count, _ := bytes.Cut(value, []byte(" ("))
	n, _ := strconv.Atoi(string(bytes.TrimSuffix(count, []byte(")")))) // 0 where it is none
	if reason := leftState[parseState(state)]; reason != "" {
		g.finder.In.LeaveOut(reason, min(n, maxPorts))
	}
}

// maxPorts is the most ports of a host that a count can be of.
const maxPorts = 3 * (index.MaxPort + 1)

// flush yields a host that is up and of whose ports nothing was said.
func (g *grepable) flush() {
	if g.upAt > 0 {
		g.finder.Ports(&g.up, nil, g.upAt)
	}
	g.upAt = 0
}

// ports takes a list such as "443/open/tcp//https///, 53/open|filtered/udp//domain///". Of
// one that is cut, the last port may be.
func (g *grepable) ports(found *reader.Found, list []byte, line reader.Line, cut bool) {
	if g.upAt > 0 && g.up.Addr != found.Addr {
		g.flush()
	}
	g.upAt = 0
	g.keys = g.keys[:0]
	for len(list) > 0 {
		var item []byte
		var more bool
		item, list, more = bytes.Cut(list, []byte(", "))
		if item = bytes.TrimSpace(item); len(item) == 0 {
			continue
		}
		if cut && !more && bytes.Count(item, []byte("/")) < 3 {
			g.finder.In.Cut++
			break
		}
		if err := g.port(found.Addr, item); err != nil {
			g.finder.Out.Reject(line.No, err.Error())
		}
		if len(g.keys) >= reader.MaxScratch {
			g.keys = reader.SortedOnce(g.keys)
		}
	}
	g.finder.Ports(found, g.keys, line.No)
}

// port takes one port: its number, state, protocol and what else is said of it, parted by
// slashes.
func (g *grepable) port(addr netip.Addr, item []byte) error {
	number, rest, _ := bytes.Cut(item, []byte("/"))
	state, rest, _ := bytes.Cut(rest, []byte("/"))
	protocol, _, ok := bytes.Cut(rest, []byte("/"))
	s := parseState(state)
	if (s == stateOther || s == stateNone) && (!ok || len(number) == 0 || !isDigit(number[0])) {
		return nil // the rest of a version with a comma
	}
	if !ok {
		return fmt.Errorf("%q is not allowed: want a port such as 443/open/tcp//https///", reader.Clip(item))
	}
	t, isPort := reader.PortType(protocol)
	if !isPort {
		left, err := reader.LeftProtocol(protocol)
		if err == nil {
			g.finder.In.LeaveOut(left, 1)
		}
		return err
	}
	port, err := reader.ParsePort("port", number)
	if err != nil {
		return err
	}
	switch s {
	case stateOpen:
		g.keys = append(g.keys, reader.KeyOn(addr, port, t))
	case stateShut:
	case stateOpenFiltered, stateUnfiltered:
		g.finder.In.LeaveOut(leftState[s], 1)
	case stateNone, stateOther:
		return errState(string(state))
	}
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
