package reader

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
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

// Listeners is the sockets that listen on one host, of which an inventory is a look at the
// types that its form says.
type Listeners struct {
	in      *Input
	out     *Output
	keys    []index.Key
	looked  [index.UDP6 + 1]bool // types, all ports of which were looked at
	unsure  KeySet               // what listens there is not known
	named   bool                 // so is what listens on ports that are names
	any     bool
	line    int // of the first socket
	refused int // of the output, before
}

// NewListeners returns the listeners of the input.
func NewListeners(in *Input, out *Output) *Listeners {
	return &Listeners{in: in, out: out, refused: out.Refused}
}

// Looked says that all ports of some types were looked at, as a row or a header tells.
func (l *Listeners) Looked(line int, types ...index.Type) {
	l.seen(line)
	for _, t := range types {
		l.looked[t] = true
	}
}

// LookedBoth is Looked for both families of a type of IPv4.
func (l *Listeners) LookedBoth(line int, t index.Type) { l.Looked(line, t, t.V6()) }

// Add adds a socket that was read on a line.
func (l *Listeners) Add(s *Socket, line int) {
	l.seen(line)
	key := s.Key()
	if left := l.in.Left(s); left != "" {
		l.in.LeaveOut(left, 1)
		if left == leftEphemeral {
			l.unsure.Add(key)
		}
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
	l.named = true
	l.in.LeaveOut(leftNamed, 1)
}

// Seen says that the input has rows, whatever they are of.
func (l *Listeners) Seen(line int) { l.seen(line) }

func (l *Listeners) seen(line int) {
	if !l.any {
		l.any, l.line = true, line
	}
}

// Report yields what the host's inventory says. Only one without any row or header that
// tells something yields nothing.
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
	r.Scope = l.scope()
	l.out.Report(&r, l.line)
}

// scope is what was looked at. A row that was refused takes it with it, and so does an input
// that is not whole.
func (l *Listeners) scope() engine.Scope {
	given := l.in.Opts.Scope
	switch {
	case l.out.Refused > l.refused || l.in.Problem != "" || l.in.Fault() != nil:
		return engine.Scope{}
	case given != nil:
		return *given
	case l.named:
		l.in.Warn("ports are names, which differ between systems: nothing is closed; list them as numbers, or say with --scope (scope over HTTP) what was looked at")
		return engine.Scope{}
	}
	var types []index.Type
	for t, looked := range l.looked {
		if looked {
			types = append(types, index.Type(t))
		}
	}
	if len(types) == 0 {
		l.in.Warn("it does not tell which protocols were looked at: nothing is closed; say it with --scope (scope over HTTP)")
	}
	return AllPorts(types...).Minus(l.unsure.Ranges())
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
// address, with or without brackets, and a zone inside or behind them, * for all of them, or
// a name of loopback.
func LocalAddress(text []byte) (addr netip.Addr, err error) {
	plain, _, _ := bytes.Cut(text, []byte("%"))
	plain = bytes.TrimSuffix(bytes.TrimPrefix(plain, []byte("[")), []byte("]"))
	switch string(plain) {
	case "*", "":
		return netip.Addr{}, nil
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	case "localhost6", "ip6-localhost":
		return netip.IPv6Loopback(), nil
	}
	if addr, err = netip.ParseAddr(string(plain)); err != nil {
		return addr, fmt.Errorf("local address: %q is not allowed: want an IP address or *", Clip(text))
	}
	return addr.Unmap(), nil
}

// NameOfPort calls named for what can be the name of a service, as in /etc/services. The error
// is about what is neither that nor a number.
func NameOfPort(text []byte, named func()) error {
	if len(text) > 0 && len(text) <= maxServiceName && !IsNumber(text) && len(bytes.Trim(text, serviceChars)) == 0 {
		named()
		return nil
	}
	return &engine.FieldError{Field: "port", Value: Clip(text), Allowed: "a number from 1 to 65535 or the name of a service"}
}

const (
	maxServiceName = 32
	serviceChars   = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+.*"
)

// HasLocal says whether one of the words is an address and a port, as rows of sockets have
// them: a line that has none is a title, a header or what a shell shows.
func HasLocal(words [][]byte) bool {
	return slices.ContainsFunc(words, func(w []byte) bool {
		address, port := SplitLocal(w)
		_, isPort := PortNumber(port)
		if !isPort && string(port) != "*" || len(address) == 0 {
			return false
		}
		_, err := LocalAddress(address)
		return err == nil
	})
}

// IsPrompt says whether a line is what a shell shows before a command, or behind one.
func IsPrompt(line []byte) bool { return prompt.Match(line) }

var prompt = regexp.MustCompile(`^(\[?[\w.-]+@[\w.-]+[^$#%>]{0,64}\]?[$#%>]|[$#%>]|PS [A-Z]:\\[^>]*>|[A-Z]:\\[^>]*>)( .*)?$`)

// SplitLocal splits an address from its port, which follows the last colon or, on BSD and
// macOS, the last dot.
func SplitLocal(text []byte) (address, port []byte) {
	at := bytes.LastIndexAny(text, ":.")
	if at < 0 {
		return nil, nil
	}
	return text[:at], text[at+1:]
}
