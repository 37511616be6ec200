package index

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Type is the protocol of a port together with the address family it was found
// on. Codes follow the order of the names, so ordering by code orders by name.
type Type uint8

// The types, in the order of their names, behind the one that no key has.
const (
	AnyType Type = iota // in a question: no restriction
	SCTP
	SCTP6
	TCP
	TCP6
	UDP
	UDP6

	numTypes  = 6
	typeLimit = numTypes + 1 // one more than the largest code
)

// Types returns all types in the order of their names.
func Types() []Type { return []Type{SCTP, SCTP6, TCP, TCP6, UDP, UDP6} }

// MaxPort is the highest port number; the lowest is 1.
const MaxPort = 65535

// MaxKeys is how many keys there are.
const MaxKeys = MaxPort * numTypes

var typeNames = [typeLimit]string{"any", "SCTP", "SCTP6", "TCP", "TCP6", "UDP", "UDP6"}

// lowerNames are the names in lower case.
var lowerNames = func() (names [typeLimit]string) {
	for t, name := range typeNames {
		names[t] = strings.ToLower(name)
	}
	return names
}()

// errKey is wrapped, with the text at fault, by errors about keys, types and ranges
// that cannot be parsed.
var errKey = errors.New("invalid port")

// Valid says whether the type is one that keys have.
func (t Type) Valid() bool { return t > AnyType && t < typeLimit }

// String returns the type's name in capitals, as the HTTP API writes it.
func (t Type) String() string {
	if t < typeLimit {
		return typeNames[t]
	}
	return "Type(" + strconv.Itoa(int(t)) + ")"
}

// V6 returns the IPv6 sibling of the type; an IPv6 type is its own.
func (t Type) V6() Type { return t + t&1 }

// ParseType returns the type of that name in any letter case.
func ParseType(name string) (Type, error) {
	for _, t := range Types() {
		if strings.EqualFold(typeNames[t], name) {
			return t, nil
		}
	}
	return AnyType, fmt.Errorf("%w: unknown type %q: want one of tcp, tcp6, udp, udp6, sctp, sctp6", errKey, clip(name))
}

// Key is a port and a type: port<<3 | type. Keys order by port, then type name.
type Key uint32

// keyLimit is one more than the largest key.
const keyLimit = (MaxPort + 1) << 3

// MakeKey returns the key of a port and a type; of a type that is none, a key that is none.
func MakeKey(port uint16, t Type) Key {
	if t >= typeLimit {
		return 0
	}
	return Key(port)<<3 | Key(t)
}

// Port returns the key's port.
func (k Key) Port() uint16 { return uint16(k >> 3) }

// Type returns the key's type.
func (k Key) Type() Type { return Type(k & 7) }

// Valid says whether the key has a port from 1 to 65535 and a known type.
func (k Key) Valid() bool { return k < keyLimit && k>>3 != 0 && Type(k&7).Valid() }

// String returns the key as people write it, such as 443/tcp.
func (k Key) String() string { return string(k.Append(nil)) }

// Append appends the text of [Key.String] to dst.
func (k Key) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(k>>3), 10)
	dst = append(dst, '/')
	if t := k.Type(); t < typeLimit {
		return append(dst, lowerNames[t]...)
	}
	return append(dst, strings.ToLower(k.Type().String())...)
}

// ParseKey parses a key such as 443/tcp; the type's letter case does not matter.
func ParseKey(text string) (Key, error) {
	port, name, ok := strings.Cut(text, "/")
	if !ok {
		return 0, fmt.Errorf("%w: %q has no type: want PORT/TYPE such as 443/tcp", errKey, clip(text))
	}
	p, err := parsePort(port)
	if err != nil {
		return 0, err
	}
	t, err := ParseType(name)
	if err != nil {
		return 0, err
	}
	return MakeKey(p, t), nil
}

// Range is the keys of one type whose ports lie from Lo to Hi, both included.
type Range struct {
	Type   Type
	Lo, Hi uint16
}

// Valid says whether the range holds at least one key and only valid ones.
func (r Range) Valid() bool { return r.Type.Valid() && r.Lo >= 1 && r.Lo <= r.Hi }

// Contains says whether the key lies in the range.
func (r Range) Contains(k Key) bool {
	return k.Type() == r.Type && k.Port() >= r.Lo && k.Port() <= r.Hi
}

// String returns the range as people write it, such as 1-1024/tcp or 53/udp.
func (r Range) String() string {
	if r.Lo == r.Hi {
		return MakeKey(r.Lo, r.Type).String()
	}
	return strconv.Itoa(int(r.Lo)) + "-" + MakeKey(r.Hi, r.Type).String()
}

// ParseRange parses a range such as 1-1024/tcp, or a key, a range of one.
func ParseRange(text string) (Range, error) {
	ports, name, ok := strings.Cut(text, "/")
	if !ok {
		return Range{}, fmt.Errorf("%w: %q has no type: want PORT/TYPE or LOW-HIGH/TYPE such as 1-1024/tcp", errKey, clip(text))
	}
	low, high, isRange := strings.Cut(ports, "-")
	if !isRange {
		high = low
	}
	lo, err := parsePort(low)
	if err != nil {
		return Range{}, err
	}
	hi, err := parsePort(high)
	if err != nil {
		return Range{}, err
	}
	if lo > hi {
		return Range{}, fmt.Errorf("%w: range %q runs backwards", errKey, clip(text))
	}
	t, err := ParseType(name)
	if err != nil {
		return Range{}, err
	}
	return Range{Type: t, Lo: lo, Hi: hi}, nil
}

// parsePort reads a plain decimal port; signs, spaces and other bases are refused.
func parsePort(text string) (uint16, error) {
	n := 0
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' || i >= 8 {
			n = 0
			break
		}
		n = n*10 + int(c-'0')
	}
	if n < 1 || n > MaxPort {
		return 0, fmt.Errorf("%w: port %q is not a number from 1 to %d", errKey, clip(text), MaxPort)
	}
	return uint16(n), nil
}

// clip shortens hostile text before it goes into an error.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
