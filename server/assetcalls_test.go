package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/server/auth"
)

const (
	detail    = "/v5/p1/asset/ports/detail"
	hostPorts = "/v5/p1/asset/ports"
)

// assetRow has every field that a row about an asset can have.
type assetRow struct {
	HostID        string `json:"host_id"`
	HostName      string `json:"host_name"`
	HostIP        string `json:"host_ip"`
	Port          int    `json:"port"`
	Type          string `json:"type"`
	Status        string `json:"status"`
	ContainerID   string `json:"container_id"`
	ContainerName string `json:"container_name"`
}

type assetPage struct {
	Total int        `json:"total_num"`
	List  []assetRow `json:"data_list"`
}

// rows asks one of the calls about assets; the answer must be a success.
func (r *rig) rows(target string) assetPage {
	r.Helper()
	w := r.ask(http.MethodGet, target, "")
	var p assetPage
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK || p.List == nil {
		r.Fatalf("%s: %d %s %v", target, w.Code, w.Body, err)
	}
	return p
}

// shortRows writes a page as "2: h1:22/TCP h2:22/TCP".
func shortRows(p assetPage) string {
	text := fmt.Sprintf("%d:", p.Total)
	for _, row := range p.List {
		text += fmt.Sprintf(" %s:%d/%s", row.HostID+row.ContainerID, row.Port, row.Type)
	}
	return text
}

// labelled is the known fleet with names and addresses, and one container more.
func (r *rig) labelled() *rig {
	r.Helper()
	r.known().apply("c2@shop#container 80/tcp 80/udp 8080/tcp")
	for id, labels := range map[string][2]string{"h1": {"web-1", "192.0.2.1"}, "h2": {"Web-2", "192.0.2.21"}, "h5": {"shop-web", "198.51.100.1"}, "#c1": {"cart", "10.0.0.1"}} {
		report := engine.Report{Project: "p1", Asset: strings.TrimPrefix(id, "#"), Name: labels[0], Address: labels[1]}
		if strings.HasPrefix(id, "#") {
			report.Category = engine.Container
		}
		if _, err := r.engine.Apply(r.Context(), []engine.Report{report}); err != nil {
			r.Fatal(err)
		}
	}
	return r
}

// TestAssetRowsInBytes: the fields of a row, their order, and what is left out.
func TestAssetRowsInBytes(t *testing.T) {
	r := newRig(t, nil).labelled()
	for _, c := range []struct{ target, want string }{
		{detail + "?port=123&host_name=web-1", `{"total_num":1,"data_list":[{"host_id":"h1","host_name":"web-1","host_ip":"192.0.2.1","port":123,"type":"UDP","status":"danger"}]}`},
		{detail + "?port=123&offset=3", `{"total_num":4,"data_list":[{"host_id":"h4","port":123,"type":"UDP","status":"danger"}]}`},
		{detail + "?port=80&category=container", `{"total_num":1,"data_list":[{"host_ip":"10.0.0.1","port":80,"type":"TCP","status":"unknown","container_id":"c1","container_name":"cart"}]}`},
		{detail + "?port=80&type=UDP&category=container&enterprise_project_id=shop", `{"total_num":1,"data_list":[{"port":80,"type":"UDP","status":"unknown","container_id":"c2"}]}`},
		{detail + "?port=9", `{"total_num":0,"data_list":[]}`},
		{hostPorts + "?host_id=h1&port=443", `{"total_num":2,"data_list":[{"host_id":"h1","port":443,"type":"TCP","status":"unknown"},{"host_id":"h1","port":443,"type":"TCP6","status":"unknown"}]}`},
		{hostPorts + "?host_id=c1&category=container", `{"total_num":1,"data_list":[{"port":80,"type":"TCP","status":"unknown","container_id":"c1"}]}`},
		{hostPorts + "?host_id=nobody", `{"total_num":0,"data_list":[]}`},
	} {
		if w := r.ask("GET", c.target, ""); w.Code != http.StatusOK || w.Body.String() != c.want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", c.target, w.Code, w.Body, c.want)
		}
	}
}

// TestPortDetail holds the rules of the call about the assets that have a port.
func TestPortDetail(t *testing.T) {
	r := newRig(t, nil).labelled()
	udp, https, none := "4: h1:123/UDP h2:123/UDP h3:123/UDP h4:123/UDP", "3: h1:443/TCP h2:443/TCP h1:443/TCP6", "0:"
	for _, c := range []struct{ row, query, want string }{
		{"port", "port=123", udp},
		{"by type, then first seen", "port=443", https},
		{"port outside 1..65535: empty", "port=99999", none},
		{"port 0: empty", "port=0", none},
		{"port negative: empty", "port=-123", none},
		{"an integer of any length", "port=" + strings.Repeat("9", 400), none},
		{"port open nowhere", "port=124", none},
		{"type", "port=443&type=TCP6", "1: h1:443/TCP6"},
		{"type: another is empty", "port=443&type=ICMP", none},
		{"type: letter case is exact", "port=443&type=tcp", none},
		{"host_name: contains", "port=123&host_name=eb-", "2: h1:123/UDP h2:123/UDP"},
		{"host_name: letter case is exact", "port=123&host_name=web", "1: h1:123/UDP"},
		{"host_name: no wildcards", "port=123&host_name=web*", none},
		{"host_name: empty is absent", "port=123&host_name=", udp},
		{"host_name: bare key is absent", "port=123&host_name", udp},
		{"host_ip: contains", "port=123&host_ip=0.2.2", "1: h2:123/UDP"},
		{"host_ip: not in part", "port=123&host_ip=192.0.2", "2: h1:123/UDP h2:123/UDP"},
		{"host_name and host_ip: both hold", "port=443&host_name=eb-&host_ip=192.0.2.1", "2: h1:443/TCP h1:443/TCP6"},
		{"host_name and host_ip: both hold, not", "port=443&host_name=Web-2&host_ip=192.0.2.1&type=TCP6", none},
		{"status", "port=123&status=danger", udp},
		{"status: another", "port=123&status=unknown", none},
		{"status unknow is an alias", "port=443&status=unknow", https},
		{"enterprise project: one", "port=22&enterprise_project_id=shop", "1: h5:22/TCP"},
		{"enterprise project: empty is 0", "port=22&enterprise_project_id=", "2: h1:22/TCP h2:22/TCP"},
		{"enterprise project: without data", "port=22&enterprise_project_id=nobody", none},
		{"enterprise project: all granted", "port=22&enterprise_project_id=all_granted_eps", "3: h1:22/TCP h2:22/TCP h5:22/TCP"},
		{"enterprise project and host_name", "port=22&enterprise_project_id=all_granted_eps&host_name=web", "2: h1:22/TCP h5:22/TCP"},
		{"category container", "port=80&category=container&enterprise_project_id=all_granted_eps", "3: c1:80/TCP c2:80/TCP c2:80/UDP"},
		{"category container and its name", "port=80&category=container&enterprise_project_id=all_granted_eps&host_name=cart&host_ip=10.", "1: c1:80/TCP"},
		{"category empty is host", "port=443&category=", https},
		{"limit", "port=443&limit=200", https},
		{"offset", "port=443&offset=1", "3: h2:443/TCP h1:443/TCP6"},
		{"offset in the next type", "port=443&offset=2", "3: h1:443/TCP6"},
		{"offset at the end", "port=443&offset=3", "3:"},
		{"offset far past the end", "port=443&offset=2000000", "3:"},
		{"offset and host_name", "port=443&host_name=eb&offset=2", "3: h1:443/TCP6"},
		{"host_id is unknown here", "port=443&host_id=h2&limit=10", https},
		{"what is unknown may be malformed", "port=443&host_id=%25zz&sort_key=num&port_string=9", https},
		{"given twice: the first counts", "port=443&port=22", https},
		{"escapes", "%70ort=%34%343&host_name=%77eb", "2: h1:443/TCP h1:443/TCP6"},
	} {
		t.Run(c.row, func(t *testing.T) {
			if got := shortRows(r.rows(detail + "?" + c.query)); got != c.want {
				t.Errorf("%s: got %s, want %s", c.query, got, c.want)
			}
		})
	}
	if got := shortRows(r.rows("/v5/another/asset/ports/detail?port=22")); got != none {
		t.Errorf("a project without data: %s", got)
	}
}

// TestHostPorts holds the rules of the call about the ports of one asset.
func TestHostPorts(t *testing.T) {
	r := newRig(t, nil).labelled()
	h1, none := "5: h1:22/TCP h1:123/UDP h1:443/TCP h1:443/TCP6 h1:8443/TCP", "0:"
	for _, c := range []struct{ row, query, want string }{
		{"by port, then type name", "host_id=h1", h1},
		{"host_id: exact", "host_id=h", none},
		{"host_id: letter case is exact", "host_id=H1", none},
		{"host_id: not there", "host_id=nobody", none},
		{"host_id as long as it may be", "host_id=" + strings.Repeat("%C3%A9", 256), none},
		{"host_id that is not UTF-8", "host_id=%ff", none},
		{"port", "host_id=h1&port=443", "2: h1:443/TCP h1:443/TCP6"},
		{"port outside 1..65535: empty", "host_id=h1&port=99999", none},
		{"port 0: empty", "host_id=h1&port=0", none},
		{"port empty is absent", "host_id=h1&port=", h1},
		{"type", "host_id=h1&type=UDP", "1: h1:123/UDP"},
		{"type: another is empty", "host_id=h1&type=ICMP", none},
		{"status", "host_id=h1&status=danger", "1: h1:123/UDP"},
		{"status unknow is an alias", "host_id=h1&status=unknow&type=TCP", "3: h1:22/TCP h1:443/TCP h1:8443/TCP"},
		{"host_name: contains", "host_id=h1&host_name=web&port=22", "1: h1:22/TCP"},
		{"host_name: of another", "host_id=h1&host_name=Web", none},
		{"host_ip: contains", "host_id=h1&host_ip=192.&port=22", "1: h1:22/TCP"},
		{"host_ip: of another", "host_id=h1&host_ip=192.0.2.21", none},
		{"enterprise project: the asset's", "host_id=h5&enterprise_project_id=shop", "1: h5:22/TCP"},
		{"enterprise project: left out is 0", "host_id=h5", none},
		{"enterprise project: another", "host_id=h1&enterprise_project_id=shop", none},
		{"enterprise project: all granted", "host_id=h5&enterprise_project_id=all_granted_eps", "1: h5:22/TCP"},
		{"category container", "host_id=c2&category=container&enterprise_project_id=shop", "3: c2:80/TCP c2:80/UDP c2:8080/TCP"},
		{"a host is no container", "host_id=h1&category=container", none},
		{"limit", "host_id=h1&limit=10", h1},
		{"offset", "host_id=h1&offset=3", "5: h1:443/TCP6 h1:8443/TCP"},
		{"offset at the end", "host_id=h1&offset=5", "5:"},
		{"offset far past the end", "host_id=h1&offset=2000000", "5:"},
		{"unknown parameters are ignored", "host_id=h1&port_string=44&sort_dir=desc&container_id=c1", h1},
		{"given twice: the first counts", "host_id=h1&host_id=h2", h1},
	} {
		t.Run(c.row, func(t *testing.T) {
			if got := shortRows(r.rows(hostPorts + "?" + c.query)); got != c.want {
				t.Errorf("%s: got %s, want %s", c.query, got, c.want)
			}
		})
	}
	if got := shortRows(r.rows("/v5/another/asset/ports?host_id=h1")); got != none {
		t.Errorf("a project without data: %s", got)
	}
}

// TestAssetFailures holds the rows about requests of either call that do not succeed.
func TestAssetFailures(t *testing.T) {
	r := newRig(t, nil).labelled()
	long := strings.Repeat("x", 257)
	for _, c := range []struct{ row, target, says string }{
		{"no port", detail, "port: \"\" is not allowed: want an integer"},
		{"no port but others", detail + "?type=TCP&host_id=h1", "port"},
		{"an empty port", detail + "?port=&port=22", "port"},
		{"a bare port", detail + "?port", "port"},
		{"no host_id", hostPorts, "host_id: \"\" is not allowed: want 1 to 256 characters"},
		{"an empty host_id", hostPorts + "?host_id=&port=22", "host_id"},
		{"host_id too long", hostPorts + "?host_id=" + long, "host_id"},
	} {
		t.Run(c.row, func(t *testing.T) {
			wantFailure(t, r.ask("GET", c.target, ""), 400, "HSS.0001", c.says)
		})
	}
	for _, call := range []string{detail + "?port=22", hostPorts + "?host_id=h1"} {
		for _, c := range []struct{ query, says string }{
			{"limit=9", "10 to 200"},
			{"limit=201", "10 to 200"},
			{"limit=ten", "limit"},
			{"offset=-1", "offset"},
			{"offset=2000001", "2000000"},
			{"offset=1.5", "offset"},
			{"category=vm", "host or container"},
			{"status=bad", "danger, normal or unknown"},
			{"type=" + long, "type"},
			{"host_name=" + long, "host_name"},
			{"host_ip=" + long, "host_ip"},
			{"enterprise_project_id=" + long[:129], "enterprise_project_id"},
		} {
			wantFailure(t, r.ask("GET", call+"&"+c.query, ""), 400, "HSS.0001", c.says)
		}
		wantFailure(t, r.ask("GET", strings.Replace(call, "p1", long, 1), ""), 400, "HSS.0001", "project_id")
		wantFailure(t, r.ask("HEAD", call, ""), 404, "APIGW.0101", "")
		wantFailure(t, r.ask("GET", strings.Replace(call, "?", "/?", 1), ""), 404, "APIGW.0101", "published")
	}
	wantFailure(t, r.ask("GET", hostPorts+"?host_id=h1&port=http", ""), 400, "HSS.0001", "port")
	wantFailure(t, r.ask("GET", detail+"?port=http", ""), 400, "HSS.0001", "port")
}

// TestAssetBrokenEscapes: a filter that cannot be read is an error, not left out.
func TestAssetBrokenEscapes(t *testing.T) {
	r := newRig(t, nil).labelled()
	for _, name := range []string{"host_id", "host_name", "host_ip", "port", "type", "status", "enterprise_project_id", "limit", "offset", "category"} {
		for path, required := range map[string]string{detail: "port=22", hostPorts: "host_id=h1"} {
			if path == detail && name == "host_id" {
				continue // that call does not read it
			}
			w := r.raw(path, name+"=%zz&"+required)
			wantFailure(t, w, 400, "HSS.0001", name)
		}
	}
}

// raw asks with a query as it is.
func (r *rig) raw(path, query string) *httptest.ResponseRecorder {
	r.Helper()
	req := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	req.URL.RawQuery = query
	req.Header.Set("X-Auth-Token", token)
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	conforms(r, req, w)
	return w
}

// TestAssetGrants: rows are of granted enterprise projects only, and the checks
// come in the order of the contract.
func TestAssetGrants(t *testing.T) {
	r := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("shop", "empty")}}).labelled()
	for target, want := range map[string]string{
		detail + "?port=22&enterprise_project_id=all_granted_eps":       "1: h5:22/TCP",
		detail + "?port=123&enterprise_project_id=all_granted_eps":      "0:",
		detail + "?port=22&enterprise_project_id=empty":                 "0:",
		hostPorts + "?host_id=h5&enterprise_project_id=all_granted_eps": "1: h5:22/TCP",
		hostPorts + "?host_id=h1&enterprise_project_id=all_granted_eps": "0:",
		hostPorts + "?host_id=h1&enterprise_project_id=shop":            "0:",
	} {
		if got := shortRows(r.rows(target)); got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
	unknown := r.ask("GET", hostPorts+"?host_id=nobody&enterprise_project_id=shop", "").Body.String()
	if hidden := r.ask("GET", hostPorts+"?host_id=h1&enterprise_project_id=shop", "").Body.String(); hidden != unknown {
		t.Errorf("an asset that is not granted answers %s, one that is not there %s", hidden, unknown)
	}
	none := newRig(t, fake{err: auth.ErrNoToken})
	for _, call := range []string{detail, hostPorts} {
		wantFailure(t, r.ask("GET", call+"?limit=0", ""), 403, "APIGW.0302", "not authorized") // 0 is not granted
		wantFailure(t, r.ask("GET", call+"?limit=0&enterprise_project_id=other", ""), 403, "APIGW.0302", "not authorized")
		wantFailure(t, r.ask("GET", call+"?enterprise_project_id=shop", ""), 400, "HSS.0001", "not allowed")
		wantFailure(t, r.ask("GET", strings.Replace(call, "p1", "p2", 1), ""), 403, "APIGW.0302", "not authorized")
		wantFailure(t, none.ask("GET", call, ""), 401, "APIGW.0301", "x-auth-token not found")
		wantFailure(t, none.ask("GET", call+"/x", ""), 404, "APIGW.0101", "published")
		wantFailure(t, none.ask("POST", call, ""), 404, "APIGW.0101", "The API does not exist.")
	}
}

// TestAssetTags: the answers have the data's version, and 304 comes after the
// checks.
func TestAssetTags(t *testing.T) {
	r := newRig(t, nil).labelled()
	for _, target := range []string{detail + "?port=22", hostPorts + "?host_id=h1", detail + "?port=80&category=container"} {
		first := r.ask("GET", target, "")
		tag, version := first.Header().Get("Etag"), first.Header().Get("X-Data-Version")
		if tag == "" || version == "" {
			t.Fatalf("%s: %v", target, first.Header())
		}
		if w := r.ask("GET", target, "", "If-None-Match", tag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		wantFailure(t, r.ask("GET", target+"&limit=1", "", "If-None-Match", "*"), 400, "HSS.0001", "limit")
		r.apply("h9 1/tcp", "c9#container 1/tcp")
		if w := r.ask("GET", target, "", "If-None-Match", tag); w.Code != http.StatusOK || w.Header().Get("X-Data-Version") == version {
			t.Errorf("%s after a change: %d, version %s", target, w.Code, w.Header().Get("X-Data-Version"))
		}
		r.apply("h9 2/tcp", "c9#container 2/tcp")
	}
}
