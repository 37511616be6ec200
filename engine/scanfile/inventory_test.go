package scanfile_test

import (
	"fmt"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/index"
)

// TestInventories reads what hosts show of themselves on several systems.
func TestInventories(t *testing.T) {
	for _, c := range []struct{ name, format, text, open, left, scope string }{
		{"Windows", "netstat", "\r\nActive Connections\r\n\r\n  Proto  Local Address          Foreign Address        State           PID\r\n  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       912\r\n  TCP    192.0.2.1:50000        192.0.2.2:443          ESTABLISHED     1\r\n  TCP    [::]:445               [::]:0                 LISTENING       4\r\n  UDP    0.0.0.0:123            *:*                                    1044\r\n  UDP    [fe80::1%4]:1900       *:*                                    1\r\n", "135/tcp 123/udp 445/tcp6 1900/udp6", "map[connected:1]", "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"},
		{"Windows in German", "netstat", "Aktive Verbindungen\r\n\r\n  Proto  Lokale Adresse         Remoteadresse          Status\r\n  TCP    0.0.0.0:135            0.0.0.0:0              ABHÖREN\r\n  TCP    192.0.2.1:50000        192.0.2.2:443          HERGESTELLT\r\n", "135/tcp", "map[connected:1]", "1-65535/tcp,1-65535/tcp6"},
		{"macOS", "netstat", "Active Internet connections (including servers)\nProto Recv-Q Send-Q  Local Address          Foreign Address        (state)    \ntcp4       0      0  192.0.2.1.5486         192.0.2.2.443          ESTABLISHED\ntcp46      0      0  *.80                   *.*                    LISTEN     \ntcp4       0      0  127.0.0.1.631          *.*                    LISTEN     \ntcp6       0      0  fe80::1%lo0.53         *.*                    LISTEN     \nudp4       0      0  *.5353                 *.*                               \nudp4       0      0  192.0.2.1.137          192.0.2.2.137                     \n", "80/tcp6 53/tcp6 5353/udp", "map[connected:2 loopback:1]", "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"},
		{"busybox", "netstat", "Active Internet connections (only servers)\nProto Recv-Q Send-Q Local Address           Foreign Address         State       \ntcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      \ntcp        0      0 :::80                   :::*                    LISTEN      \nudp        0      0 0.0.0.0:67              0.0.0.0:*                           \n", "22/tcp 67/udp 80/tcp6", "map[]", "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"},
		{"ss of one protocol", "ss", "LISTEN 0      128          0.0.0.0:22        0.0.0.0:*\nUNCONN 0      0            0.0.0.0:67        0.0.0.0:*\n", "22/tcp 67/udp", "map[]", "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"},
		{"ss with names", "ss", "tcp LISTEN 0 128 *:ssh *:*\ntcp LISTEN 0 128 *:8000 *:*\n", "8000/tcp", "map[named-port:1]", "none"},
		{"ss with colours", "ss", "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n\x1b[36mtcp\x1b[0m LISTEN 0 128 \x1b[32m0.0.0.0\x1b[0m:22 0.0.0.0:*\n", "22/tcp", "map[]", "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"},
		{"nothing that listens", "ss", "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\ntcp ESTAB 0 0 192.0.2.1:22 192.0.2.2:4000\n", "", "map[connected:1]", "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"},
		{"rows of a query", "osquery", `[{"address":"0.0.0.0","family":"2","fd":"3","path":"","pid":"812","port":"22","protocol":"6","socket":"1"},` + "\n" + `{"address":"::","family":"10","fd":"3","path":"","pid":"812","port":"22","protocol":"6","socket":"1"}]`, "22/tcp 22/tcp6", "map[]", "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"},
		{"Windows's family", "osquery", `{"action":"snapshot","snapshot":[{"port":"445","protocol":"6","family":"23","address":"::"}],"name":"listening_ports"}`, "445/tcp6", "map[]", "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := scanfile.Detect([]byte(c.text)); got != c.format {
				t.Errorf("detected %q", got)
			}
			reports, sum := load(t, c.text, options())
			if len(reports) != 1 || sum.Rejected > 0 || !sum.Complete {
				t.Fatalf("%d reports, %+v", len(reports), sum)
			}
			r := reports[0]
			if got := strings.Trim(keysText(r.Open), "[]"); !sameWords(got, c.open) || r.Scope.String() != c.scope || r.Asset != "me" || fmt.Sprint(sum.LeftOut) != c.left {
				t.Errorf("%s %s, scope %s, left out %v; want %s, scope %s, %s", r.Asset, got, r.Scope, sum.LeftOut, c.open, c.scope, c.left)
			}
		})
	}
}

func sameWords(a, b string) bool {
	has := map[string]int{}
	for w := range strings.FieldsSeq(a) {
		has[w]++
	}
	for w := range strings.FieldsSeq(b) {
		has[w]--
	}
	for _, n := range has {
		if n != 0 {
			return false
		}
	}
	return true
}

// TestInventoryNeedsHost: an inventory that names no host is refused unless one is given,
// and one that does keeps its own.
func TestInventoryNeedsHost(t *testing.T) {
	for _, name := range []string{"ss", "netstat", "proc-net", "ansible"} {
		opts := options()
		opts.AssetID = ""
		reports, sum := load(t, formatTexts[name].text, opts)
		if len(reports) > 0 || sum.Rejected != 1 || !strings.Contains(sum.Errors[0].Reason, "asset_id") || !strings.Contains(sum.Errors[0].Reason, "--asset-id") {
			t.Errorf("%s: %d reports, %+v", name, len(reports), sum)
		}
	}
	reports, _ := load(t, formatTexts["osquery"].text, options())
	for _, r := range reports {
		if r.Asset == "me" {
			t.Errorf("osquery's host is called %s", r.Asset)
		}
	}
	opts := options()
	opts.AssetID = strings.Repeat("x", engine.MaxAssetLen+1)
	if err := opts.Validate(); err == nil || !strings.Contains(err.Error(), "asset_id") {
		t.Errorf("a long id: %v", err)
	}
}

// TestIncludeLoopback: what listens on loopback only counts if it is asked for.
func TestIncludeLoopback(t *testing.T) {
	opts := options()
	opts.IncludeLoopback = true
	for name, want := range map[string]string{"ss": "53/udp", "netstat": "8000/tcp", "proc-net": "8000/tcp", "ansible": "631/tcp"} {
		reports, sum := load(t, formatTexts[name].text, opts)
		if !strings.Contains(keysText(reports[0].Open), want) || sum.LeftOut["loopback"] > 0 {
			t.Errorf("%s: %s", name, lines(reports))
		}
	}
}

// event is a line of osquery's log.
func event(action string, pid, port, at, epoch, counter int) string {
	return fmt.Sprintf(`{"action":%q,"columns":{"pid":"%d","port":"%d","protocol":"6","family":"2","address":"0.0.0.0","fd":"3"},"name":"listening_ports","hostIdentifier":"h","unixTime":"%d","epoch":"%d","counter":"%d"}`+"\n",
		action, pid, port, 1767600000+at, epoch, counter)
}

// TestOsqueryEvents: sockets are counted, epochs and counters begin again, and a log that is
// there twice changes nothing.
func TestOsqueryEvents(t *testing.T) {
	all := "1-65535/tcp,1-65535/tcp6,1-65535/udp,1-65535/udp6"
	full := event("added", 1, 22, 0, 0, 0) + event("added", 2, 80, 0, 0, 0)
	for _, c := range []struct{ name, log, open, scope, left string }{
		{"a full set", full, "[22/tcp 80/tcp]", all, "map[]"},
		{"what came and went", full + event("removed", 2, 80, 10, 0, 1) + event("added", 3, 443, 20, 0, 2), "[22/tcp 443/tcp]", all, "map[]"},
		{"two sockets of a port", full + event("added", 9, 80, 5, 0, 1) + event("removed", 2, 80, 10, 0, 2), "[22/tcp 80/tcp]", all, "map[]"},
		{"no full set", event("added", 1, 22, 0, 0, 5) + event("added", 2, 80, 1, 0, 6) + event("removed", 2, 80, 2, 0, 7), "[22/tcp]", "22/tcp,80/tcp", "map[]"},
		{"removed without added", event("removed", 1, 22, 0, 0, 5) + event("added", 2, 80, 1, 0, 6), "[80/tcp]", "80/tcp", "map[removed-without-added:1]"},
		{"another epoch", full + event("added", 5, 25, 10, 1, 0), "[25/tcp]", all, "map[]"},
		{"another epoch without its beginning", full + event("added", 5, 25, 10, 1, 3), "[25/tcp]", "25/tcp", "map[]"},
		{"a fresh start in the same epoch", full + event("added", 5, 25, 10, 0, 0), "[25/tcp]", all, "map[]"},
		{"twice", strings.Repeat(full+event("removed", 2, 80, 10, 0, 1)+event("added", 3, 443, 20, 0, 2), 2), "[22/tcp 443/tcp]", all, "map[]"},
		{"two epochs twice", strings.Repeat(full+event("added", 3, 443, 20, 1, 0), 2), "[443/tcp]", all, "map[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reports, sum := load(t, c.log, options())
			if len(reports) != 1 || keysText(reports[0].Open) != c.open || reports[0].Scope.String() != c.scope || fmt.Sprint(sum.LeftOut) != c.left {
				t.Errorf("%s%v; want %s, scope %s, %s", lines(reports), sum.LeftOut, c.open, c.scope, c.left)
			}
		})
	}
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := loadInto(t, e, []scanfile.Source{source(full + event("removed", 2, 80, 10, 0, 1))}, options()); err != nil {
			t.Fatal(err)
		}
		page, err := e.Ports(t.Context(), engine.PortQuery{Project: project, View: engine.All()})
		if err != nil || page.Total != 1 || page.Rows[0].Key() != index.MakeKey(22, index.TCP) {
			t.Errorf("%+v, %v", page, err)
		}
	}
}
