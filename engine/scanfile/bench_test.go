package scanfile_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/index"
)

var popular = []uint16{22, 25, 53, 80, 110, 111, 135, 139, 143, 443, 445, 993, 1723, 3306, 3389, 5900, 8080}

// nmapText makes an nmap run over n hosts of the shape nmap writes: a few open
// ports, some closed ones, the rest in extraports.
func nmapText(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -oX x 192.0.2.0/24" start="1790000000" version="7.93" xmloutputversion="1.05">
<scaninfo type="syn" protocol="tcp" numservices="10000" services="1-10000"/>
`)
	for i := range n {
		fmt.Fprintf(&b, "<host starttime=\"1790000000\" endtime=\"%d\"><status state=\"up\" reason=\"echo-reply\" reason_ttl=\"64\"/>\n<address addr=\"10.%d.%d.%d\" addrtype=\"ipv4\"/>\n<hostnames>\n<hostname name=\"h%d.example\" type=\"PTR\"/>\n</hostnames>\n<ports><extraports state=\"closed\" count=\"9990\">\n<extrareasons reason=\"reset\" count=\"9990\" proto=\"tcp\" ports=\"1-21,23-24\"/>\n</extraports>\n", 1790000000+i/100, i>>16&255, i>>8&255, i&255, i)
		for _, p := range popular[:4+rng.IntN(10)] {
			state := "open"
			if rng.IntN(4) == 0 {
				state = "closed"
			}
			fmt.Fprintf(&b, "<port protocol=\"tcp\" portid=\"%d\"><state state=\"%s\" reason=\"syn-ack\" reason_ttl=\"64\"/><service name=\"http\" method=\"table\" conf=\"3\"/></port>\n", p, state)
		}
		b.WriteString("</ports>\n<times srtt=\"7\" rttvar=\"0\" to=\"100000\"/>\n</host>\n")
	}
	b.WriteString(`<runstats><finished time="1790000100" exit="success"/><hosts up="1" down="0" total="1"/>
</runstats>
</nmaprun>
`)
	return b.Bytes()
}

// ndjsonText makes n lines as an agent writes them.
func ndjsonText(n int) []byte {
	rng := rand.New(rand.NewPCG(3, 4))
	var b []byte
	for i := range n {
		r := engine.Report{
			Asset: fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i*7), Name: fmt.Sprintf("web-%d", i),
			Address: fmt.Sprintf("10.0.%d.%d", i>>8&255, i&255), EnterpriseProject: fmt.Sprint(i / 1000),
			Seen: time.Unix(1790000000+int64(i), 0), Scope: engine.ScopeAll(),
		}
		for _, p := range popular[:4+rng.IntN(7)] {
			r.Open = append(r.Open, index.MakeKey(p, index.TCP))
		}
		for range 4 {
			r.Open = append(r.Open, index.MakeKey(uint16(32768+rng.IntN(28000)), index.TCP))
		}
		b = scanfile.AppendNDJSON(b, &r)
	}
	return b
}

func benchmarkRead(b *testing.B, text []byte, want int) {
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range scanfile.Read(scanfile.Source{Name: "in", Reader: bytes.NewReader(text)}, options()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != want {
			b.Fatalf("%d reports, want %d", n, want)
		}
	}
}

func BenchmarkReadNmapXML(b *testing.B) { benchmarkRead(b, nmapText(5000), 5000) }

func BenchmarkReadNDJSON(b *testing.B) { benchmarkRead(b, ndjsonText(20000), 20000) }

func BenchmarkReadNDJSONSmallest(b *testing.B) {
	benchmarkRead(b, bytes.Repeat([]byte("{\"asset\":\"h1\",\"open\":[\"123/udp\"]}\n"), 50000), 50000)
}

func BenchmarkAppendNDJSON(b *testing.B) {
	r := engine.Report{
		Project: project, Asset: "11111111-0000-4000-8000-000000000000", Seen: time.Unix(1790000000, 0), Scope: engine.ScopeAll(),
		Open: []index.Key{index.MakeKey(22, index.TCP), index.MakeKey(443, index.TCP), index.MakeKey(53, index.UDP)},
	}
	var line []byte
	for b.Loop() {
		line = scanfile.AppendNDJSON(line[:0], &r)
	}
	b.SetBytes(int64(len(line)))
}
