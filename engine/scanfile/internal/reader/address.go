package reader

import (
	"net/netip"

	"portolan/engine"
	"portolan/index"
)

// ParseAddr reads an IP address; one of IPv4 that is written as IPv6 is one of IPv4. The
// error names the field.
func ParseAddr(field string, text []byte) (netip.Addr, error) {
	if addr, ok := parse4(text); ok {
		return addr, nil
	}
	addr, err := netip.ParseAddr(string(text))
	if err != nil || addr.Zone() != "" && len(addr.Zone()) > 64 {
		return netip.Addr{}, &engine.FieldError{Field: field, Value: Clip(text), Allowed: "an IP address"}
	}
	return addr.Unmap(), nil
}

// parse4 is [netip.ParseAddr] for IPv4 without making a string.
func parse4(text []byte) (netip.Addr, bool) {
	var four [4]byte
	part, digits, n := 0, 0, 0
	for _, c := range text {
		switch {
		case c == '.' && digits > 0 && part < 3:
			four[part] = byte(n)
			part, digits, n = part+1, 0, 0
		case c >= '0' && c <= '9' && (digits == 0 || n > 0):
			digits, n = digits+1, n*10+int(c-'0')
			if n > 255 {
				return netip.Addr{}, false
			}
		default:
			return netip.Addr{}, false
		}
	}
	four[part] = byte(n)
	return netip.AddrFrom4(four), part == 3 && digits > 0
}

// ParsePort reads the number of a port from 1 to 65535. The error names the field.
func ParsePort(field string, text []byte) (uint16, error) {
	port, ok := PortNumber(text)
	if !ok || port == 0 {
		return 0, &engine.FieldError{Field: field, Value: Clip(text), Allowed: "a port from 1 to 65535"}
	}
	return port, nil
}

// KeyOn returns the key of a port of a type of IPv4 as on an address.
func KeyOn(addr netip.Addr, port uint16, t index.Type) index.Key {
	if addr.Is6() {
		t = t.V6()
	}
	return index.MakeKey(port, t)
}
