package nmap

import (
	"cmp"
	"slices"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// scope returns what the whole host element is evidence of: what the document
// says was looked at, less the ports of which nothing is known. Where either is
// not told, it is the ports that the element lists as open or closed.
func (h *nmapHost) scope(d *nmapDoc) engine.Scope {
	switch {
	case !h.looked || h.timedOut:
		return engine.Scope{}
	case d.masscan && !d.known():
		return engine.Scope{} // One port of the host, not the host.
	case h.hidden || !d.known():
		return h.listedScope()
	case len(h.unknown) == 0:
		return d.scope(h.addr.Is6())
	}
	return h.scopeWithout(d.scope(h.addr.Is6()))
}

func (h *nmapHost) listedScope() engine.Scope {
	ranges := make([]index.Range, 0, len(h.open)+len(h.shut))
	for _, keys := range [][]index.Key{h.open, h.shut} {
		for _, k := range keys {
			ranges = append(ranges, index.Range{Type: k.Type(), Lo: k.Port(), Hi: k.Port()})
		}
	}
	return without(h.ofFamily(ranges), h.ofFamily(h.unknown))
}

// holedScope remembers what a scope was without some ports.
type holedScope struct {
	of    engine.Scope
	holes []index.Range // none if nothing is remembered
	left  engine.Scope
}

// scopeWithout returns the scope less the unknown ports. Neighbouring hosts
// mostly have the same ones, and then share the scope.
func (h *nmapHost) scopeWithout(whole engine.Scope) engine.Scope {
	if h.last.of != whole || !slices.Equal(h.last.holes, h.unknown) {
		h.last = holedScope{
			of: whole, holes: append(h.last.holes[:0], h.unknown...),
			left: without(whole, h.ofFamily(h.unknown)),
		}
	}
	return h.last.left
}

// ofFamily returns the scope of the ranges on the host's address family.
func (h *nmapHost) ofFamily(ranges []index.Range) engine.Scope {
	return engine.ScopeOf(reader.OfFamily(ranges, h.addr.Is6())...)
}

// without returns the scope less the holes.
func without(s, holes engine.Scope) engine.Scope {
	var left []index.Range
	out := holes.Ranges()
	for _, r := range s.Ranges() {
		for len(out) > 0 && endsBefore(out[0], r) {
			out = out[1:]
		}
		left = appendLess(left, r, out)
	}
	return engine.ScopeOf(left...)
}

// endsBefore says whether a lies wholly before b.
func endsBefore(a, b index.Range) bool {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Hi, b.Lo)) < 0
}

// appendLess appends the parts of r that lie in none of the holes, which are
// ordered and end in r or behind it.
func appendLess(left []index.Range, r index.Range, holes []index.Range) []index.Range {
	lo := int(r.Lo)
	for _, hole := range holes {
		if hole.Type != r.Type || hole.Lo > r.Hi {
			break
		}
		if int(hole.Lo) > lo {
			left = append(left, index.Range{Type: r.Type, Lo: uint16(lo), Hi: hole.Lo - 1})
		}
		lo = int(hole.Hi) + 1
	}
	if lo <= int(r.Hi) {
		left = append(left, index.Range{Type: r.Type, Lo: uint16(lo), Hi: r.Hi})
	}
	return left
}
