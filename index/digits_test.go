package index

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestDigits holds every text of one to five digits against strings.Contains.
func TestDigits(t *testing.T) {
	var text [MaxPort + 1]string
	for p := range text {
		text[p] = fmt.Sprint(p)
	}
	for n := 1; n <= 5; n++ {
		step := 1
		if n > 2 {
			step = []int{0, 0, 0, 7, 91, 397}[n] // a sample of the longer ones
		}
		for v := 0; v < powersOf10[n]; v += step {
			checkDigits(t, fmt.Sprintf("%0*d", n, v), &text)
		}
	}
}

func checkDigits(t *testing.T, digits string, text *[MaxPort + 1]string) {
	t.Helper()
	d, ok := ParseDigits(digits)
	if !ok {
		t.Fatalf("ParseDigits(%q) refused", digits)
	}
	var want portBits
	for p := 1; p <= MaxPort; p++ {
		contains := strings.Contains(text[p], digits)
		if contains {
			want[p>>6] |= 1 << (p & 63)
		}
		if d.in(uint16(p)) != contains {
			t.Fatalf("%q in port %d: %t", digits, p, !contains)
		}
	}
	if port, ok := d.exact(); ok {
		if contains := want != (portBits{}); contains != (port != 0) || contains && want[port>>6]>>(port&63)&1 == 0 {
			t.Fatalf("%q: exact port %d", digits, port)
		}
	}
	dense, sparse := d.lookup()
	got := portBits{}
	if dense != nil {
		got = *dense
	}
	for _, e := range sparse {
		got[e.word] = e.bits
	}
	if d.n < 5 && got != want {
		t.Fatalf("%q: wrong ports", digits)
	}
	if len(sparse) > maxDigitWords || (len(digits) == 3 || len(digits) == 4) && len(sparse) == 0 {
		t.Fatalf("%q has %d words, want 1 to %d", digits, len(sparse), maxDigitWords)
	}
}

func TestDigitsRefused(t *testing.T) {
	for _, text := range []string{"", "123456", "4x", "-1", "+1", " 4", "4 ", "٤", "*", "\x00"} {
		if d, ok := ParseDigits(text); ok {
			t.Errorf("ParseDigits(%q) = %v", text, d)
		}
	}
	for text, want := range map[string]uint16{"09999": 0, "10000": 10000, "10001": 10001, "65534": 65534, "65535": 65535, "65536": 0, "99999": 0, "00001": 0} {
		d, ok := ParseDigits(text)
		if port, five := d.exact(); !ok || !five || port != want {
			t.Errorf("%q is port %d (%t), want %d", text, port, five, want)
		}
	}
	if dense, sparse := (Digits{}).lookup(); dense != nil || sparse != nil || !(Digits{}).in(1) {
		t.Error("no digits do not mean every port")
	}
}

// BenchmarkDigitIndex measures building the index of digits.
func BenchmarkDigitIndex(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		buildDigitSets()
	}
}

// FuzzDigits holds any text against strings.Contains, at the ports it may be in.
func FuzzDigits(f *testing.F) {
	for _, s := range []string{"", "0", "443", "00", "65535", "65536", "4a", "٤", "123456"} {
		f.Add(s, uint16(443))
	}
	f.Fuzz(func(t *testing.T, text string, port uint16) {
		if port == 0 {
			return
		}
		d, ok := ParseDigits(text)
		contains := strings.Contains(fmt.Sprint(port), text) && text != ""
		if got := ok && d.in(port); got != contains {
			t.Errorf("%q in port %d: %t", text, port, got)
		}
	})
}

// TestDigitKeys: the sets by digits have what the texts say, of every type, for every text of up
// to three digits and some of more.
func TestDigitKeys(t *testing.T) {
	texts := []string{"0000", "6553", "5535", "0443", "9999", "65535", "65536", "00001", "10000", "99999", "00000"}
	for v := range 1000 {
		texts = append(texts, fmt.Sprintf("%03d", v))
		if v < 100 {
			texts = append(texts, fmt.Sprintf("%02d", v))
		}
		if v < 10 {
			texts = append(texts, strconv.Itoa(v))
		}
	}
	kinds := []struct {
		name string
		set  func(Digits) *KeySet
		has  func(text, digits string) bool
	}{{"contains", KeysContaining, strings.Contains}, {"begins", KeysBeginning, strings.HasPrefix}, {"ends", KeysEnding, strings.HasSuffix}}
	var ports [MaxPort + 1]string
	for p := range ports {
		ports[p] = strconv.Itoa(p)
	}
	for _, text := range texts {
		d, ok := ParseDigits(text)
		if !ok {
			t.Fatal(text)
		}
		for _, kind := range kinds {
			words := kind.set(d).words(UDP6)
			if kind.set(d).Contains(0) || words[0]&1 != 0 {
				t.Fatalf("%s %s: port 0", kind.name, text)
			}
			for p := 1; p <= MaxPort; p++ {
				if in := words[p>>6]>>(p&63)&1 != 0; in != kind.has(ports[p], text) {
					t.Fatalf("%s %s: port %d is in it: %t", kind.name, text, p, in)
				}
			}
		}
	}
	for _, kind := range kinds {
		if kind.set(Digits{}) != AllKeys() {
			t.Errorf("%s no digits: not every key", kind.name)
		}
	}
}
