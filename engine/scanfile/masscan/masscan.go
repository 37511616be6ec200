// Package masscan reads what masscan writes: JSON (-oJ and -oD), its list (-oL), its
// binary files (-oB), and what it shows on a terminal. What it writes with -oX and -oG has
// the elements and lines of nmap, whose package reads them.
//
// A record is one port, and the same port may come again. Only open ports count. Reports
// only add: nothing tells what was looked at on a host.
package masscan

import (
	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

// ports takes ports as all of masscan's formats have them.
type ports struct{ reader.Finder }

// take yields a port if it is open; else it is left out.
func (p *ports) take(found *reader.Found, status, proto, number []byte, line int) error {
	t, isPort := reader.PortType(proto)
	if !isPort {
		left, err := reader.LeftProtocol(proto)
		if err == nil {
			p.In.LeaveOut(left, 1)
		}
		return err
	}
	port, err := reader.ParsePort("port", number)
	if err != nil {
		return err
	}
	switch string(status) {
	case "open":
		found.Port, found.Type = port, t
		p.Report(found, line)
	case "closed":
		p.In.LeaveOut("closed", 1)
	default:
		return &engine.FieldError{Field: "status", Value: reader.Clip(status), Allowed: "open or closed"}
	}
	return nil
}
