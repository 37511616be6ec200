package nmap

import (
	"errors"
	"fmt"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
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
	in      *reader.Input
	out     *reader.Output
	x       xmlScan
	path    xmlPath
	kind    []element // of the elements in path
	known   bool      // an element of nmap's was found outside any other
	foreign bool      // another element was
	docs    int       // root elements
	doc     nmapDoc
	host    nmapHost
	cut     bool // the input ends inside markup
}

// ReadXML reads what nmap and masscan write with -oX.
func ReadXML(in *reader.Input, out *reader.Output) {
	in.ToUTF8(declaredEncoding)
	r := &nmapReader{in: in, out: out, x: xmlScan{w: in.W}}
	for !out.Done {
		if r.x.top = len(r.kind) == 0; r.x.top && r.known {
			if r.x.pass(); r.in.SwitchBehind() {
				break
			}
		}
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
	switch {
	case !r.known && (r.foreign || r.x.stray):
		r.in.Incomplete("no XML of nmap or masscan")
		r.in.Cut++
	case !r.known:
		r.in.Incomplete("empty")
	case r.docs == 0:
		r.in.Incomplete("the document has no <nmaprun>")
	}
	if r.x.stray {
		r.in.Incomplete("text outside the XML document")
	}
}

// recover notes the error and says whether reading can go on: from the next host
// on, or the next document, if another was appended.
func (r *nmapReader) recover(err error) bool {
	if reader.IsEnd(err) || r.in.Fault() != nil {
		return false
	}
	r.in.Incomplete("%s", r.x.errorAt(err))
	if errors.Is(err, errXMLTooLong) {
		r.out.Reject(r.x.w.LineNo(), fmt.Sprintf("markup is longer than %d bytes", r.in.Opts.MaxRecord))
	}
	again := errors.Is(err, errXMLCut)
	if errors.Is(err, errXMLEntities) || again && r.cut {
		r.in.Cut++
		r.endDocument()
		return false
	}
	r.cut = r.cut || again // All that is left was looked at; once more is enough.
	from, line := r.x.w.Offset(), r.x.w.LineNo()
	at, unsure, err := r.x.skipOn()
	r.in.PassOver(r.x.w.Offset()-from, r.x.w.LineNo()-line)
	if err != nil || at == atDocument {
		r.endDocument()
		return err == nil
	}
	r.doc.unlisted = r.doc.unlisted || unsure
	r.leaveHost()
	return true
}

// leaveHost ends the host that is open, as far as it came, and goes back to where
// hosts begin.
func (r *nmapReader) leaveHost() {
	if r.host.begun {
		r.endHost(true)
	}
	depth := 0
	if len(r.kind) > 0 && r.kind[0] == elRun {
		depth = 1
	}
	r.path.truncate(depth)
	r.kind = r.kind[:depth]
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
	if name == "host" && r.astray() {
		r.in.Incomplete("line %d: a host inside <%.64s>, which does not end", r.x.w.LineNo(), r.path.last())
		r.leaveHost()
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

// astray says whether the reader is inside of something that never holds hosts.
func (r *nmapReader) astray() bool {
	return r.host.begun || len(r.kind) > 1 && r.kind[0] == elRun
}

// classify returns what an element of that name means where the reader is.
func (r *nmapReader) classify(name string) element {
	if len(r.kind) > 0 {
		return children[r.kind[len(r.kind)-1]][name]
	}
	r.doc.begun = true
	if name == "nmaprun" {
		r.known = true
		return elRun
	}
	if r.doc.closed {
		r.in.Incomplete("line %d: more after the end of the document", r.x.w.LineNo())
	}
	e := children[elRun][name]
	if e != elOther || name == "hosthint" {
		r.known = true
	} else {
		r.foreign = true
	}
	return e
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
			r.out.Reject(r.x.w.LineNo(), err.Error())
		}
	case elHost:
		r.host.begin(&r.x)
	case elStatus:
		r.host.state = parseHostState(r.x.attr("state"))
	case elAddress:
		r.host.address(&r.x)
	case elHostname:
		if err := r.host.hostname(&r.x, r.in.Decoded); err != nil {
			r.out.Reject(r.x.w.LineNo(), err.Error())
		}
	case elPorts:
		r.host.looked = true
	case elExtraports:
		r.host.beginExtra(&r.x)
	case elExtrareasons:
		if err := r.host.extraReason(&r.x); err != nil {
			r.out.Reject(r.x.w.LineNo(), err.Error())
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
			r.host.refused = true
			r.out.Reject(r.host.row.line, err.Error())
		} else if reason != "" {
			r.in.LeaveOut(reason, 1)
		}
	case elExtraports:
		reason, n, err := r.host.endExtra()
		if err != nil {
			r.host.refused = true
			r.out.Reject(r.host.extra.line, err.Error())
		}
		r.in.LeaveOut(reason, n)
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
		r.in.Incomplete("%s", problem)
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
	case cut && (r.in.Fault() != nil || len(h.open) == 0):
		r.in.Cut++
		return
	case h.state != hostUp:
		r.in.LeaveOut(leftHost[h.state], 1)
		return
	case !h.addr.IsValid():
		err := &engine.FieldError{Field: "addr", Value: h.noAddr, Allowed: "an IP address"}
		r.out.Reject(h.line, err.Error())
		return
	}
	report := r.in.Blank()
	h.fill(r.in, &report, &r.doc)
	r.in.Duplicates += h.repeats
	if !cut && !h.refused { // what was refused may have been of any port
		report.Scope = h.scope(&r.doc)
	}
	r.out.Report(&report, h.line)
}
