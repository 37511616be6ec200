package scanfile_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/index"
)

// formatText is a small input of a format, with what it says.
type formatText struct {
	text      string
	open      string // asset key, one a line, in order
	left      string // what is left out, as fmt prints it
	ends      bool   // the format has an end, so that every cut is seen
	ordered   bool   // records depend on those before them
	inventory bool   // reports are of hosts, and come at the end
}

// binary makes a file of masscan's.
func binary(records ...string) string {
	header := "masscan/1.1\ns:1795000000\n"
	header += strings.Repeat("\x00", 99-len(header))
	return header + strings.Join(records, "") + header
}

const stamp = "\x6a\xfd\x86\xc0" // 1795000000

// formatTexts has one input for each format of scanners but nmap's and masscan's XML, which
// have tests of their own.
var formatTexts = map[string]formatText{
	"nmap-grepable": {
		text: "# Nmap 7.93 scan initiated Mon Nov 23 20:40:39 2026 as: nmap -sS -sU -oG x 192.0.2.0/24\n" +
			"Host: 192.0.2.10 (a.example)\tStatus: Up\n" +
			"Host: 192.0.2.10 (a.example)\tPorts: 53/open|filtered/udp//domain///, 80/closed/tcp//http///, 443/open/tcp//https//Apache httpd 2.4 (Unix, OpenSSL|1.1)/\tIgnored State: closed (997)\n" +
			"Host: 192.0.2.11 ()\tStatus: Up\n" +
			"Host: 192.0.2.12 ()\tStatus: Down\n" +
			"Host: 192.0.2.13 ()\tStatus: Up\nHost: 192.0.2.13 ()\tPorts: \tIgnored State: open|filtered (12)\n" +
			"Host: 2001:db8::1 ()\tPorts: 22/open/tcp//ssh///, 123/open/udp//ntp///\n" +
			"Host: 192.0.2.14 ()\tProtocols: 1/open/icmp/, 6/open/tcp/\n" +
			"# Nmap done at Mon Nov 23 20:40:39 2026 -- 256 IP addresses (5 hosts up) scanned in 0.26 seconds\n",
		open: "192.0.2.10 443/tcp\n2001:db8::1 123/udp6\n2001:db8::1 22/tcp6",
		left: "map[host-down:1 ip-protocol:2 open|filtered:13]", ends: true, ordered: true,
	},
	"nmap-normal": {
		text: "# Nmap 7.93 scan initiated Mon Nov 23 20:50:50 2026 as: nmap -oN x 192.0.2.10\n" +
			"Nmap scan report for a.example (192.0.2.10)\nHost is up (0.000046s latency).\n" +
			"Not shown: 2093 closed tcp ports (reset), 3 open|filtered udp ports (no-response)\n" +
			"PORT     STATE         SERVICE  VERSION\n22/tcp   open          ssh      OpenSSH 9.2\n|_ssh-hostkey: 22/tcp open\n80/tcp   closed        http\n161/udp  open|filtered snmp\n" +
			"MAC Address: 00:0C:29:AA:BB:CC (VMware)\n\n" +
			"Nmap scan report for 2001:db8::1\nHost is up.\n\nPORT   STATE SERVICE\n53/udp open  domain\n\n" +
			"Nmap scan report for 192.0.2.11 [host down, received no-response]\nNmap scan report for 192.0.2.12\nHost is up.\n" +
			"PROTOCOL STATE SERVICE\n1        open  icmp\n\n" +
			"# Nmap done at Mon Nov 23 20:50:51 2026 -- 4 IP addresses (3 hosts up) scanned in 1.35 seconds\n",
		open: "192.0.2.10 22/tcp\n2001:db8::1 53/udp6",
		left: "map[host-down:1 ip-protocol:1 open|filtered:4]", ends: true, ordered: true,
	},
	"masscan-grepable": {
		text: "# Masscan 1.3.2 scan initiated Wed Nov 18 11:06:40 2026\n# Ports scanned: TCP(0;) UDP(0;) SCTP(0;) PROTOCOLS(0;)\n" +
			"Timestamp: 1795000000\tHost: 192.0.2.10 ()\tPorts: 443/open/tcp//https//\n" +
			"Timestamp: 1795000004\tHost: 192.0.2.12 ()\tPorts: 53/open/udp//domain//\n" +
			"Timestamp: 1795000005\tHost: 192.0.2.13 ()\tPorts: 0/open/icmp//icmp//\n" +
			"Timestamp: 1795000006\tHost: 2001:db8::5 ()\tPorts: 443/open/tcp//https//\n# Masscan done at Mon Nov 23 20:41:07 2026\n",
		open: "192.0.2.10 443/tcp\n192.0.2.12 53/udp\n2001:db8::5 443/tcp6", left: "map[icmp-protocol:1]", ends: true, ordered: true,
	},
	"masscan-list": {
		text: "#masscan\nopen tcp 443 192.0.2.10 1795000000\nopen udp 53 192.0.2.12 1795000004\nopen icmp 0 192.0.2.13 1795000005\nclosed tcp 80 192.0.2.10 1795000005\n" +
			"banner tcp 443 192.0.2.10 1795000000 http a b c\nopen tcp 443 2001:db8::5 1795000006\nopen sctp 2905 192.0.2.14 1795000006\n# end\n",
		open: "192.0.2.10 443/tcp\n192.0.2.12 53/udp\n192.0.2.14 2905/sctp\n2001:db8::5 443/tcp6", left: "map[banner:1 closed:1 icmp-protocol:1]", ends: true, ordered: true,
	},
	"masscan-json": {
		text: "[\n{   \"ip\": \"192.0.2.10\",   \"timestamp\": \"1795000000\", \"ports\": [ {\"port\": 443, \"proto\": \"tcp\", \"status\": \"open\", \"reason\": \"syn-ack\", \"ttl\": 60} ] }\n,\n" +
			"{   \"ip\": \"192.0.2.10\",   \"timestamp\": \"1795000001\", \"ports\": [ {\"port\": 443, \"proto\": \"tcp\", \"service\": {\"name\": \"http\", \"banner\": \"} { \\\" \\u0000\"} } ] }\n,\n" +
			"{   \"ip\": \"2001:db8::5\",   \"timestamp\": \"1795000006\", \"ports\": [ {\"port\": 22, \"proto\": \"tcp\", \"status\": \"open\"}, {\"port\": 80, \"proto\": \"tcp\", \"status\": \"closed\"} ] }\n]\n",
		open: "192.0.2.10 443/tcp\n2001:db8::5 22/tcp6", left: "map[banner:1 closed:1]", ends: true,
	},
	"masscan-ndjson": {
		text: `{"ip":"192.0.2.10","timestamp":"1795000000","port":443,"proto":"tcp","rec_type":"status","data":{"status":"open","reason":"syn-ack","ttl":60}}` + "\n" +
			`{"ip":"192.0.2.10","timestamp":"1795000000","port":443,"proto":"tcp","rec_type":"banner","data":{"service_name":"http","banner":"x"}}` + "\n" +
			`{"ip":"192.0.2.13","timestamp":"1795000005","port":0,"proto":"icmp","rec_type":"status","data":{"status":"open"}}` + "\n" +
			`{"ip":"2001:db8::5","timestamp":"1795000006","port":53,"proto":"udp","rec_type":"status","data":{"status":"open"}}` + "\n",
		open: "192.0.2.10 443/tcp\n2001:db8::5 53/udp6", left: "map[banner:1 icmp-protocol:1]",
	},
	"masscan-binary": {
		text: binary("\x06\x0d"+stamp+"\xc0\x00\x02\x0a\x06\x01\xbb\x12\x3c", "\x07\x0d"+stamp+"\xc0\x00\x02\x0a\x06\x00\x50\x14\x3c",
			"\x06\x0d"+stamp+"\xc0\x00\x02\x0d\x01\x00\x00\x00\x3c", "\x0a\x1a"+stamp+"\x06\x01\xbb\x12\x3c\x06\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05",
			"\x01\x0c"+stamp+"\xc0\x00\x02\x0e\x00\x35\x12\x3c", "\x09\x81\x00"+strings.Repeat("b", 128)),
		open: "192.0.2.10 443/tcp\n192.0.2.14 53/udp\n2001:db8::5 443/tcp6", left: "map[banner:1 closed:1 icmp-protocol:1]", ends: true, ordered: true,
	},
	"masscan-terminal": {
		text: "Starting masscan 1.3.2 (http://bit.ly/14GZzcT) at 2026-11-23 21:04:39 GMT\nInitiating SYN Stealth Scan\n" +
			"Discovered open port 8000/tcp on 192.0.2.10                                     \nrate: 0.00-kpps, 100.00% done\rDiscovered open port 53/udp on 2001:db8::5     \n",
		open: "192.0.2.10 8000/tcp\n2001:db8::5 53/udp6", left: "map[]",
	},
	"naabu-json": {
		text: `{"host":"a.example","ip":"192.0.2.10","port":443,"timestamp":"2022-06-01T00:00:00Z"}` + "\n" +
			`{"host":"a.example","ip":"192.0.2.10","port":{"Port":53,"Protocol":1,"TLS":false},"timestamp":"2023-01-01T00:00:00Z"}` + "\n" +
			`{"ip":"192.0.2.11","timestamp":"2026-01-01T00:00:01Z","port":22,"protocol":"tcp","tls":false,"mac_address":"00:0c:29:aa:bb:cc"}` + "\n" +
			`{"ip":"2001:db8::5","timestamp":"2026-01-01T00:00:01Z","port":0,"protocol":"arp"}` + "\n",
		open: "192.0.2.10 443/tcp\n192.0.2.10 53/udp\n192.0.2.11 22/tcp", left: "map[arp-protocol:1]",
	},
	"naabu-csv": {
		text: "host,ip,port,protocol,tls,cdn,cdn-name,timestamp,\na.example,192.0.2.10,443,tcp,false,false,,2026-01-01 00:00:00.5 +0000 UTC,,[],\n,2001:db8::5,53,udp,false,false,\"x,\"\"y\",2026-01-01 00:00:00 +0000 UTC\n",
		open: "192.0.2.10 443/tcp\n2001:db8::5 53/udp6", left: "map[]", ordered: true,
	},
	"naabu": {
		text: "192.0.2.10:443\n2606:4700::6810:6434:80\n\x1b[92m192.0.2.11:22\x1b[0m [cloudflare]\n[2001:db8::1]:8080\r\n",
		open: "192.0.2.10 443/tcp\n192.0.2.11 22/tcp\n2001:db8::1 8080/tcp6\n2606:4700::6810:6434 80/tcp6", left: "map[]",
	},
	"rustscan": {
		text: "[~] The config file is expected to be at \"/root/.rustscan.toml\"\nOpen \x1b[35m192.0.2.10:22\x1b[0m\nOpen [2001:db8::1]:443\n192.0.2.10 -> [22,80,443]\n192.0.2.11 -> [53]\n",
		open: "192.0.2.10 22/tcp\n192.0.2.10 443/tcp\n192.0.2.10 80/tcp\n192.0.2.11 53/tcp\n2001:db8::1 443/tcp6", left: "map[]",
	},
	"zmap-csv": {
		text: "saddr,sport,dport,classification,success,repeat,timestamp-ts,timestamp-us\n192.0.2.10,80,40000,synack,1,0,1795000000,250000\n192.0.2.11,80,40000,rst,0,0,1795000000,1\n192.0.2.12,443,40000,synack,1,1,1795000001,2\n",
		open: "192.0.2.10 80/tcp\n192.0.2.12 443/tcp", left: "map[no-success:1]", ordered: true,
	},
	"zmap-json": {
		text: `{"saddr":"192.0.2.10","sport":53,"classification":"udp","success":1,"timestamp-str":"2026-11-18T11:06:40.000+0000"}` + "\n" +
			`{"saddr":"192.0.2.11","sport":80,"classification":"synack","success":true}` + "\n",
		open: "192.0.2.10 53/udp\n192.0.2.11 80/tcp", left: "map[]",
	},
	"zgrab2": {
		text: `{"ip":"192.0.2.10","domain":"a.example","data":{"ssh":{"status":"success","protocol":"ssh","port":22,"result":{},"timestamp":"2026-01-01T00:00:00Z"},"http":{"status":"connection-timeout","protocol":"http","port":80,"error":"timeout"}}}` + "\n" +
			`{"ip":"192.0.2.11","port":8443,"data":{"http":{"status":"protocol-error","protocol":"http"}}}` + "\n" +
			`{"ip":"192.0.2.12","data":{"ntp":{"status":"success","protocol":"ntp","port":123},"tls":{"status":"success","protocol":"tls"},"smtp":{"status":"connection-refused","port":25}}}` + "\n",
		open: "192.0.2.10 22/tcp\n192.0.2.11 8443/tcp\n192.0.2.12 123/udp", left: "map[closed:1 connection-timeout:1 no-port:1]",
	},
	"ss": {
		text: "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess\n" +
			"udp   UNCONN 0      0          127.0.0.1:53         0.0.0.0:*    users:((\"a\",pid=1,fd=28))\nudp   UNCONN 0      0              [::]:5353          [::]:*\n" +
			"udp   UNCONN 0      0      0.0.0.0%eth0:68         0.0.0.0:*\nudp   ESTAB  0      0          192.0.2.1:50000    192.0.2.2:53\nudp   UNCONN 0      0            0.0.0.0:50001       0.0.0.0:*\n" +
			"tcp   LISTEN 0      64               *:8443             *:*  ino:1 v6only:0 <->\ntcp   LISTEN 0      64 [::ffff:192.0.2.1]:80  *:*\ntcp   ESTAB  0      0          192.0.2.1:22    192.0.2.2:4000\nu_str LISTEN 0      64    /run/x.sock 1234  * 0\n",
		open: "me 5353/udp6\nme 68/udp\nme 80/tcp\nme 8443/tcp6", left: "map[connected:2 ephemeral-udp:1 loopback:1 unix-socket:1]", inventory: true,
	},
	"netstat": {
		text: "Active Internet connections (servers and established)\nProto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name    \n" +
			"tcp        0      0 127.0.0.1:8000          0.0.0.0:*               LISTEN      1/x\ntcp        0      0 0.0.0.0:25              0.0.0.0:*               LISTEN      1/x\n" +
			"tcp        0      0 192.0.2.1:22            192.0.2.2:40000         ESTABLISHED 1/x\ntcp6       0      0 :::8443                 :::*                    LISTEN      1/x\n" +
			"udp        0      0 0.0.0.0:123             0.0.0.0:*                           1/x\nudp6       0      0 ::1:5353                :::*                                1/x\n" +
			"Active UNIX domain sockets (servers and established)\nunix  2      [ ACC ]     STREAM     LISTENING     1234     /run/x\n",
		open: "me 123/udp\nme 25/tcp\nme 8443/tcp6", left: "map[connected:1 loopback:2 unix-socket:1]", inventory: true,
	},
	"proc-net": {
		text: "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
			"   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n   1: 00000000:0019 00000000:0000 0A 0 0 0\n   2: 0102000A:0016 0202000A:9C40 01 0 0 0\n" +
			"  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
			"   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0 0 0\n" +
			"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n   10: 00000000:007B 00000000:0000 07 0 0 0\n",
		open: "me 123/udp\nme 25/tcp\nme 443/tcp6", left: "map[connected:1 loopback:1]", inventory: true, ordered: true,
	},
	"ansible": {
		text: `{"ansible_facts":{"tcp_listen":[{"address":"0.0.0.0","name":"sshd","pid":812,"port":22,"protocol":"tcp"},{"address":"::","port":22},{"address":"127.0.0.1","port":631}],"udp_listen":[{"address":"0.0.0.0","port":68},{"address":"0.0.0.0","port":68}]}}` + "\n",
		open: "me 22/tcp\nme 22/tcp6\nme 68/udp", left: "map[loopback:1]", inventory: true,
	},
	"osquery": {
		text: `{"action":"added","columns":{"pid":"1","port":"22","protocol":"6","family":"2","address":"0.0.0.0","fd":"3","net_namespace":"4026531840"},"name":"listening_ports","hostIdentifier":"web-1","unixTime":"1767607200","epoch":"0","counter":"0"}` + "\n" +
			`{"action":"added","columns":{"pid":"2","port":"22","protocol":"6","family":"2","address":"0.0.0.0","fd":"4","net_namespace":"4026531840"},"name":"listening_ports","hostIdentifier":"web-1","unixTime":"1767607200","epoch":"0","counter":"0"}` + "\n" +
			`{"action":"added","columns":{"pid":"3","port":"80","protocol":"6","family":"2","address":"0.0.0.0","fd":"4","net_namespace":"4026532300"},"name":"listening_ports","hostIdentifier":"web-1","unixTime":"1767607200","epoch":"0","counter":"0"}` + "\n" +
			`{"action":"added","columns":{"name":"x"},"name":"processes","hostIdentifier":"web-1","unixTime":"1767607200","epoch":"0","counter":"0"}` + "\n" +
			`{"action":"removed","columns":{"pid":"1","port":"22","protocol":"6","family":"2","address":"0.0.0.0","fd":"3"},"name":"listening_ports","hostIdentifier":"web-1","unixTime":"1767607300","epoch":"0","counter":"1"}` + "\n" +
			`{"action":"snapshot","snapshot":[{"pid":"9","port":"53","protocol":"17","family":"10","address":"::"},{"pid":"9","port":"0","protocol":"0","family":"1","path":"/x"}],"name":"listening_ports","hostIdentifier":"web-2","unixTime":1767607200}` + "\n" +
			`{"diffResults":{"added":[{"pid":"9","port":"443","protocol":"6","family":"2","address":"0.0.0.0"}],"removed":""},"name":"pack_x_listening_ports","hostIdentifier":"web-3","unixTime":1767607200,"epoch":7,"counter":3}` + "\n",
		open: "web-1 22/tcp\nweb-2 53/udp6\nweb-3 443/tcp", left: "map[other-namespace:1 other-query:1 unix-socket:1]", inventory: true, ordered: true,
	},
	"shodan": {
		text: `{"ip":3221225994,"ip_str":"192.0.2.10","port":53,"transport":"udp","timestamp":"2026-01-01T03:06:34.553526","hostnames":["a.example"],"data":"\ud800 {","_shodan":{"module":"dns-udp"}}` + "\n" +
			`{"ip":3221225995,"port":443,"_shodan":{"module":"https"}}` + "\n" + `{"ip_str":"2001:db8::5","port":22,"transport":"tcp","hostnames":[],"_shodan":null}` + "\n",
		open: "192.0.2.10 53/udp\n192.0.2.11 443/tcp\n2001:db8::5 22/tcp6", left: "map[]",
	},
}

// TestFormats reads a small input of every format, in one piece and byte by byte.
func TestFormats(t *testing.T) {
	for name, c := range formatTexts {
		t.Run(name, func(t *testing.T) {
			if got, ok := scanfile.Detect([]byte(c.text)); !ok || got != name {
				t.Errorf("detected %q", got)
			}
			reports, sum := load(t, c.text, options())
			same(t, strings.Join(openPorts(reports), "\n"), c.open)
			if left := fmt.Sprint(sum.LeftOut); left != c.left || !sum.Complete || sum.Rejected > 0 || sum.Files[0].Format != name {
				t.Errorf("left out %s, want %s; %+v", left, c.left, sum)
			}
			var slowly fakeSink
			again, err := scanfile.Load(t.Context(), &slowly, []scanfile.Source{{Name: "in", Reader: iotest.OneByteReader(strings.NewReader(c.text))}}, options())
			if err != nil || lines(slowly.reports) != lines(reports) || fmt.Sprint(again.LeftOut) != c.left {
				t.Errorf("byte by byte: %v, %v\n%s", err, again.LeftOut, lines(slowly.reports))
			}
			crlf, sum := load(t, strings.ReplaceAll(c.text, "\n", "\r\n"), options())
			if name != "masscan-binary" && (lines(crlf) != lines(reports) || !sum.Complete) {
				t.Errorf("with CRLF: %+v\n%s", sum, lines(crlf))
			}
			byOption := options()
			byOption.Format = name
			if named, _ := load(t, c.text, byOption); lines(named) != lines(reports) {
				t.Errorf("with --format: %s", lines(named))
			}
		})
	}
	for _, name := range scanfile.Formats() {
		if _, ok := formatTexts[name]; !ok && !slices.Contains([]string{"ndjson", "nmap-xml", "masscan-xml"}, name) {
			t.Errorf("%s has no text here", name)
		}
	}
}

// TestFormatsCut: what is cut anywhere gives the reports before the cut and perhaps an
// additive one of its record, never a port that the whole does not give, and says so.
func TestFormatsCut(t *testing.T) {
	for name, c := range formatTexts {
		t.Run(name, func(t *testing.T) {
			opts := options()
			opts.Format = name
			whole, _ := load(t, c.text, opts)
			all := openPorts(whole)
			for n := range len(c.text) {
				cut, sum := load(t, c.text[:n], opts)
				for _, port := range openPorts(cut) {
					if !slices.Contains(all, port) && name != "osquery" { // which may remove it later
						t.Fatalf("cut at %d: %s is not in the whole", n, port)
					}
				}
				if ended := strings.HasSuffix(strings.TrimRight(c.text[:n], " "), "\n"); c.inventory {
					for i := range cut {
						if !ended && !strings.HasSuffix(c.text[:n], "}") && !cut[i].Scope.IsNone() && (name != "osquery" || cut[i].Asset != "web-2") {
							t.Fatalf("cut at %d: %s closes", n, lines(cut[i:i+1]))
						}
					}
					if complete := ended || n == len(c.text)-1; n > 0 && sum.Complete && !complete && strings.TrimSpace(c.text[:n]) != "" && !strings.HasSuffix(c.text[:n], "}") {
						t.Errorf("cut at %d: complete", n)
					}
					continue
				}
				for i := range cut {
					last := i == len(cut)-1
					if i >= len(whole) || lines(cut[i:i+1]) != lines(whole[i:i+1]) && (!last || cut[i].Asset != whole[i].Asset || !cut[i].Scope.IsNone()) {
						t.Fatalf("cut at %d: report %d is %s", n, i, lines(cut[i:i+1]))
					}
				}
				if done := strings.TrimSpace(c.text[n:]) == ""; c.ends && sum.Complete && !done {
					t.Errorf("cut at %d: complete", n)
				}
				if before := strings.TrimSpace(c.text[max(n-1, 0):n]); name != "masscan-binary" && before != "" && sum.Complete && len(openPorts(cut)) < len(all) && len(cut) < len(whole) && !strings.ContainsAny(c.text[n-1:n], "}]") {
					t.Errorf("cut at %d, inside of a record: complete", n)
				}
			}
		})
	}
}

// TestFormatsShuffled: the order of records does not matter where none depends on another.
func TestFormatsShuffled(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for name, c := range formatTexts {
		if c.ordered || strings.HasPrefix(c.text, "[\n") {
			continue
		}
		for range 10 {
			parts := strings.SplitAfter(strings.TrimSuffix(c.text, "\n"), "\n")
			parts[len(parts)-1] += "\n"
			rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			opts := options()
			opts.Format = name
			reports, sum := load(t, strings.Join(parts, ""), opts)
			if got := strings.Join(openPorts(reports), "\n"); got != c.open || fmt.Sprint(sum.LeftOut) != c.left {
				t.Errorf("%s, shuffled: %s; %+v", name, got, sum)
			}
		}
	}
}

// TestFormatsTwice: what was read twice changes nothing the second time.
func TestFormatsTwice(t *testing.T) {
	for name, c := range formatTexts {
		e, err := engine.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		var pages [2]string
		for i := range pages {
			sum, err := loadInto(t, e, []scanfile.Source{source(c.text)}, options())
			if err != nil || i == 1 && sum.Result.Applied > 0 && !strings.Contains(name, "terminal") && strings.Contains(c.text, "17950") {
				t.Errorf("%s: %+v, %v", name, sum, err)
			}
			page, err := e.Ports(t.Context(), engine.PortQuery{Project: project, View: engine.All(), Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			pages[i] = fmt.Sprint(page.Total, page.Rows)
		}
		if pages[0] != pages[1] {
			t.Errorf("%s: %s, then %s", name, pages[0], pages[1])
		}
	}
}

// TestFormatsDamaged: any byte that is another one breaks nothing, and no report is invalid.
func TestFormatsDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for name, c := range formatTexts {
		for range 300 {
			text := []byte(c.text)
			for range 1 + rng.IntN(3) {
				text[rng.IntN(len(text))] = byte(rng.IntN(256))
			}
			readFuzzed(t, name, text)
			scanfile.Detect(text)
		}
	}
}

// TestFormatsInOrder: several formats in one stream are each read by their own reader.
func TestFormatsInOrder(t *testing.T) {
	names := []string{"naabu-json", "zgrab2", "masscan-ndjson", "rustscan", "masscan-list", "shodan", "nmap-grepable", "zmap-csv", "naabu", "nmap-normal", "masscan-json"}
	turned := slices.Clone(names)
	slices.Reverse(turned)
	for _, order := range [][]string{names, turned} {
		var text strings.Builder
		var want []string
		for _, name := range order {
			// RustScan's greeting is refused by the list before it.
			text.WriteString(strings.TrimPrefix(formatTexts[name].text, "[~] The config file is expected to be at \"/root/.rustscan.toml\"\n"))
			want = append(want, strings.Split(formatTexts[name].open, "\n")...)
		}
		text.WriteString("<?xml version=\"1.0\"?>\n" + scan(3, ""))
		reports, sum := load(t, text.String(), options())
		slices.Sort(want)
		var got []string
		for _, port := range openPorts(reports) {
			if !strings.HasPrefix(port, "192.0.0.") {
				got = append(got, port)
			}
		}
		if want = slices.Compact(want); !slices.Equal(got, want) || !sum.Complete || sum.Rejected > 0 {
			t.Errorf("%v: got\n%s\nwant\n%s\n%+v", order, strings.Join(got, "\n"), strings.Join(want, "\n"), sum)
		}
		if got := strings.Split(sum.Files[0].Format, ", "); !slices.Equal(got, append(slices.Clone(order), "nmap-xml")) {
			t.Errorf("formats %v, want %v", got, order)
		}
	}
}

// TestFormatsRefuse: what is wrong is refused with its line and what is allowed, and the
// next record counts.
func TestFormatsRefuse(t *testing.T) {
	for _, c := range []struct{ format, text, says, open string }{
		{"masscan-list", "#masscan\nopen tcp 70000 192.0.2.1 1795000000\nopen tcp 22 192.0.2.2 1795000000\n# end\n", `2: port: "70000" is not allowed`, "192.0.2.2 22/tcp"},
		{"masscan-list", "#masscan\nopen tcp 22 192.0.2.256 1795000000\nopen tcp 22 192.0.2.2 1795000000\n# end\n", `2: ip: "192.0.2.256" is not allowed`, "192.0.2.2 22/tcp"},
		{"masscan-list", "#masscan\nopen tcp 22\nopen tcp 22 192.0.2.2 1795000000\n# end\n", `2: "open tcp 22" is not allowed`, "192.0.2.2 22/tcp"},
		{"masscan-json", `[{"ip":"192.0.2.1","ports":[{"port":"x","proto":"tcp","status":"open"},{"port":22,"proto":"tcp","status":"open"}]}]`, `1: port: "x" is not allowed`, "192.0.2.1 22/tcp"},
		{"masscan-json", `[{"ports":[]},` + "\n" + `{"ip":"192.0.2.1","ports":[{"port":22,"proto":"tcp","status":"open"}]}]`, `1: ip: "" is not allowed`, "192.0.2.1 22/tcp"},
		{"masscan-json", "[\n{\"ip\":\"192.0.2.1\", \"ports\":[\n{\"ip\":\"192.0.2.2\",\"ports\":[{\"port\":22,\"proto\":\"tcp\",\"status\":\"open\"}]}]", "2: the object is damaged", "192.0.2.2 22/tcp"},
		{"nmap-grepable", "Host: x ()\tPorts: 22/open/tcp//ssh///\nHost: 192.0.2.1 ()\tPorts: 99999/open/tcp////, 22/open/tcp//ssh///\n", `1: host: "x" is not allowed`, "192.0.2.1 22/tcp"},
		{"nmap-normal", "Nmap scan report for 192.0.2.1\nPORT STATE SERVICE\n22/tcp ajar ssh\n80/tcp open http\nNmap done: 1\n", `3: state: "ajar" is not allowed`, "192.0.2.1 80/tcp"},
		{"naabu", "192.0.2.1:x\n192.0.2.1:22\n", `1: port: "x" is not allowed`, "192.0.2.1 22/tcp"},
		{"naabu-json", `{"ip":"192.0.2.1","port":{"Port":22,"Protocol":9}}` + "\n" + `{"ip":"192.0.2.1","port":22}` + "\n", `1: port: `, "192.0.2.1 22/tcp"},
		{"rustscan", "192.0.2.1 -> [22,x,80]\n", `1: port: "x" is not allowed`, "192.0.2.1 22/tcp\n192.0.2.1 80/tcp"},
		{"zgrab2", `{"ip":"192.0.2.1","data":{"ssh":{"status":"success","port":0}}}` + "\n" + `{"ip":"192.0.2.1","data":{"ssh":{"status":"success","port":22}}}` + "\n", `1: ssh: port: "0" is not allowed`, "192.0.2.1 22/tcp"},
		{"shodan", `{"port":22,"_shodan":{}}` + "\n" + `{"ip_str":"192.0.2.1","port":22,"_shodan":{}}` + "\n", `1: ip_str: "" is not allowed`, "192.0.2.1 22/tcp"},
		{"zmap-csv", "saddr,sport,success\n192.0.2.1,22,2\n192.0.2.1,22,1\n", `2: success: "2" is not allowed`, "192.0.2.1 22/tcp"},
		{"zmap-csv", "saddr\n192.0.2.1\n", `1: "saddr" is not allowed`, ""},
	} {
		opts := options()
		opts.Format = c.format
		reports, sum := load(t, c.text, opts)
		if got := strings.Join(openPorts(reports), "\n"); got != c.open || len(sum.Errors) == 0 || !strings.HasPrefix(sum.Errors[0].Error(), "in:"+c.says) {
			t.Errorf("%s %q: open %q, refused %v; want %s", c.format, c.text, got, sum.Errors, c.says)
		}
	}
}

// TestOldMasscanJSON: the dialects of old versions.
func TestOldMasscanJSON(t *testing.T) {
	record := `{   "ip": "192.0.2.1",   "timestamp": "1501607463", "ports": [ {"port": 22, "proto": "tcp", "status": "open"} ] }`
	for text, complete := range map[string]bool{
		"[\n" + record + ",\n]\n": true, "[\n" + record + "\n": false, record + ",\n{finished: 1}\n": true, "[\n" + record + ",\n{finished: 1}\n": true,
		record + "\n": true, "{finished: 1}\n": true, "[\n]\n": true,
		"[\n{\n  \"ip\": \"192.0.2.1\",\n  \"ports\": [\n    {\n      \"port\": 22,\n      \"proto\": \"tcp\",\n      \"status\": \"open\"\n    }\n  ]\n}\n]\n": true,
		"[" + record + "," + record + "]": true, "log line\n" + record + "\nanother\n" + record + "\n": true,
	} {
		opts := options()
		opts.Format = "masscan-json"
		reports, sum := load(t, text, opts)
		if sum.Complete != complete || sum.Rejected > 0 || strings.Contains(text, "192") != (len(reports) > 0) {
			t.Errorf("%q: %d reports, %+v", text, len(reports), sum)
		}
	}
}

// TestScopeOfScans: with a scope, assets of formats that only add are closed at the end.
func TestScopeOfScans(t *testing.T) {
	opts := options()
	scope := engine.ScopeOf(index.Range{Type: index.TCP, Lo: 1, Hi: 1000})
	opts.Scope = &scope
	reports, _ := load(t, formatTexts["masscan-list"].text, opts)
	closing := 0
	for _, r := range reports {
		if !r.Scope.IsNone() {
			closing++
		}
	}
	if closing != 4 {
		t.Errorf("%d closing reports:\n%s", closing, lines(reports))
	}
	if reports, _ = load(t, strings.TrimSuffix(formatTexts["masscan-list"].text, "# end\n"), opts); strings.Contains(lines(reports), "scope=1") {
		t.Errorf("a list without its end closes:\n%s", lines(reports))
	}
}

// TestIdentity: a scanner's assets are called as the options say, and several addresses of
// one name are closed together, where all of them were looked at.
func TestIdentity(t *testing.T) {
	host := func(address, name, mac, ports string) string {
		return "<host endtime='1790000000'><status state='up'/><address addr='" + address + "' addrtype='ipv4'/><address addr='" + mac + "' addrtype='mac'/>" +
			"<hostnames><hostname name='" + name + "' type='PTR'/></hostnames><ports>" + ports + "</ports></host>"
	}
	port := func(n int) string {
		return fmt.Sprintf("<port protocol='tcp' portid='%d'><state state='open'/></port>", n)
	}
	text := "<nmaprun><scaninfo protocol='tcp' services='1-100'/>" + host("192.0.2.1", "a", "00:00:00:00:00:01", port(22)) + host("192.0.2.2", "a", "00:00:00:00:00:02", port(80)) +
		host("192.0.2.3", "", "", port(53)) + "<runstats><finished/></runstats></nmaprun>"
	for as, want := range map[string]string{
		"":         "192.0.2.1 22/tcp,192.0.2.2 80/tcp,192.0.2.3 53/tcp",
		"address":  "192.0.2.1 22/tcp,192.0.2.2 80/tcp,192.0.2.3 53/tcp",
		"hostname": "192.0.2.3 53/tcp,a 22/tcp,a 80/tcp",
		"mac":      "00:00:00:00:00:01 22/tcp,00:00:00:00:00:02 80/tcp,192.0.2.3 53/tcp",
	} {
		opts := options()
		opts.Asset = as
		e, err := engine.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		reports, sum := load(t, text, opts)
		if got := strings.Join(openPorts(reports), ","); got != want || !sum.Complete {
			t.Errorf("%q: %s; %+v", as, got, sum)
		}
		if _, err := e.Apply(t.Context(), []engine.Report{{Project: project, Asset: "a", Open: []index.Key{index.MakeKey(23, index.TCP), index.MakeKey(99, index.UDP)}, Scope: engine.ScopeAll(), Seen: reports[0].Seen.Add(-1e9)}}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Apply(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
		page, err := e.Hosts(t.Context(), engine.HostQuery{Project: project, View: engine.All(), Asset: "a"})
		if err != nil {
			t.Fatal(err)
		}
		open := ""
		for _, row := range page.Rows {
			open += row.Key().String() + " "
		}
		if as == "hostname" && open != "22/tcp 80/tcp 99/udp " {
			t.Errorf("%q: a has %s", as, open)
		}
	}
	pinged := "<nmaprun><scaninfo protocol='tcp' services='1-100'/><host><status state='up'/><address addr='192.0.2.1'/><hostnames><hostname name='a'/></hostnames></host><runstats><finished/></runstats></nmaprun>"
	opts := options()
	scope := engine.ScopeAll()
	opts.Asset, opts.Scope = "hostname", &scope
	if reports, _ := load(t, pinged, opts); len(reports) != 1 || !reports[0].Scope.IsNone() {
		t.Errorf("a host whose ports nobody looked at is closed: %s", lines(reports))
	}
	opts = options()
	opts.Asset = "serial"
	if err := opts.Validate(); err == nil || !strings.Contains(err.Error(), "asset") {
		t.Errorf("an identity that is none: %v", err)
	}
}

// FuzzFormats reads anything in every format, and what it is detected as.
func FuzzFormats(f *testing.F) {
	names := scanfile.Formats()
	for name, c := range formatTexts {
		f.Add(slices.Index(names, name), []byte(c.text))
		f.Add(-1, []byte(c.text[:len(c.text)*2/3]+c.text))
	}
	f.Fuzz(func(t *testing.T, format int, data []byte) {
		name := ""
		if format >= 0 {
			name = names[format%len(names)]
		} else if _, ok := scanfile.Detect(data); !ok || len(bytes.TrimSpace(data)) == 0 {
			return
		}
		readFuzzed(t, name, data)
	})
}

// TestNoiseIsBounded: an input of short lines that mean nothing, whatever they begin like,
// costs what reading does, not a search for other formats in each line.
func TestNoiseIsBounded(t *testing.T) {
	for _, noise := range []string{"{\n", "[\n", "<\n", "<a\n", "# \n", "Host: \n", "x\n", "a,b\n", "1:\n", "{\"ip\":\n", "{\n {\n", "\"{\n", "Open \n", " -> [\n"} {
		for _, first := range []string{"naabu-json", "masscan-list", "rustscan", "nmap-grepable"} {
			text := formatTexts[first].text + strings.Repeat(noise, 1<<18/len(noise))
			var sink fakeSink
			sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{source(text)}, options())
			if err != nil || sum.Bytes != int64(len(text)) {
				t.Errorf("%s and %q: %v, %+v", first, noise, err, sum)
			}
			if got := strings.Join(openPorts(sink.reports), "\n"); got != formatTexts[first].open {
				t.Errorf("%s and %q: %s", first, noise, got)
			}
		}
	}
}
