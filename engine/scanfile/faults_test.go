package scanfile_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/engine/scanfile"
)

const (
	anyTCP   = "1-65535/tcp,1-65535/tcp6"
	anyUDP   = "1-65535/udp,1-65535/udp6"
	anySS    = anyTCP + "," + anyUDP
	netTitle = "Active Internet connections (only servers)\nProto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name\n"
	ssTitle  = "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
	procTCP  = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	procTCP6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	procUDP  = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
)

// TestHostLists: what an inventory looked at is told by its form, not by the rows it happens
// to have, and what is uncertain leaves it.
func TestHostLists(t *testing.T) {
	for _, c := range []struct{ name, text, open, scope, warns string }{
		{"ss, no rows", ssTitle, "", anySS, ""},
		{"ss, the last UDP socket went", ssTitle + "tcp   LISTEN 0      128 0.0.0.0:22 0.0.0.0:*\n", "22/tcp", anySS, ""},
		{"ss without header", "tcp   LISTEN 0      128 0.0.0.0:22 0.0.0.0:*\n", "22/tcp", anySS, ""},
		{"ss of TCP", "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0      128 0.0.0.0:22 0.0.0.0:*\n", "22/tcp", anyTCP, ""},
		{"ss of UDP", "UNCONN 0      128 0.0.0.0:123 0.0.0.0:*\n", "123/udp", anyUDP, ""},
		{"ss of something", "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n", "", "none", "--scope"},
		{"ss of what is connected", "ESTAB 0 0 192.0.2.1:22 192.0.2.2:4000\n", "", "none", "--scope"},
		{"ss with SCTP", ssTitle + "sctp LISTEN 0 128 0.0.0.0:2905 0.0.0.0:*\n", "2905/sctp", "1-65535/sctp,1-65535/sctp6," + anySS, ""},
		{"ss with a client's port", ssTitle + "udp UNCONN 0 0 0.0.0.0:51820 0.0.0.0:*\nudp UNCONN 0 0 0.0.0.0:65535 0.0.0.0:*\nudp UNCONN 0 0 [::]:49152 [::]:*\n", "", anyTCP + ",1-51819/udp,51821-65534/udp,1-49151/udp6,49153-65535/udp6", ""},
		{"ss with zones", ssTitle + "udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:*\nudp UNCONN 0 0 *%virbr0:67 *:*\nudp UNCONN 0 0 192.0.2.1%eth0:68 0.0.0.0:*\ntcp LISTEN 0 5 [::ffff:192.0.2.1]%eth0:80 *:*\n", "546/udp6 67/udp 68/udp 80/tcp", anySS, ""},
		{"ss with names of ports", ssTitle + "tcp LISTEN 0 5 0.0.0.0:ssh 0.0.0.0:*\n", "", "none", "--scope"},
		{"ss behind a prompt", "Last login: Mon Nov 23 20:40:39 2026\nroot@web-01:~# ss -tulpn\n" + ssTitle + "tcp LISTEN 0 5 0.0.0.0:22 0.0.0.0:*\nroot@web-01:~# \n", "22/tcp", anySS, ""},
		{"netstat of TCP", netTitle + "tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      1/sshd\n", "22/tcp", anyTCP, ""},
		{"netstat of TCP6 alone", netTitle + "tcp6       0      0 :::22                   :::*                    LISTEN      1/sshd\n", "22/tcp6", anyTCP, ""},
		{"netstat, no rows", netTitle, "", "none", "--scope"},
		{"netstat without servers", strings.Replace(netTitle, "only servers", "w/o servers", 1) + "tcp        0      0 192.0.2.1:22            192.0.2.2:4000          ESTABLISHED 1/sshd\n", "", "none", "--scope"},
		{"netstat with a client's port", netTitle + "udp        0      0 0.0.0.0:51820           0.0.0.0:*                           -\n", "", "1-51819/udp,51821-65535/udp,1-65535/udp6", ""},
		{"netstat with cut addresses", netTitle + "tcp6       0      0 2001:db8:85a3:8d3:1:443  :::*                   LISTEN      1/nginx\nudp6       0      0 fe80::42:acff:fe11::123 :::*                                1/ntpd\ntcp6       0      0 ::ffff:192.168.100.:80  :::*                    LISTEN      1/x\n", "443/tcp6 123/udp6 80/tcp", anySS, ""},
		{"netstat of macOS with cut addresses", "Active Internet connections (including servers)\nProto Recv-Q Send-Q  Local Address          Foreign Address        (state)\ntcp6       0      0  2001:db8:85a3:8d3.22   *.*                    LISTEN\ntcp6       0      0  fe80::aede:48ff.5000   *.*                    LISTEN\n", "22/tcp6 5000/tcp6", anyTCP, ""},
		{"netstat -A", "Active Internet connections (including servers)\nTcpcb            Proto Recv-Q Send-Q Local Address      Foreign Address    (state)\nfffff80003df4b70 tcp4       0      0 *.22               *.*                LISTEN\nfffff80003ae81e8 udp4       0      0 *.514              *.*\n", "22/tcp 514/udp", anySS, ""},
		{"netstat behind a notice", "(Not all processes could be identified, non-owned process info\n will not be shown, you would have to be root to see it all.)\n" + netTitle + "tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      -\n", "22/tcp", anyTCP, ""},
		{"netstat behind a prompt", "[root@db ~]# netstat -tlpn\n" + netTitle + "tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      -\n[root@db ~]# exit\n", "22/tcp", anyTCP, ""},
		{"netstat and UNIX sockets", netTitle + "tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      -\nActive UNIX domain sockets (only servers)\nProto RefCnt Flags       Type       State         I-Node   PID/Program name     Path\nunix  2      [ ACC ]     STREAM     LISTENING     12345    1/init               /run/x\n", "22/tcp", anyTCP, ""},
		{"/proc/net/tcp without rows", procTCP, "", "1-65535/tcp", ""},
		{"/proc/net/tcp6 without rows", procTCP6, "", "1-65535/tcp6", ""},
		{"/proc/net/udp without rows", procUDP, "", "1-65535/udp", ""},
		{"/proc/net of two", procTCP + "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n" + procTCP6, "22/tcp", anyTCP, ""},
		{"/proc/net without header", "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n", "22/tcp", "none", "--scope"},
		{"Ansible, empty lists", `{"ansible_facts":{"tcp_listen":[],"udp_listen":[]}}`, "", anySS, ""},
		{"Ansible, one list", `{"ansible_facts":{"udp_listen":[{"address":"0.0.0.0","port":123},{"address":"0.0.0.0","port":50000}]}}`, "123/udp", "1-49999/udp,50001-65535/udp,1-65535/udp6", ""},
		{"osquery with a client's port", `[{"address":"0.0.0.0","family":"2","pid":"1","port":"51820","protocol":"17"},{"address":"0.0.0.0","family":"2","pid":"1","port":"22","protocol":"6"}]`, "22/tcp", anyTCP + ",1-51819/udp,51821-65535/udp,1-65535/udp6", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			reports, sum := load(t, c.text, options())
			if len(reports) != 1 || sum.Rejected > 0 || !sum.Complete {
				t.Fatalf("%d reports, %+v", len(reports), sum)
			}
			r, warnings := reports[0], strings.Join(sum.Files[0].Warnings, "; ")
			if open := strings.Trim(keysText(r.Open), "[]"); !sameWords(open, c.open) || r.Scope.String() != c.scope {
				t.Errorf("open %s, scope %s; want %s, %s", open, r.Scope, c.open, c.scope)
			}
			if (warnings == "") != (c.warns == "") || !strings.Contains(warnings, c.warns) {
				t.Errorf("warnings %q, want %q", warnings, c.warns)
			}
			opts := options()
			given := engine.ScopeOf(engine.Range{Type: engine.TCP, Lo: 1, Hi: 1024})
			opts.Scope = &given
			if reports, sum := load(t, c.text, opts); len(reports) != 1 || reports[0].Scope.String() != "1-1024/tcp" || len(sum.Files[0].Warnings) > 0 {
				t.Errorf("with a scope given: %s%v", lines(reports), sum.Files)
			}
		})
	}
}

// TestDamagedRows: a record that is damaged is refused, and what else the input says closes
// nothing: its port may be the one that the record had.
func TestDamagedRows(t *testing.T) {
	good := map[string]string{
		"ss":       ssTitle + "tcp   LISTEN 0      128 0.0.0.0:22 0.0.0.0:*\n",
		"netstat":  netTitle + "tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      800/sshd\n",
		"windows":  "Active Connections\n\n  Proto  Local Address          Foreign Address        State           PID\n  TCP    0.0.0.0:22             0.0.0.0:0              LISTENING       912\n",
		"proc":     procTCP + "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n",
		"osquery":  `{"address":"0.0.0.0","family":"2","pid":"812","port":"22","protocol":"6"}` + "\n",
		"masscan":  `{"ip":"192.0.2.1","timestamp":"1700000000","ports":[{"port":22,"proto":"tcp","status":"open"}]},` + "\n",
		"shodan":   `{"ip_str":"192.0.2.1","port":22,"transport":"tcp","timestamp":"2026-01-01T00:00:00","_shodan":{"module":"ssh"}}` + "\n",
		"naabu":    `{"host":"192.0.2.1","ip":"192.0.2.1","port":22,"protocol":"tcp","tls":false,"timestamp":"2026-01-01T00:00:00Z"}` + "\n",
		"list":     "#masscan\nopen tcp 22 192.0.2.1 1795000000\n",
		"grepable": "# Nmap 7.93 scan initiated Fri May  8 13:15:01 2015 as: nmap -oG x 192.0.2.1\nHost: 192.0.2.1 ()\tPorts: 22/open/tcp//ssh///\n",
		"zmap":     `{"saddr":"192.0.2.1","sport":22,"classification":"synack","success":1}` + "\n",
		"zgrab2":   `{"ip":"192.0.2.1","data":{"ssh":{"status":"success","protocol":"ssh","port":22,"result":{},"timestamp":"2026-05-04T16:52:04Z"}}}` + "\n",
		"nmap":     "# Nmap 7.93 scan initiated Fri May  8 13:15:01 2015 as: nmap -oN x 192.0.2.1\nNmap scan report for 192.0.2.1\nHost is up.\n\nPORT   STATE SERVICE\n22/tcp open  ssh\n",
	}
	for _, c := range []struct{ of, damaged string }{
		{"ss", "tcp   LISTEM 0      128 0.0.0.0:443 0.0.0.0:*\n"},
		{"ss", "tcp   LISTEN 0      0.0.0.0:443 0.0.0.0:*\n"},
		{"ss", "tc|   LISTEN 0      128 0.0.0.0:443 0.0.0.0:*\n"},
		{"ss", "tcp   LISTEN 0      128 0.0.0.0:4a43& 0.0.0.0:*\n"},
		{"ss", "tcp   LISTEN 0      128 0.0.0.0:99443 0.0.0.0:*\n"},
		{"netstat", "tcp        0      0 0.0.0.0:443             0.0.0.0:*               LISTEM      900/nginx\n"},
		{"netstat", "tcp        0    0 0 0.0.0.0:443             0.0.0.0:*               LISTEN      900/nginx\n"},
		{"netstat", "tc|        0      0 0.0.0.0:443             0.0.0.0:*               LISTEN      900/nginx\n"},
		{"netstat", "tcp        0 0.0.0.0:443             0.0.0.0:*               LISTEN      900/nginx\n"},
		{"netstat", "tcp        0      0 0.0.0.o:443             0.0.0.0:*               LISTEN      900/nginx\n"},
		{"netstat", "0.0.0.0:443             0.0.0.0:*               LISTEN      900/nginx\n"},
		{"windows", "  TC|    0.0.0.0:443            0.0.0.0:0              LISTENING       4\n"},
		{"windows", "  TCP    0.0.0.0&443            0.0.0.0:0              LISTENING       4\n"},
		{"proc", "   1: 00000000:01BB 00000000:0000 XX 00000000:00000000 00:00000000 00000000     0        0 1 1\n"},
		{"proc", "   1: 0000000:01BB 00000000:0000 0A\n"},
		{"osquery", `s"address":"0.0.0.0","family":"2","pid":"813","port":"443","protocol":"6"},` + "\n"},
		{"osquery", `{"address":"0.0.0.0","family":"2","pid":"813","port":"443","protocol":"6x"}` + "\n"},
		{"osquery", `{"address":"0.0.0.0","family":"z","pid":"813","port":"443","protocol":"6"}` + "\n"},
		{"osquery", `{"address":"0.0.0.0","family":"2","pid":"813","port":"443","protocol":` + "\n" + `{"address":"0.0.0.0","family":"2","pid":"814","port":"80","protocol":"6"}` + "\n"},
		{"masscan", `   "ip": "192.0.2.2", "timestamp": "1700000000", "ports": [ {"port": 2082, "proto": "tcp", "status": "open"} ] },` + "\n"},
		{"masscan", `{"ip":"192.0.2.1","timestamp":"1700000000","ports":[{"port":443,"proto":"tbp","status":"open"}]},` + "\n"},
		{"shodan", `"ip_str":"192.0.2.1","port":443,"transport":"tcp","timestamp":"2026-01-01T00:00:00","_shodan":{}}` + "\n"},
		{"shodan", `{"ip_str":"192.0.2.1","port":443,"transport":"tpc","timestamp":"2026-01-01T00:00:00","_shodan":{}}` + "\n"},
		{"naabu", `"host":"192.0.2.1","ip":"192.0.2.1","port":443,"protocol":"tcp","timestamp":"2026-01-01T00:00:00Z"}` + "\n"},
		{"naabu", `{"host":"192.0.2.1","ip":"192.0.2.1","port":443,"timestamp":"2026-01-01T00:00:00Z","probe_status":false}` + "\n"},
		{"naabu", `{"host":"192.0.2.1","ip":"192.0.2.1","port":443,"timestamp":"2026-01-01T00:00:00Z","failed":true}` + "\n"},
		{"list", "open tcp 443 192.0.2.1 1795000000open tcp 80 192.0.2.1 1795000000\n"},
		{"list", "open tcp 443 192.0.2.1 1795000000 open tcp 80 192.0.2.1 1795000000\n"},
		{"list", "open tbp 443 192.0.2.1 1795000000\n"},
		{"grepable", "Host: 192.0.2.1 ()\tPorts: 443/open/tbp//https///\n"},
		{"grepable", "Host: 192.0.2.1 ()\tPostS: 443/open/tcp//https///\n"},
		{"zmap", `{"saddr":"192.0.2.1","sport":443,"classification":"synakc","success":1}` + "\n"},
		{"zgrab2", `{"ip":"192.0.2.1","data":{"http":{"status":"succes","protocol":"http","port":443,"timestamp":"2026-05-04T16:52:04Z"}}}` + "\n"},
		{"nmap", "443/tcp opne  https\n"},
		{"nmap", "4a43/tcp open  https\n"},
	} {
		t.Run(c.of+" "+strings.TrimSpace(c.damaged), func(t *testing.T) {
			reports, sum := load(t, good[c.of]+c.damaged, options())
			if sum.Rejected != 1 {
				t.Errorf("%d rejected, want 1: %+v\n%s", sum.Rejected, sum, lines(reports))
			}
			open := ""
			for _, r := range reports {
				open += keysText(r.Open)
				if !r.Scope.IsNone() {
					t.Errorf("scope %s, want none", r.Scope)
				}
			}
			if !strings.Contains(open, "22/tcp") || strings.Contains(open, "443/") {
				t.Errorf("open %s, want 22/tcp without 443", open)
			}
			opts := options()
			opts.Strict = true
			if _, err := scanfile.Load(t.Context(), new(fakeSink), []scanfile.Source{source(good[c.of] + c.damaged)}, opts); !errors.Is(err, scanfile.ErrStrict) {
				t.Errorf("strict: %v", err)
			}
		})
	}
}

// TestNothingTaken: text of which nothing was taken is an error, unless it says itself that
// there is nothing.
func TestNothingTaken(t *testing.T) {
	for _, c := range []struct {
		text    string
		nothing bool
	}{
		{"# Nmap 7.93 scan initiated Fri May  8 13:15:01 2015 as: nmap -oN x 192.0.2.1\nthe rest of it\nwas lost\n# Nmap done at Fri May  8 13:15:05 2015 -- 1 IP address (1 host up) scanned in 4.00 seconds\n", true},
		{"Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-23 20:51 UTC\nNote: Host seems down. If it is really up, but blocking our ping probes, try -Pn\nNmap done: 1 IP address (0 hosts up) scanned in 3.04 seconds\n", false},
		{"# Nmap 7.93 scan initiated Fri May  8 13:15:01 2015 as: nmap -oG x 192.0.2.1\n# Nmap done at Fri May  8 13:15:05 2015 -- 1 IP address (0 hosts up) scanned in 4.00 seconds\n", false},
		{"#masscan\n# end\n", false},
		{"saddr,sport,classification,success\n", false},
		{"Starting masscan 1.3.2 (http://bit.ly/14GZzcT) at 2026-11-23 20:51:00 GMT\nInitiating SYN Stealth Scan\n", true},
	} {
		_, err := scanfile.Load(t.Context(), new(fakeSink), []scanfile.Source{source(c.text)}, options())
		if got := errors.Is(err, scanfile.ErrNothing); got != c.nothing || !got && err != nil {
			t.Errorf("%q: %v, want nothing: %t", c.text, err, c.nothing)
		}
	}
}

// TestNothingOfAFormat: text that is not of the format given is an error for every format that
// goes on behind what it does not know.
func TestNothingOfAFormat(t *testing.T) {
	for _, format := range scanfile.Formats() {
		opts := options()
		opts.Format = format
		_, err := scanfile.Load(t.Context(), new(fakeSink), []scanfile.Source{source("hello\nwide world of words\n")}, opts)
		if !errors.Is(err, scanfile.ErrNothing) {
			t.Errorf("%s: %v, want %v", format, err, scanfile.ErrNothing)
		}
	}
	for _, text := range []string{"Active users of the week\nalice\nbob\n", "Registered users\n"} {
		if format, ok := scanfile.Detect([]byte(text)); ok {
			t.Errorf("%q is taken for %s", text, format)
		}
	}
}

// TestDiscoveredIsBounded: what -v shows of hosts whose tables do not come waits for them, but
// not for ever.
func TestDiscoveredIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-23 20:51 UTC\n")
	const hosts = 200_000
	for i := range hosts {
		fmt.Fprintf(&b, "Discovered open port 22/tcp on 10.%d.%d.%d\n", i>>16, i>>8&255, i&255)
	}
	before, most := 0, 0 // reports that have come
	lines := 0
	r := lineReader{text: b.String(), next: func() { lines++ }}
	for report, err := range scanfile.Read(scanfile.Source{Name: "in", Reader: &r}, options()) {
		if err != nil {
			break // it is incomplete
		}
		if len(report.Open) != 1 {
			t.Fatalf("%+v", report)
		}
		before++
		most = max(most, lines-before)
	}
	if before != hosts || most > 1<<17 {
		t.Errorf("%d of %d hosts, up to %d of them held back", before, hosts, most)
	}
}

// lineReader gives a line at a time and says so.
type lineReader struct {
	text string
	next func()
}

func (r *lineReader) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	line, _, _ := strings.Cut(r.text, "\n")
	n := copy(p, r.text[:min(len(line)+1, len(r.text))])
	r.text = r.text[n:]
	r.next()
	return n, nil
}

// TestNaabuToCome: a name that naabu does not write yet is none of a relative's.
func TestNaabuToCome(t *testing.T) {
	const line = `{"host":"192.0.2.1","ip":"192.0.2.1","port":22,"protocol":"tcp","tls":false,"timestamp":"2026-01-01T00:00:00Z"`
	for text, want := range map[string]int{line + `,"honeypot":false}`: 1, line + `}` + "\n" + line + `,"honeypot":false}`: 2, line + `}` + "\n" + line + `,"failed":true}`: 1} {
		if reports, sum := load(t, text+"\n", options()); len(reports) != want || sum.Files[0].Format != "naabu-json" {
			t.Errorf("%s: %d reports, %+v", text, len(reports), sum)
		}
	}
}

// TestFormerNmap: what is read of old versions, of pasted and of interrupted output.
func TestFormerNmap(t *testing.T) {
	const done = "# Nmap done at Fri May  8 13:15:05 2015 -- 1 IP address (1 host up) scanned in 4.00 seconds\n"
	for _, c := range []struct {
		name, text, open, scope string
		complete                bool
	}{
		{"nmap 5.00", "# Nmap 5.00 scan initiated Fri May  8 13:15:01 2009 as: nmap -oN x 192.0.2.1\nInteresting ports on a.example (192.0.2.1):\nNot shown: 998 closed ports\nPORT   STATE SERVICE\n22/tcp open  ssh\n80/tcp closed http\n\n" + done, "22/tcp", "22/tcp,80/tcp", true},
		{"indented", "  Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-23 20:51 UTC\n  Nmap scan report for 192.0.2.1\n  Host is up.\n  PORT   STATE SERVICE\n  22/tcp open  ssh\n\n  Nmap done: 1 IP address (1 host up) scanned in 3.04 seconds\n", "22/tcp", "22/tcp", true},
		{"tabs lost", "# Nmap 7.93 scan initiated Fri May  8 13:15:01 2015 as: nmap -oG x 192.0.2.1\nHost: 192.0.2.1 ()    Status: Up\nHost: 192.0.2.1 ()    Ports: 22/open/tcp//ssh//OpenSSH 9.2 (protocol 2.0)/    Ignored State: closed (999)\n" + done, "22/tcp", "none", false},
		{"interrupted with -v", "Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-23 20:51 UTC\nInitiating SYN Stealth Scan at 20:51\nDiscovered open port 22/tcp on 192.0.2.1\nDiscovered open port 53/udp on 2001:db8::1\n", "22/tcp 53/udp6", "none", false},
		{"done with -v", "Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-23 20:51 UTC\nDiscovered open port 22/tcp on 192.0.2.1\nNmap scan report for 192.0.2.1\nHost is up.\nPORT   STATE SERVICE\n22/tcp open  ssh\n\nNmap done: 1 IP address (1 host up) scanned in 3.04 seconds\n", "22/tcp", "22/tcp", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			reports, sum := load(t, c.text, options())
			open := ""
			for _, r := range reports {
				open += " " + strings.Trim(keysText(r.Open), "[]")
				if r.Scope.String() != c.scope {
					t.Errorf("scope %s, want %s", r.Scope, c.scope)
				}
			}
			if !sameWords(open, c.open) || sum.Complete != c.complete || sum.Rejected > 0 {
				t.Errorf("open %s, %+v; want %s", open, sum, c.open)
			}
		})
	}
}

// TestOneBehindTheOther: inputs of several formats are read in order, and none is incomplete
// for what follows it.
func TestOneBehindTheOther(t *testing.T) {
	const done = "# Nmap done at Fri May  8 13:15:05 2015 -- 1 IP address (1 host up) scanned in 4.00 seconds\n"
	parts := map[string]string{
		"normal":   "# Nmap 7.93 scan initiated Fri May  8 13:15:01 2015 as: nmap -oN x 192.0.2.1\nNmap scan report for 192.0.2.1\nHost is up.\n\nPORT   STATE SERVICE\n1/tcp open  x\n\n" + done,
		"grepable": "# Nmap 7.93 scan initiated Fri May  8 13:15:01 2015 as: nmap -oG x 192.0.2.1\nHost: 192.0.2.1 ()\tStatus: Up\nHost: 192.0.2.1 ()\tPorts: 2/open/tcp//x///\n" + done,
		"xml":      "<?xml version=\"1.0\"?>\n<nmaprun scanner=\"nmap\" start=\"1600000000\"><host starttime=\"1600000000\" endtime=\"1600000001\"><status state=\"up\"/><address addr=\"192.0.2.1\" addrtype=\"ipv4\"/><ports><port protocol=\"tcp\" portid=\"3\"><state state=\"open\"/></port></ports></host><runstats><finished time=\"1600000003\"/></runstats></nmaprun>\n",
		"rustscan": "192.0.2.1 -> [4]\n",
		"list":     "#masscan\nopen tcp 5 192.0.2.1 1795000000\n# end\n",
		"json":     `{"ip":"192.0.2.1","timestamp":"1700000000","port":6,"proto":"tcp","rec_type":"status","data":{"status":"open"}}` + "\n",
		"naabu":    `{"host":"192.0.2.1","ip":"192.0.2.1","port":7,"protocol":"tcp","tls":false,"timestamp":"2026-01-01T00:00:00Z"}` + "\n",
	}
	number := map[string]string{"normal": "1/tcp", "grepable": "2/tcp", "xml": "3/tcp", "rustscan": "4/tcp", "list": "5/tcp", "json": "6/tcp", "naabu": "7/tcp"}
	for first, a := range parts {
		for second, b := range parts {
			for third, c := range map[string]string{"": "", "normal": parts["normal"], "xml": parts["xml"]} {
				want := number[first] + " " + number[second] + " " + number[third]
				reports, sum := load(t, a+b+c, options())
				open := ""
				for _, r := range reports {
					open += " " + strings.Trim(keysText(r.Open), "[]")
				}
				if !sameWords(open, want) || !sum.Complete || sum.Rejected > 0 {
					t.Errorf("%s, %s, %s: open %s, want %s; %q, %v", first, second, third, open, want, sum.Files[0].Problem, sum.Errors)
				}
			}
		}
	}
}
