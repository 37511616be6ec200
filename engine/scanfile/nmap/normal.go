package nmap

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// DetectNormal takes what nmap shows on a terminal and writes with -oN, by its first line
// or a host's.
func DetectNormal(head []byte, whole bool) bool {
	if bytes.HasPrefix(head, nmapStart) {
		_, rest, _ := bytes.Cut(head, []byte("\n"))
		rest = bytes.TrimLeft(rest, "\r\n")
		return whole || len(rest) > len(scannedLine) && rest[0] != '#' && !bytes.HasPrefix(rest, hostLine)
	}
	return bytes.HasPrefix(head, []byte("Starting Nmap ")) || bytes.HasPrefix(head, []byte(reportFor)) || bytes.HasPrefix(head, []byte(interesting)) || isScrambled(head)
}

// How a host begins, now and before nmap 5.10, and what -v shows before.
const (
	reportFor   = "Nmap scan report for "
	interesting = "Interesting ports on "
	discovered  = "Discovered open port "
)

// isScrambled says whether a line is the first one of -oS, which is -oN with letters and
// digits of numbers, too, in the place of others.
func isScrambled(head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.Contains(bytes.ToLower(line), []byte("://nmap.0rg"))
}

// NormalWithin takes what nmap shows on a terminal behind something else.
func NormalWithin(head []byte) bool {
	return bytes.Contains(head, []byte("\nStarting Nmap ")) || bytes.Contains(head, []byte("\n"+reportFor)) || bytes.Contains(head, []byte("\n"+interesting))
}

// normal reads what nmap shows on a terminal and writes with -oN. A host begins with the
// line "Nmap scan report for", and is whole where the next one begins or the run is done;
// then it closes the ports that it lists as closed.
type normal struct {
	in   *reader.Input
	out  *reader.Output
	slab reader.KeySlab

	open    bool // a run was begun that is not done
	idle    bool // nothing came since
	seen    time.Time
	host    normalHost
	listing tableKind // what rows are of

	// What -v shows of a host as it is found, until its table comes.
	discovered map[netip.Addr]*normalFound
	order      []netip.Addr
	held       int // ports in it
}

// maxDiscovered is how many ports wait for the tables of their hosts. Of more than any group
// of hosts has that nmap scans at a time, they are told without.
const maxDiscovered = 1 << 16

// normalFound is ports that a scan has found so far.
type normalFound struct {
	keys []index.Key
	line int
}

// normalHost is a host while it is read. Its slices are used again.
type normalHost struct {
	begun     bool
	state     hostState
	line      int
	addr      netip.Addr
	name, mac string
	keys      []index.Key
	shut      []index.Key
	refused   bool // a row was
}

// tableKind is what the rows of a table are of.
type tableKind uint8

const (
	noTable tableKind = iota
	portTable
	protocolTable
)

// ReadNormal reads what nmap shows on a terminal and writes with -oN.
func ReadNormal(in *reader.Input, out *reader.Output) {
	n := &normal{in: in, out: out, discovered: map[netip.Addr]*normalFound{}}
	reader.EachLine(in, out, n.line)
	n.endHost(false)
	n.endDiscovered()
	if n.open && !out.Done && (!n.idle || !in.Switched) { // else the run is that of what begins
		in.Incomplete("the last run has no line that it is done")
	}
}

func (n *normal) line(line reader.Line) error {
	text := strings.TrimLeft(string(line.Text), " \t")
	idle := n.idle
	n.idle = false
	switch {
	case !line.Ended && !strings.HasPrefix(text, "# Nmap done at ") && !strings.HasPrefix(text, "Nmap done: "):
		n.in.CutAt(line.No)
	case isScrambled(line.Text):
		n.in.Incomplete("line %d: what -oS writes cannot be read: want -oX, -oG or -oN", line.No)
		n.open = true
	case strings.HasPrefix(text, "# Nmap ") && strings.Contains(text, " scan initiated "), strings.HasPrefix(text, "Starting Nmap "):
		if !line.Own {
			return reader.ErrBegins
		}
		n.beginRun(text, line.No)
	case strings.HasPrefix(text, "# Nmap done at "), strings.HasPrefix(text, "Nmap done: "):
		return n.endRun(text, line)
	default:
		known, err := n.inRun(text, line.No)
		if known {
			return err
		}
		n.idle = idle
		if !n.open || mayBegin(text) {
			return reader.ErrNoise
		}
		n.in.Noise++
	}
	return nil
}

// inRun takes a line between the first and the last one of a run, if it means something.
func (n *normal) inRun(text string, line int) (known bool, err error) {
	switch {
	case strings.HasPrefix(text, reportFor):
		n.endHost(true)
		return true, n.beginHost(text[len(reportFor):], line)
	case strings.HasPrefix(text, interesting):
		n.endHost(true)
		return true, n.beginHost(strings.TrimSuffix(text[len(interesting):], ":"), line)
	case strings.HasPrefix(text, discovered):
		return true, n.discover(text[len(discovered):], line)
	case strings.HasPrefix(text, "PORT ") && n.host.begun:
		n.listing = portTable
	case strings.HasPrefix(text, "PROTOCOL ") && n.host.begun:
		n.listing = protocolTable
	case n.listing != noTable && isDigit(text[0]):
		return true, n.row(text)
	default:
		return n.host.begun && n.about(text), nil
	}
	return true, nil
}

// mayBegin says whether another format may begin with a line: nmap says much, and only what
// begins so is looked at more closely.
func mayBegin(text string) bool {
	if strings.IndexByte("<{[#", text[0]) >= 0 {
		return true
	}
	return slices.ContainsFunc([]string{"Host: ", "Timestamp: ", "open ", "Netid ", "Active "}, func(begin string) bool { return strings.HasPrefix(text, begin) })
}

// discover reads "443/tcp on 192.0.2.10".
func (n *normal) discover(text string, line int) error {
	what, address, _ := strings.Cut(text, " on ")
	number, protocol, _ := strings.Cut(what, "/")
	t, isPort := reader.PortType([]byte(protocol))
	addr, err := reader.ParseAddr("host", []byte(strings.TrimSpace(address)))
	port, errPort := reader.ParsePort("port", []byte(number))
	if !isPort || err != nil || errPort != nil {
		return fmt.Errorf("%q is not allowed: want a line such as Discovered open port 443/tcp on 192.0.2.10", reader.Clip([]byte(text)))
	}
	found := n.discovered[addr]
	if found == nil {
		found = &normalFound{line: line}
		n.discovered[addr] = found
		n.order = append(n.order, addr)
	}
	found.keys = append(found.keys, reader.KeyOn(addr, port, t))
	if n.held++; n.held >= maxDiscovered {
		n.endDiscovered()
	}
	return nil
}

// endDiscovered yields what was found of hosts whose tables did not come: their scan was
// interrupted.
func (n *normal) endDiscovered() {
	for _, addr := range n.order {
		found := n.discovered[addr]
		if found == nil || len(found.keys) == 0 {
			continue
		}
		r := n.in.Blank()
		n.in.Identify(&r, addr, "", "")
		r.Seen = n.seen
		var repeats int
		r.Open, repeats = n.slab.Own(found.keys)
		n.in.Duplicates += repeats
		n.out.Report(&r, found.line)
	}
	clear(n.discovered)
	n.order, n.held = n.order[:0], 0
}

func (n *normal) beginRun(text string, line int) {
	n.endHost(false)
	n.endDiscovered()
	if n.open && !n.idle {
		n.in.Incomplete("line %d: a run begins before the last one is done", line)
	}
	n.open, n.idle, n.seen = true, true, startTime(text)
}

func (n *normal) endRun(text string, line reader.Line) error {
	if !line.Ended && !strings.HasSuffix(text, " seconds") {
		n.in.CutAt(line.No)
		return nil
	}
	n.endHost(true)
	n.endDiscovered()
	n.open = false
	if strings.Contains(text, "(0 hosts up)") {
		n.in.Noise = 0 // what was said is of hosts that are down
	}
	return nil
}

// beginHost reads "a.example (192.0.2.10)" or "192.0.2.10", which "[host down]" may follow.
func (n *normal) beginHost(text string, line int) error {
	h := &n.host
	n.listing = noTable
	*h = normalHost{keys: h.keys[:0], shut: h.shut[:0], line: line, state: hostUnknown}
	text, note, _ := strings.Cut(strings.TrimSpace(text), " [")
	if strings.HasPrefix(note, "host down") {
		h.state = hostDown
	}
	name, address := "", text
	if open := strings.LastIndexByte(text, '('); open > 0 && strings.HasSuffix(text, ")") {
		name, address = strings.TrimSpace(text[:open]), text[open+1:len(text)-1]
	}
	addr, err := reader.ParseAddr("host", []byte(address))
	if err != nil {
		return err
	}
	h.begun, h.addr, h.name = true, addr, reader.CleanText([]byte(name))
	return nil
}

// about takes a line about the host that is no row. It is not known if another format may
// begin with it.
func (n *normal) about(text string) (known bool) {
	switch {
	case strings.HasPrefix(text, "Host is up"):
		n.host.state = hostUp
	case strings.HasPrefix(text, "Not shown: "):
		n.notShown(text[len("Not shown: "):])
	case strings.HasPrefix(text, "MAC Address: "):
		n.host.mac, _, _ = strings.Cut(strings.ToLower(text[len("MAC Address: "):]), " ")
	default:
		return !mayBegin(text)
	}
	return true
}

// notShown reads how many ports have a state and are not listed, such as "2093 closed tcp
// ports (reset), 1 open|filtered udp ports (no-response)".
func (n *normal) notShown(text string) {
	for part := range strings.SplitSeq(text, ", ") {
		words := strings.Fields(part)
		if len(words) < 2 {
			continue
		}
		count, _ := strconv.Atoi(words[0]) // 0 where it is none
		if reason := leftState[parseState([]byte(words[1]))]; reason != "" {
			n.in.LeaveOut(reason, min(count, maxPorts))
		}
	}
}

// row reads "443/tcp open https" or, of protocols, "6 open tcp".
func (n *normal) row(text string) error {
	what, rest, _ := strings.Cut(text, " ")
	if n.listing == protocolTable {
		n.in.LeaveOut("ip-protocol", 1)
		return nil
	}
	number, protocol, ok := strings.Cut(what, "/")
	t, isPort := reader.PortType([]byte(protocol))
	if !ok || !isPort {
		return reader.ErrNoise // such as a line of a script
	}
	h := &n.host
	port, err := reader.ParsePort("port", []byte(number))
	if err != nil {
		h.refused = true
		return err
	}
	h.state = hostUp
	state, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	key := reader.KeyOn(h.addr, port, t)
	switch s := parseState([]byte(state)); s {
	case stateOpen:
		h.keys = append(h.keys, key)
	case stateShut:
		h.shut = append(h.shut, key)
	case stateOpenFiltered, stateUnfiltered:
		n.in.LeaveOut(leftState[s], 1)
	case stateNone, stateOther:
		h.refused = true
		return errState(state)
	}
	return nil
}

// endHost yields the host that is open. One that is not whole only adds.
func (n *normal) endHost(whole bool) {
	h := &n.host
	if !h.begun {
		return
	}
	h.begun, n.listing = false, noTable
	if whole {
		delete(n.discovered, h.addr)
	}
	if h.state != hostUp {
		n.in.LeaveOut(leftHost[h.state], 1)
		return
	}
	r := n.in.Blank()
	n.in.Identify(&r, h.addr, h.name, h.mac)
	r.Seen = n.seen
	if whole && !h.refused {
		r.Scope = h.scope()
	}
	var repeats int
	r.Open, repeats = n.slab.Own(h.keys)
	n.in.Duplicates += repeats
	n.out.Report(&r, h.line)
}

// scope is the ports that are listed as open or closed: what else was looked at is not
// told.
func (h *normalHost) scope() engine.Scope {
	ranges := make([]index.Range, 0, len(h.keys)+len(h.shut))
	for _, keys := range [][]index.Key{h.keys, h.shut} {
		for _, k := range keys {
			ranges = append(ranges, index.Range{Type: k.Type(), Lo: k.Port(), Hi: k.Port()})
		}
	}
	return engine.ScopeOf(ranges...)
}
