package nmap

import (
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
	return h.ofFamily(ranges).Minus(h.ofFamily(h.unknown).Ranges())
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
			left: whole.Minus(h.ofFamily(h.unknown).Ranges()),
		}
	}
	return h.last.left
}

// ofFamily returns the scope of the ranges on the host's address family.
func (h *nmapHost) ofFamily(ranges []index.Range) engine.Scope {
	return engine.ScopeOf(reader.OfFamily(ranges, h.addr.Is6())...)
}
