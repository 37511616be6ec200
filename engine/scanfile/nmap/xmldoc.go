package nmap

import (
	"fmt"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
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
	d.start = reader.UnixSeconds(x.attr("start"))
}

func (d *nmapDoc) finish(x *xmlScan) {
	d.finished = true
	if exit := x.attr("exit"); len(exit) > 0 && string(exit) != "success" {
		d.exit = reader.CleanText(exit[:min(len(exit), 64)])
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
	t, isPort := reader.PortType(x.attr("protocol"))
	if !isPort {
		return nil
	}
	services := x.attr("services")
	if services == nil {
		d.unlisted = true
		return nil
	}
	ranges, err := reader.AppendPorts(d.ranges, services, t)
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
		s := engine.ScopeOf(reader.OfFamily(d.ranges, v6)...)
		d.scopes[i] = &s
	}
	return *d.scopes[i]
}

// known says whether the document says all that was looked at.
func (d *nmapDoc) known() bool { return d.listed && !d.unlisted }
