package index

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
)

// idKind says how a text is stored. A text takes the binary form of a kind only
// where formatting that gives back the same text, so storing loses nothing.
type idKind uint8

const (
	kindNone idKind = iota // no text
	kindText               // as it is, after its length
	kindUUID               // 16 bytes: 8-4-4-4-12 lower-case hexadecimal digits
	kindHex                // 16 bytes: 32 lower-case hexadecimal digits
	kindIPv4               // 4 bytes
	kindIPv6               // 16 bytes
	kindSame               // the address is the asset's id
)

// kindSize is the length of a kind's binary form; that of kindText varies.
var kindSize = [...]int{kindUUID: 16, kindHex: 16, kindIPv4: 4, kindIPv6: 16, kindSame: 0}

// appendIdent appends the stored form of a text, without its kind, to dst.
func appendIdent(dst []byte, text string) ([]byte, idKind) {
	if text == "" {
		return dst, kindNone
	}
	var b [16]byte
	switch {
	case len(text) == 36 && parseUUID(&b, text):
		return append(dst, b[:]...), kindUUID
	case len(text) == 32 && parseHex(b[:], text):
		return append(dst, b[:]...), kindHex
	case len(text) <= 15 && parseIPv4(&b, text):
		return append(dst, b[:4]...), kindIPv4
	case len(text) <= 45 && parseIPv6(&b, text):
		return append(dst, b[:]...), kindIPv6
	}
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...), kindText
}

// identLen returns how many bytes of data the stored form of a text takes.
func identLen(kind idKind, data []byte) int {
	if kind != kindText {
		return kindSize[kind]
	}
	n, w := binary.Uvarint(data)
	return w + int(n)
}

// formatIdent returns the text of a stored form.
func formatIdent(kind idKind, data []byte) string {
	var room [64]byte
	return string(appendFormat(room[:0], kind, data))
}

// appendFormat appends the text of a stored form to dst.
func appendFormat(dst []byte, kind idKind, data []byte) []byte {
	switch kind {
	case kindNone, kindSame:
	case kindUUID:
		return appendUUID(dst, data[:16])
	case kindHex:
		return hex.AppendEncode(dst, data[:16])
	case kindIPv4:
		return netip.AddrFrom4([4]byte(data)).AppendTo(dst)
	case kindIPv6:
		return netip.AddrFrom16([16]byte(data)).AppendTo(dst)
	case kindText:
		n, w := binary.Uvarint(data)
		return append(dst, data[w:w+int(n)]...)
	}
	return dst
}

// dashes are where a UUID's text has its dashes.
var dashes = [4]int{8, 13, 18, 23}

func parseUUID(b *[16]byte, text string) bool {
	for _, i := range dashes {
		if text[i] != '-' {
			return false
		}
	}
	return parseHex(b[0:4], text[0:8]) && parseHex(b[4:6], text[9:13]) && parseHex(b[6:8], text[14:18]) &&
		parseHex(b[8:10], text[19:23]) && parseHex(b[10:16], text[24:36])
}

func appendUUID(dst, b []byte) []byte {
	var t [36]byte
	hex.Encode(t[0:8], b[0:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:36], b[10:16])
	for _, i := range dashes {
		t[i] = '-'
	}
	return append(dst, t[:]...)
}

// parseHex fills b from lower-case hexadecimal digits, two a byte.
func parseHex(b []byte, text string) bool {
	bad := uint8(0)
	for i := range b {
		hi, lo := hexDigit[text[2*i]], hexDigit[text[2*i+1]]
		bad |= hi | lo
		b[i] = hi<<4 | lo&15
	}
	return bad < 16
}

// hexDigit has the value of each lower-case hexadecimal digit, 0xf0 for other bytes.
var hexDigit = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= '0' && c <= '9':
			t[c] = uint8(c - '0')
		case c >= 'a' && c <= 'f':
			t[c] = uint8(c - 'a' + 10)
		default:
			t[c] = 0xf0
		}
	}
	return t
}()

// parseIPv4 reads four decimal numbers without leading zeros.
func parseIPv4(b *[16]byte, text string) bool {
	field, value, digits := 0, 0, 0
	for i := range len(text) {
		c := text[i]
		if c == '.' {
			if digits == 0 || field == 3 {
				return false
			}
			b[field] = uint8(value)
			field, value, digits = field+1, 0, 0
			continue
		}
		if c < '0' || c > '9' || digits > 0 && value == 0 {
			return false
		}
		value = value*10 + int(c-'0')
		digits++
		if value > 255 {
			return false
		}
	}
	b[3] = uint8(value)
	return field == 3 && digits > 0
}

func parseIPv6(b *[16]byte, text string) bool {
	colon := false
	for i := range len(text) {
		c := text[i]
		if c != ':' && c != '.' && hexDigit[c] > 15 {
			return false
		}
		colon = colon || c == ':'
	}
	if !colon {
		return false
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is6() {
		return false
	}
	var buf [64]byte
	if string(a.AppendTo(buf[:0])) != text {
		return false
	}
	*b = a.As16()
	return true
}
