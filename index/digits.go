package index

import (
	"math/bits"
	"sync"
)

// Digits is a text of one to five decimal digits that a port's decimal text may
// contain. The zero value matches every port. It is a comparable value.
type Digits struct {
	n     uint8  // number of digits
	value uint32 // read as a decimal number
}

// ParseDigits returns the digits of a text; ok is false where no port's text
// can contain it: it is empty, longer than five bytes, or not all digits.
func ParseDigits(text string) (d Digits, ok bool) {
	if len(text) < 1 || len(text) > 5 {
		return Digits{}, false
	}
	v := uint32(0)
	for i := range len(text) {
		c := text[i] - '0'
		if c > 9 {
			return Digits{}, false
		}
		v = v*10 + uint32(c)
	}
	return Digits{n: uint8(len(text)), value: v}, true
}

// digitWord is one word of a bitmap of ports that has few words that are not 0.
type digitWord struct {
	bits uint64
	word uint16
}

// maxDigitWords bounds the length of a sparse list; a test holds it.
const maxDigitWords = 128

// lookup returns the ports that contain the digits: one or two digits as a
// bitmap, more as the bitmap's words that are not 0, in order.
func (d Digits) lookup() (dense *portBits, sparse []digitWord) {
	x := digitIndex()
	switch d.n {
	case 0:
		return nil, nil
	case 1:
		return &x.one[d.value], nil
	case 2:
		return &x.two[d.value], nil
	case 3:
		return nil, x.three[d.value]
	case 4:
		return nil, x.four[d.value]
	}
	return &emptyBits, nil // five digits are one port or none: see exact
}

// exact returns the only port that contains five digits, 0 if there is none.
func (d Digits) exact() (port uint16, ok bool) {
	if d.n != 5 {
		return 0, false
	}
	if d.value < 10000 || d.value > MaxPort {
		return 0, true
	}
	return uint16(d.value), true
}

// in says whether the port's text contains the digits.
func (d Digits) in(port uint16) bool {
	if d.n == 0 {
		return true
	}
	width := uint32(powersOf10[d.n])
	for p := uint32(port); p >= width/10; p /= 10 { // p has at least n digits
		if p%width == d.value {
			return true
		}
	}
	return false
}

// KeysContaining returns the set of the keys whose ports' decimal text contains the digits.
func KeysContaining(d Digits) *KeySet {
	b := new(portBits)
	dense, sparse := d.lookup()
	switch port, exact := d.exact(); {
	case exact:
		b.add(int(port))
	case dense != nil:
		*b = *dense
	case sparse != nil:
		for _, e := range sparse {
			b[e.word] = e.bits
		}
	default:
		return allKeys
	}
	return everyType(b.without0())
}

// KeysBeginning returns the set of the keys whose ports' decimal text begins with the digits.
func KeysBeginning(d Digits) *KeySet {
	b := new(portBits)
	if d.n == 0 {
		return allKeys
	}
	for low, width := int(d.value), 1; int(d.value) >= powersOf10[d.n-1] && low <= MaxPort; low, width = low*10, width*10 {
		for p := low; p < low+width; p++ {
			b.add(p)
		}
	}
	return everyType(b.without0())
}

// KeysEnding returns the set of the keys whose ports' decimal text ends with the digits.
func KeysEnding(d Digits) *KeySet {
	b := new(portBits)
	if d.n == 0 {
		return allKeys
	}
	for p := int(d.value); p <= MaxPort; p += powersOf10[d.n] {
		if p >= powersOf10[d.n-1] { // the text has as many digits
			b.add(p)
		}
	}
	return everyType(b.without0())
}

// add adds a port, if it is not too large for one.
func (b *portBits) add(port int) {
	if port <= MaxPort {
		b[port>>6] |= 1 << (port & 63)
	}
}

// without0 takes port 0 out, which is no port.
func (b *portBits) without0() *portBits {
	b[0] &^= 1
	return b
}

// digitSets has for every text of one to four digits the ports that contain it.
// A two-digit text is in a third of all words, so short texts are bitmaps (8 KB
// each); a longer one is in at most 75 words, so long ones are lists.
type digitSets struct {
	one   [10]portBits
	two   [100]portBits
	three [1000][]digitWord
	four  [10000][]digitWord
}

// digitIndex is built when it is first asked for: about 5 ms and 3 MB.
var digitIndex = sync.OnceValue(buildDigitSets)

func buildDigitSets() *digitSets {
	x := new(digitSets)
	var scratch portBits
	for v := range x.one {
		fillDigits(&x.one[v], 1, v)
	}
	for v := range x.two {
		fillDigits(&x.two[v], 2, v)
	}
	for v := range x.three {
		x.three[v] = sparseDigits(&scratch, 3, v)
	}
	for v := range x.four {
		x.four[v] = sparseDigits(&scratch, 4, v)
	}
	return x
}

var powersOf10 = [...]int{1, 10, 100, 1000, 10000, 100000}

// fillDigits sets the ports whose text contains the n digits of v: every port
// that is prefix, the digits, and a suffix of 0 to 5-n digits.
func fillDigits(b *portBits, n, v int) {
	for suffix := 0; n+suffix <= 5; suffix++ {
		width := powersOf10[suffix]
		for prefix := range powersOf10[5-n-suffix] {
			if prefix == 0 && v < powersOf10[n-1] {
				continue // the text of a port has no leading zero
			}
			low := (prefix*powersOf10[n] + v) * width
			for p := low; p < low+width && p <= MaxPort; p++ {
				b[p>>6] |= 1 << (p & 63)
			}
		}
	}
	b[0] &^= 1
}

// sparseDigits is fillDigits as a list. The scratch comes and goes empty.
func sparseDigits(scratch *portBits, n, v int) []digitWord {
	fillDigits(scratch, n, v)
	words := 0
	for _, m := range scratch {
		words += min(1, bits.OnesCount64(m))
	}
	list := make([]digitWord, 0, words)
	for w, m := range scratch {
		if m != 0 {
			list = append(list, digitWord{bits: m, word: uint16(w)})
			scratch[w] = 0
		}
	}
	return list
}
