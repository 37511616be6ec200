package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/engine"
)

// TestRules: of which changes rules tell, each once, in order.
func TestRules(t *testing.T) {
	for rule, want := range map[string][]string{
		"":                           {"found a 22/TCP normal", "found a 3389/TCP danger", "opened a 80/TCP unknown", "found b 3389/TCP danger"},
		"ports: rdp":                 {"found a 3389/TCP danger", "found b 3389/TCP danger"},
		"kinds: [closed]":            {"closed a 3389/TCP danger"},
		"kinds: [appeared, moved]":   {"appeared a", "appeared b"},
		"status: danger":             {"found a 3389/TCP danger", "found b 3389/TCP danger"},
		`where: 'id = "b"'`:          {"found b 3389/TCP danger"},
		"unexpected: true":           {"found b 3389/TCP danger"},
		"enterprise_projects: [x]":   nil,
		"enterprise_projects: ['0']": {"found a 22/TCP normal", "found a 3389/TCP danger", "opened a 80/TCP unknown", "found b 3389/TCP danger"},
		"projects: [q]":              {"found c 1/TCP unknown"},
		"category: container":        nil,
	} {
		t.Run(rule, func(t *testing.T) {
			r := newRig(t, nil)
			policy, err := engine.NewPolicy([]engine.Rule{
				{Keys: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 3389, Hi: 3389}), Status: engine.Danger},
				{Keys: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 22, Hi: 22}), Status: engine.Normal},
			}, engine.Expectation{Allowed: engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 1, Hi: 99}), Where: engine.HasID("b"), WhereText: "b"})
			if err == nil {
				err = r.engine.SetPolicy(policy)
			}
			if err != nil {
				t.Fatal(err)
			}
			r.write("p", "old", 1) // before the rule
			r.start(r.file(rule))
			r.write("p", "a", 22, 3389)
			r.write("p", "a", 22, 80)
			r.write("p", "b", 3389)
			if !strings.HasPrefix(rule, "projects") && rule != "" {
				r.wants(want...)
				return
			}
			r.write("q", "c", 1)
			if rule == "" {
				want = append(want, "found c 1/TCP unknown")
			}
			r.wants(want...)
		})
	}
}

// TestEvent holds all of one event.
func TestEvent(t *testing.T) {
	r := newRig(t, nil)
	r.start(r.file("ports: 80, labels: {severity: page}"))
	seen := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if _, err := r.engine.Apply(t.Context(), []engine.Report{{
		Project: "p q", Asset: "i-1", Name: "<web>", Address: "10.0.0.1", EnterpriseProject: "shop", Seen: seen, Open: []engine.Key{engine.MakeKey(80, engine.TCP)},
	}}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	list := r.hook.got()
	if len(list) != 1 {
		t.Fatalf("%d events", len(list))
	}
	e := list[0]
	var data map[string]any
	if err := json.Unmarshal(e.Data(), &data); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{
		"sequence": 1.0, "seen": "2026-03-01T12:00:00Z", "asset": "i-1", "name": "<web>", "address": "10.0.0.1",
		"enterprise_project_id": "shop", "change": "found", "port": 80.0, "type": "TCP", "status": "unknown", "time": e.Time().Format(time.RFC3339Nano),
	} {
		if data[field] != want {
			t.Errorf("%s is %v, want %v", field, data[field], want)
		}
	}
	if e.Source() != "/v1/projects/p%20q/changes" || e.Type() != "portolan.change.found" || e.Subject() != "i-1" ||
		e.Extensions()["rule"] != "r" || e.Extensions()["project"] != "p q" || e.Extensions()["category"] != "host" {
		t.Errorf("%v", e)
	}
}

// TestOutages: whatever a receiver does, everything comes in the end, once and in order, and another receiver
// notices nothing; what it refuses as wrong, or for too long, is given up and counted.
func TestOutages(t *testing.T) {
	all := make([]string, 0, 30)
	for i := range 30 {
		all = append(all, fmt.Sprintf("found h%d 80/TCP unknown", i))
	}
	for name, c := range map[string]struct {
		fails  func(n int, w http.ResponseWriter) bool
		fields string
		gaveUp uint64
	}{
		"500": {fails: func(n int, w http.ResponseWriter) bool { return n < 8 && status(500)(n, w) }},
		"429": {fails: func(n int, w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "0")
			return n < 2 && status(429)(n, w)
		}},
		"redirects": {fails: func(n int, w http.ResponseWriter) bool {
			w.Header().Set("Location", "/")
			return n < 8 && status(302)(n, w)
		}},
		"hangs": {fails: func(n int, _ http.ResponseWriter) bool {
			if n < 3 {
				time.Sleep(1100 * time.Millisecond)
			}
			return n < 3
		}},
		"cuts": {fails: func(n int, _ http.ResponseWriter) bool {
			if n < 8 {
				panic(http.ErrAbortHandler)
			}
			return false
		}},
		"wrong":    {fails: func(n int, w http.ResponseWriter) bool { return n <= 2*maxRefusals && status(422)(n, w) }, gaveUp: 2},
		"too long": {fails: func(n int, w http.ResponseWriter) bool { return time.Now().Before(tooLong) && status(503)(n, w) }, fields: "give_up: 1s", gaveUp: 30},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			other := newHook(t)
			tooLong = time.Now().Add(2500 * time.Millisecond)
			f := r.read(fmt.Sprintf(`
receivers:
  - {name: hook, type: webhook, url: %q, secret_env: SECRET, timeout: 1s%s}
  - {name: other, type: webhook, url: %q, secret_env: SECRET}
rules: [{name: r, send: [hook, other]}]`, r.hook.server.URL, comma(c.fields), other.server.URL))
			r.hook.fail(c.fails)
			r.start(f)
			for i := range 30 {
				r.write("p", fmt.Sprintf("h%d", i), 80)
			}
			r.eventually("the other", func() bool { return len(other.got()) == 30 })
			if got := texts(other.got()); !slices.Equal(got, all) {
				t.Errorf("the other got %q", got)
			}
			r.eventually("what fails", func() bool {
				s := r.alerts.State()[0]
				return s.Sent+s.GivenUp == 30 && s.Receiver == "hook"
			})
			s := r.alerts.State()[0]
			if got := texts(r.hook.got()); c.gaveUp < 30 && (s.GivenUp != c.gaveUp || !slices.Equal(got, all[c.gaveUp:])) || c.gaveUp == 30 && s.GivenUp == 0 {
				t.Errorf("given up %d, got %q", s.GivenUp, got)
			}
			if s.Failures == 0 && name != "too long" {
				t.Errorf("%+v", s)
			}
			if s.GivenUp == 0 {
				return
			}
			r.settleGivenUp()
			if err := r.alerts.Resend(t.Context(), "r", "other hook", time.Now()); !errors.Is(err, ErrNoRule) {
				t.Error(err)
			}
			if err := r.alerts.Resend(t.Context(), "r", "hook", time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
			r.eventually("what was given up", func() bool {
				got := texts(r.hook.got())
				return len(got) >= 30 && slices.Equal(got[len(got)-30:], all)
			})
			if len(other.got()) != 30 {
				t.Errorf("the other got %d", len(other.got()))
			}
		})
	}
}

// tooLong is when the receiver that fails too long ends to.
var tooLong time.Time
