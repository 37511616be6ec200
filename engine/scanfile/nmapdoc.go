package scanfile

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"portolan/engine"
	"portolan/index"
)

// nmapDoc is one nmaprun document, or what stands outside of any.
type nmapDoc struct {
	begun, rooted, closed bool
	masscan               bool
	finished              bool
	exit                  string // how the scan says it ended, if not well
	start                 time.Time
	listed                bool          // scaninfo says what was looked at
	unlisted              bool          // but not all of it
	ranges                []index.Range // what it says, as on IPv4
	scopes                [2]*engine.Scope
}

func (d *nmapDoc) begin(x *xmlScan) {
	d.begun, d.rooted = true, true
	d.masscan = string(x.attr("scanner")) == "masscan"
	d.start = unixSeconds(x.attr("start"))
}

func (d *nmapDoc) finish(x *xmlScan) {
	d.finished = true
	if exit := x.attr("exit"); len(exit) > 0 && string(exit) != "success" {
		d.exit = cleanText(exit[:min(len(exit), 64)])
	}
}

// problem says why the document is not whole.
func (d *nmapDoc) problem() string {
	switch {
	case !d.begun:
		return ""
	case !d.rooted:
		return "the document has no <nmaprun>"
	case !d.closed && !d.finished:
		return "the document has no <runstats> and no </nmaprun>"
	case !d.closed:
		return "the document has no </nmaprun>"
	case !d.finished:
		return "the document has no <runstats>"
	case d.exit != "":
		return "the scan ended with " + d.exit
	}
	return ""
}

// scaninfo adds what one scaninfo element says was looked at.
func (d *nmapDoc) scaninfo(x *xmlScan) error {
	t, isPort := portType(x.attr("protocol"))
	if !isPort {
		return nil
	}
	services := x.attr("services")
	if services == nil {
		d.unlisted = true
		return nil
	}
	ranges, err := appendPorts(d.ranges, services, t)
	if err != nil {
		d.unlisted = true
		return fmt.Errorf("services: %w", err)
	}
	d.ranges, d.listed, d.scopes = ranges, true, [2]*engine.Scope{}
	return nil
}

// scope returns what was looked at on the hosts of one address family.
func (d *nmapDoc) scope(v6 bool) engine.Scope {
	i := 0
	if v6 {
		i = 1
	}
	if d.scopes[i] == nil {
		s := engine.ScopeOf(ofFamily(d.ranges, v6)...)
		d.scopes[i] = &s
	}
	return *d.scopes[i]
}

// known says whether the document says all that was looked at.
func (d *nmapDoc) known() bool { return d.listed && !d.unlisted }

func ofFamily(ranges []index.Range, v6 bool) []index.Range {
	out := make([]index.Range, len(ranges))
	for i, r := range ranges {
		if out[i] = r; v6 {
			out[i].Type = r.Type.V6()
		}
	}
	return out
}

// portType returns the type that a protocol's ports have on IPv4.
func portType(protocol []byte) (t index.Type, isPort bool) {
	switch string(protocol) {
	case "tcp":
		return index.TCP, true
	case "udp":
		return index.UDP, true
	case "sctp":
		return index.SCTP, true
	}
	return 0, false
}

// appendPorts adds the ranges of a list such as 1-100,443; port 0 is passed over.
func appendPorts(ranges []index.Range, list []byte, t index.Type) ([]index.Range, error) {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if item = bytes.TrimSpace(item); len(item) == 0 {
			continue
		}
		low, high, isRange := bytes.Cut(item, []byte("-"))
		if !isRange {
			high = low
		}
		lo, okLo := portNumber(bytes.TrimSpace(low))
		hi, okHi := portNumber(bytes.TrimSpace(high))
		if !okLo || !okHi || lo > hi {
			return nil, fmt.Errorf("%.64q is not allowed: want ports such as 1-100,443", item)
		}
		if hi > 0 {
			ranges = append(ranges, index.Range{Type: t, Lo: max(lo, 1), Hi: hi})
		}
	}
	return ranges, nil
}

// portNumber reads a decimal number from 0 to 65535.
func portNumber(text []byte) (uint16, bool) {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int(c-'0'); n > index.MaxPort {
			return 0, false
		}
	}
	return uint16(n), len(text) > 0
}

// maxUnix is the last second of the year 9999.
const maxUnix = 253402300799

// unixSeconds reads a time; what is none, or 0, is the zero time.
func unixSeconds(text []byte) time.Time {
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n <= 0 || n > maxUnix {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
