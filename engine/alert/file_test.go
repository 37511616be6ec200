package alert

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/engine"
)

// whole is a file with every field.
const whole = `
receivers:
  - name: siem
    type: webhook
    url: https://siem.example/hook
    secret_env: [NEW, OLD]
    token_env: TOKEN
    timeout: 5s
    give_up: 24h
    batch: 50
  - {name: pager, type: alertmanager, url: "http://127.0.0.1:9093", keep: 12h}
  - {name: chat, type: slack, url_env: SLACK}
rules:
  - name: everything
    projects: [p, q]
    category: host
    enterprise_projects: ["0"]
    ports: rdp,ssh
    where: not label(role) = "jump"
    status: danger
    unexpected: true
    kinds: [opened, found, closed]
    every: 5m
    first: 10
    labels: {severity: page}
    send: [siem, pager, chat]
  - {name: bursts, burst: 500, unexpected: false}
silences:
  - {name: night, rules: [everything], days: [sat, SUN], from: 22:00, until: "04:00", zone: Europe/Berlin}
  - {name: move, from: 2026-12-24T00:00:00Z, until: 2026-12-27T00:00:00Z}
`

func TestRead(t *testing.T) {
	f, err := Read(strings.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"NEW": testSecret, "OLD": testSecret, "TOKEN": " t\n", "SLACK": "https://hooks.example/secret"}
	if err := f.Resolve(func(name string) string { return env[name] }); err != nil {
		t.Fatal(err)
	}
	r := f.Rules[0]
	if len(f.Receivers) != 3 || len(f.Silences) != 2 || r.Every != 5*time.Minute || r.First != 10 || !r.Unexpected || r.Status != engine.Danger ||
		f.Rules[1].Burst != 500 || f.Rules[1].Unexpected || len(f.Receivers[0].keys) != 2 || f.Receivers[0].token != "t" ||
		f.Receivers[1].url != "http://127.0.0.1:9093/api/v2/alerts" || f.Receivers[2].url != env["SLACK"] {
		t.Errorf("%+v", f)
	}
	for name, value := range map[string]string{"NEW": "", "OLD": "whsec_short", "TOKEN": "  ", "SLACK": "hooks.example/secret"} {
		err := f.Resolve(func(asked string) string {
			if asked == name {
				return value
			}
			return env[asked]
		})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret\"") || strings.Contains(err.Error(), "short") {
			t.Errorf("%s=%q: %v", name, value, err)
		}
	}
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte("rules: 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || err.Error() != path+": line 1: rules: want a list of rules" {
		t.Error(err)
	}
}

// TestReadWrong: what is wrong with a file is said with its line, the item and the field.
func TestReadWrong(t *testing.T) {
	rule := func(fields string) string { return "rules:\n  - name: a\n  - {name: r, " + fields + "}" }
	receiver := func(fields string) string { return "receivers:\n  - {name: x, " + fields + "}\nrules: []" }
	silence := func(fields string) string { return "rules: [{name: r}]\nsilences:\n  - {name: s, " + fields + "}" }
	for text, want := range map[string]string{
		"":                                          "it is empty: want rules and receivers",
		"receivers: []":                             "line 1: rules are missing: want a list of rules",
		"rules: []\nrule: []":                       `line 2: field: "rule" is not allowed: want receivers, rules, silences`,
		"rules: [{ports: 22}]":                      `line 1: rule 1: name is missing`,
		rule("ports: 99999"):                        `line 3: rule 2 "r": ports:`,
		rule("port: 22"):                            `line 3: rule 2: field: "port" is not allowed: want name, projects`,
		rule("where: 'name ='"):                     `line 3: rule 2 "r": where:`,
		rule("where: 'seen < 3d'"):                  `line 3: rule 2 "r": where: seen is not allowed in a rule`,
		rule("status: bad"):                         `line 3: rule 2 "r": status: "bad" is not allowed`,
		rule("unexpected: yes"):                     `line 3: rule 2 "r": unexpected: "yes" is not allowed: want true or false`,
		rule("category: vm"):                        `line 3: rule 2 "r": category: "vm" is not allowed`,
		rule("kinds: [new]"):                        `line 3: rule 2 "r": kind: "new" is not allowed: want opened, found`,
		rule("kinds: opened"):                       `line 3: rule 2 "r": kinds: want a list of kinds of changes`,
		rule("ports: 22, kinds: [moved]"):           `line 3: rule 2 "r": kinds: moved is not allowed beside ports`,
		rule("where: open(22), kinds: [forgotten]"): `line 3: rule 2 "r": kinds: forgotten is not allowed beside where`,
		rule("every: 5"):                            `line 3: rule 2 "r": every: "5" is not allowed: want 1s to 24h0m0s`,
		rule("every: 1ms"):                          `line 3: rule 2 "r": every: "1ms" is not allowed`,
		rule("every: 5m, burst: 3"):                 `line 3: rule 2 "r": burst: is not allowed beside every`,
		rule("burst: 0"):                            `line 3: rule 2 "r": burst: "0" is not allowed: want 1 to 100000`,
		rule("first: -1"):                           `line 3: rule 2 "r": first: "-1" is not allowed: want 0 to 1000`,
		rule("send: [nobody]"):                      `line 3: rule 2 "r": send: there is none with the name "nobody": want receivers of the file`,
		"receivers: [{name: x, type: slack, url: 'http://h'}]\nrules: [{name: r, send: [x, x]}]": `line 2: rule 1 "r": send: "x" is given twice`,
		rule("labels: {asset: x}"):                                         `line 3: rule 2 "r": labels: "asset" is not allowed`,
		rule("labels: {1a: x}"):                                            `line 3: rule 2 "r": labels: "1a" is not allowed`,
		rule("name: a"):                                                    `line 3: rule 2: field "name" is given twice`,
		"rules: [{name: a}, {name: a}]":                                    `line 1: rule 2 "a": name: there is another rule with it`,
		receiver("url: http://h"):                                          `line 2: receiver 1 "x": type: "" is not allowed: want webhook, alertmanager or slack`,
		receiver("type: slack, name: y"):                                   `line 2: receiver 1: field "name" is given twice`,
		"receivers: [{type: slack, url: 'http://h'}]\nrules: []":           `line 1: receiver 1: name: "" is not allowed: want 1 to 128 bytes`,
		receiver("type: slack"):                                            `line 2: receiver 1 "x": want url, or url_env`,
		receiver("type: slack, url: 'ftp://u:p@h/secret'"):                 `line 2: receiver 1 "x": url: "ftp://h/…" is not allowed: want http:// or https:// and a host`,
		receiver("type: slack, url: http://h, batch: 3"):                   `line 2: receiver 1 "x": batch: is not allowed of a receiver of type slack`,
		receiver("type: webhook, url: http://h, keep: 3h"):                 `line 2: receiver 1 "x": keep: is not allowed of a receiver of type webhook`,
		receiver("type: webhook, url: http://h, timeout: 2h"):              `line 2: receiver 1 "x": timeout: "2h" is not allowed: want 100ms to 1m0s`,
		receiver("type: webhook, url: http://h, secret_env: []"):           `line 2: receiver 1 "x": secret_env: want a list of names of variables`,
		silence("from: 22:00"):                                             `line 3: silence 1 "s": until is missing`,
		silence("from: 22:00, until: 22:00"):                               `line 3: silence 1 "s": until: "22:00" is not allowed: want another time than from`,
		silence("from: 2026-01-01T00:00:00Z, until: 22:00"):                `line 3: silence 1 "s": until: "22:00" is not allowed`,
		silence("from: 2026-01-02T00:00:00Z, until: 2026-01-01T00:00:00Z"): `line 3: silence 1 "s": until: "2026-01-01T00:00:00Z" is not allowed: want a time after from`,
		silence("from: 1, until: 2"):                                       `line 3: silence 1 "s": from: "1" is not allowed`,
		silence("from: 1:00, until: 2:00, zone: Mars"):                     `line 3: silence 1 "s": zone: "Mars" is not allowed`,
		silence("from: 1:00, until: 2:00, days: [day]"):                    `line 3: silence 1 "s": days: "day" is not allowed`,
		silence("from: 1:00, until: 2:00, rules: [q]"):                     `line 3: silence 1 "s": rules: there is none with the name "q"`,
		"rules: [" + strings.Repeat("{name: a},", 201) + "]":               "line 1: rules: 201 are too many: want at most 200",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// TestSilences: what is told at which times.
func TestSilences(t *testing.T) {
	f, err := Read(strings.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	night, move := f.Silences[0], f.Silences[1]
	for text, want := range map[string]bool{
		"2026-03-07T20:59:59Z": false, // a Saturday, 21:59:59 in Berlin
		"2026-03-07T21:00:00Z": true,
		"2026-03-08T02:59:59Z": true,
		"2026-03-08T03:00:00Z": false,
		"2026-03-08T21:00:00Z": true,  // Sunday
		"2026-03-09T02:59:00Z": true,  // Monday, of Sunday's
		"2026-03-09T21:30:00Z": false, // Monday's own
		"2026-07-04T20:00:00Z": true,  // summer time
		"2026-07-04T19:59:00Z": false,
		"2026-03-07T02:00:00Z": false, // Saturday morning is Friday's
	} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || night.has("everything", at) != want || night.has("bursts", at) {
			t.Errorf("%s: %v, %v", text, night.has("everything", at), err)
		}
	}
	for at, want := range map[time.Time]bool{move.from: true, move.from.Add(-1): false, move.until: false, move.until.Add(-1): true} {
		if move.has("bursts", at) != want {
			t.Errorf("%v: want %v", at, want)
		}
	}

	now := time.Now()
	r := newRig(t, nil)
	r.start(r.file("", "silences: [{name: s, from: "+now.Add(-time.Hour).Format(time.RFC3339)+", until: "+now.Add(time.Hour).Format(time.RFC3339)+"}]"))
	r.write("p", "a", 80, 81)
	r.wants()
	if s := r.alerts.State()[0]; s.Silenced != 2 || s.Changes != 0 {
		t.Errorf("%+v", s)
	}
}

// TestOtherReceivers holds what an Alertmanager and a Slack are told.
func TestOtherReceivers(t *testing.T) {
	shorten(t, 0)
	r := newRig(t, nil)
	r.start(r.read(`
receivers:
  - {name: pager, type: alertmanager, url: "` + r.hook.server.URL + `", token_env: TOKEN, keep: 2h}
  - {name: chat, type: slack, url_env: URL}
rules:
  - {name: r, burst: 2, labels: {severity: page}, send: [pager]}
  - {name: r & <all>, burst: 2, kinds: [found, moved], send: [chat]}`))
	report := engine.Report{Project: "p", Asset: "a", Name: "<!channel>\n*web*", Address: "10.0.0.1", Scope: engine.ScopeAll(), Open: []engine.Key{engine.MakeKey(3389, engine.TCP)}}
	for _, step := range []func(){
		func() {},
		func() { report.Open = nil },
		func() {
			report.Asset = "b"
			for port := range uint16(3) {
				report.Open = append(report.Open, engine.MakeKey(port+1, engine.TCP))
			}
		},
	} {
		step()
		if _, err := r.engine.Apply(t.Context(), []engine.Report{report}); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("all of it", func() bool {
		states := r.alerts.State()
		return states[0].Sent == 3 && states[1].Sent == 2
	})
	var alerts []postableAlert
	var lines []string
	for i, body := range r.hook.bodies {
		var list []postableAlert
		var chat struct{ Text string }
		switch {
		case json.Unmarshal(body, &list) == nil:
			alerts = append(alerts, list...)
			if h := r.hook.heads[i]; h.Get("Authorization") != "Bearer t0ken" || h.Get("Content-Type") != "application/json" {
				t.Errorf("%v", h)
			}
		case json.Unmarshal(body, &chat) == nil:
			lines = append(lines, strings.Split(chat.Text, "\n")...)
		}
	}
	want := map[string]string{"alertname": "r", "severity": "page", "project": "p", "category": "host", "asset": "a", "port": "3389", "type": "TCP"}
	if len(alerts) != 3 || !equalMaps(alerts[0].Labels, want) || !equalMaps(alerts[1].Labels, want) || alerts[2].Labels["change"] != "digest" {
		t.Fatalf("%+v", alerts)
	}
	if first := alerts[0]; first.EndsAt.Sub(*first.StartsAt) < 2*time.Hour || first.Annotations["address"] != "10.0.0.1" || first.Annotations["status"] != "danger" {
		t.Errorf("%+v", first)
	}
	if ended := alerts[1]; ended.StartsAt != nil || time.Since(*ended.EndsAt) < 0 {
		t.Errorf("%+v", ended)
	}
	if len(lines) < 6 || lines[0] != "*r &amp; &lt;all&gt;* in p" || lines[1] != "a (&lt;!channel&gt; *web*) 10.0.0.1: 3389/tcp found, danger" || !strings.HasPrefix(lines[3], "3 changes of the hosts of p from") {
		t.Errorf("%q", lines)
	}
}

func equalMaps(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// TestCheck: every receiver is told a test, and who does not take it is named, without what is secret.
func TestCheck(t *testing.T) {
	r := newRig(t, nil)
	f := r.read(`
receivers:
  - {name: hook, type: webhook, url: "` + r.hook.server.URL + `", secret_env: SECRET, batch: 5}
  - {name: gone, type: slack, url: "http://127.0.0.1:1/hidden"}
  - {name: chat, type: slack, url_env: URL}
rules: []`)
	var told []string
	err := f.Check(t.Context(), func(name string, err error) {
		if err != nil {
			name += " fails"
		}
		told = append(told, name)
	})
	if err == nil || !strings.Contains(err.Error(), `receiver "gone": `) || strings.Contains(err.Error(), "hidden") || !slices.Equal(told, []string{"hook", "gone fails", "chat"}) {
		t.Errorf("%v, %q", err, told)
	}
	if got := texts(r.hook.got()); !slices.Equal(got, []string{"test"}) {
		t.Errorf("%q", got)
	}
}

// FuzzRead: no text makes the reading of a file fail other than with an error that says where.
func FuzzRead(f *testing.F) {
	f.Add(whole)
	f.Add("rules: [{name: a, kinds: [x]}]")
	f.Add("receivers: [{name: a, type: slack, url: 'http://'}]\nrules: *a")
	f.Fuzz(func(_ *testing.T, text string) {
		file, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		_ = file.Resolve(func(string) string { return testSecret })
		for _, s := range file.Silences {
			s.has("r", time.Unix(0, 0))
		}
	})
}

// FuzzProgress: what was kept is read back as it was, and of anything else no more than an error comes.
func FuzzProgress(f *testing.F) {
	f.Add([]byte(`{"through":17,"ahead":[{"project":"p","category":"host","position":"18.0.1"}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseProgress(data)
		if err != nil {
			return
		}
		again, err := p.bytes()
		if err != nil {
			t.Fatal(err)
		}
		q, err := parseProgress(again)
		if err != nil || q.through != p.through || len(q.at) != len(p.at) {
			t.Fatalf("%s became %s: %v", data, again, err)
		}
	})
}
