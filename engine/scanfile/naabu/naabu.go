// Package naabu reads what naabu writes: JSON lines in the three shapes that its versions
// have, CSV, and plain lines of host:port. Its reports only add.
package naabu

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// DetectJSON takes naabu's JSON lines. Other tools' lines have some of the keys, too, so
// they are looked for before.
func DetectJSON(head []byte, whole bool) bool {
	keys := reader.AllKeys(head, whole)
	return keys.Has("port") && (keys.Has("ip") || keys.Has("host")) && keys.Has("timestamp") && isOwn(keys)
}

// own are the names of what naabu writes. Other tools of its makers have the first ones, too.
var own = []string{
	"host", "ip", "port", "timestamp", "protocol", "tls", "cdn", "cdn-name", "cdn_name", "mac_address", "hostname", "port_id",
	"name", "product", "version", "extrainfo", "extra_info", "ostype", "os_type", "devicetype", "device_type", "method", "proto", "rpcnum", "rpc_num",
	"servicefp", "service_fp", "serviceFP", "tunnel", "lowver", "low_version", "highver", "high_version", "confidence", "cpes",
}

// relatives are names that tell what a relative of naabu's writes. A status there makes of an
// address and a port something else.
var relatives = []string{
	"failed", "probe_status", "url", "input", "scheme", "status_code", "status-code", "webserver", "tls_version", "tls_connection",
	"template", "template-id", "matched-at", "matcher-name", "type", "proto", "data", "ports",
}

// isOwn says whether the names are naabu's: those that are known, or, as versions to come may
// have more, beside what all later ones have and no relative does.
func isOwn(keys reader.Keys) bool {
	among := func(names []string) func([]byte) bool {
		return func(k []byte) bool { return slices.Contains(names, string(k)) }
	}
	known := among(own)
	return !slices.ContainsFunc(keys, func(k []byte) bool { return !known(k) }) ||
		keys.Has("protocol", "tls") && !slices.ContainsFunc(keys, among(relatives))
}

// The fields of a line of any version, of which the port is a number or an object.
const (
	fieldHost = iota
	fieldIP
	fieldPort
	fieldProtocol
	fieldTimestamp
	fieldMAC
	// Those of other tools, whose lines have those above, too.
	fieldProto
	fieldData
	fieldPorts
)

// errForeign is returned for a line of another tool.
var errForeign = errors.New("the object is not one of naabu's: it has members that naabu does not write")

// protocols are what the number of a protocol means, in the port of versions 2.1.2 to 2.1.6.
var protocols = [][]byte{[]byte("tcp"), []byte("udp"), []byte("arp")}

// naabu takes records of all forms.
type naabu struct {
	reader.Finder
	table reader.Table
}

// lines takes JSON lines.
type lines struct {
	naabu
	record *reader.Object
	port   *reader.Object // of the versions where it is one
}

// ReadJSON reads JSON lines.
func ReadJSON(in *reader.Input, out *reader.Output) {
	l := &lines{
		naabu:  naabu{Finder: reader.Finder{In: in, Out: out}},
		record: reader.NewObject("host", "ip", "port", "protocol", "timestamp", "mac_address", "proto", "data", "ports").Only(own...),
		port:   reader.NewObject("Port", "Protocol"),
	}
	reader.EachObject(in, out, l.object)
}

func (l *lines) object(object []byte, line int) error {
	r := l.record
	if err := r.Read(object); err != nil {
		return err
	}
	if r.Raw(fieldProto) != nil || r.Raw(fieldData) != nil || r.Raw(fieldPorts) != nil || r.HasOthers() && !isOwn(reader.FirstKeys(object)) {
		return errForeign
	}
	number, protocol := r.Text(fieldPort), r.Text(fieldProtocol)
	if len(number) > 0 && number[0] == '{' {
		err := l.port.Read(number)
		n, ok := reader.PortNumber(l.port.Text(1))
		if err != nil || !ok || int(n) >= len(protocols) {
			return &engine.FieldError{Field: "port", Value: reader.Clip(number), Allowed: `a port or {"Port":443,"Protocol":0}`}
		}
		number, protocol = l.port.Text(0), protocols[n]
	}
	found := reader.Found{
		Name: l.Name(r.Text(fieldHost)), MAC: reader.CleanText(r.Text(fieldMAC)), Seen: reader.Seen(r.Text(fieldTimestamp)),
	}
	return l.take(&found, r.Text(fieldIP), protocol, number, line)
}

// take yields a port; no protocol is TCP, the only one that versions without one know.
func (n *naabu) take(found *reader.Found, ip, protocol, number []byte, line int) (err error) {
	if len(ip) == 0 {
		ip = []byte(found.Name) // the name is left out where it is the address
	}
	if found.Addr, err = n.Address("ip", ip); err != nil {
		return err
	}
	if found.Name != "" && string(ip) == found.Name {
		found.Name = ""
	}
	isPort := true
	if found.Type = index.TCP; len(protocol) > 0 {
		found.Type, isPort = reader.PortType(protocol)
	}
	if !isPort {
		left, err := reader.LeftProtocol(protocol)
		if err == nil {
			n.In.LeaveOut(left, 1)
		}
		return err
	}
	if found.Port, err = reader.ParsePort("port", number); err != nil {
		return err
	}
	n.Report(found, line)
	return nil
}

// DetectCSV takes a table with naabu's columns.
func DetectCSV(head []byte, whole bool) bool {
	return reader.HeaderOf(head, whole).Has("host", "ip", "port")
}

// ReadCSV reads a table. The columns before the first one without a name are what the
// header says they are; behind it, rows of some versions have more than the header.
func ReadCSV(in *reader.Input, out *reader.Output) {
	n := &naabu{Finder: reader.Finder{In: in, Out: out}}
	reader.EachLine(in, out, n.row)
}

func (n *naabu) row(line reader.Line) error {
	if !line.Ended {
		n.In.CutAt(line.No)
		return nil
	}
	if !n.table.Has("port") || bytes.HasPrefix(line.Text, []byte("host,ip,")) { // each run writes its header
		if err := n.table.Header(line.Text); err != nil {
			return err
		}
		if !n.table.Has("ip") || !n.table.Has("port") {
			return fmt.Errorf("%q is not allowed: want a header with the columns ip and port", reader.Clip(line.Text))
		}
		return nil
	}
	if err := n.table.Row(line.Text); err != nil {
		return err
	}
	found := reader.Found{Name: reader.CleanText(n.table.Cell("host")), MAC: reader.CleanText(n.table.Cell("mac_address")), Seen: cellTime(n.table.Cell("timestamp"))}
	return n.take(&found, n.table.Cell("ip"), n.table.Cell("protocol"), n.table.Cell("port"), line.No)
}

// cellTime reads a time as Go prints it, or as RFC 3339 has it.
func cellTime(text []byte) time.Time {
	if t := reader.Seen(text); !t.IsZero() {
		return t
	}
	date, rest, _ := bytes.Cut(text, []byte(" "))
	clock, _, _ := bytes.Cut(rest, []byte(" +0000 UTC"))
	return reader.Seen(bytes.Join([][]byte{date, clock}, []byte("T")))
}

// DetectPlain takes lines of an address and a port.
func DetectPlain(head []byte, whole bool) bool {
	line, _, ended := bytes.Cut(head, []byte("\n"))
	if !ended && !whole {
		return false
	}
	ip, number, ok := splitPlain(reader.StripANSI(bytes.Clone(line)))
	if !ok {
		return false
	}
	_, err := reader.ParseAddr("ip", ip)
	_, isPort := reader.PortNumber(number)
	return err == nil && isPort
}

// ReadPlain reads lines of host:port, where an address of IPv6 has no brackets, and a CDN's
// name may follow.
func ReadPlain(in *reader.Input, out *reader.Output) {
	n := &naabu{Finder: reader.Finder{In: in, Out: out}}
	reader.EachLine(in, out, n.plain)
}

func (n *naabu) plain(line reader.Line) error {
	if !line.Ended {
		n.In.CutAt(line.No)
		return nil
	}
	text := reader.StripANSI(line.Text)
	ip, number, ok := splitPlain(text)
	if !ok {
		return fmt.Errorf("%q is not allowed: want an address and a port such as 192.0.2.10:443", reader.Clip(text))
	}
	return n.take(&reader.Found{}, ip, nil, number, line.No)
}

// splitPlain splits a line at its last colon.
func splitPlain(text []byte) (ip, number []byte, ok bool) {
	text, _, _ = bytes.Cut(bytes.TrimSpace(text), []byte(" ["))
	colon := bytes.LastIndexByte(text, ':')
	if colon < 1 {
		return nil, nil, false
	}
	ip = bytes.TrimSuffix(bytes.TrimPrefix(text[:colon], []byte("[")), []byte("]"))
	return ip, text[colon+1:], true
}
