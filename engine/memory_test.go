package engine_test

import (
	"runtime"
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

// TestMemoryIsGivenBack: what removed assets took goes back, to the last of them
// and also while some stay; and the engine goes on as before.
func TestMemoryIsGivenBack(t *testing.T) {
	const hosts = 30_000
	empty := heap()
	e := mustOpen(t, &engine.Options{ChangesBytes: -1}) // what was removed is told for as long as it is kept
	var ids []string
	var reports []engine.Report
	for r := range fleet.Agents(1, hosts) {
		ids, reports = append(ids, r.Asset), append(reports, r)
	}
	apply := func() {
		t.Helper()
		if _, err := e.Apply(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
	}
	baseline := heap() - empty // the reports themselves
	apply()
	full := heap() - empty - baseline
	remove := func(ids []string) {
		t.Helper()
		if n, err := e.Remove(t.Context(), fleet.Project, engine.Host, ids...); n.Removed != len(ids) || err != nil {
			t.Fatalf("removed %d of %d: %v", n.Removed, len(ids), err)
		}
		if err := e.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left := func() float64 { return float64(int64(heap()-empty-baseline)) / float64(full) }

	remove(ids[hosts/20:])
	if part := left(); part > 0.35 {
		t.Errorf("with one asset of 20 left, %.0f %% of the memory is in use", 100*part)
	}
	t.Logf("with one asset of 20 left: %.2f of the memory", left())
	remove(ids[:hosts/20])
	const most = 12.6 // bytes for each asset there was, of which the dictionary has most
	if part := left() * float64(full) / hosts; part > most {
		t.Errorf("with no asset left, %.1f bytes are in use for each that there was, want %.1f at most", part, most)
	}
	apply()
	if part := left(); part > 1.1 {
		t.Errorf("with all assets there again, %.0f %% of the memory is in use", 100*part)
	}
	if s, err := e.Stats(); err != nil || s.Assets != hosts {
		t.Errorf("%+v, %v", s, err)
	}
	remove(scattered(ids))
	if part := left(); part > 0.33 {
		t.Errorf("with one asset of 20 left here and there, %.0f %% of the memory is in use", 100*part)
	}
	t.Logf("with one asset of 20 left here and there: %.2f of the memory", left())
	runtime.KeepAlive(reports)
	runtime.KeepAlive(ids)
	runtime.KeepAlive(e)
}

// scattered returns all but every twentieth.
func scattered(ids []string) []string {
	var out []string
	for i, id := range ids {
		if i%20 != 0 {
			out = append(out, id)
		}
	}
	return out
}
