package server_test

import (
	"net/http"
	"strings"
	"testing"

	"portolan/engine"
)

// TestGroups holds the answers of the calls that count by label, to the byte.
func TestGroups(t *testing.T) {
	r := newRig(t, nil).dated()
	const groups, labels, coverage, together = "/v1/projects/p1/groups", "/v1/projects/p1/labels", "/v1/projects/p1/coverage", "/v1/projects/p1/together"
	for target, want := range map[string]string{
		groups:                                     `{"assets":3,"without":0,"total_num":2,"data_list":[{"value":"0","num":2},{"value":"shop","num":1}]}`,
		groups + "?sort=num&limit=1":               `{"assets":3,"without":0,"total_num":2,"data_list":[{"value":"shop","num":1}]}`,
		groups + "?by=env":                         `{"assets":3,"without":1,"total_num":2,"data_list":[{"value":"prod","num":1},{"value":"test","num":1}]}`,
		groups + "?by=env&desc=true&limit=1":       `{"assets":3,"without":1,"total_num":2,"data_list":[{"value":"test","num":1}]}`,
		groups + "?by=env&offset=5":                `{"assets":3,"without":1,"total_num":2,"data_list":[]}`,
		groups + "?by=env&where=open(22)":          `{"assets":2,"without":1,"total_num":1,"data_list":[{"value":"prod","num":1}]}`,
		groups + "?by=env&enterprise_project_id=0": `{"assets":2,"without":0,"total_num":2,"data_list":[{"value":"prod","num":1},{"value":"test","num":1}]}`,
		groups + "?by=a%22b":                       `{"assets":3,"without":2,"total_num":1,"data_list":[{"value":"é","num":1}]}`,
		groups + "?by=none":                        `{"assets":3,"without":3,"total_num":0,"data_list":[]}`,
		groups + "?category=container&by=env":      `{"assets":1,"without":1,"total_num":0,"data_list":[]}`,
		"/v1/projects/nobody/groups?by=env":        `{"assets":0,"without":0,"total_num":0,"data_list":[]}`,
		labels:                                     `{"total_num":2,"data_list":[{"label":"a\"b","values":1,"num":1},{"label":"env","values":2,"num":2}]}`,
		labels + "?limit=1&offset=1":               `{"total_num":2,"data_list":[{"label":"env","values":2,"num":2}]}`,
		labels + "?offset=9":                       `{"total_num":2,"data_list":[]}`,
		labels + "?enterprise_project_id=shop":     `{"total_num":0,"data_list":[]}`,
		labels + "?category=container":             `{"total_num":0,"data_list":[]}`,
		"/v1/projects/nobody/labels":               `{"total_num":0,"data_list":[]}`,
	} {
		if w := r.ask(http.MethodGet, target, ""); w.Code != http.StatusOK || withoutNext(w.Body.String()) != want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", target, w.Code, w.Body, want)
		}
	}
	for target, want := range map[string]string{
		groups + "?by=":                  `by: "" is not allowed: want the name of a label`,
		groups + "?by=a%3Db":             `by: "a=b" is not allowed: want the name of a label`,
		groups + "?by=env&sort=port":     `sort: "port" is not allowed: want value or num`,
		groups + "?desc=maybe":           `desc: "maybe" is not allowed`,
		groups + "?label=env":            `want one of by, where, enterprise_project_id, category, sort, desc, limit, offset`,
		groups + "?where=label(env)":     `where: at the end: want =`,
		groups + "?limit=0":              `limit: "0" is not allowed`,
		together:                         `open: at the end: want a port, a range`,
		together + "?open=22&sort=port":  `sort: "port" is not allowed: want num or lift`,
		together + "?open=22&min_num=-1": `min_num: "-1" is not allowed`,
		coverage + "?limit=1":            `want one of ports, where, enterprise_project_id, category`,
		coverage + "?ports=htps":         `ports: character 1, at "htps"`,
		coverage + "?where=looked(":      `where: at the end: want a port, a range`,
		labels + "?by=env":               `want one of enterprise_project_id, category, limit, offset`,
		labels + "?limit=x":              `limit: "x" is not allowed`,
	} {
		wantFailure(t, r.ask(http.MethodGet, target, ""), 400, "HSS.0001", want)
	}
}

// TestLabelsOfBodies: what is loaded gets the labels of the query; what a line gives comes first.
func TestLabelsOfBodies(t *testing.T) {
	r := newRig(t, nil)
	const reports = "/v1/projects/p1/reports"
	body := `{"asset":"x","open":[],"labels":{"env":"test"}}` + "\n" + `{"asset":"y","open":[]}` + "\n"
	w := r.ask(http.MethodPost, reports+"?label=env%3Dprod&label=site%3Da%3Db", body)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"applied":2`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for id, want := range map[string]map[string]string{"x": {"env": "test", "site": "a=b"}, "y": {"env": "prod", "site": "a=b"}} {
		a, err := r.engine.Asset(t.Context(), "p1", engine.Host, id)
		if err != nil || len(a.Labels) != len(want) || a.Labels["env"] != want["env"] || a.Labels["site"] != want["site"] {
			t.Errorf("%s: %v, %v, want %v", id, a.Labels, err, want)
		}
	}
	for query, want := range map[string]string{
		"label=env":                   `label: "env" is not allowed: want NAME=VALUE`,
		"label=":                      `label: "" is not allowed: want NAME=VALUE`,
		"label=%3Dx":                  `labels: "" is not allowed`,
		"label=env%3Da&label=env%3Db": `label: "env=b" is not allowed: want each name once; it is "a" already`,
		"label=%zz":                   `label: "%zz" is not allowed`,
		strings.Repeat("label=env%3Da&", 3) + "label=n%3D" + strings.Repeat("v", 300): `labels: `,
	} {
		wantFailure(t, r.ask(http.MethodPost, reports+"?"+query, body), 400, "HSS.0001", want)
	}
}

// TestFindings holds the answers of the call that says what is not as expected, to the byte.
func TestFindings(t *testing.T) {
	r := newRig(t, nil).dated()
	const findings = "/v1/projects/p1/findings"
	if w := r.ask(http.MethodGet, findings, ""); w.Code != http.StatusOK || w.Body.String() != `{"total_num":0,"data_list":[]}` {
		t.Errorf("nothing is expected: %d %s", w.Code, w.Body)
	}
	key := func(text string) *engine.KeySet {
		k := keysOf(t, text)[0]
		return engine.KeysOf(engine.Range{Type: k.Type(), Lo: k.Port(), Hi: k.Port()})
	}
	both := new(engine.KeySetBuilder)
	both.AddSet(key("443/tcp"))
	both.AddSet(key("443/udp"))
	policy, err := engine.NewPolicy(nil, engine.Expectation{Name: "ssh", Keys: key("22/tcp")}, engine.Expectation{Keys: both.Build(), KeysText: "443"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.engine.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	const (
		ntp = `{"finding":"unexpected","num":1,"port":123,"type":"UDP"}`
		ssh = `{"finding":"closed","num":1,"unseen":0,"port":22,"type":"TCP","expectation":"ssh"}`
		tls = `{"finding":"closed","num":2,"unseen":0,"port":443,"expectation":"443"}`
	)
	for target, want := range map[string]string{
		findings:                                      `{"total_num":3,"data_list":[` + ntp + "," + ssh + "," + tls + `]}`,
		findings + "?limit=1&offset=1":                `{"total_num":3,"data_list":[` + ssh + `]}`,
		findings + "?enterprise_project_id=shop":      `{"total_num":2,"data_list":[` + ntp + `,{"finding":"closed","num":1,"unseen":0,"port":443,"expectation":"443"}]}`,
		findings + "?where=open(443)":                 `{"total_num":0,"data_list":[]}`,
		ownAssets + "?where=missing(22)":              `{"total_num":1,"data_list":[{"asset":"c","address":"fd00::1","enterprise_project_id":"0","labels":{"env":"test"},"num":0,"last_seen":"2026-01-02T03:04:05.6Z"}]}`,
		ownHosts + "?where=unexpected(/udp)&port=123": `{"total_num":1,"data_list":[{"asset":"b","name":"Web \"2\"","enterprise_project_id":"shop","port":123,"type":"UDP","status":"unknown"}]}`,
	} {
		if w := r.ask(http.MethodGet, target, ""); w.Code != http.StatusOK || withoutNext(w.Body.String()) != want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", target, w.Code, w.Body, want)
		}
	}
	wantFailure(t, r.ask(http.MethodGet, findings+"?ports=22", ""), 400, "HSS.0001", "want one of where, enterprise_project_id, category, limit, offset")
}
