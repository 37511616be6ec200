package engine_test

import (
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// TestLookedAt: a set of what was looked at has as many assets as coverage says.
func TestLookedAt(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Apply(t.Context(), enginetest.Small(3, 300)); err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, project := range []string{"p", "q"} {
		for _, text := range []string{"1-64/tcp", "80/udp", "2/udp", "65535/udp6", "9/sctp6", "1-65535/tcp"} {
			keys := engine.KeysOf(rangeOf(t, text))
			for _, view := range []engine.View{engine.All(), engine.In("e1"), engine.In("0", "e2"), engine.In()} {
				c, err := e.Coverage(t.Context(), engine.CoverageQuery{Project: project, View: view, Keys: keys})
				if err != nil {
					t.Fatal(err)
				}
				looked += c.Looked
				for set, want := range map[*engine.HostSet]int{engine.LookedAt(keys): c.Looked, engine.NoneOf(engine.LookedAt(keys)): c.Assets - c.Looked} {
					page, err := e.Assets(t.Context(), engine.AssetQuery{Project: project, View: view, Where: set})
					if err != nil || page.Total != want {
						t.Errorf("%s %s: %d assets in the set, %v, want %d of %d", project, text, page.Total, err, want, c.Assets)
					}
				}
			}
		}
	}
	if looked == 0 {
		t.Error("nothing was looked at")
	}
}
