// Package procnet reads /proc/net/tcp, tcp6, udp and udp6 of Linux (proc_net(5)), one or
// several behind each other. They name no host.
//
// The header tells the protocol, as that of UDP has the column drops, and the family, as that
// of IPv6 has the column remote_address: all ports of that type were looked at. Where it is
// missing, the state tells the protocol: 0A is what listens of TCP, 07 what is not connected
// of UDP.
package procnet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// Detect takes a header or a row.
func Detect(head []byte, whole bool) bool {
	line, _, ended := bytes.Cut(head, []byte("\n"))
	words := bytes.Fields(line)
	if isHeader(words) {
		return true
	}
	_, ok := rowOf(words)
	return (ended || whole) && ok
}

func isHeader(words [][]byte) bool {
	return len(words) > 2 && string(words[0]) == "sl" && string(words[1]) == "local_address"
}

// row is the parts of a row.
type row struct {
	addr  netip.Addr
	port  uint16
	peer  bool // it is connected
	state string
}

// rowOf reads "0: 0100007F:1F40 00000000:0000 0A …"; addresses are words of 32 bits in the
// order of the host's bytes, which is taken as little-endian.
func rowOf(words [][]byte) (r row, ok bool) {
	if len(words) < 4 || !bytes.HasSuffix(words[0], []byte(":")) || len(words[3]) != 2 {
		return r, false
	}
	if _, err := strconv.Atoi(string(words[0][:len(words[0])-1])); err != nil {
		return r, false
	}
	var okPeer bool
	var peer uint16
	r.addr, r.port, ok = endpoint(words[1])
	_, peer, okPeer = endpoint(words[2])
	r.peer, r.state = peer != 0, string(bytes.ToUpper(words[3]))
	return r, ok && okPeer && r.state >= "01" && r.state <= "0D"
}

func endpoint(text []byte) (addr netip.Addr, port uint16, ok bool) {
	address, number, _ := bytes.Cut(text, []byte(":"))
	raw, err := hex.DecodeString(string(address))
	n, errPort := strconv.ParseUint(string(number), 16, 16)
	if err != nil || errPort != nil || len(raw) != 4 && len(raw) != 16 {
		return addr, 0, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.LittleEndian.Uint32(raw[i:]))
	}
	addr, _ = netip.AddrFromSlice(raw) // it has 4 or 16 bytes
	return addr.Unmap(), uint16(n), true
}

type procnet struct {
	in    *reader.Input
	hosts *reader.Listeners
	t     index.Type // what the header says; 0 for nothing
}

// Read reads files of /proc/net.
func Read(in *reader.Input, out *reader.Output) {
	p := &procnet{in: in, hosts: reader.NewListeners(in, out)}
	reader.EachLine(in, out, p.line)
	p.hosts.Report("", time.Time{})
}

func (p *procnet) line(line reader.Line) error {
	if !line.Ended {
		p.in.CutAt(line.No)
		return nil
	}
	words := bytes.Fields(line.Text)
	if isHeader(words) {
		if p.t = index.TCP; string(words[len(words)-1]) == "drops" {
			p.t = index.UDP
		}
		looked := p.t
		if string(words[2]) == "remote_address" {
			looked = looked.V6()
		}
		p.hosts.Looked(line.No, looked)
		return nil
	}
	row, ok := rowOf(words)
	if !ok {
		return fmt.Errorf("%q is not allowed: want a row such as 0: 0100007F:1F40 00000000:0000 0A", reader.Clip(line.Text))
	}
	p.hosts.Seen(line.No)
	t := p.t
	if t == 0 && row.state == "07" {
		t = index.UDP
	}
	if t == 0 {
		t = index.TCP
	}
	if t == index.TCP && row.state != "0A" || t == index.UDP && (row.state != "07" || row.peer) {
		p.in.LeaveOut(reader.LeftConnected, 1)
		return nil
	}
	p.hosts.Add(&reader.Socket{Addr: row.addr, Port: row.port, Type: t}, line.No)
	return nil
}
