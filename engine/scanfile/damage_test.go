package scanfile_test

import (
	"fmt"
	"strings"
	"testing"

	"portolan/engine/enginetest"
	"portolan/engine/scanfile"
)

// scannedHost is a host with port 22 open.
func scannedHost(n int) string {
	return fmt.Sprintf(`<host endtime="1790000000"><status state="up"/><address addr="192.0.%d.%d" addrtype="ipv4"/><ports><port protocol="tcp" portid="22"><state state="open"/></port></ports></host>`+"\n", n/250, n%250)
}

// scan is a document of n hosts with the damage behind the second.
func scan(n int, damage string) string {
	var b strings.Builder
	b.WriteString("<nmaprun scanner=\"nmap\">\n<scaninfo protocol=\"tcp\" services=\"1-100\"/>\n")
	for i := range n {
		b.WriteString(scannedHost(i))
		if i == 1 {
			b.WriteString(damage)
		}
	}
	b.WriteString("<runstats><finished/></runstats></nmaprun>\n")
	return b.String()
}

// TestNmapXMLGoesOn: behind damage the next host counts, and what was passed
// over is said.
func TestNmapXMLGoesOn(t *testing.T) {
	const hosts = 1000
	part, _, _ := strings.Cut(scannedHost(250*250-1), "</ports>")
	for _, c := range []struct {
		name, damage string
		reports      int
		passed       scanfile.Passed
		scope        string // of the hosts behind
	}{
		{"a stray <", "<\n", hosts, scanfile.Passed{Bytes: 2, Lines: 1}, "1-100/tcp"},
		{"half a tag", "<port proto\n\n", hosts, scanfile.Passed{Bytes: 13, Lines: 2}, "1-100/tcp"},
		{"a wrong end", "</ports>\n", hosts, scanfile.Passed{Bytes: 9, Lines: 1}, "1-100/tcp"},
		{"half a host", part + "\n", hosts + 1, scanfile.Passed{}, "1-100/tcp"},
		{"half a host and a wrong tag", part + "<a b>\n", hosts + 1, scanfile.Passed{Bytes: 6, Lines: 1}, "1-100/tcp"},
		{"an element that does not end", "<extra>\n", hosts, scanfile.Passed{}, "1-100/tcp"},
		{"another one's scaninfo", "<<scaninfo protocol=\"tcp\" services=\"1-9\"/>\n", hosts, scanfile.Passed{Bytes: 43, Lines: 1}, "22/tcp"},
		{"another document without its beginning", "<</nmaprun>\n", hosts, scanfile.Passed{Bytes: 12, Lines: 1}, "22/tcp"},
		{"names like a host's", "<<hosthint/><hosts/><host2/>\n", hosts, scanfile.Passed{Bytes: 29, Lines: 1}, "1-100/tcp"},
	} {
		reports, sum := load(t, scan(hosts, c.damage), options())
		file := sum.Files[0]
		if len(reports) != c.reports || sum.Complete || file.Problem == "" || file.PassedOver != c.passed {
			t.Errorf("%s: %d reports, want %d; %+v", c.name, len(reports), c.reports, file)
			continue
		}
		if got := reports[len(reports)-1].Scope.String(); got != c.scope {
			t.Errorf("%s: the last host's scope is %s, want %s", c.name, got, c.scope)
		}
	}
	_, sum := load(t, scan(10, "<\n")+scan(10, "<\n\n"), options())
	if want := (scanfile.Passed{Bytes: 5, Lines: 3}); sum.Files[0].PassedOver != want || sum.Records != 20 {
		t.Errorf("two places: %+v, %d hosts", sum.Files[0], sum.Records)
	}
	var text strings.Builder
	if err := sum.WriteText(&text); err != nil || !strings.Contains(text.String(), "; passed over: bytes 5, lines 3") {
		t.Errorf("%v: %s", err, &text)
	}
}

// TestNmapXMLManyFaults: damage without end costs what reading does, not that
// times the damage.
func TestNmapXMLManyFaults(t *testing.T) {
	size := 1 << 20
	if enginetest.Full() {
		size = 4 << 20
	}
	for _, piece := range []string{
		"<host/><!--", "<host/><?x ", "<host/><![CDATA[", "<host/><!DOCTYPE ", "<nmaprun><!--", `<host/><a b="`, "<host/><", "</b>",
		"<?xml ?><!--", "<!--<?xml ?>", "<host><a>", "<host/></host>",
	} {
		opts := options()
		opts.Format = "nmap-xml"
		if _, sum := load(t, strings.Repeat(piece, size/len(piece)), opts); sum.Complete {
			t.Errorf("%q: complete", piece)
		}
	}
}

// TestNmapXMLSpace: white space in an attribute is a space.
func TestNmapXMLSpace(t *testing.T) {
	const text = "<hosthint><status state='up'/></hosthint><nmaprun><scaninfo protocol='tcp' services='22,\r\n23,\t80 - 90 '/><host><address addr='192.0.2.1'/>" +
		"<hostnames><hostname name='a\nb&#9;c'/></hostnames><ports/></host><runstats><finished/></runstats></nmaprun>"
	reports, sum := load(t, text, options())
	if !sum.Complete || sum.Rejected > 0 || len(reports) != 1 {
		t.Fatalf("%+v", sum)
	}
	if r := reports[0]; r.Scope.String() != "22-23/tcp,80-90/tcp" || r.Name != "a b c" {
		t.Errorf("%s", lines(reports))
	}
}
