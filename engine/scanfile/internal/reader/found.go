package reader

import (
	"bytes"
	"net/netip"
	"time"

	"portolan/engine"
	"portolan/index"
)

// Found is a port of an address that a scanner found open.
type Found struct {
	Addr netip.Addr
	Port uint16
	Type index.Type // as on IPv4; the address tells the family
	Seen time.Time
	Name string // of the host, if it is known
	MAC  string // likewise
}

// Finder yields what was found, a report for each record, which only adds.
type Finder struct {
	In  *Input
	Out *Output

	report engine.Report // the last one
	keys   []index.Key
	slab   KeySlab
	text   []byte // of the last address
	addr   netip.Addr
	shown  string // how it is written
	name   string // the last one
	stamp  []byte // the last one
	unix   time.Time
}

// Report yields one port.
func (f *Finder) Report(p *Found, line int) {
	f.keys = append(f.keys[:0], KeyOn(p.Addr, p.Port, p.Type))
	f.Ports(p, f.keys, line)
}

// Ports yields several ports of one address, whose own is not looked at. The keys are put
// into order, and remain the caller's.
func (f *Finder) Ports(p *Found, keys []index.Key, line int) {
	r := &f.report
	*r = f.In.Blank()
	var repeats int
	r.Open, repeats = f.slab.Own(keys)
	f.In.Duplicates += repeats
	r.Seen = p.Seen
	f.In.identify(r, f.written(p.Addr), p.Name, p.MAC)
	f.Out.Report(r, line)
}

// written is the address as text; neighbours mostly share it.
func (f *Finder) written(addr netip.Addr) string {
	if f.shown == "" || addr != f.addr {
		f.addr, f.shown, f.text = addr, addr.String(), f.text[:0]
	}
	return f.shown
}

// Name is [CleanText] that remembers the last one.
func (f *Finder) Name(text []byte) string {
	if string(text) != f.name {
		f.name = CleanText(text)
	}
	return f.name
}

// Unix is [UnixSeconds] that remembers the last one.
func (f *Finder) Unix(text []byte) time.Time {
	if !bytes.Equal(text, f.stamp) {
		f.stamp, f.unix = append(f.stamp[:0], text...), UnixSeconds(text)
	}
	return f.unix
}

// Address is [ParseAddr] that remembers the last one.
func (f *Finder) Address(field string, text []byte) (netip.Addr, error) {
	if len(f.text) > 0 && bytes.Equal(text, f.text) {
		return f.addr, nil
	}
	addr, err := ParseAddr(field, text)
	if err == nil {
		f.written(addr)
		f.text = append(f.text[:0], text...)
	}
	return addr, err
}

// Identify gives the report of a scanner its asset, address and name. An asset without
// the name or MAC address that it is to be called by is called by its address.
func (in *Input) Identify(r *engine.Report, addr netip.Addr, name, mac string) {
	in.identify(r, addr.String(), name, mac)
}

func (in *Input) identify(r *engine.Report, addr, name, mac string) {
	r.Address, r.Name = addr, name
	switch {
	case in.Opts.Identity == ByHostname && name != "":
		r.Asset = name
	case in.Opts.Identity == ByMAC && mac != "":
		r.Asset = mac
	default:
		r.Asset = addr
	}
}

// Seen reads a time as RFC 3339 has it, also without a zone, which is UTC then; what is
// none is the zero time. It is kept to the microsecond.
func Seen(text []byte) time.Time {
	if len(text) == 0 {
		return time.Time{}
	}
	var room [40]byte
	if n := len(text); n > len("2006-01-02T") && n < len(room) && text[n-1] >= '0' && text[n-1] <= '9' && bytes.LastIndexAny(text, "+-") < len("2006-01-02T") {
		text = append(append(room[:0], text...), 'Z')
	}
	var t time.Time
	if err := t.UnmarshalText(text); err != nil {
		return time.Time{}
	}
	t = t.UTC().Truncate(time.Microsecond)
	if y := t.Year(); y < 1970 || y > 9999 || t.Unix() == 0 {
		return time.Time{}
	}
	return t
}
