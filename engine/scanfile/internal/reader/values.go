package reader

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"portolan/engine"
	"portolan/index"
)

// CleanText returns a value as text to keep: control characters and bytes that
// are no UTF-8 are replaced.
func CleanText(value []byte) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.IsControl(r):
			return utf8.RuneError
		}
		return r
	}, string(value))
}

// Clip shortens a value for a message.
func Clip(value []byte) string {
	if len(value) > 64 {
		return strings.ToValidUTF8(string(value[:64]), "") + "…"
	}
	return string(value)
}

// IsBlank says whether a line holds nothing but white space.
func IsBlank(line []byte) bool {
	return len(line) == 0 || line[0] <= ' ' && len(bytes.TrimSpace(line)) == 0
}

// PortType returns the type that a protocol's ports have on IPv4.
func PortType(protocol []byte) (t index.Type, isPort bool) {
	switch string(protocol) {
	case "tcp":
		return index.TCP, true
	case "udp":
		return index.UDP, true
	case "sctp":
		return index.SCTP, true
	}
	return 0, false
}

// LeftProtocol is the reason for leaving out what is no port, by its protocol. The error is
// about what is no protocol.
func LeftProtocol(protocol []byte) (reason string, err error) {
	switch string(protocol) {
	case "ip":
		return "ip-protocol", nil
	case "icmp", "icmp6":
		return "icmp-protocol", nil
	case "arp":
		return "arp-protocol", nil
	case "dccp", "igmp", "oproto", "err", "udplite":
		return "other-protocol", nil
	}
	return "", &engine.FieldError{Field: "protocol", Value: Clip(protocol), Allowed: "tcp, udp, sctp or one without ports, such as icmp"}
}

// OfFamily returns the ranges, which are of IPv4, as on one family of addresses.
func OfFamily(ranges []index.Range, v6 bool) []index.Range {
	out := make([]index.Range, len(ranges))
	for i, r := range ranges {
		if out[i] = r; v6 {
			out[i].Type = r.Type.V6()
		}
	}
	return out
}

// AppendPorts adds the ranges of a list such as 1-100,443; port 0 is passed over.
func AppendPorts(ranges []index.Range, list []byte, t index.Type) ([]index.Range, error) {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if item = bytes.TrimSpace(item); len(item) == 0 {
			continue
		}
		low, high, isRange := bytes.Cut(item, []byte("-"))
		if !isRange {
			high = low
		}
		lo, okLo := PortNumber(bytes.TrimSpace(low))
		hi, okHi := PortNumber(bytes.TrimSpace(high))
		if !okLo || !okHi || lo > hi {
			return nil, fmt.Errorf("%.64q is not allowed: want ports such as 1-100,443", item)
		}
		if hi > 0 {
			ranges = append(ranges, index.Range{Type: t, Lo: max(lo, 1), Hi: hi})
		}
	}
	return ranges, nil
}

// IsNumber says whether the text is digits.
func IsNumber(text []byte) bool {
	return len(text) > 0 && len(bytes.Trim(text, "0123456789")) == 0
}

// PortNumber reads a decimal number from 0 to 65535.
func PortNumber(text []byte) (uint16, bool) {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int(c-'0'); n > index.MaxPort {
			return 0, false
		}
	}
	return uint16(n), len(text) > 0
}

// maxUnix is the last second of the year 9999.
const maxUnix = 253402300799

// UnixSeconds reads a time; what is none, or 0, is the zero time.
func UnixSeconds(text []byte) time.Time {
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return UnixTime(n)
}

// UnixTime is the time of so many seconds; what is out of bounds, or 0, is the zero time.
func UnixTime(n int64) time.Time {
	if n <= 0 || n > maxUnix {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
