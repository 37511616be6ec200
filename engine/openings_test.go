package engine_test

import (
	"testing"
	"time"

	"portolan/engine"
)

// TestOpenings holds since when ports are open, and first were, against what the log tells of the asset: of those that are
// open now, in a view and up to any batch.
func TestOpenings(t *testing.T) {
	for seed := range uint64(8) {
		e := openWith(t, nil)
		h := live(t, e, seed)
		for _, view := range []engine.View{engine.All(), engine.In("e1"), engine.In("0")} {
			for _, through := range []uint64{0, h.states[len(h.states)/2].Sequence()} {
				for _, id := range []string{"a", "b", "none"} {
					got, err := e.Openings(t.Context(), "p", engine.Host, view, id, through)
					if err != nil || !got.Kept.IsZero() {
						t.Fatal(err, got.Kept)
					}
					want := map[engine.Key]engine.Opening{}
					first := map[engine.Key]time.Time{}
					for _, c := range logged(t, e, engine.ChangeQuery{View: view, Through: through}) {
						k := c.Key()
						switch {
						case c.Asset != id || c.Port == 0:
						case c.Kind == engine.Opened || c.Kind == engine.Found:
							if first[k].IsZero() {
								first[k] = c.Time
							}
							want[k] = engine.Opening{Since: c.Time, Kind: c.Kind, First: first[k]}
						default:
							delete(want, k)
						}
					}
					if len(got.Keys) != len(want) {
						t.Fatalf("seed %d, %s: got %v, want %v", seed, id, got.Keys, want)
					}
					for k, o := range want {
						if got.Keys[k] != o {
							t.Fatalf("seed %d, %s %v: got %v, want %v", seed, id, k, got.Keys[k], o)
						}
					}
					if s, err := e.Snapshot("p", engine.Host); through == 0 && view.IsAll() && err == nil { // what is open, and nothing else
						a, err := s.AssetPorts(t.Context(), view, id)
						if err == nil && len(a.Ports) != len(got.Keys) {
							t.Fatalf("seed %d, %s: %d are open, %d have a time", seed, id, len(a.Ports), len(got.Keys))
						}
					}
				}
			}
		}
	}
}
