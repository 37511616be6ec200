package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// state is what a fold of changes makes of an inventory: of each asset its enterprise project and ports.
type state map[string]held

type held struct {
	group string
	open  map[engine.Key]bool
}

func stateOf(t *testing.T, s engine.Snapshot) state {
	t.Helper()
	page, err := s.Assets(t.Context(), engine.AssetQuery{})
	if err != nil {
		t.Fatal(err)
	}
	all := state{}
	for _, a := range page.Rows {
		open := map[engine.Key]bool{}
		for _, k := range a.Open {
			open[k] = true
		}
		all[a.ID] = held{a.EnterpriseProject, open}
	}
	return all
}

func (s state) equal(o state) bool {
	return maps.EqualFunc(s, o, func(a, b held) bool { return a.group == b.group && maps.Equal(a.open, b.open) })
}

// fold makes the changes.
func (s state) fold(t *testing.T, changes []engine.Change) state {
	t.Helper()
	next := state{}
	for id, a := range s {
		next[id] = held{a.group, maps.Clone(a.open)}
	}
	for _, c := range changes {
		a, there := next[c.Asset]
		switch {
		case c.Kind == engine.Appeared:
			if there && (a.group != "" || len(a.open) > 0) { // else it was forgotten by a change before
				t.Fatalf("%+v: it was there", c)
			}
			next[c.Asset] = held{c.EnterpriseProject, map[engine.Key]bool{}}
		case !there:
			t.Fatalf("%+v: it is not there", c)
		case c.Kind == engine.Moved:
			if a.group != c.From {
				t.Fatalf("%+v: it was in %s", c, a.group)
			}
			next[c.Asset] = held{c.EnterpriseProject, a.open}
		case c.Kind == engine.Forgotten && c.Port == 0:
			next[c.Asset] = held{"", a.open}
		default:
			open := c.Kind == engine.Opened || c.Kind == engine.Found
			if a.open[c.Key()] == open {
				t.Fatalf("%+v: it was so", c)
			}
			if a.open[c.Key()] = open; !open {
				delete(a.open, c.Key())
			}
			if c.Kind != engine.Forgotten && c.EnterpriseProject != a.group {
				t.Fatalf("%+v: it is in %s", c, a.group)
			}
		}
	}
	maps.DeleteFunc(next, func(_ string, a held) bool { return a.group == "" && len(a.open) == 0 })
	return next
}

func changesOf(t *testing.T, s, old engine.Snapshot, q engine.DiffQuery, unseen *engine.Unseen) (list []engine.Change) {
	t.Helper()
	d, err := s.Diff(t.Context(), old, q)
	if err != nil {
		t.Fatal(err)
	}
	for c, err := range d.All(t.Context(), unseen) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, *c)
	}
	return list
}

// TestDiffFold: what differs between two states, folded onto the one, is the other, however far apart they
// are; a port is opened if it was looked at before, else found; and it was seen when the newer state says.
func TestDiffFold(t *testing.T) {
	for seed := range uint64(12) {
		e := openWith(t, nil)
		rng := rand.New(rand.NewPCG(seed, 5))
		var states []engine.Snapshot
		reports := enginetest.Small(seed, 240)
		for len(reports) > 0 {
			n := min(1+rng.IntN(12), len(reports))
			if _, err := e.Apply(t.Context(), reports[:n]); err != nil {
				t.Fatal(err)
			}
			if reports = reports[n:]; rng.IntN(6) == 0 {
				if _, err := e.Remove(t.Context(), "p", engine.Host, []string{"a", "b", "c", "d"}[rng.IntN(4)]); err != nil && !errors.Is(err, engine.ErrNotFound) {
					t.Fatal(err)
				}
			}
			s, err := e.Snapshot("p", engine.Host)
			if err != nil && !errors.Is(err, engine.ErrNoProject) {
				t.Fatal(err)
			}
			states = append(states, s)
		}
		for i, s := range states {
			for _, old := range []engine.Snapshot{states[max(0, i-1)], states[rng.IntN(i+1)], states[0]} {
				changes := changesOf(t, s, old, engine.DiffQuery{}, nil)
				if got := stateOf(t, old).fold(t, changes); !got.equal(stateOf(t, s)) {
					t.Fatalf("seed %d, state %d: got %v, want %v, by %+v", seed, i, got, stateOf(t, s), changes)
				}
				for _, c := range changes {
					wantKind(t, s, old, c)
				}
			}
		}
	}
}

// wantKind holds a change against what both states say of its asset and port.
func wantKind(t *testing.T, s, old engine.Snapshot, c engine.Change) {
	t.Helper()
	if c.Port == 0 || c.Kind == engine.Forgotten {
		return
	}
	set := engine.AllOf(engine.HasID(c.Asset), engine.LookedAt(engine.KeysOf(engine.Range{Type: c.Type, Lo: c.Port, Hi: c.Port})))
	before, err := old.Assets(t.Context(), engine.AssetQuery{Where: set})
	if err != nil {
		t.Fatal(err)
	}
	if want := before.Total > 0; want != (c.Kind != engine.Found) {
		t.Errorf("%+v: looked at before: %v", c, want)
	}
	if c.Kind == engine.Closed {
		return
	}
	a, err := s.AssetPorts(t.Context(), engine.All(), c.Asset)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(a.Ports, func(p engine.OpenPort) bool { return p.Key() == c.Key() })
	if i < 0 || !a.Ports[i].Seen.Equal(c.Seen) || a.Ports[i].Status != c.Status || a.Name != c.Name || a.Address != c.Address {
		t.Errorf("%+v: of %+v", c, a)
	}
}

func lookOf(t *testing.T, asset, group string, minute int, scope engine.Scope, open ...string) engine.Report {
	t.Helper()
	r := engine.Report{Project: "p", Asset: asset, EnterpriseProject: group, Seen: at(minute), Scope: scope}
	for _, text := range open {
		r.Open = append(r.Open, keyOf(t, text))
	}
	return r
}

func changesText(list []engine.Change) (texts []string) {
	for _, c := range list {
		text := fmt.Sprintf("%s %s in %q", c.Kind, c.Asset, c.EnterpriseProject)
		if c.From != "" {
			text += fmt.Sprintf(" from %q", c.From)
		}
		if c.Port > 0 {
			text += " " + c.Key().String() + " " + c.Status.String()
		}
		if !c.Seen.IsZero() {
			text += fmt.Sprint(" @", int(c.Seen.Sub(at(0))/time.Minute))
		}
		texts = append(texts, text)
	}
	return texts
}

// TestDiff tells of every kind, by every filter, of states of one inventory and of two.
func TestDiff(t *testing.T) {
	tcp := engine.ScopeOf(rangeOf(t, "1-1000/tcp"))
	first := []engine.Report{
		lookOf(t, "a", "", 1, tcp, "22/tcp", "80/tcp"), lookOf(t, "b", "e1", 1, engine.ScopeAll(), "53/udp"),
		lookOf(t, "gone", "e1", 1, tcp, "23/tcp"), lookOf(t, "moves", "e1", 1, tcp, "22/tcp"),
	}
	second := []engine.Report{
		lookOf(t, "a", "", 5, tcp, "22/tcp", "443/tcp", "161/udp"), lookOf(t, "b", "e1", 6, tcp, "3389/tcp"),
		lookOf(t, "new", "e2", 7, tcp, "22/tcp"), lookOf(t, "moves", "e2", 8, tcp, "22/tcp"),
	}
	e := openWith(t, first)
	old, _ := e.Snapshot("p", engine.Host)
	if _, err := e.Apply(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Remove(t.Context(), "p", engine.Host, "gone"); err != nil {
		t.Fatal(err)
	}
	s, _ := e.Snapshot("p", engine.Host)
	apart, _ := openWith(t, second).Snapshot("p", engine.Host)
	rdp := engine.KeysOf(rangeOf(t, "3000-4000/tcp"))
	for _, c := range []struct {
		name   string
		s      engine.Snapshot
		q      engine.DiffQuery
		unseen engine.Unseen
		want   []string
	}{
		{"all", s, engine.DiffQuery{}, engine.Unseen{}, []string{
			`closed a in "0" 80/tcp unknown @5`, `found a in "0" 161/udp danger @5`, `opened a in "0" 443/tcp unknown @5`,
			`opened b in "e1" 3389/tcp danger @6`,
			`forgotten gone in "e1"`, `forgotten gone in "e1" 23/tcp danger`,
			`moved moves in "e2" from "e1" @8`,
			`appeared new in "e2" @7`, `found new in "e2" 22/tcp unknown @7`,
		}},
		{"by kind", s, engine.DiffQuery{Kinds: []engine.ChangeKind{engine.Opened, engine.Moved}}, engine.Unseen{}, []string{
			`opened a in "0" 443/tcp unknown @5`, `opened b in "e1" 3389/tcp danger @6`, `moved moves in "e2" from "e1" @8`,
		}},
		{"by keys", s, engine.DiffQuery{Keys: rdp}, engine.Unseen{}, []string{`opened b in "e1" 3389/tcp danger @6`}},
		{"by type", s, engine.DiffQuery{Type: engine.UDP}, engine.Unseen{}, []string{`found a in "0" 161/udp danger @5`}},
		{"by status", s, engine.DiffQuery{Status: engine.Danger}, engine.Unseen{}, []string{
			`found a in "0" 161/udp danger @5`, `opened b in "e1" 3389/tcp danger @6`, `forgotten gone in "e1" 23/tcp danger`,
		}},
		{"in e1", s, engine.DiffQuery{View: engine.In("e1")}, engine.Unseen{}, []string{
			`opened b in "e1" 3389/tcp danger @6`, `forgotten gone in "e1"`, `forgotten gone in "e1" 23/tcp danger`, `moved moves in "" from "e1" @8`,
		}},
		{"in e2", s, engine.DiffQuery{View: engine.In("e2")}, engine.Unseen{}, []string{
			`moved moves in "e2" @8`, `appeared new in "e2" @7`, `found new in "e2" 22/tcp unknown @7`,
		}},
		{"of a set", s, engine.DiffQuery{Where: engine.HasOpen(engine.KeysOf(rangeOf(t, "80/tcp")))}, engine.Unseen{}, []string{
			`closed a in "0" 80/tcp unknown @5`, `found a in "0" 161/udp danger @5`, `opened a in "0" 443/tcp unknown @5`,
		}},
		{"apart", apart, engine.DiffQuery{Apart: true, Kinds: []engine.ChangeKind{engine.Closed, engine.Found, engine.Opened, engine.Forgotten}}, engine.Unseen{Ports: 1, Assets: 1}, []string{
			`closed a in "0" 80/tcp unknown @5`, `found a in "0" 161/udp danger @5`, `opened a in "0" 443/tcp unknown @5`,
			`opened b in "e1" 3389/tcp danger @6`, `found new in "e2" 22/tcp unknown @7`,
		}},
	} {
		var unseen engine.Unseen
		got := changesText(changesOf(t, c.s, old, c.q, &unseen))
		want := slices.Clone(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || unseen != c.unseen {
			t.Errorf("%s: %+v\ngot  %q\nwant %q", c.name, unseen, got, want)
		}
	}
	container, _ := e.Snapshot("p", engine.Container)
	for name, ask := range map[string]func() (*engine.Diff, error){
		"category": func() (*engine.Diff, error) { return s.Diff(t.Context(), container, engine.DiffQuery{}) },
		"kind": func() (*engine.Diff, error) {
			return s.Diff(t.Context(), old, engine.DiffQuery{Kinds: []engine.ChangeKind{9}})
		},
		"type": func() (*engine.Diff, error) { return s.Diff(t.Context(), old, engine.DiffQuery{Type: 99}) },
	} {
		if _, err := ask(); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Diff(t.Context(), engine.Snapshot{}, engine.DiffQuery{}); !errors.Is(err, engine.ErrNoProject) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Diff(ctx, old, engine.DiffQuery{Where: engine.HasID("a")}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
