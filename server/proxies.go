package server

import (
	"net/netip"
	"slices"
	"strings"

	"portolan/server/auth"
)

// Proxies are the networks whose word about their clients' addresses is taken.
type Proxies []netip.Prefix

// Has says whether the address, with or without a port, is one of a proxy.
func (p Proxies) Has(remote string) bool {
	if len(p) == 0 {
		return false
	}
	addr, ok := addressIn(remote)
	return ok && p.contains(addr)
}

func (p Proxies) contains(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// client returns the address that a request comes from: of one that a proxy passed on, the last in
// X-Forwarded-For that is no proxy's. What stands before that may be made up; where something is
// no address, nothing before it is believed.
func (p Proxies) client(remote string, h auth.Header) string {
	if !p.Has(remote) {
		return remote
	}
	for _, line := range slices.Backward(h.Values("X-Forwarded-For")) {
		for _, part := range slices.Backward(strings.Split(line, ",")) {
			addr, ok := addressIn(strings.TrimSpace(part))
			if !ok {
				return remote
			}
			if remote = addr.String(); !p.contains(addr) {
				return remote
			}
		}
	}
	return remote
}

// addressIn reads an address, which may be in brackets and have a port behind it.
func addressIn(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = with.Addr()
	}
	return addr.WithZone("").Unmap(), true
}
