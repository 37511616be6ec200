// Package rustscan reads what RustScan shows: its greppable lines, and those of a terminal
// with or without colours. Neither has a time or names the protocol: a port is TCP. What
// nmap, which RustScan runs, shows between its lines is nmap's to read.
package rustscan

import (
	"bytes"
	"fmt"

	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

var (
	arrow = []byte(" -> [")
	open  = []byte("Open ")
)

// Detect takes RustScan's lines.
func Detect(head []byte, whole bool) bool {
	line, _, ended := bytes.Cut(head, []byte("\n"))
	return (ended || whole) && isRustScan(line)
}

// maxFirst is how many lines may lie before the first one that is RustScan's: it greets at
// length.
const maxFirst = 200

// Within takes what RustScan shows on a terminal, where its lines come behind others.
func Within(head []byte) bool {
	for n := 0; len(head) > 0 && n < maxFirst; n++ {
		var line []byte
		if line, head, _ = bytes.Cut(head, []byte("\n")); isRustScan(line) {
			return true
		}
	}
	return false
}

func isRustScan(line []byte) bool {
	line = reader.StripANSI(bytes.Clone(line))
	address, _, ok := bytes.Cut(line, arrow)
	if !ok {
		address, _, ok = splitOpen(line)
	}
	_, err := reader.ParseAddr("ip", address)
	return ok && err == nil
}

// splitOpen takes a line such as "Open 192.0.2.10:22" or "Open [2001:db8::1]:22" apart.
func splitOpen(line []byte) (address, number []byte, ok bool) {
	rest, ok := bytes.CutPrefix(line, open)
	colon := bytes.LastIndexByte(rest, ':')
	if !ok || colon < 0 {
		return nil, nil, false
	}
	return bytes.TrimSuffix(bytes.TrimPrefix(rest[:colon], []byte("[")), []byte("]")), rest[colon+1:], true
}

type rustscan struct {
	reader.Finder
	keys []index.Key
}

// Read reads RustScan's lines.
func Read(in *reader.Input, out *reader.Output) {
	r := &rustscan{Finder: reader.Finder{In: in, Out: out}}
	reader.EachLine(in, out, r.line)
}

func (r *rustscan) line(line reader.Line) error {
	text := reader.StripANSI(line.Text)
	if address, list, ok := bytes.Cut(text, arrow); ok {
		return r.list(address, list, line)
	}
	if !line.Ended {
		r.In.CutAt(line.No)
		return nil
	}
	address, number, ok := splitOpen(text)
	if !ok {
		return reader.ErrNoise
	}
	addr, err := r.Address("ip", address)
	if err != nil {
		return err
	}
	port, err := reader.ParsePort("port", number)
	if err != nil {
		return err
	}
	r.Report(&reader.Found{Addr: addr, Port: port, Type: index.TCP}, line.No)
	return nil
}

// list takes "192.0.2.10 -> [22,80,443]". Of one that is cut the ports before the last
// comma are whole.
func (r *rustscan) list(address, list []byte, line reader.Line) error {
	addr, err := r.Address("ip", address)
	if err != nil {
		return err
	}
	list, whole := bytes.CutSuffix(bytes.TrimSpace(list), []byte("]"))
	if !whole {
		if line.Ended {
			return fmt.Errorf("%q is not allowed: want a list of ports that ends with ]", reader.Clip(list))
		}
		r.In.Incomplete("line %d is cut", line.No)
		list = list[:max(bytes.LastIndexByte(list, ','), 0)]
		if len(list) == 0 {
			r.In.Cut++
			return nil
		}
	}
	r.keys = r.keys[:0]
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if item = bytes.TrimSpace(item); len(item) == 0 {
			continue
		}
		port, err := reader.ParsePort("port", item)
		if err != nil {
			r.Out.Reject(line.No, err.Error())
			continue
		}
		r.keys = append(r.keys, reader.KeyOn(addr, port, index.TCP))
		if len(r.keys) >= reader.MaxScratch {
			r.keys = reader.SortedOnce(r.keys)
		}
	}
	r.Ports(&reader.Found{Addr: addr}, r.keys, line.No)
	return nil
}
