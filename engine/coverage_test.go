package engine_test

import (
	"strconv"
	"strings"
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

// TestLooks: the question of what was looked at behind a query is about the keys that the query lets
// through, and the assets that it asks of.
func TestLooks(t *testing.T) {
	policy := engine.DefaultPolicy()
	keys := engine.KeysOf(rangeOf(t, "20-25/tcp"), rangeOf(t, "120-130/udp"))
	for _, q := range []engine.PortQuery{
		{},
		{Keys: keys},
		{Port: 22},
		{PortString: "12"},
		{Type: engine.UDP6},
		{Status: engine.Danger},
		{Port: 123, PortString: "2", Type: engine.UDP, Status: engine.Danger},
		{Keys: keys, PortString: "2", Type: engine.TCP},
		{Port: 70000},
		{Port: 22, PortString: "3"},
	} {
		of := q.Looks(policy).Keys
		for _, port := range []uint16{1, 12, 21, 22, 23, 120, 123, 3389, 65535} {
			for _, typ := range []engine.Type{engine.TCP, engine.UDP, engine.UDP6, engine.SCTP} {
				k := engine.MakeKey(port, typ)
				want := (q.Keys == nil || q.Keys.Contains(k)) && (q.Port == 0 || q.Port == int(port)) && (q.Type == engine.AnyType || q.Type == typ) &&
					strings.Contains(strconv.Itoa(int(port)), q.PortString) && (q.Status == engine.AnyStatus || policy.Status(k) == q.Status)
				if got := of == nil || of.Contains(k); got != want {
					t.Errorf("%+v: %v: %v", q, k, got)
				}
			}
		}
	}
	e := openWith(t, []engine.Report{
		{Project: "p", Asset: "a", Name: "web", Scope: engine.ScopeAll(), Open: []engine.Key{keyOf(t, "22/tcp")}},
		{Project: "p", Asset: "b", Name: "web", Address: "10.0.0.1", Open: []engine.Key{keyOf(t, "80/tcp")}},
		{Project: "p", Asset: "c", Scope: engine.ScopeAll()},
	})
	for _, c := range []struct {
		q              engine.HostQuery
		assets, looked int
	}{
		{engine.HostQuery{Port: 22}, 3, 2},
		{engine.HostQuery{Port: 80, Type: engine.TCP}, 3, 3},
		{engine.HostQuery{Port: 22, Name: "web"}, 2, 1},
		{engine.HostQuery{Asset: "b", Port: 22}, 1, 0},
		{engine.HostQuery{Asset: "a", Address: "10"}, 0, 0},
		{engine.HostQuery{Where: engine.HasID("c", "b")}, 2, 2},
	} {
		c.q.Project = "p"
		got, err := e.Coverage(t.Context(), c.q.Looks(policy))
		if err != nil || got.Assets != c.assets || got.Looked != c.looked {
			t.Errorf("%+v: %+v, %v", c.q, got, err)
		}
	}
}
