package scanfile

import (
	"errors"
	"fmt"

	"portolan/engine"
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
	in      *input
	out     *output
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
	switch {
	case !r.known && (r.foreign || r.x.stray):
		r.in.incomplete("no XML of nmap or masscan")
		r.in.cut++
	case !r.known:
		r.in.incomplete("empty")
	case r.docs == 0:
		r.in.incomplete("the document has no <nmaprun>")
	}
	if r.x.stray {
		r.in.incomplete("text outside the XML document")
	}
}

// recover notes the error and says whether reading can go on: from the next host
// on, or the next document, if another was appended.
func (r *nmapReader) recover(err error) bool {
	if isEnd(err) || r.in.fault() != nil {
		return false
	}
	r.in.incomplete("%s", r.x.errorAt(err))
	if errors.Is(err, errXMLTooLong) {
		r.out.reject(r.x.w.lineNo(), fmt.Sprintf("markup is longer than %d bytes", r.in.opts.MaxRecord))
	}
	again := errors.Is(err, errXMLCut)
	if errors.Is(err, errXMLEntities) || again && r.cut {
		r.in.cut++
		r.endDocument()
		return false
	}
	r.cut = r.cut || again // All that is left was looked at; once more is enough.
	from, line := r.x.w.offset(), r.x.w.lineNo()
	at, unsure, err := r.x.skipOn()
	r.in.passOver(r.x.w.offset()-from, r.x.w.lineNo()-line)
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
		r.in.incomplete("line %d: a host inside <%.64s>, which does not end", r.x.w.lineNo(), r.path.last())
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
		r.in.incomplete("line %d: more after the end of the document", r.x.w.lineNo())
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
			r.out.reject(r.x.w.lineNo(), err.Error())
		}
	case elHost:
		r.host.begin(&r.x)
	case elStatus:
		r.host.state = parseHostState(r.x.attr("state"))
	case elAddress:
		r.host.address(&r.x)
	case elHostname:
		if err := r.host.hostname(&r.x, r.in.decoded); err != nil {
			r.out.reject(r.x.w.lineNo(), err.Error())
		}
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
		reason, n, err := r.host.endExtra()
		if err != nil {
			r.out.reject(r.host.extra.line, err.Error())
		}
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
		r.in.cut++
		return
	case h.state != hostUp:
		r.in.sum.leaveOut(leftHost[h.state], 1)
		return
	case !h.addr.IsValid():
		err := &engine.FieldError{Field: "addr", Value: h.noAddr, Allowed: "an IP address"}
		r.out.reject(h.line, err.Error())
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
