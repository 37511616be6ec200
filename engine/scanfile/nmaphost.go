package scanfile

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"portolan/engine"
	"portolan/index"
)

// nmapHost is one host element while it is read. Its slices are used again.
type nmapHost struct {
	begun      bool
	line       int
	start, end time.Time
	timedOut   bool
	state      hostState
	addr       netip.Addr
	name       string
	nameRank   int
	looked     bool // has a ports element

	row     nmapRow
	extra   nmapExtra
	repeats int
	open    []index.Key   // as on IPv4, like shut and unknown
	shut    []index.Key   // listed with a state that closes
	unknown []index.Range // of which nothing is known
	hidden  bool          // nothing is known of ports that nobody lists, either

	last holedScope
	slab keySlab
}

// hostState is what the status of a host says. Masscan gives none.
type hostState uint8

const (
	hostUp hostState = iota
	hostDown
	hostUnknown // such as in a list of targets
)

func parseHostState(text []byte) hostState {
	switch string(text) {
	case "up", "":
		return hostUp
	case "down":
		return hostDown
	}
	return hostUnknown
}

// leftHost are the reasons for leaving out a host by its state.
var leftHost = [...]string{hostDown: "host-down", hostUnknown: "host-unknown"}

// nmapRow is one port element.
type nmapRow struct {
	line     int
	port     uint16
	valid    bool
	text     string // of a port that is not valid
	t        index.Type
	isPort   bool
	protocol string // of what is no port
	state    portState
}

// nmapExtra is one extraports element: ports that are counted, not listed.
type nmapExtra struct {
	state            portState
	count            int
	listed, unlisted bool
}

// portState is what a state says about a port.
type portState uint8

const (
	stateNone portState = iota // not given
	stateOpen
	stateShut
	stateOpenFiltered
	stateUnfiltered
	stateOther
)

// leftState are the reasons for leaving out a port by its state.
var leftState = [...]string{
	stateNone: "no-state", stateOpenFiltered: "open|filtered", stateUnfiltered: "unfiltered", stateOther: "unknown-state",
}

func parseState(text []byte) portState {
	switch string(text) {
	case "":
		return stateNone
	case "open":
		return stateOpen
	case "closed", "filtered", "closed|filtered":
		return stateShut
	case "open|filtered":
		return stateOpenFiltered
	case "unfiltered":
		return stateUnfiltered
	}
	return stateOther
}

// known says whether the state is evidence of open or closed.
func (s portState) known() bool { return s == stateOpen || s == stateShut }

func (h *nmapHost) begin(x *xmlScan) {
	*h = nmapHost{
		begun: true, line: x.w.lineNo(),
		start: unixSeconds(x.attr("starttime")), end: unixSeconds(x.attr("endtime")),
		timedOut: string(x.attr("timedout")) == "true",
		open:     h.open[:0], shut: h.shut[:0], unknown: h.unknown[:0],
		last: h.last, slab: h.slab,
	}
}

// address takes the first one that is an IP address. The text itself tells the
// family: masscan labels IPv6 as ipv4.
func (h *nmapHost) address(x *xmlScan) {
	if h.addr.IsValid() || string(x.attr("addrtype")) == "mac" {
		return
	}
	if addr, err := netip.ParseAddr(string(x.attr("addr"))); err == nil {
		h.addr = addr.Unmap()
	}
}

// hostname takes the name that a user gave, else that of the address, else the
// first one.
func (h *nmapHost) hostname(x *xmlScan) {
	rank := 1
	switch string(x.attr("type")) {
	case "user":
		rank = 3
	case "PTR":
		rank = 2
	}
	if name := x.attr("name"); len(name) > 0 && rank > h.nameRank {
		h.name, h.nameRank = cleanText(name), rank
	}
}

// fill gives the report all but its scope.
func (h *nmapHost) fill(r *engine.Report, d *nmapDoc) {
	keys, repeats := h.slab.own(h.open)
	h.repeats += repeats
	if h.addr.Is6() {
		for i, k := range keys {
			keys[i] = index.MakeKey(k.Port(), k.Type().V6())
		}
	}
	r.Open = keys
	r.Asset = h.addr.String()
	r.Address, r.Name = r.Asset, h.name
	for _, t := range []time.Time{h.end, h.start, d.start} {
		if r.Seen.IsZero() {
			r.Seen = t
		}
	}
}

func (row *nmapRow) begin(x *xmlScan) {
	*row = nmapRow{line: x.w.lineNo()}
	protocol := x.attr("protocol")
	if row.t, row.isPort = portType(protocol); !row.isPort {
		row.protocol = leftProtocol(protocol)
		return
	}
	text := x.attr("portid")
	if row.port, row.valid = portNumber(text); !row.valid {
		row.text = string(text)
	}
}

// leftProtocol is the reason for leaving out what is no port.
func leftProtocol(protocol []byte) string {
	switch string(protocol) {
	case "ip":
		return "ip-protocol"
	case "icmp":
		return "icmp-protocol"
	case "arp":
		return "arp-protocol"
	}
	return "other-protocol"
}

// setState takes the first state element of the port.
func (row *nmapRow) setState(text []byte) {
	if row.state == stateNone {
		row.state = parseState(text)
	}
}

// endRow takes a whole port element. It returns why it was left out, or the
// error for which it is refused.
func (h *nmapHost) endRow() (left string, err error) {
	row := &h.row
	switch {
	case !row.isPort:
		return row.protocol, nil
	case !row.valid:
		return "", &engine.FieldError{Field: "portid", Value: row.text, Allowed: "a port from 1 to 65535"}
	case row.port == 0:
		return "port-0", nil
	}
	switch row.state {
	case stateOpen:
		h.open = append(h.open, index.MakeKey(row.port, row.t))
	case stateShut:
		h.shut = append(h.shut, index.MakeKey(row.port, row.t))
	default:
		h.unknown = append(h.unknown, index.Range{Type: row.t, Lo: row.port, Hi: row.port})
		left = leftState[row.state]
	}
	h.shrink()
	return left, nil
}

// shrink bounds what a host that repeats its ports without end needs.
func (h *nmapHost) shrink() {
	if len(h.open) >= maxScratch {
		n := len(h.open)
		h.open = sortedOnce(h.open)
		h.repeats += n - len(h.open)
	}
	if len(h.shut) >= maxScratch {
		h.shut = sortedOnce(h.shut)
	}
	if len(h.unknown) >= maxScratch {
		h.unknown = slices.Clone(engine.ScopeOf(h.unknown...).Ranges())
	}
}

func (h *nmapHost) beginExtra(x *xmlScan) {
	count, err := strconv.Atoi(string(x.attr("count")))
	if err != nil || count < 0 || count > index.MaxPort+1 {
		count = 0
	}
	h.extra = nmapExtra{state: parseState(x.attr("state")), count: count}
}

// extraReason takes the ports of an extraports element, where it lists them.
func (h *nmapHost) extraReason(x *xmlScan) error {
	if h.extra.state.known() {
		return nil
	}
	t, isPort := portType(x.attr("proto"))
	ports := x.attr("ports")
	if !isPort || ports == nil {
		h.extra.unlisted = true
		return nil
	}
	unknown, err := appendPorts(h.unknown, ports, t)
	if err != nil {
		h.extra.unlisted = true
		return fmt.Errorf("ports: %w", err)
	}
	h.unknown, h.extra.listed = unknown, true
	h.shrink()
	return nil
}

// endExtra returns how many ports were left out, and why.
func (h *nmapHost) endExtra() (reason string, n int) {
	if h.extra.state.known() {
		return "", 0
	}
	if !h.extra.listed || h.extra.unlisted {
		h.hidden = true
	}
	return leftState[h.extra.state], h.extra.count
}
