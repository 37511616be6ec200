package masscan

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// The binary format is a header of headerLen bytes, records, and the header again. A
// record is its type, the length of its body as a varint of 7 bits with the highest first,
// and the body; numbers are big-endian. The header is read like a record whose type is its
// first letter and whose length is its second one.
const (
	magic     = "masscan/1.1"
	headerLen = 99
)

// The types of records that ports have. All others are of banners, or unknown.
const (
	oldOpen    = 1
	oldClosed  = 2
	open4      = 6
	closed4    = 7
	arp4       = 8
	open6      = 10
	closed6    = 11
	arp6       = 12
	headerType = 'm'
)

// The lengths of their bodies: time, address, port, reason and TTL in the old ones, with the
// protocol in the new ones, with a byte that is 6 in those of IPv6.
const (
	oldLen = 4 + 4 + 2 + 1 + 1
	len4   = 4 + 4 + 1 + 2 + 1 + 1
	len6   = 4 + 1 + 2 + 1 + 1 + 1 + 16
)

// maxBody is the longest body that is read; banners are shorter.
const maxBody = 1 << 20

// DetectBinary takes what masscan writes with -oB.
func DetectBinary(head []byte, _ bool) bool { return bytes.HasPrefix(head, []byte(magic)) }

// binaryReader reads records. Their number takes the place of the line.
type binaryReader struct {
	reader.Finder
	record int
	ended  bool // the last record was the header again
}

// ReadBinary reads what masscan writes with -oB. What is refused is named by the number of
// its record.
func ReadBinary(in *reader.Input, out *reader.Output) {
	if !fill(in.W, headerLen) || !bytes.HasPrefix(in.W.Rest(), []byte(magic)) {
		in.Incomplete("the header is cut")
		in.Cut++
		return
	}
	in.W.Skip(headerLen)
	b := &binaryReader{Finder: reader.Finder{In: in, Out: out}}
	for !out.Done && b.next() {
		continue
	}
	if !b.ended && !out.Done {
		in.Incomplete("record %d: the file has no end", b.record+1)
	}
}

// fill reads until so many bytes are held; false means that there are fewer.
func fill(w *reader.Window, n int) bool {
	for len(w.Rest()) < n {
		if !w.More() {
			return false
		}
	}
	return true
}

// next reads a record; false means that there is none that is whole.
func (b *binaryReader) next() bool {
	w := b.In.W
	if !fill(w, 2) {
		b.cut()
		return false
	}
	kind, size, used := w.Rest()[0], 0, 1
	for {
		if !fill(w, used+1) {
			b.cut()
			return false
		}
		c := w.Rest()[used]
		used++
		size = size<<7 | int(c&0x7f)
		if c&0x80 == 0 {
			break
		}
		if size > maxBody {
			b.In.Incomplete("record %d: the length of the record is damaged", b.record+1)
			b.In.Cut++
			return false
		}
	}
	if size > maxBody || !fill(w, used+size) {
		b.cut()
		return false
	}
	b.record++
	b.ended = kind == headerType && bytes.HasPrefix(w.Rest(), []byte(magic))
	b.take(kind, w.Rest()[used:used+size])
	w.Skip(used + size)
	return true
}

// cut notes that the input ends inside a record, if it does.
func (b *binaryReader) cut() {
	if len(b.In.W.Rest()) > 0 {
		b.In.CutAt(b.record + 1)
		b.ended = false
	}
}

// take takes the body of a record.
func (b *binaryReader) take(kind byte, body []byte) {
	want := bodyLen(kind)
	switch {
	case kind == headerType:
	case want == 0:
		b.In.LeaveOut("banner", 1)
	case len(body) < want:
		b.Out.Reject(b.record, "the record is too short")
	case kind == closed4 || kind == closed6 || kind == oldClosed:
		b.In.LeaveOut("closed", 1)
	case kind == arp4 || kind == arp6:
		b.In.LeaveOut("arp-protocol", 1)
	default:
		b.open(kind, body)
	}
}

// bodyLen is the length that the body of a type of record has at least, 0 for types that
// are not those of ports.
func bodyLen(kind byte) int {
	switch kind {
	case oldOpen, oldClosed:
		return oldLen
	case open4, closed4, arp4:
		return len4
	case open6, closed6, arp6:
		return len6
	}
	return 0
}

// open yields an open port.
func (b *binaryReader) open(kind byte, body []byte) {
	found := reader.Found{Seen: reader.UnixTime(int64(binary.BigEndian.Uint32(body)))}
	body = body[4:]
	var protocol byte
	switch kind {
	case oldOpen:
		found.Addr = netip.AddrFrom4([4]byte(body))
		found.Port = binary.BigEndian.Uint16(body[4:])
		protocol = oldProtocol(found.Port)
	case open4:
		found.Addr = netip.AddrFrom4([4]byte(body))
		protocol, found.Port = body[4], binary.BigEndian.Uint16(body[5:])
	default:
		protocol, found.Port = body[0], binary.BigEndian.Uint16(body[1:])
		found.Addr = netip.AddrFrom16([16]byte(body[6:])).Unmap()
	}
	switch protocol {
	case protocolTCP:
		found.Type = index.TCP
	case protocolUDP:
		found.Type = index.UDP
	case protocolSCTP:
		found.Type = index.SCTP
	case protocolICMP:
		b.In.LeaveOut("icmp-protocol", 1)
		return
	default:
		b.In.LeaveOut("other-protocol", 1)
		return
	}
	if found.Port == 0 {
		b.In.LeaveOut("port-0", 1)
		return
	}
	b.Report(&found, b.record)
}

// The numbers of protocols (IANA, Assigned Internet Protocol Numbers).
const (
	protocolICMP = 1
	protocolTCP  = 6
	protocolUDP  = 17
	protocolSCTP = 132
)

// oldProtocol is the protocol that masscan takes for that of an old record, which has none.
func oldProtocol(port uint16) byte {
	switch port {
	case 53, 123, 137, 161:
		return protocolUDP
	case 36422, 36412, 2905:
		return protocolSCTP
	}
	return protocolTCP
}
