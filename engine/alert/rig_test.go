package alert

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"portolan/engine"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// rig is an engine, and a receiver that may be made to fail.
type rig struct {
	*testing.T
	engine *engine.Engine
	hook   *hook
	keeper Keeper
	alerts *Alerts
}

// hook is a receiver of webhooks, which holds what it is told against its signature.
type hook struct {
	t      *testing.T
	server *httptest.Server

	mu     sync.Mutex
	answer func(n int, w http.ResponseWriter) bool // of the n-th request; false: it answers as usual
	asked  int
	events []event.Event
	times  []time.Time
	bodies [][]byte
	heads  []http.Header
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{t: t}
	h.server = httptest.NewServer(h)
	t.Cleanup(h.server.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if err != nil || h.answer != nil && h.answer(h.asked, w) {
		return
	}
	h.bodies, h.heads = append(h.bodies, body), append(h.heads, r.Header)
	var list []event.Event
	switch r.Header.Get("Content-Type") {
	case event.ApplicationCloudEventsJSON:
		list = make([]event.Event, 1)
		err = json.Unmarshal(body, &list[0])
	case event.ApplicationCloudEventsBatchJSON:
		err = json.Unmarshal(body, &list)
	default:
		return
	}
	key, keyErr := webhooks.NewWebhook(testSecret)
	if err != nil || keyErr != nil {
		h.t.Errorf("%s: %v, %v", body, err, keyErr)
		return
	}
	if err := key.Verify(body, r.Header); err != nil {
		h.t.Errorf("%v: %v", r.Header, err)
	}
	if id := r.Header.Get("Webhook-Id"); len(list) == 0 || id != list[0].ID() || strings.Contains(id, ".") {
		h.t.Errorf("id %q of %s", id, body)
	}
	if strings.Count(string(body), `"data":{"`) < len(list) { // not in base64, which nobody reads
		h.t.Errorf("no data in %s", body)
	}
	for _, e := range list {
		if err := e.Validate(); err != nil {
			h.t.Errorf("%s: %v", body, err)
		}
		h.times = append(h.times, time.Now())
		h.events = append(h.events, e)
	}
}

// got returns what was told so far.
func (h *hook) got() []event.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// fail has requests answered by a function, nil as usual.
func (h *hook) fail(f func(n int, w http.ResponseWriter) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

func status(code int) func(int, http.ResponseWriter) bool {
	return func(_ int, w http.ResponseWriter) bool { w.WriteHeader(code); return true }
}

func newRig(t *testing.T, opts *engine.Options) *rig {
	t.Helper()
	e, err := engine.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, engine: e, hook: newHook(t), keeper: &memory{}}
	t.Cleanup(func() {
		if r.alerts != nil {
			r.alerts.Stop()
		}
		_ = e.Close()
	})
	return r
}

// file reads a file with the rig's receiver, hook, and one rule with more fields.
func (r *rig) file(rule string, more ...string) *File {
	r.Helper()
	text := fmt.Sprintf(`receivers:
  - {name: hook, type: webhook, url: %q, secret_env: SECRET, timeout: 1s%s}
rules:
  - {name: r, send: [hook]%s}
%s`, r.hook.server.URL, "", comma(rule), strings.Join(more, "\n"))
	return r.read(text)
}

func comma(text string) string {
	if text == "" {
		return ""
	}
	return ", " + text
}

func (r *rig) read(text string) *File {
	r.Helper()
	f, err := Read(strings.NewReader(text))
	if err == nil {
		err = f.Resolve(func(name string) string {
			return map[string]string{"SECRET": testSecret, "TOKEN": "t0ken", "URL": r.hook.server.URL + "/hidden"}[name]
		})
	}
	if err != nil {
		r.Fatalf("%s\n%v", text, err)
	}
	return f
}

func (r *rig) start(f *File) {
	r.Helper()
	var err error
	if r.alerts, err = Start(r.engine, f, &Options{Keeper: r.keeper, firstPause: time.Millisecond}); err != nil {
		r.Fatal(err)
	}
}

// write applies a full look at an asset of a project.
func (r *rig) write(project, asset string, ports ...uint16) {
	r.Helper()
	report := engine.Report{Project: project, Asset: asset, Scope: engine.ScopeAll()}
	for _, p := range ports {
		report.Open = append(report.Open, engine.MakeKey(p, engine.TCP))
	}
	if _, err := r.engine.Apply(r.Context(), []engine.Report{report}); err != nil {
		r.Fatal(err)
	}
}

// load applies a full look at many assets of the project p in one batch.
func (r *rig) load(from, to int, ports ...uint16) {
	r.Helper()
	var reports []engine.Report
	for i := from; i < to; i++ {
		report := engine.Report{Project: "p", Asset: fmt.Sprintf("h%d", i), Scope: engine.ScopeAll()}
		for _, p := range ports {
			report.Open = append(report.Open, engine.MakeKey(p, engine.TCP))
		}
		reports = append(reports, report)
	}
	if _, err := r.engine.Apply(r.Context(), reports); err != nil {
		r.Fatal(err)
	}
}

// eventually waits until something is so.
func (r *rig) eventually(what string, is func() bool) {
	r.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.Fatalf("%s: it never comes; state %+v", what, r.alerts.State())
}

// settle waits until everything was read that there is by now, and nothing fails or is in the making.
func (r *rig) settle() {
	r.Helper()
	_, last, err := r.engine.ChangedSince(0)
	if err != nil {
		r.Fatal(err)
	}
	r.eventually("to settle", func() bool {
		for _, s := range r.alerts.State() {
			if s.Through < last || !s.FailingSince.IsZero() {
				return false
			}
		}
		return true
	})
}

// text is what of an event the tests name.
func text(e event.Event) string {
	switch e.Type() {
	case digestType:
		var d digestData
		_ = json.Unmarshal(e.Data(), &d)
		return fmt.Sprintf("digest of %d %v, %d listed", d.Total, d.Kinds, len(d.Changes))
	case lostType:
		return "lost"
	case testType:
		return "test"
	}
	var c row
	_ = json.Unmarshal(e.Data(), &c)
	t := c.Change + " " + c.Asset
	if c.Port > 0 {
		t += fmt.Sprintf(" %d/%s %s", c.Port, c.Type, c.Status)
	}
	return t
}

func texts(list []event.Event) (all []string) {
	for _, e := range list {
		all = append(all, text(e))
	}
	return all
}

// wants waits until exactly so many events have come, and holds them against texts.
func (r *rig) wants(want ...string) {
	r.Helper()
	r.settle()
	if got := texts(r.hook.got()); !slices.Equal(got, want) {
		r.Fatalf("got  %q\nwant %q", got, want)
	}
}

// settleGivenUp waits until the receiver takes what comes.
func (r *rig) settleGivenUp() {
	r.Helper()
	for time.Now().Before(tooLong) {
		time.Sleep(10 * time.Millisecond)
	}
	r.hook.fail(nil)
}
