package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"strings"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/index"
)

// texts are the formats whose readers are measured, each with what writes reports as the
// tool does that the format is of.
var texts = []struct {
	format string
	write  func(*bytes.Buffer, iter.Seq[engine.Report])
}{
	{"ndjson", writeNDJSON},
	{"nmap-xml", writeNmapXML},
	{"nmap-grepable", writeNmapGrepable},
	{"masscan-list", each("#masscan\n", "# end\n", "open %[2]s %[3]d %[1]s %[4]d\n")},
	{"masscan-json", each("[\n", "]\n", `{   "ip": "%[1]s",   "timestamp": "%[4]d", "ports": [ {"port": %[3]d, "proto": "%[2]s", "status": "open", "reason": "syn-ack", "ttl": 60} ] },`+"\n")},
	{"masscan-binary", writeMasscanBinary},
	{"zmap-csv", each("saddr,sport,classification,success,timestamp-ts\n", "", "%[1]s,%[3]d,%[6]s,1,%[4]d\n")},
	{"naabu-json", each("", "", `{"ip":"%[1]s","timestamp":"2025-01-01T00:00:00.123456789Z","port":%[3]d,"protocol":"%[2]s","tls":false}`+"\n")},
	{"shodan", each("", "", shodanBanner+"\n")},
	{"zgrab2", each("", "", zgrabLine+"\n")},
}

// shodanBanner and zgrabLine are as long as such lines often are, without their largest
// banners.
const (
	shodanBanner = `{"asn":"AS64496","hash":-1234567890,"os":null,"timestamp":"2025-01-01T03:06:34.553526","isp":"Example","transport":"%[2]s","_shodan":{"region":"eu","module":"http","ptr":true,"options":{},"id":"5b1c2d7e-0000-4000-8000-000000000000","crawler":"abc"},"http":{"status":200,"title":"Welcome","server":"nginx","headers_hash":1873902,"html":"<!DOCTYPE html>\\n<html><head><title>Welcome</title></head><body><h1>It works</h1><p>If you see this page, the server is up.</p></body></html>"},"hostnames":["a.example"],"location":{"city":"X","region_code":"08","longitude":8.68,"latitude":50.11,"country_code":"DE","country_name":"Germany"},"domains":["example"],"org":"Example","data":"HTTP/1.1 200 OK\\r\\nServer: nginx\\r\\nDate: Thu, 01 Jan 2025 03:06:34 GMT\\r\\nContent-Type: text/html\\r\\nContent-Length: 612\\r\\nConnection: keep-alive\\r\\n\\r\\n","port":%[3]d,"ip_str":"%[1]s"}`
	zgrabLine    = `{"ip":"%[1]s","data":{"module":{"status":"success","protocol":"%[5]s","port":%[3]d,"result":{"response":{"status_line":"200 OK","status_code":200,"protocol":{"name":"HTTP/1.1","major":1,"minor":1},"headers":{"content_type":["text/html"],"server":["nginx"],"content_length":["612"]},"body":"<!DOCTYPE html>\\n<html><head><title>Welcome</title></head><body><h1>It works</h1></body></html>","body_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","content_length":612}},"timestamp":"2025-01-01T00:00:00Z"}}}`
)

func writeNDJSON(w *bytes.Buffer, reports iter.Seq[engine.Report]) {
	for r := range reports {
		w.Write(scanfile.AppendNDJSON(w.AvailableBuffer(), &r))
	}
}

// each returns what writes one record for each open port: its address, protocol, number and
// time, a service that speaks the protocol and what ZMap calls its answer, by their place in the format. Records are in
// an order of the scanner's own, in which hosts are mixed.
func each(head, tail, record string) func(*bytes.Buffer, iter.Seq[engine.Report]) {
	return func(w *bytes.Buffer, reports iter.Seq[engine.Report]) {
		w.WriteString(head)
		var lines []string
		for r := range reports {
			for _, k := range r.Open {
				service, answer := "http", "synack"
				if k.Type() == index.UDP {
					service, answer = "ntp", "udp"
				}
				line := fmt.Sprintf(record+"\x00%[4]d%[5]s%[6]s", address(&r), strings.ToLower(k.Type().String()), k.Port(), r.Seen.Unix(), service, answer)
				line, _, _ = strings.Cut(line, "\x00") // which uses all that is not in the format
				lines = append(lines, line)
			}
		}
		rng := rand.New(rand.NewPCG(1, 2))
		rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		for _, line := range lines {
			w.WriteString(line)
		}
		w.WriteString(tail)
	}
}

// writeNmapXML writes what nmap writes about hosts with these ports, each with its
// state, reason and service. Hosts go by their addresses.
func writeNmapXML(w *bytes.Buffer, reports iter.Seq[engine.Report]) {
	w.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n<nmaprun scanner=\"nmap\" start=\"1735689600\" version=\"7.95\" xmloutputversion=\"1.05\">\n")
	for r := range reports {
		fmt.Fprintf(w, "<host starttime=\"%d\" endtime=\"%[1]d\"><status state=\"up\" reason=\"echo-reply\" reason_ttl=\"64\"/>\n<address addr=\"%s\" addrtype=\"ipv4\"/>\n<hostnames>\n</hostnames>\n<ports>", r.Seen.Unix(), address(&r))
		for _, k := range r.Open {
			fmt.Fprintf(w, "<port protocol=%q portid=\"%d\"><state state=\"open\" reason=\"syn-ack\" reason_ttl=\"64\"/><service name=\"unknown\" method=\"table\" conf=\"3\"/></port>\n", strings.ToLower(k.Type().String()), k.Port())
		}
		w.WriteString("</ports>\n</host>\n")
	}
	w.WriteString("<runstats><finished time=\"1735776000\" exit=\"success\"/></runstats>\n</nmaprun>\n")
}

// address returns what a scanner calls the asset.
func address(r *engine.Report) string {
	if r.Address != "" {
		return r.Address
	}
	return r.Asset // of fleets that go by addresses
}

// writeNmapGrepable writes what nmap writes with -oG: two lines for each host.
func writeNmapGrepable(w *bytes.Buffer, reports iter.Seq[engine.Report]) {
	w.WriteString("# Nmap 7.95 scan initiated Wed Jan  1 00:00:00 2025 as: nmap -oG x 10.0.0.0/8\n")
	for r := range reports {
		fmt.Fprintf(w, "Host: %s ()\tStatus: Up\nHost: %[1]s ()\tPorts: ", address(&r))
		for i, k := range r.Open {
			if i > 0 {
				w.WriteString(", ")
			}
			fmt.Fprintf(w, "%d/open/%s//unknown///", k.Port(), strings.ToLower(k.Type().String()))
		}
		w.WriteString("\tIgnored State: closed (989)\n")
	}
	w.WriteString("# Nmap done at Wed Jan  1 01:00:00 2025 -- 1 IP address (1 host up) scanned in 3600.00 seconds\n")
}

// writeMasscanBinary writes what masscan writes with -oB.
func writeMasscanBinary(w *bytes.Buffer, reports iter.Seq[engine.Report]) {
	var header [99]byte
	copy(header[:], "masscan/1.1\ns:1735689600\n")
	w.Write(header[:])
	for r := range reports {
		addr, err := netip.ParseAddr(address(&r))
		if err != nil || !addr.Is4() {
			continue // the count of the fleet then tells
		}
		four := addr.As4()
		for _, k := range r.Open {
			record := binary.BigEndian.AppendUint32([]byte{6, 13}, uint32(r.Seen.Unix()))
			record = append(record, four[:]...)
			record = append(record, map[index.Type]byte{index.TCP: 6, index.UDP: 17}[k.Type()])
			record = binary.BigEndian.AppendUint16(record, k.Port())
			w.Write(append(record, 18, 60))
		}
	}
	w.Write(header[:])
}
