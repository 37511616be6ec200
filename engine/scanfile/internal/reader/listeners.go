package reader

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"portolan/engine"
	"portolan/index"
)

// FirstEphemeral is the first port of the range that clients are given theirs from (RFC
// 6335, section 6). A UDP socket on one of them is taken for a client's: nothing else tells
// one that waits for answers from one that waits for questions.
const FirstEphemeral = 49152

// Reasons for leaving out sockets.
const (
	LeftConnected = "connected"
	LeftUNIX      = "unix-socket"
	LeftOther     = "other-socket"
	leftLoopback  = "loopback"
	leftEphemeral = "ephemeral-udp"
	leftNamed     = "named-port"
)

// Socket is a socket that listens, as a host sees it.
type Socket struct {
	Addr netip.Addr // not valid for all addresses
	V6   bool       // of the family of IPv6; one of an address of IPv4 is never
	Port uint16
	Type index.Type // as on IPv4
}

// Key is the key that the socket makes open.
func (s *Socket) Key() index.Key {
	t := s.Type
	if s.Addr.Is6() || s.V6 && !s.Addr.Is4() {
		t = t.V6()
	}
	return index.MakeKey(s.Port, t)
}

// Left is the reason for not counting the socket, empty if it counts.
func (in *Input) Left(s *Socket) string {
	switch {
	case s.Port == 0:
		return "port-0"
	case s.Type == index.UDP && s.Port >= FirstEphemeral:
		return leftEphemeral
	case s.Addr.IsLoopback() && !in.Opts.IncludeLoopback:
		return leftLoopback
	}
	return ""
}

// Listeners is the sockets that listen on one host, of which an inventory is a whole look.
type Listeners struct {
	in      *Input
	out     *Output
	keys    []index.Key
	types   []index.Type // that occur
	partial bool         // some sockets are not known
	any     bool
	line    int // of the first socket
}

// NewListeners returns the listeners of the input.
func NewListeners(in *Input, out *Output) *Listeners { return &Listeners{in: in, out: out} }

// Add adds a socket that was read on a line.
func (l *Listeners) Add(s *Socket, line int) {
	l.seen(line)
	key := s.Key()
	if !slices.Contains(l.types, key.Type()) {
		l.types = append(l.types, key.Type())
	}
	if left := l.in.Left(s); left != "" {
		l.in.LeaveOut(left, 1)
		return
	}
	if l.keys = append(l.keys, key); len(l.keys) >= MaxScratch {
		n := len(l.keys)
		l.keys = SortedOnce(l.keys)
		l.in.Duplicates += n - len(l.keys)
	}
}

// Named leaves out a socket whose port is a name, which differs between systems. What
// listens there is not known, so the inventory closes nothing.
func (l *Listeners) Named(line int) {
	l.seen(line)
	l.partial = true
	l.in.LeaveOut(leftNamed, 1)
}

// Partial says that not all sockets are known, so that the inventory closes nothing.
func (l *Listeners) Partial() { l.partial = true }

// Seen says that the input has rows, whatever they are of.
func (l *Listeners) Seen(line int) { l.seen(line) }

func (l *Listeners) seen(line int) {
	if !l.any {
		l.any, l.line = true, line
	}
}

// Report yields what the host's inventory says: all ports of the types that occur in it
// were looked at, unless it is not whole. Only one without any row yields nothing.
func (l *Listeners) Report(asset string, seen time.Time) {
	if !l.any {
		return
	}
	r := l.in.Blank()
	r.Seen = seen
	if r.Asset = asset; asset == "" {
		r.Asset = l.in.Opts.AssetID
	}
	if r.Asset == "" {
		l.out.Reject(l.line, ErrNoHost.Error())
		return
	}
	n := len(l.keys)
	r.Open = slices.Clone(SortedOnce(l.keys))
	l.in.Duplicates += n - len(r.Open)
	if !l.partial && l.in.Problem == "" && l.in.Fault() == nil {
		r.Scope = AllPorts(l.types...)
	}
	l.out.Report(&r, l.line)
}

// ErrNoHost is the reason for refusing an inventory that names no host.
var ErrNoHost = &engine.FieldError{Field: "asset_id", Allowed: "the ID of the host, which the file does not name (--asset-id, asset_id over HTTP)"}

// AllPorts is the scope of all ports of some types.
func AllPorts(types ...index.Type) engine.Scope {
	ranges := make([]index.Range, len(types))
	for i, t := range types {
		ranges[i] = index.Range{Type: t, Lo: 1, Hi: index.MaxPort}
	}
	return engine.ScopeOf(ranges...)
}

// LocalAddress reads the address that a socket is bound to, as ss and netstat write it: an
// address, with or without brackets and a zone, * for all of them, or a name.
func LocalAddress(text []byte) (addr netip.Addr, err error) {
	text = bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("[")), []byte("]"))
	switch string(text) {
	case "*", "":
		return netip.Addr{}, nil
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	case "localhost6", "ip6-localhost":
		return netip.IPv6Loopback(), nil
	}
	plain, _, _ := bytes.Cut(text, []byte("%"))
	if addr, err = netip.ParseAddr(string(plain)); err != nil {
		return addr, fmt.Errorf("local address: %q is not allowed: want an IP address or *", Clip(text))
	}
	return addr.Unmap(), nil
}

// SplitLocal splits an address from its port, which follows the last colon or, on BSD and
// macOS, the last dot.
func SplitLocal(text []byte) (address, port []byte) {
	at := bytes.LastIndexAny(text, ":.")
	if at < 0 {
		return nil, nil
	}
	return text[:at], text[at+1:]
}
