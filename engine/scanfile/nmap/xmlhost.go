package nmap

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// nmapHost is one host element while it is read. Its slices are used again.
type nmapHost struct {
	refused    bool // something of it was
	begun      bool
	line       int
	start, end time.Time
	timedOut   bool
	state      hostState
	addr       netip.Addr
	noAddr     string // the first that is given as an IP address and is none
	mac        string
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
	slab reader.KeySlab
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
	protocol string // why what is no port is left out
	err      error  // why it is refused
	state    portState
	unknown  string // what is given as a state and is none
}

// nmapExtra is one extraports element: ports that are counted, not listed.
type nmapExtra struct {
	line             int
	state            portState
	unknown          string // what is given as a state and is none
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
var leftState = map[portState]string{stateOpenFiltered: "open|filtered", stateUnfiltered: "unfiltered"}

// errState says that a port has no state that is known.
func errState(text string) error {
	return &engine.FieldError{Field: "state", Value: text, Allowed: "open, closed, filtered, closed|filtered, open|filtered or unfiltered"}
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
		begun: true, line: x.w.LineNo(),
		start: reader.UnixSeconds(x.attr("starttime")), end: reader.UnixSeconds(x.attr("endtime")),
		timedOut: string(x.attr("timedout")) == "true",
		open:     h.open[:0], shut: h.shut[:0], unknown: h.unknown[:0],
		last: h.last, slab: h.slab,
	}
}

// address takes the first one that is an IP address. The text itself tells the
// family: masscan labels IPv6 as ipv4.
func (h *nmapHost) address(x *xmlScan) {
	if string(x.attr("addrtype")) == "mac" {
		h.mac = strings.ToLower(reader.CleanText(x.attr("addr")))
		return
	}
	if h.addr.IsValid() {
		return
	}
	text := string(x.attr("addr"))
	if addr, err := netip.ParseAddr(text); err == nil {
		h.addr = addr.Unmap()
	} else if h.noAddr == "" {
		h.noAddr = text
	}
}

// hostname takes the name that a user gave, else that of the address, else the
// first one.
func (h *nmapHost) hostname(x *xmlScan, decoded bool) error {
	rank := 1
	switch string(x.attr("type")) {
	case "user":
		rank = 3
	case "PTR":
		rank = 2
	}
	name := x.attr("name")
	switch {
	case len(name) == 0 || rank <= h.nameRank:
	case !utf8.Valid(name) || decoded && bytes.ContainsRune(name, utf8.RuneError):
		return &engine.FieldError{Field: "hostname", Value: string(name), Allowed: "text that is valid in the document's encoding"}
	default:
		h.name, h.nameRank = reader.CleanText(name), rank
	}
	return nil
}

// fill gives the report all but its scope.
func (h *nmapHost) fill(in *reader.Input, r *engine.Report, d *nmapDoc) {
	keys, repeats := h.slab.Own(h.open)
	h.repeats += repeats
	if h.addr.Is6() {
		for i, k := range keys {
			keys[i] = index.MakeKey(k.Port(), k.Type().V6())
		}
	}
	r.Open = keys
	in.Identify(r, h.addr, h.name, h.mac)
	for _, t := range []time.Time{h.end, h.start, d.start} {
		if r.Seen.IsZero() {
			r.Seen = t
		}
	}
}

func (row *nmapRow) begin(x *xmlScan) {
	*row = nmapRow{line: x.w.LineNo()}
	protocol := x.attr("protocol")
	if row.t, row.isPort = reader.PortType(protocol); !row.isPort {
		row.protocol, row.err = reader.LeftProtocol(protocol)
		return
	}
	text := x.attr("portid")
	if row.port, row.valid = reader.PortNumber(text); !row.valid {
		row.text = string(text)
	}
}

// setState takes the first state element of the port.
func (row *nmapRow) setState(text []byte) {
	if row.state != stateNone {
		return
	}
	if row.state = parseState(text); row.state == stateOther {
		row.unknown = string(text)
	}
}

// endRow takes a whole port element. It returns why it was left out, or the
// error for which it is refused.
func (h *nmapHost) endRow() (left string, err error) {
	row := &h.row
	switch {
	case !row.isPort:
		return row.protocol, row.err
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
		if left = leftState[row.state]; left == "" {
			err = errState(row.unknown)
		}
	}
	h.shrink()
	return left, err
}

// shrink bounds what a host that repeats its ports without end needs.
func (h *nmapHost) shrink() {
	if len(h.open) >= reader.MaxScratch {
		n := len(h.open)
		h.open = reader.SortedOnce(h.open)
		h.repeats += n - len(h.open)
	}
	if len(h.shut) >= reader.MaxScratch {
		h.shut = reader.SortedOnce(h.shut)
	}
	if len(h.unknown) >= reader.MaxScratch {
		h.unknown = slices.Clone(engine.ScopeOf(h.unknown...).Ranges())
	}
}

func (h *nmapHost) beginExtra(x *xmlScan) {
	count, err := strconv.Atoi(string(x.attr("count")))
	if err != nil || count < 0 || count > index.MaxPort+1 {
		count = 0
	}
	h.extra = nmapExtra{line: x.w.LineNo(), state: parseState(x.attr("state")), count: count}
	if h.extra.state == stateOther {
		h.extra.unknown = string(x.attr("state"))
	}
}

// extraReason takes the ports of an extraports element, where it lists them.
func (h *nmapHost) extraReason(x *xmlScan) error {
	if h.extra.state.known() {
		return nil
	}
	t, isPort := reader.PortType(x.attr("proto"))
	ports := x.attr("ports")
	if !isPort || ports == nil {
		h.extra.unlisted = true
		return nil
	}
	unknown, err := reader.AppendPorts(h.unknown, ports, t)
	if err != nil {
		h.extra.unlisted = true
		return fmt.Errorf("ports: %w", err)
	}
	h.unknown, h.extra.listed = unknown, true
	h.shrink()
	return nil
}

// endExtra returns how many ports were left out, and why, or the error for which
// they are refused.
func (h *nmapHost) endExtra() (reason string, n int, err error) {
	if h.extra.state.known() {
		return "", 0, nil
	}
	if !h.extra.listed || h.extra.unlisted {
		h.hidden = true
	}
	if reason = leftState[h.extra.state]; reason == "" {
		return "", 0, errState(h.extra.unknown)
	}
	return reason, h.extra.count, nil
}
