package server_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"portolan/engine/enginetest"
	"portolan/server"
	"portolan/server/auth"
)

// TestWhatTenantsAreTold: neither what the disk has free nor how much others write goes to a
// client; the operator's log has it.
func TestWhatTenantsAreTold(t *testing.T) {
	var log safeBuffer
	r := newRig(t, nil, func(o *server.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	j := enginetest.NewJournal()
	if err := r.engine.Attach(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	r.known()
	for range 77 {
		r.apply("h9 1/tcp")
		r.apply("h9 2/tcp")
	}
	w := r.ask("GET", statistics, "", "X-Min-Sequence", "1000")
	wantFailure(t, w, 412, "HSS.0011", "1000")
	if strings.Contains(w.Body.String(), "15") {
		t.Errorf("how many writes there were is told: %s", w.Body)
	}
	j.Refuse = func(bool) error { return errors.New("3 MiB free") }
	for _, w := range []struct{ method, target string }{{"POST", reports}, {"DELETE", "/v1/projects/p1/assets/h1"}, {"DELETE", "/v1/projects/p1"}} {
		got := r.ask(w.method, w.target, oneLine)
		wantFailure(t, got, 503, "HSS.0010", "")
		if strings.Contains(got.Body.String(), "MiB") {
			t.Errorf("%s tells of the disk: %s", w.method, got.Body)
		}
	}
	if !strings.Contains(log.String(), "3 MiB free") {
		t.Errorf("the operator is not told: %s", &log)
	}
}

// TestPresentedCredentials: the access log says which credentials were refused, and no secret.
func TestPresentedCredentials(t *testing.T) {
	var out bytes.Buffer
	who, wrong := keyed(t)
	r := newRig(t, who, func(o *server.Options) { o.AccessLog = slog.New(slog.NewJSONHandler(&out, nil)) })
	unknown := "unknown-" + token
	for _, c := range []struct {
		header []string
		want   string
	}{
		{[]string{"X-Auth-Token", unknown}, `"presented":"token","presented_id":"` + auth.HashToken(unknown)[:12] + `"`},
		{[]string{"X-Auth-Token", "hunter2"}, `"presented":"token","presented_id":""`},
		{[]string{"X-Sdk-Date", wrong.Get("X-Sdk-Date"), "Authorization", wrong.Get("Authorization")}, `"presented":"access_key","presented_id":"AK"`},
		{[]string{"Authorization", "SDK-HMAC-SHA256 nonsense"}, `"presented":"signature","presented_id":""`},
		{nil, `"status":401`},
	} {
		out.Reset()
		header := map[string][]string{}
		for i := 0; i < len(c.header); i += 2 {
			header[c.header[i]] = []string{c.header[i+1]}
		}
		r.askAs(header, statistics)
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), unknown) {
			t.Errorf("%v: got %s, want %s", c.header, &out, c.want)
		}
	}
}
