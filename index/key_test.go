package index_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/index"
)

func TestKeyText(t *testing.T) {
	for text, want := range map[string]index.Key{
		"443/tcp":     index.MakeKey(443, index.TCP),
		"53/UDP6":     index.MakeKey(53, index.UDP6),
		"1/sctp":      index.MakeKey(1, index.SCTP),
		"65535/Sctp6": index.MakeKey(65535, index.SCTP6),
	} {
		k, err := index.ParseKey(text)
		if err != nil || k != want {
			t.Errorf("ParseKey(%q) = %v, %v, want %v", text, k, err, want)
		}
		lower := strings.ToLower(text)
		if got := k.String(); got != lower {
			t.Errorf("%v prints as %q, want %q", k, got, strings.ToLower(text))
		}
	}
	for _, text := range []string{"", "443", "/tcp", "0/tcp", "65536/tcp", "-1/tcp", "+1/tcp", " 1/tcp", "1 /tcp", "0x1/tcp", "1/icmp", "1/", "1/tcp/udp", "99999999999999999999/tcp", "1e3/tcp"} {
		if k, err := index.ParseKey(text); err == nil {
			t.Errorf("ParseKey(%q) = %v, %v, want an error", text, k, err)
		}
	}
}

func TestRangeText(t *testing.T) {
	for _, text := range []string{"1-1024/tcp", "53/udp", "1-65535/sctp6"} {
		r, err := index.ParseRange(text)
		if err != nil || r.String() != text || !r.Valid() {
			t.Errorf("ParseRange(%q) = %v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "1-2", "2-1/tcp", "0-5/tcp", "1-/tcp", "-5/tcp", "1-2-3/tcp", "1-65536/tcp", "1-2/x"} {
		if r, err := index.ParseRange(text); err == nil {
			t.Errorf("ParseRange(%q) = %v, %v, want an error", text, r, err)
		}
	}
}

// TestKeyOrder holds the order of keys: by port, then type name.
func TestKeyOrder(t *testing.T) {
	var last string
	for _, ty := range index.Types() {
		if name := ty.String(); name <= last {
			t.Errorf("type %q comes after %q", name, last)
		} else {
			last = name
		}
	}
	for ty, v6 := range map[index.Type]index.Type{index.SCTP: index.SCTP6, index.TCP: index.TCP6, index.UDP: index.UDP6, index.UDP6: index.UDP6} {
		if ty.V6() != v6 {
			t.Errorf("%v on IPv6 is %v, want %v", ty, ty.V6(), v6)
		}
	}
	for _, ty := range []index.Type{index.AnyType, index.UDP6 + 1, 255} {
		if ty.Valid() || index.MakeKey(80, ty).Valid() {
			t.Errorf("%v is a type of keys", ty)
		}
	}
	if index.MakeKey(9, index.UDP6) >= index.MakeKey(10, index.SCTP) {
		t.Error("a key of port 9 is not before one of port 10")
	}
}

// TestKeySet builds a set from ranges, with some taken out, and looks at every key.
func TestKeySet(t *testing.T) {
	var b, more index.KeySetBuilder
	b.AddRange(index.Range{Type: index.TCP, Lo: 1, Hi: 200})
	b.AddRange(index.Range{Type: index.UDP6, Lo: 64, Hi: 127})
	b.AddRange(index.Range{Type: index.TCP, Lo: 9, Hi: 1})
	b.AddRange(index.Range{Type: index.AnyType, Lo: 1, Hi: 9})
	b.RemoveRange(index.Range{Type: index.TCP, Lo: 63, Hi: 128})
	early := b.Build()
	more.AddRange(index.Range{Type: index.SCTP, Lo: 65535, Hi: 65535})
	more.AddSet(early)
	set := more.Build()
	b.RemoveRange(index.Range{Type: index.TCP, Lo: 1, Hi: 65535})
	n, all := 0, 0
	for _, ty := range index.Types() {
		for port := 0; port <= index.MaxPort; port++ {
			k := index.MakeKey(uint16(port), ty)
			want := ty == index.TCP && port >= 1 && port <= 200 && (port < 63 || port > 128) || ty == index.UDP6 && port >= 64 && port <= 127
			if early.Contains(k) != want || set.Contains(k) != (want || ty == index.SCTP && port == 65535) {
				t.Fatalf("%v: %t and %t, want %t", k, early.Contains(k), set.Contains(k), want)
			}
			if index.AllKeys().Contains(k) != (port > 0) {
				t.Fatalf("%v: not of all keys", k)
			}
			if set.Contains(k) {
				n++
			}
			if index.AllKeys().Contains(k) {
				all++
			}
		}
	}
	if n != 200-66+64+1 || all != 6*65535 {
		t.Errorf("%d keys in the set, %d in all", n, all)
	}
	for _, k := range []index.Key{index.MakeKey(0, index.TCP), 1<<19 | 2, index.MakeKey(53, index.UDP) | 1<<31, index.MakeKey(53, index.AnyType)} {
		if set.Contains(k) || index.AllKeys().Contains(k) || new(index.KeySet).Contains(k) {
			t.Errorf("%v is contained", k)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"443/tcp", "1-1024/udp", "65536/tcp", "0/udp", "/", "٣/tcp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := index.ParseKey(text); err == nil {
			if again, err := index.ParseKey(k.String()); err != nil || again != k || !k.Valid() {
				t.Errorf("ParseKey(%q) = %v, which parses as %v, %v", text, k, again, err)
			}
		}
		if r, err := index.ParseRange(text); err == nil {
			if again, err := index.ParseRange(r.String()); err != nil || again != r || !r.Valid() {
				t.Errorf("ParseRange(%q) = %v, which parses as %v, %v", text, r, again, err)
			}
		}
	})
}

// TestKeySetRanges: the ranges of a set are the set again, as few as there can be.
func TestKeySetRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b index.KeySetBuilder
		for range rapid.IntRange(0, 12).Draw(t, "ranges") {
			lo := rapid.OneOf(rapid.Uint16Range(1, 300), rapid.Uint16Range(65000, 65535), rapid.Uint16Range(1, 65535)).Draw(t, "lo")
			r := index.Range{Type: rapid.SampledFrom(index.Types()).Draw(t, "type"), Lo: lo, Hi: lo + min(65535-lo, rapid.SampledFrom([]uint16{0, 1, 62, 63, 64, 65, 500, 65535}).Draw(t, "more"))}
			if rapid.IntRange(0, 3).Draw(t, "out") == 0 {
				b.RemoveRange(r)
			} else {
				b.AddRange(r)
			}
		}
		set := b.Build()
		var again index.KeySetBuilder
		last := index.Range{}
		n := 0
		for r := range set.Ranges() {
			if r.Lo > r.Hi || r.Type < last.Type || r.Type == last.Type && int(r.Lo) <= int(last.Hi)+1 {
				t.Fatalf("%v behind %v", r, last)
			}
			last = r
			n += int(r.Hi-r.Lo) + 1
			again.AddRange(r)
		}
		built := again.Build()
		var differ index.KeySetBuilder
		differ.AddSet(set)
		differ.RemoveSet(built)
		if left := differ.Build().Len(); left != 0 || built.Len() != set.Len() || n != set.Len() {
			t.Fatalf("%d keys, in ranges %d, built of them %d, %d others", set.Len(), n, built.Len(), left)
		}
		probe := index.Range{Type: rapid.SampledFrom(index.Types()).Draw(t, "type met"), Lo: rapid.Uint16Range(1, 400).Draw(t, "from")}
		probe.Hi = probe.Lo + rapid.Uint16Range(0, 200).Draw(t, "to")
		meets := false
		for port := probe.Lo; port <= probe.Hi; port++ {
			meets = meets || set.Contains(index.MakeKey(port, probe.Type))
		}
		if set.Meets(probe) != meets {
			t.Fatalf("it meets %v: %t", probe, !meets)
		}
		for range set.Ranges() { // which may be left
			break
		}
	})
}
