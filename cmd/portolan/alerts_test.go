package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hook is a receiver of alerts, which holds them against their signatures.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	events []hookEvent
}

type hookEvent struct {
	ID, Type, Rule string
	Data           map[string]any
}

func newHook(t *testing.T) *hook {
	t.Helper()
	t.Setenv("HOOK_SECRET", hookSecret)
	key, err := webhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	h := new(hook)
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the server was killed
		}
		var e hookEvent
		if err := json.Unmarshal(body, &e); err != nil || key.Verify(body, r.Header) != nil || r.Header.Get("Webhook-Id") != e.ID {
			t.Errorf("%v, %v: %s", err, r.Header, body)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) got() []hookEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// file writes a file of alerts with the receiver and rules.
func (h *hook) file(t *testing.T, path string, rules ...string) string {
	t.Helper()
	text := fmt.Sprintf("receivers: [{name: hook, type: webhook, url: %q, secret_env: HOOK_SECRET}]\nrules:\n  - %s\n", h.URL, strings.Join(rules, "\n  - "))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAlertsThroughKills kills servers in the middle of writing while a rule tells of every change: in the end the
// receiver has each, for the first time in order, as the server tells it to who asks; what came again had the same id.
func TestAlertsThroughKills(t *testing.T) {
	kills := 4
	if *long {
		kills = 200
	}
	defer http.DefaultClient.CloseIdleConnections()
	h := newHook(t)
	data, file := filepath.Join(t.TempDir(), "data"), h.file(t, filepath.Join(t.TempDir(), "alerts.yaml"), "{name: all, kinds: [opened, found, closed, appeared], send: [hook]}")
	rng := rand.New(rand.NewPCG(28, 6))
	n := 0
	for range kills {
		server := startServer(t, data, "--alerts", file)
		killed := time.AfterFunc(time.Duration(30+rng.IntN(300))*time.Millisecond, func() { _ = server.Process.Kill() })
		for {
			n++
			line := fmt.Sprintf(`{"asset":"h%d","scope":"all","open":["%d/tcp","%d/tcp"]}`, n%5, 1+n%7, 1+n%60000)
			if status, answer, err := server.ask("POST", "/v1/projects/default/reports", line); err != nil {
				break
			} else if status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
		}
		killed.Stop()
		_ = server.Wait()
	}
	server := startServer(t, data, "--alerts", file)
	r := call(t, env{"PORTOLAN_TOKEN": testToken}, "changes", "--server", server.base, "-o", "ndjson")
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	var want []map[string]any
	for line := range strings.Lines(r.stdout) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		want = append(want, row)
	}
	lines := func() (first []map[string]any) {
		ids := map[string]map[string]any{}
		for _, e := range h.got() {
			was, again := ids[e.ID]
			if again && !reflect.DeepEqual(was, e.Data) {
				t.Fatalf("%s is the id of %v and of %v", e.ID, was, e.Data)
			}
			if ids[e.ID] = e.Data; !again {
				first = append(first, e.Data)
			}
		}
		return first
	}
	for range 3000 {
		if len(lines()) >= len(want) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := lines(); !reflect.DeepEqual(got, want) {
		t.Fatalf("the receiver got %d changes, the server tells %d:\n%.2000v\n%.2000v", len(got), len(want), got, want)
	}
	t.Logf("%d kills, %d calls, %d changes, told %d times", kills, n, len(want), len(h.got()))
	server.stop(t)
}

// TestAlertsOfServer: alerts go on through a file that is wrong, with one that is right as that says, and tell
// operators what became of them; what was told can be told again.
func TestAlertsOfServer(t *testing.T) {
	h := newHook(t)
	file := h.file(t, filepath.Join(t.TempDir(), "alerts.yaml"), "{name: one, ports: 22, send: [hook]}")
	var log safeBuffer
	e := env{"PORTOLAN_TOKEN": testToken, "HOOK_SECRET": hookSecret}
	s := serveTo(t, &log, e, "--admin-listen", ":0", "--alerts", file, "--import", "testdata/agents.ndjson")
	found := operatorAddress.FindStringSubmatch(log.String())
	if len(found) != 2 {
		t.Fatalf("no operators' address in %s", log.String())
	}
	admin := "http://" + found[1]
	write := func(asset string) {
		t.Helper()
		if r := callWith(t, s.env(), fmt.Sprintf(`{"asset":%q,"open":["22/tcp","23/tcp"]}`, asset), "import", "-", "--server", s.url); r.code != exitOK {
			t.Fatalf("import: %+v", r)
		}
	}
	wait := func(what string, is func() bool) {
		t.Helper()
		for range 1000 {
			if is() {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s never comes: %v\n%s", what, h.got(), log.String())
	}
	write("a")
	wait("the first", func() bool { return len(h.got()) == 1 })

	if err := os.WriteFile(file, []byte("rules:\n  - {name: one, ports: 99999}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait("that it is wrong", func() bool { return strings.Contains(log.String(), "line 2: rule 1") })
	write("b")
	wait("the second", func() bool { return len(h.got()) == 2 })
	h.file(t, file, "{name: one, ports: 23, send: [hook]}", "{name: counts, ports: 22}")
	wait("the new rules", func() bool {
		return strings.Contains(call(t, nil, "alerts", "state", "--admin", admin, "-o", "csv").stdout, "counts")
	})
	write("c")
	wait("the third", func() bool { return len(h.got()) == 3 })
	if last := h.got()[2]; last.Data["port"] != 23.0 || last.Rule != "one" || last.Type != "portolan.change.found" {
		t.Errorf("%+v", last)
	}
	wait("the state", func() bool {
		r := call(t, nil, "alerts", "state", "--admin", admin, "-o", "csv")
		return strings.Contains(r.stdout, "\ncounts,,1,0,0,0,0,0,0,,\none,hook,3,3,0,0,0,0,0,,\n")
	})
	if r := call(t, nil, "alerts", "resend", "--admin", admin, "--rule", "one", "--since", "1h"); r.code != exitOK || r.stdout != "" {
		t.Errorf("%+v", r)
	}
	wait("all again", func() bool { return len(h.got()) > 5 })
	for line, says := range map[string]string{
		"resend --admin " + admin + " --rule two --since 1h":                 `no such rule: "two"`,
		"resend --admin " + admin + " --rule counts --since 1h":              `no such rule: "counts"`,
		"resend --admin " + admin + " --rule one --since yesterday":          `since: "yesterday" is not allowed`,
		"resend --admin " + s.url + " --rule one --since 1h":                 "404",
		"state --admin http://127.0.0.1:1":                                   "refused",
		"state --admin " + admin + " --admin-token-env NONE":                 `--admin-token-env is "NONE"`,
		"resend --admin " + admin + " --rule one --receiver chat --since 1h": `no such rule: "one" to "chat"`,
	} {
		if r := call(t, nil, append([]string{"alerts"}, strings.Fields(line)...)...); r.code == exitOK || !strings.Contains(r.stderr, says) {
			t.Errorf("%s: %+v, want %s", line, r, says)
		}
	}
	res, err := http.Get(admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(text), `portolan_alert_changes_total{receiver="",rule="counts"} 1`) ||
		!strings.Contains(string(text), `portolan_alert_notices_total{outcome="given_up",receiver="hook",rule="one"} 0`) {
		t.Errorf("%v in %s", err, text)
	}
}

// TestAlertsFiles: files are checked and tried, and serve refuses one that is wrong.
func TestAlertsFiles(t *testing.T) {
	h := newHook(t)
	dir := t.TempDir()
	good := h.file(t, filepath.Join(dir, "good.yaml"), "{name: one, send: [hook]}")
	wrong, gone := filepath.Join(dir, "wrong.yaml"), filepath.Join(dir, "gone.yaml")
	for path, text := range map[string]string{
		wrong: "rules:\n  - {name: a, kinds: [new]}",
		gone:  `receivers: [{name: gone, type: slack, url: "http://127.0.0.1:1/hidden"}, {name: hook, type: webhook, url: "` + h.URL + `", secret_env: HOOK_SECRET}]` + "\nrules: []",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret := env{"HOOK_SECRET": hookSecret}
	for _, c := range []struct {
		env            env
		line           string
		code           int
		stdout, stderr string
	}{
		{secret, "alerts check " + good, exitOK, good + ": fine, 1 rules, 1 receivers, 0 silences\n", ""},
		{nil, "alerts check " + good, exitOK, ": fine", `note: receiver 1 "hook": secret_env: the variable HOOK_SECRET is empty`},
		{secret, "alerts check " + good + " " + wrong, exitFailed, ": fine", `wrong.yaml: line 2: rule 1 "a": kind: "new" is not allowed`},
		{secret, "alerts test " + good, exitOK, `receiver "hook" took it`, ""},
		{secret, "alerts test " + gone, exitFailed, `receiver "hook" took it`, `receiver "gone": dial tcp 127.0.0.1:1`},
		{nil, "alerts test " + good, exitFailed, "", "HOOK_SECRET is empty"},
		{secret, "serve --alerts " + wrong, exitFailed, "", `--alerts: ` + wrong + `: line 2: rule 1 "a"`},
		{nil, "serve --alerts " + good, exitFailed, "", "HOOK_SECRET is empty"},
		{secret, "serve --history 0 --alerts " + good, exitUsage, "", "--alerts goes with --history"},
		{secret, "serve --alerts " + filepath.Join(dir, "none"), exitFailed, "", "no such file"},
	} {
		r := call(t, c.env, strings.Fields(c.line)...)
		if r.code != c.code || !strings.Contains(r.stdout, c.stdout) || !strings.Contains(r.stderr, c.stderr) || strings.Contains(r.stderr, "hidden") {
			t.Errorf("%s: %+v", c.line, r)
		}
	}
	if got := h.got(); len(got) != 2 || got[0].Type != "portolan.test" {
		t.Errorf("%+v", got)
	}
}
