package server_test

import (
	"net/http"
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// TestSequence: whoever writes is told a number, and whoever asks with it is answered
// with the write included; nobody else is told of it.
func TestSequence(t *testing.T) {
	r := newRig(t, nil)
	post := func(body string) http.Header {
		t.Helper()
		w := r.ask("POST", "/v1/projects/p1/reports?scope=all", body)
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return w.Header()
	}
	if h := post(`{"asset":"h1","open":["22/tcp"]}`); h.Get("X-Sequence") != "1" || h.Get("X-Durable") != "false" {
		t.Errorf("first: %v", h)
	}
	if h := post(`{"asset":"h2","open":["22/tcp"]}`); h.Get("X-Sequence") != "2" {
		t.Errorf("second: %v", h)
	}
	w := r.ask("DELETE", "/v1/projects/p1/assets/h1", "")
	if w.Code != http.StatusNoContent || w.Header().Get("X-Sequence") != "3" {
		t.Errorf("removal: %d %v", w.Code, w.Header())
	}
	for range 3 { // the last ones are remembered
		w := r.ask("GET", statistics, "", "X-Min-Sequence", "3")
		if w.Code != http.StatusOK || w.Header().Get("X-Sequence") != "" {
			t.Errorf("the write's own number: %d %v", w.Code, w.Header())
		}
		for number, kind := range map[string][2]string{
			"4": {"412", "HSS.0011"}, "18446744073709551615": {"412", "HSS.0011"},
			"": {"400", "HSS.0001"}, "-1": {"400", "HSS.0001"}, "3x": {"400", "HSS.0001"}, "18446744073709551616": {"400", "HSS.0001"},
		} {
			status := map[string]int{"412": 412, "400": 400}[kind[0]]
			for _, path := range []string{statistics, "/v5/p1/asset/ports/detail?port=22", "/v5/p1/asset/ports?host_id=h2"} {
				wantFailure(t, r.ask("GET", path, "", "X-Min-Sequence", number), status, kind[1], number)
			}
		}
	}
}

// TestDurableHeader: what a journal has committed is said to be durable.
func TestDurableHeader(t *testing.T) {
	r := newRig(t, nil)
	if err := r.engine.Attach(t.Context(), enginetest.NewJournal()); err != nil {
		t.Fatal(err)
	}
	r.apply("h1 22/tcp")
	w := r.ask("DELETE", "/v1/projects/p1/assets/h1", "")
	if w.Code != http.StatusNoContent || w.Header().Get("X-Durable") != "true" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if _, err := r.engine.Ports(t.Context(), engine.PortQuery{Project: "p1", AtLeast: 2}); err != nil {
		t.Error(err)
	}
}
