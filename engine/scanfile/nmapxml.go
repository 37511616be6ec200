package scanfile

import (
	"errors"
	"fmt"
)

// element is what an XML element means to the reader, by its name and place.
type element uint8

const (
	elOther element = iota // and everything inside it
	elRun
	elScaninfo
	elHost
	elStatus
	elAddress
	elHostnames
	elHostname
	elPorts
	elExtraports
	elExtrareasons
	elPort
	elState
	elRunstats
	elFinished
)

// children says which elements mean something inside which. Hosts outside any
// root element are taken, too.
var children = map[element]map[string]element{
	elRun:        {"scaninfo": elScaninfo, "host": elHost, "runstats": elRunstats},
	elHost:       {"status": elStatus, "address": elAddress, "hostnames": elHostnames, "ports": elPorts},
	elHostnames:  {"hostname": elHostname},
	elPorts:      {"extraports": elExtraports, "port": elPort},
	elExtraports: {"extrareasons": elExtrareasons},
	elPort:       {"state": elState},
	elRunstats:   {"finished": elFinished},
}

// nmapReader reads what nmap and masscan write with -oX.
type nmapReader struct {
	in        *input
	out       *output
	x         xmlScan
	path      xmlPath
	kind      []element // of the elements in path
	docs      int       // documents begun
	doc       nmapDoc
	host      nmapHost
	hostDepth int // of the open host in path, if host.begun
}

func readNmapXML(in *input, out *output) {
	in.toUTF8()
	r := &nmapReader{in: in, out: out, x: xmlScan{w: in.w}}
	for !out.done {
		r.x.top = len(r.kind) == 0
		token, err := r.x.next()
		if err == nil {
			err = r.token(token)
		}
		if err != nil && !r.recover(err) {
			break
		}
	}
	r.finish()
}

// finish ends the last document.
func (r *nmapReader) finish() {
	r.endDocument()
	if r.docs == 0 {
		r.in.incomplete("no XML document")
	}
	if r.x.stray {
		r.in.incomplete("text outside the XML document")
	}
}

// recover notes the error and says whether reading can go on: from the next
// document on, if another was appended.
func (r *nmapReader) recover(err error) bool {
	if isEnd(err) || r.in.fault() != nil {
		return false
	}
	r.in.incomplete("%s", r.x.errorAt(err))
	if errors.Is(err, errXMLTooLong) {
		r.out.reject(r.x.w.lineNo(), fmt.Sprintf("markup is longer than %d bytes", r.in.opts.MaxRecord))
	}
	r.endDocument()
	return !errors.Is(err, errXMLEntities) && r.x.skipToDocument() == nil
}

// token handles one tag; an error is broken markup.
func (r *nmapReader) token(t xmlToken) error {
	switch t {
	case xmlProlog:
		r.beginDocument()
	case xmlStart:
		return r.start()
	case xmlEnd:
		return r.end()
	}
	return nil
}

func (r *nmapReader) start() error {
	name := string(r.x.name) // Does not escape.
	if name == "nmaprun" && (r.doc.rooted || len(r.kind) > 0) {
		r.beginDocument() // Appended without a prolog.
	}
	if name == "host" && r.host.begun {
		r.in.incomplete("line %d: a host inside a host", r.x.w.lineNo())
		r.endHost(true)
		r.path.truncate(r.hostDepth)
		r.kind = r.kind[:r.hostDepth]
	}
	e := r.classify(name)
	if !r.path.push(r.x.name) {
		return &xmlError{fmt.Sprintf("elements lie more than %d deep", maxDepth)}
	}
	r.kind = append(r.kind, e)
	r.begin(e)
	if r.x.empty {
		return r.end()
	}
	return nil
}

// classify returns what an element of that name means where the reader is.
func (r *nmapReader) classify(name string) element {
	if len(r.kind) > 0 {
		return children[r.kind[len(r.kind)-1]][name]
	}
	r.doc.begun = true
	if name == "nmaprun" {
		return elRun
	}
	if r.doc.closed {
		r.in.incomplete("line %d: more after the end of the document", r.x.w.lineNo())
	}
	return children[elRun][name]
}

func (r *nmapReader) end() error {
	if !r.path.pop(r.x.name) {
		if len(r.kind) == 0 && string(r.x.name) == "nmaprun" {
			return nil // The end of a document whose beginning is missing.
		}
		return &xmlError{fmt.Sprintf("</%.64s> ends nothing", r.x.name)}
	}
	last := len(r.kind) - 1
	e := r.kind[last]
	r.kind = r.kind[:last]
	r.leave(e)
	return nil
}

// begin reads the attributes of an element that was entered.
func (r *nmapReader) begin(e element) {
	switch e {
	case elRun:
		r.docs++
		r.doc.begin(&r.x)
	case elScaninfo:
		if err := r.doc.scaninfo(&r.x); err != nil {
			r.out.reject(r.x.w.lineNo(), err.Error())
		}
	case elHost:
		r.host.begin(&r.x)
		r.hostDepth = len(r.kind) - 1
	case elStatus:
		r.host.state = parseHostState(r.x.attr("state"))
	case elAddress:
		r.host.address(&r.x)
	case elHostname:
		r.host.hostname(&r.x)
	case elPorts:
		r.host.looked = true
	case elExtraports:
		r.host.beginExtra(&r.x)
	case elExtrareasons:
		if err := r.host.extraReason(&r.x); err != nil {
			r.out.reject(r.x.w.lineNo(), err.Error())
		}
	case elPort:
		r.host.row.begin(&r.x)
	case elState:
		r.host.row.setState(r.x.attr("state"))
	case elFinished:
		r.doc.finish(&r.x)
	default:
	}
}

// leave ends an element that is whole.
func (r *nmapReader) leave(e element) {
	switch e {
	case elPort:
		if reason, err := r.host.endRow(); err != nil {
			r.out.reject(r.host.row.line, err.Error())
		} else if reason != "" {
			r.in.sum.leaveOut(reason, 1)
		}
	case elExtraports:
		reason, n := r.host.endExtra()
		r.in.sum.leaveOut(reason, n)
	case elHost:
		r.endHost(false)
	case elRun:
		r.doc.closed = true
	default:
	}
}

func (r *nmapReader) beginDocument() {
	r.endDocument()
	r.doc.begun = true
}

// endDocument ends the document as far as it came, and all that is open in it.
func (r *nmapReader) endDocument() {
	if r.host.begun {
		r.endHost(true)
	}
	if problem := r.doc.problem(); problem != "" {
		r.in.incomplete("%s", problem)
	}
	r.path.truncate(0)
	r.kind = r.kind[:0]
	r.doc = nmapDoc{}
}

// endHost yields the report of a host. One that is cut only adds, and nothing
// of it is used if the source failed.
func (r *nmapReader) endHost(cut bool) {
	h := &r.host
	h.begun = false
	switch {
	case cut && (r.in.fault() != nil || len(h.open) == 0):
		return
	case h.state != hostUp:
		r.in.sum.leaveOut(leftHost[h.state], 1)
		return
	case !h.addr.IsValid():
		r.in.sum.leaveOut("no-address", 1)
		return
	}
	report := r.in.blank()
	h.fill(&report, &r.doc)
	r.in.sum.Duplicates += h.repeats
	if !cut {
		report.Scope = h.scope(&r.doc)
	}
	r.out.report(&report, h.line)
}
