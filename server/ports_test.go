package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"portolan/server/auth"
)

const ownPorts = "/v1/projects/p1/ports"

// shortPorts asks for a page and writes it as "2: 4x123/UDP 2x22/TCP".
func (r *rig) shortPorts(target string) string {
	r.Helper()
	w := r.ask(http.MethodGet, target, "")
	var p page
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK || p.List == nil {
		r.Fatalf("%s: %d %s %v", target, w.Code, w.Body, err)
	}
	text := fmt.Sprintf("%d:", p.Total)
	for _, row := range p.List {
		text += fmt.Sprintf(" %dx%d/%s", row.Num, row.Port, row.Type)
	}
	return text
}

// TestOwnPorts holds what the parameters of the call mean.
func TestOwnPorts(t *testing.T) {
	r := newRig(t, nil).known()
	for _, c := range []struct{ query, want string }{
		{"", "5: 3x22/TCP 4x123/UDP 2x443/TCP 1x443/TCP6 2x8443/TCP"},
		{"desc=true", "5: 2x8443/TCP 1x443/TCP6 2x443/TCP 4x123/UDP 3x22/TCP"},
		{"sort=num&desc=1", "5: 4x123/UDP 3x22/TCP 2x443/TCP 2x8443/TCP 1x443/TCP6"},
		{"sort=NUM", "5: 1x443/TCP6 2x443/TCP 2x8443/TCP 3x22/TCP 4x123/UDP"},
		{"sort=type&desc=true", "5: 4x123/UDP 1x443/TCP6 3x22/TCP 2x443/TCP 2x8443/TCP"},
		{"sort=status", "5: 4x123/UDP 3x22/TCP 2x443/TCP 1x443/TCP6 2x8443/TCP"},
		{"sort=num&desc=true&limit=2", "5: 4x123/UDP 3x22/TCP"},
		{"sort=num&desc=true&limit=2&offset=3", "5: 2x8443/TCP 1x443/TCP6"},
		{"sort=num&offset=5", "5:"},
		{"min_num=2&max_num=3", "3: 3x22/TCP 2x443/TCP 2x8443/TCP"},
		{"min_num=4&sort=num", "1: 4x123/UDP"},
		{"ports=https,!/tcp6", "1: 2x443/TCP"},
		{"ports=-1024&match=4", "2: 2x443/TCP 1x443/TCP6"},
		{"ports=match%3D44+and+/tcp", "2: 2x443/TCP 2x8443/TCP"},
		{"ports=status%3Ddanger", "1: 4x123/UDP"},
		{"ports=9", "0:"},
		{"port=443", "2: 2x443/TCP 1x443/TCP6"},
		{"match=2&type=tcp", "1: 3x22/TCP"},
		{"status=danger", "1: 4x123/UDP"},
		{"category=container", "1: 1x80/TCP"},
		{"enterprise_project_id=shop", "1: 1x22/TCP"},
		{"enterprise_project_id=shop&enterprise_project_id=0&port=22", "1: 3x22/TCP"},
		{"enterprise_project_id=shop&enterprise_project_id=all_granted_eps&port=22", "1: 3x22/TCP"},
		{"enterprise_project_id=nobody", "0:"},
		{"where=open(8443)&sort=num&desc=true", "5: 2x22/TCP 2x123/UDP 2x443/TCP 2x8443/TCP 1x443/TCP6"},
		{"where=open(123)+and+not+open(22)", "1: 2x123/UDP"},
		{"where=only(123)", "1: 2x123/UDP"},
		{"where=status=danger+and+ports>4&ports=match=44", "3: 1x443/TCP 1x443/TCP6 1x8443/TCP"},
		{"where=ep=shop&enterprise_project_id=0", "0:"},
		{"where=seen<1h&port=22", "1: 3x22/TCP"},
		{"where=seen>1h", "0:"},
	} {
		for range 2 { // made, remembered
			if got := r.shortPorts(ownPorts + "?" + c.query); got != c.want {
				t.Errorf("?%s\ngot  %s\nwant %s", c.query, got, c.want)
			}
		}
	}
	if got := r.shortPorts("/v1/projects/nobody/ports"); got != "0:" {
		t.Errorf("a project without data: %s", got)
	}
}

// TestOwnPortsRefused: nothing is taken for something else; an error names the parameter, what was
// sent and what is allowed.
func TestOwnPortsRefused(t *testing.T) {
	r := newRig(t, nil).known()
	const known = "want one of ports, where, port, match, type, status, enterprise_project_id, category, min_num, max_num, sort, desc, limit, offset"
	for query, want := range map[string]string{
		"prots=22":                  `query: "prots" is not allowed: ` + known,
		"port_string=44":            `query: "port_string" is not allowed: ` + known,
		"%zz=1":                     `query: "%zz" is not allowed: ` + known,
		"=1":                        `query: "" is not allowed: ` + known,
		"match=%zz":                 `match: "%zz" is not allowed: want escapes such as %20`,
		"sort=num&sort=port":        `sort: "port" is not allowed: want it once; it is "num" already`,
		"port=0":                    `port: "0" is not allowed: want an integer from 1 to 65535`,
		"port=":                     `port: "" is not allowed: want an integer from 1 to 65535`,
		"port=99999999999999999999": `port: "99999999999999999999" is not allowed: want an integer from 1 to 65535`,
		"match=x":                   `match: "x" is not allowed: want one to five digits`,
		"type=ICMP":                 `type: "ICMP" is not allowed: want tcp, tcp6, udp, udp6, sctp or sctp6`,
		"status=bad":                `status: "bad" is not allowed: want danger, normal or unknown`,
		"category=vm":               `category: "vm" is not allowed: want host or container`,
		"sort=count":                `sort: "count" is not allowed: want port, num, type or status`,
		"desc=yes":                  `desc: "yes" is not allowed: want true, false, 1 or 0`,
		"limit=0":                   `limit: "0" is not allowed: want an integer from 1 to 10000`,
		"limit=10001":               `limit: "10001" is not allowed: want an integer from 1 to 10000`,
		"offset=-1":                 `offset: "-1" is not allowed: want an integer from 0 to 2000000`,
		"min_num=-1":                `min_num: "-1" is not allowed: want an integer from 0 to 2147483647`,
		"min_num=3&max_num=2":       `max_num: "2" is not allowed: want 0 (any), or min_num or more`,
		"enterprise_project_id=":    `enterprise_project_id: "" is not allowed: want an id, or all_granted_eps`,
		"enterprise_project_id=" + strings.Repeat("x", 200): `enterprise_project_id: `,
		"ports=22,,80":                        `ports: character 4, at ",": want a port`,
		"where=open(22":                       `where: at the end: want an operator, ",", ")"`,
		"where=os%3Dlinux":                    `where: character 1, at "os": want open(PORTS)`,
		"ports=":                              `ports: at the end: want a port`,
		"ports=" + strings.Repeat("9,", 5000): `ports: character 1, at`,
	} {
		w := r.ask(http.MethodGet, ownPorts+"?"+query, "")
		var answer struct {
			Message string `json:"error_msg"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusBadRequest || !strings.HasPrefix(answer.Message, want) {
			t.Errorf("?%.60s: %d\ngot  %s\nwant %s", query, w.Code, answer.Message, want)
		}
	}
}

// TestOwnPortsGranted: each enterprise project that is named must be granted, and what is not
// granted is not counted.
func TestOwnPortsGranted(t *testing.T) {
	r := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop")}}).known()
	if got := r.shortPorts(ownPorts); got != "1: 1x22/TCP" {
		t.Errorf("all that is granted: %s", got)
	}
	for _, query := range []string{"?enterprise_project_id=0", "?enterprise_project_id=shop&enterprise_project_id=0"} {
		wantFailure(t, r.ask("GET", ownPorts+query, ""), 403, "APIGW.0302", "not authorized")
	}
}

// TestOwnPortsUnchanged: an answer that would be the same again is none.
func TestOwnPortsUnchanged(t *testing.T) {
	r := newRig(t, nil).known()
	target := ownPorts + "?sort=num&ports=" + url.QueryEscape("1-1024,!80")
	tag := r.ask("GET", target, "").Header().Get("Etag")
	again := func() int { return r.ask("GET", target, "", "If-None-Match", tag).Code }
	if got := again(); got != http.StatusNotModified {
		t.Errorf("the same again: %d", got)
	}
	r.apply("h9 22/tcp")
	if got := again(); got != http.StatusOK {
		t.Errorf("after a report: %d", got)
	}
}
