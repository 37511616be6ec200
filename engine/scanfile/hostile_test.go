package scanfile_test

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"portolan/engine/enginetest"
	"portolan/engine/scanfile"
)

// TestHostile: what nobody's tool writes breaks no reader, and the record behind it counts
// where a line tells the records apart.
func TestHostile(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 200_000)
	for name, c := range formatTexts {
		for what, bad := range map[string]string{
			"nested 200,000 deep":       deep + "\n",
			"nested, and closed":        deep + "1" + strings.Repeat("}", 200_000) + "\n",
			"lists nested 200,000 deep": strings.Repeat("[", 200_000) + "\n",
			"a line of 4 MB":            strings.Repeat("x", 4<<20) + "\n",
			"an object of 4 MB":         `{"data":"` + strings.Repeat("x", 4<<20) + "\"}\n",
			"NULs":                      strings.Repeat("\x00", 1000) + "\n",
			"bytes that are no text":    "\xfd\xfc{\"\xc3\x28\"}\n",
			"controls":                  "\x1b[2J\x1b]0;x\x07\r\r\r\n",
			"an address that is none":   "300.1.2.3:80\n" + `{"ip":"300.1.2.3","port":80}` + "\n",
			"spaces":                    strings.Repeat(" ", 100_000) + "x\n",
		} {
			opts := options()
			opts.Format, opts.MaxRecord = name, 1<<20
			reports, sum := load(t, bad+c.text, opts)
			if sum == nil {
				t.Fatalf("%s, %s: no summary", name, what)
			}
			// A header behind it still counts, save in formats whose first bytes are theirs.
			if name == "masscan-binary" || strings.HasSuffix(name, "csv") || c.inventory && name != "osquery" || strings.Contains(what, "lists") {
				continue
			}
			if got := strings.Join(openPorts(reports), "\n"); got != c.open && (!strings.Contains(bad, "{") || !strings.HasPrefix(c.text, "[")) {
				t.Errorf("%s, %s: %s", name, what, got)
			}
		}
	}
}

// TestEncodings: UTF-16 and a byte order mark are read like UTF-8.
func TestEncodings(t *testing.T) {
	for name, c := range formatTexts {
		if name == "masscan-binary" {
			continue
		}
		want, _ := load(t, c.text, options())
		marked := "\ufeff" + c.text
		utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(c.text)
		if err != nil {
			t.Fatal(err)
		}
		big, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(c.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{marked, utf16, big} {
			reports, sum := load(t, text, options())
			if lines(reports) != lines(want) || !sum.Complete || sum.Files[0].Format != name {
				t.Errorf("%s as %.10q…: %+v\n%s", name, text, sum, lines(reports))
			}
		}
	}
}

// endlessText gives a text again and again, so many bytes in all.
type endlessText struct {
	text string
	at   int
	left int64
}

func (e *endlessText) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && int64(n) < e.left {
		m := copy(p[n:], e.text[e.at:])
		n, e.at = n+m, (e.at+m)%len(e.text)
	}
	e.left -= int64(n)
	return n, nil
}

// TestMemoryIsConstant: however long an input is, reading it needs no more memory. With
// -short, and under the race detector, it is shorter.
func TestMemoryIsConstant(t *testing.T) {
	size := int64(64 << 20)
	if !enginetest.Full() || racing {
		size = 8 << 20
	}
	for _, name := range []string{"masscan-list", "masscan-ndjson", "naabu", "naabu-json", "shodan", "zgrab2", "zmap-json", "nmap-grepable", "nmap-normal", "rustscan"} {
		text := formatTexts[name].text
		opts := options()
		opts.Format = name
		var before, after runtime.MemStats
		peak := uint64(0)
		runtime.GC()
		runtime.ReadMemStats(&before)
		n := 0
		for range scanfile.Read(scanfile.Source{Name: "in", Reader: &endlessText{text: text, left: size}}, opts) {
			if n++; n%20_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapAlloc)
			}
		}
		if peak > before.HeapAlloc+48<<20 {
			t.Errorf("%s: %d MB of live memory while reading %d MB", name, (peak-before.HeapAlloc)>>20, size>>20)
		}
	}
}
