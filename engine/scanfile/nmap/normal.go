package nmap

import (
	"bytes"
	"net/netip"
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
	return bytes.HasPrefix(head, []byte("Starting Nmap ")) || bytes.HasPrefix(head, []byte("Nmap scan report for ")) || isScrambled(head)
}

// isScrambled says whether a line is the first one of -oS, which is -oN with letters and
// digits of numbers, too, in the place of others.
func isScrambled(head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.Contains(bytes.ToLower(line), []byte("://nmap.0rg"))
}

// NormalWithin takes what nmap shows on a terminal behind something else.
func NormalWithin(head []byte) bool {
	return bytes.Contains(head, []byte("\nStarting Nmap ")) || bytes.Contains(head, []byte("\nNmap scan report for "))
}

// normal reads what nmap shows on a terminal and writes with -oN. A host begins with the
// line "Nmap scan report for", and is whole where the next one begins or the run is done;
// then it closes the ports that it lists as closed.
type normal struct {
	in   *reader.Input
	out  *reader.Output
	slab reader.KeySlab

	open    bool // a run was begun that is not done
	seen    time.Time
	host    normalHost
	listing tableKind // what rows are of
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
	n := &normal{in: in, out: out}
	reader.EachLine(in, out, n.line)
	n.endHost(false)
	if n.open && !out.Done {
		in.Incomplete("the last run has no line that it is done")
	}
}

func (n *normal) line(line reader.Line) error {
	text := string(line.Text)
	switch {
	case !line.Ended && !strings.HasPrefix(text, "# Nmap done at ") && !strings.HasPrefix(text, "Nmap done: "):
		n.in.CutAt(line.No)
	case isScrambled(line.Text):
		n.in.Incomplete("line %d: what -oS writes cannot be read: want -oX, -oG or -oN", line.No)
		n.open = true
	case strings.HasPrefix(text, "# Nmap ") && strings.Contains(text, " scan initiated "), strings.HasPrefix(text, "Starting Nmap "):
		n.beginRun(text, line.No)
	case strings.HasPrefix(text, "# Nmap done at "), strings.HasPrefix(text, "Nmap done: "):
		return n.endRun(text, line)
	case strings.HasPrefix(text, "Nmap scan report for "):
		n.endHost(true)
		n.listing = noTable
		return n.beginHost(text[len("Nmap scan report for "):], line.No)
	case strings.HasPrefix(text, "PORT ") && n.host.begun:
		n.listing = portTable
	case strings.HasPrefix(text, "PROTOCOL ") && n.host.begun:
		n.listing = protocolTable
	case n.listing != noTable && isDigit(text[0]):
		return n.row(text)
	case n.host.begun:
		n.about(text)
	case !n.open:
		return reader.ErrNoise
	}
	return nil
}

func (n *normal) beginRun(text string, line int) {
	n.endHost(false)
	if n.open {
		n.in.Incomplete("line %d: a run begins before the last one is done", line)
	}
	n.open, n.seen = true, startTime(text)
}

func (n *normal) endRun(text string, line reader.Line) error {
	if !line.Ended && !strings.HasSuffix(text, " seconds") {
		n.in.CutAt(line.No)
		return nil
	}
	n.endHost(true)
	n.open = false
	return nil
}

// beginHost reads "a.example (192.0.2.10)" or "192.0.2.10", which "[host down]" may follow.
func (n *normal) beginHost(text string, line int) error {
	h := &n.host
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

// about takes a line about the host that is no row.
func (n *normal) about(text string) {
	switch {
	case strings.HasPrefix(text, "Host is up"):
		n.host.state = hostUp
	case strings.HasPrefix(text, "Not shown: "):
		n.notShown(text[len("Not shown: "):])
	case strings.HasPrefix(text, "MAC Address: "):
		n.host.mac, _, _ = strings.Cut(strings.ToLower(text[len("MAC Address: "):]), " ")
	}
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
	port, err := reader.ParsePort("port", []byte(number))
	if err != nil {
		return err
	}
	h := &n.host
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
	if h.state != hostUp {
		n.in.LeaveOut(leftHost[h.state], 1)
		return
	}
	r := n.in.Blank()
	n.in.Identify(&r, h.addr, h.name, h.mac)
	r.Seen = n.seen
	if whole {
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
