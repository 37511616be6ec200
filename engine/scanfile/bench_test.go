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

func benchmarkRead(b *testing.B, text []byte, want int) { benchmarkReadAs(b, text, want, options()) }

func benchmarkReadAs(b *testing.B, text []byte, want int, opts *scanfile.Options) {
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range scanfile.Read(scanfile.Source{Name: "in", Reader: bytes.NewReader(text)}, opts) {
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

// BenchmarkReadFormats reads records of the shape that each tool writes, of different
// addresses, as many as make some megabytes.
func BenchmarkReadFormats(b *testing.B) {
	for _, f := range []struct{ name, head, record, tail string }{
		{"masscan-list", "#masscan\n", "open tcp 443 10.%d.%d.%d 1795000000\n", "# end\n"},
		{"masscan-json", "[\n", `{   "ip": "10.%d.%d.%d",   "timestamp": "1795000000", "ports": [ {"port": 443, "proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 60} ] }` + "\n,\n", "{finished: 1}\n"},
		{"masscan-ndjson", "", `{"ip":"10.%d.%d.%d","timestamp":"1795000000","port":443,"proto":"tcp","rec_type":"status","data":{"status":"open","reason":"syn-ack","ttl":60}}` + "\n", ""},
		{"masscan-grepable", "# Masscan 1.3.2 scan initiated Wed Nov 18 11:06:40 2026\n", "Timestamp: 1795000000\tHost: 10.%d.%d.%d ()\tPorts: 443/open/tcp//https//\n", "# Masscan done at Mon Nov 23 20:41:07 2026\n"},
		{"nmap-grepable", "# Nmap 7.93 scan initiated Mon Nov 23 20:40:39 2026 as: nmap -oG x\n", "Host: 10.%d.%d.%d (a.example)\tStatus: Up\nHost: 10.%[1]d.%[2]d.%[3]d (a.example)\tPorts: 22/open/tcp//ssh///, 80/open/tcp//http///, 443/closed/tcp//https///, 8080/open/tcp//http-proxy///\tIgnored State: closed (996)\n", "# Nmap done at Mon Nov 23 20:40:39 2026 -- 1 IP address (1 host up) scanned in 0.26 seconds\n"},
		{"nmap-normal", "Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-23 20:51 UTC\n", "Nmap scan report for 10.%d.%d.%d\nHost is up (0.0000050s latency).\nNot shown: 997 closed tcp ports (reset)\nPORT    STATE SERVICE\n22/tcp  open  ssh\n80/tcp  open  http\n443/tcp open  https\n\n", "Nmap done: 1 IP address (1 host up) scanned in 0.08 seconds\n"},
		{"naabu-json", "", `{"host":"a.example","ip":"10.%d.%d.%d","timestamp":"2026-01-01T00:00:00Z","port":443,"protocol":"tcp","tls":false}` + "\n", ""},
		{"naabu-smallest", "", `{"ip":"10.%d.%d.%d","port":443}` + "\n", ""},
		{"naabu", "", "10.%d.%d.%d:443\n", ""},
		{"rustscan", "", "10.%d.%d.%d -> [22,80,443]\n", ""},
		{"zmap-csv", "saddr,sport,classification,success,repeat,timestamp-ts,timestamp-us\n", "10.%d.%d.%d,80,synack,1,0,1795000000,250000\n", ""},
		{"zgrab2", "", `{"ip":"10.%d.%d.%d","domain":"a.example","data":{"http":{"status":"success","protocol":"http","port":80,"result":{"response":{"status_line":"200 OK","status_code":200,"headers":{"content_type":["text/html"],"server":["nginx"]},"body":"<html><head></head><body>hello</body></html>"}},"timestamp":"2026-01-01T00:00:00Z"}}}` + "\n", ""},
		{"shodan", "", `{"ip_str":"10.%d.%d.%d","port":443,"transport":"tcp","timestamp":"2026-01-01T03:06:34.553526","hostnames":["a.example"],"domains":["example"],"org":"Org","os":null,"data":"HTTP/1.1 200 OK\\r\\nServer: nginx\\r\\nDate: Thu, 01 Jan 2026 03:06:34 GMT\\r\\nContent-Type: text/html\\r\\n\\r\\n","location":{"city":"X","country_code":"YY","latitude":1.5,"longitude":2.5},"_shodan":{"module":"https","crawler":"x","id":null,"options":{}}}` + "\n", ""},
	} {
		b.Run(f.name, func(b *testing.B) {
			const records = 20000
			var text bytes.Buffer
			text.WriteString(f.head)
			for i := range records {
				fmt.Fprintf(&text, f.record, i>>16&255, i>>8&255, i&255)
			}
			text.WriteString(f.tail)
			opts := options()
			if f.name == "naabu-smallest" {
				opts.Format = "naabu-json"
			}
			benchmarkReadAs(b, text.Bytes(), records, opts)
		})
	}
	b.Run("masscan-binary", func(b *testing.B) {
		const records = 100000
		var text bytes.Buffer
		empty := binary()
		text.WriteString(empty[:len(empty)/2])
		for i := range records {
			text.WriteString("\x06\x0d" + stamp)
			text.Write([]byte{10, byte(i >> 16), byte(i >> 8), byte(i), 6, 1, 187, 18, 60})
		}
		text.WriteString(empty[:len(empty)/2])
		benchmarkReadAs(b, text.Bytes(), records, options())
		b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
	})
}
