package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// past is a history: the states after each batch, and what the log tells of it.
type past struct {
	engine *engine.Engine
	states []engine.Snapshot // after each call, of p's hosts
}

// live makes a history at random.
func live(t *testing.T, e *engine.Engine, seed uint64) past {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 9))
	h := past{engine: e}
	for reports := enginetest.Small(seed, 200); len(reports) > 0; {
		n := min(1+rng.IntN(12), len(reports))
		if _, err := e.Apply(t.Context(), reports[:n]); err != nil {
			t.Fatal(err)
		}
		if reports = reports[n:]; rng.IntN(5) == 0 {
			if _, err := e.Remove(t.Context(), "p", engine.Host, []string{"a", "b", "c", "d"}[rng.IntN(4)]); err != nil && !errors.Is(err, engine.ErrNotFound) {
				t.Fatal(err)
			}
		}
		s, err := e.Snapshot("p", engine.Host)
		if err != nil && !errors.Is(err, engine.ErrNoProject) {
			t.Fatal(err)
		}
		h.states = append(h.states, s)
	}
	return h
}

// logged returns what the log tells.
func logged(t *testing.T, e *engine.Engine, q engine.ChangeQuery) []engine.Change {
	t.Helper()
	q.Project = "p"
	list, err := tryLogged(t.Context(), e, q, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func tryLogged(ctx context.Context, e *engine.Engine, q engine.ChangeQuery, r *engine.Reading) (list []engine.Change, err error) {
	c, err := e.Changes(ctx, q)
	if err != nil {
		return nil, err
	}
	for change, err := range c.All(ctx, r) {
		if err != nil {
			return nil, err
		}
		list = append(list, *change)
	}
	return list, nil
}

// bare is changes without what only a log knows.
func bare(list []engine.Change) []engine.Change {
	out := slices.Clone(list)
	for i := range out {
		out[i].At, out[i].Time, out[i].Flapped = engine.Position{}, time.Time{}, false
	}
	return out
}

// sameChanges says whether the changes are the same but for their order, and the status of ports of assets
// that are gone by now.
func sameChanges(a, b []engine.Change) bool {
	texts := func(list []engine.Change) (all []string) {
		for _, c := range list {
			c.Status = 0
			all = append(all, fmt.Sprintf("%+v", c))
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(texts(a), texts(b))
}

// TestChanges: what the log tells of a call is what differs between the states before and after it; what it
// tells since any state, folded onto that, is the newest one, and so is what differs net; and who reads
// it in pieces, from any change on, reads the same.
func TestChanges(t *testing.T) {
	for seed := range uint64(12) {
		e := openWith(t, nil)
		h := live(t, e, seed)
		last := h.states[len(h.states)-1]
		all := logged(t, e, engine.ChangeQuery{})
		for i, s := range h.states {
			since := logged(t, e, engine.ChangeQuery{After: engine.After(s.Sequence())})
			if got := stateOf(t, s).fold(t, since); !got.equal(stateOf(t, last)) {
				t.Fatalf("seed %d, since state %d: got %v, want %v, by %+v", seed, i, got, stateOf(t, last), since)
			}
			wantNet(t, e, s, last)
			if i == 0 || h.states[i-1].Sequence()+1 != s.Sequence() {
				continue
			}
			want := changesOf(t, s, h.states[i-1], engine.DiffQuery{}, nil)
			got := slices.DeleteFunc(slices.Clone(all), func(c engine.Change) bool { return c.At.Sequence != s.Sequence() })
			if !sameChanges(bare(got), want) {
				t.Fatalf("seed %d, batch %d: got %q, want %q", seed, s.Sequence(), changesText(got), changesText(want))
			}
		}
		for i := range all {
			seq := all[i].At.Sequence
			through := logged(t, e, engine.ChangeQuery{Through: seq})
			if n := len(through); n <= i || all[n-1].At.Sequence != seq || n < len(all) && all[n].At.Sequence == seq || !slices.Equal(through, all[:n]) {
				t.Fatalf("through %d: %+v", seq, through)
			}
			if i > 0 && all[i-1].At.Compare(all[i].At) >= 0 || all[i].Time.IsZero() {
				t.Fatalf("%+v after %+v", all[i], all[i-1])
			}
			if rest := logged(t, e, engine.ChangeQuery{After: all[i].At}); !slices.Equal(rest, all[i+1:]) {
				t.Fatalf("after %v: got %+v, want %+v", all[i].At, rest, all[i+1:])
			}
			if p, err := engine.ParsePosition(all[i].At.String()); p != all[i].At || err != nil {
				t.Fatal(p, err)
			}
		}
	}
}

// wantNet holds what the log tells net since a state against what differs between it and the newest.
func wantNet(t *testing.T, e *engine.Engine, s, last engine.Snapshot) {
	t.Helper()
	net := logged(t, e, engine.ChangeQuery{After: engine.After(s.Sequence()), Net: true})
	plain := func(list []engine.Change) (texts []string) {
		for _, c := range list {
			if c.Kind == engine.Opened { // it may have been looked at since for the first time
				c.Kind = engine.Found
			}
			texts = append(texts, fmt.Sprint(c.Kind, " ", c.Asset, " ", c.Key(), " ", c.EnterpriseProject, " ", c.From))
		}
		slices.Sort(texts)
		return texts
	}
	if got, want := plain(net), plain(changesOf(t, last, s, engine.DiffQuery{}, nil)); !slices.Equal(got, want) {
		t.Fatalf("net since %d: got %q, want %q", s.Sequence(), got, want)
	}
	flapped := logged(t, e, engine.ChangeQuery{After: engine.After(s.Sequence()), Net: true, Flapped: true})
	rest := slices.DeleteFunc(slices.Clone(flapped), func(c engine.Change) bool { return c.Flapped })
	if !slices.Equal(rest, net) {
		t.Fatalf("net since %d: got %+v with what flapped, %+v without", s.Sequence(), flapped, net)
	}
	// Whatever changed is either net or flapped.
	told := map[string]bool{}
	for _, c := range flapped {
		told[fmt.Sprint(c.Asset, c.Key())] = true
	}
	for _, c := range logged(t, e, engine.ChangeQuery{After: engine.After(s.Sequence())}) {
		if c.Port > 0 && !told[fmt.Sprint(c.Asset, c.Key())] {
			t.Fatalf("net since %d: nothing is told of %+v", s.Sequence(), c)
		}
	}
}

// TestChangesAsked tells what is asked for, by every filter.
func TestChangesAsked(t *testing.T) {
	e, clock := openOn(t, nil)
	tcp := engine.ScopeOf(rangeOf(t, "1-1000/tcp"))
	apply := func(r ...engine.Report) {
		t.Helper()
		if _, err := e.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		*clock = clock.Add(time.Minute)
	}
	start := *clock
	apply(lookOf(t, "a", "", 1, tcp, "22/tcp", "80/tcp"), lookOf(t, "gone", "e1", 1, tcp, "23/tcp"), lookOf(t, "moves", "e1", 1, tcp, "22/tcp"))
	apply(lookOf(t, "a", "", 5, tcp, "22/tcp", "443/tcp"), lookOf(t, "moves", "e2", 5, tcp, "22/tcp"))
	apply(lookOf(t, "a", "", 6, tcp, "22/tcp", "80/tcp", "443/tcp"), lookOf(t, "gone", "", 7, tcp, "23/tcp", "25/tcp"))
	if _, err := e.Remove(t.Context(), "p", engine.Host, "gone"); err != nil {
		t.Fatal(err)
	}
	end := engine.After(1)
	for _, c := range []struct {
		name string
		q    engine.ChangeQuery
		gone int
		want []string
	}{
		{"after the first batch", engine.ChangeQuery{After: end}, 0, []string{
			`closed a in "0" 80/tcp unknown @5`, `opened a in "0" 443/tcp unknown @5`, `moved moves in "e2" from "e1" @5`,
			`opened a in "0" 80/tcp unknown @6`, `opened gone in "e1" 25/tcp unknown @7`,
			`forgotten gone in "e1"`, `forgotten gone in "e1" 23/tcp danger`, `forgotten gone in "e1" 25/tcp unknown`,
		}},
		{"net", engine.ChangeQuery{After: end, Net: true}, 0, []string{
			`moved moves in "e2" from "e1" @5`, `opened a in "0" 443/tcp unknown @5`,
			`forgotten gone in "e1"`, `forgotten gone in "e1" 23/tcp danger`,
		}},
		{"net, all", engine.ChangeQuery{Net: true, Keys: engine.KeysOf(rangeOf(t, "23-80/tcp"))}, 0, []string{`opened a in "0" 80/tcp unknown @6`}},
		{"flapped", engine.ChangeQuery{After: end, Net: true, Flapped: true, Keys: engine.KeysOf(rangeOf(t, "1-100/tcp"))}, 0, []string{
			`opened a in "0" 80/tcp unknown @6`, `forgotten gone in "e1" 23/tcp danger`, `forgotten gone in "e1" 25/tcp unknown`,
		}},
		{"since", engine.ChangeQuery{Since: start.Add(90 * time.Second), Kinds: []engine.ChangeKind{engine.Opened}}, 0, []string{
			`opened a in "0" 80/tcp unknown @6`, `opened gone in "e1" 25/tcp unknown @7`,
		}},
		{"since, until", engine.ChangeQuery{Since: start.Add(time.Minute), Until: start.Add(2 * time.Minute)}, 0, []string{
			`closed a in "0" 80/tcp unknown @5`, `opened a in "0" 443/tcp unknown @5`, `moved moves in "e2" from "e1" @5`,
		}},
		{"until", engine.ChangeQuery{Until: start.Add(time.Second), Kinds: []engine.ChangeKind{engine.Appeared}}, 0, []string{
			`appeared a in "0" @1`, `appeared gone in "e1" @1`, `appeared moves in "e1" @1`,
		}},
		{"by status", engine.ChangeQuery{After: end, Status: engine.Danger}, 0, []string{`forgotten gone in "e1" 23/tcp danger`}},
		{"by type", engine.ChangeQuery{Type: engine.UDP}, 0, nil},
		{"in e2", engine.ChangeQuery{View: engine.In("e2")}, 0, []string{`moved moves in "e2" @5`}},
		{"in e1", engine.ChangeQuery{After: end, View: engine.In("e1"), Kinds: []engine.ChangeKind{engine.Moved, engine.Opened}}, 0, []string{
			`moved moves in "" from "e1" @5`, `opened gone in "e1" 25/tcp unknown @7`,
		}},
		{"of a set", engine.ChangeQuery{After: end, Where: engine.HasOpen(engine.KeysOf(rangeOf(t, "22-23/tcp"))), Kinds: []engine.ChangeKind{engine.Opened}}, 1, []string{
			`opened a in "0" 443/tcp unknown @5`, `opened a in "0" 80/tcp unknown @6`,
		}},
	} {
		c.q.Project = "p"
		var r engine.Reading
		list, err := tryLogged(t.Context(), e, c.q, &r)
		if got := changesText(list); err != nil || !slices.Equal(got, c.want) || r.Gone != c.gone {
			t.Errorf("%s: %v, %d of assets that are gone\ngot  %q\nwant %q", c.name, err, r.Gone, got, c.want)
		}
	}
	for _, c := range []struct {
		name string
		q    engine.ChangeQuery
		want error
	}{
		{"project", engine.ChangeQuery{Project: "nobody"}, engine.ErrNoProject},
		{"category", engine.ChangeQuery{Project: "p", Category: 7}, engine.ErrInvalid},
		{"kind", engine.ChangeQuery{Project: "p", Kinds: []engine.ChangeKind{9}}, engine.ErrInvalid},
		{"type", engine.ChangeQuery{Project: "p", Type: 99}, engine.ErrInvalid},
		{"two beginnings", engine.ChangeQuery{Project: "p", After: engine.After(1), Since: start}, engine.ErrInvalid},
		{"flapped alone", engine.ChangeQuery{Project: "p", Flapped: true}, engine.ErrInvalid},
		{"what is to come", engine.ChangeQuery{Project: "p", After: engine.After(99)}, engine.ErrBehind},
	} {
		if _, err := e.Changes(t.Context(), c.q); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if list, err := tryLogged(t.Context(), e, engine.ChangeQuery{Project: "p", Category: engine.Container}, nil); len(list) != 0 || err != nil {
		t.Error(list, err)
	}
	for _, p := range []engine.Position{{}, {Sequence: 1, Asset: 2, Change: 3}, {1, 2, math.MaxUint32}, engine.After(0), engine.After(math.MaxUint64)} {
		if again, err := engine.ParsePosition(p.String()); again != p || err != nil {
			t.Errorf("%+v is %q, which is %+v, %v", p, p, again, err)
		}
	}
	for _, text := range []string{"", "x", "1.", "1.x", "1.2.3.4", "1.2.3.", "-1", "1.2.99999999999", "1.-2"} {
		if p, err := engine.ParsePosition(text); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%q is taken for %v, %v", text, p, err)
		}
	}
}

// openOn is openWith with a clock that only the test moves.
func openOn(t *testing.T, opts *engine.Options) (*engine.Engine, *time.Time) {
	t.Helper()
	clock := at(60)
	o := engine.Options{}
	if opts != nil {
		o = *opts
	}
	o.Now = func() time.Time { return clock }
	e, err := engine.Open(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e, &clock
}

// TestChangesOrder: a clock that is set back changes no order, and times of batches do not go back.
func TestChangesOrder(t *testing.T) {
	e, clock := openOn(t, nil)
	for i := range 6 {
		*clock = at(60 - i%3*20)
		if _, err := e.Apply(t.Context(), []engine.Report{lookOf(t, fmt.Sprint("h", i), "", 1, engine.ScopeAll(), "22/tcp")}); err != nil {
			t.Fatal(err)
		}
	}
	list := logged(t, e, engine.ChangeQuery{Kinds: []engine.ChangeKind{engine.Appeared}})
	for i, c := range list {
		if c.At.Sequence != uint64(i+1) || c.Time.Before(at(60)) {
			t.Errorf("%+v", c)
		}
	}
	if len(list) != 6 {
		t.Error(list)
	}
}

// TestChangesBounded: the log takes no more memory than it may; who asks for what it gave up is told from where
// on there is something; and the project that has the most gives up its own.
func TestChangesBounded(t *testing.T) {
	const most = 64 << 10
	e, clock := openOn(t, &engine.Options{ChangesBytes: most})
	small := lookOf(t, "small", "", 1, engine.ScopeAll(), "22/tcp")
	small.Project = "q"
	if _, err := e.Apply(t.Context(), []engine.Report{small}); err != nil {
		t.Fatal(err)
	}
	before := *clock
	*clock = clock.Add(time.Second)
	for i := range 2000 {
		if _, err := e.Apply(t.Context(), []engine.Report{lookOf(t, fmt.Sprint("h", i), "", 1, engine.ScopeAll(), "22/tcp", "80/tcp")}); err != nil {
			t.Fatal(err)
		}
		*clock = clock.Add(time.Second)
	}
	kept := logged(t, e, engine.ChangeQuery{})
	if n := len(kept); n < 3*most/200 || n >= 3*2000 || kept[n-1].Asset != "h1999" {
		t.Fatalf("%d changes are kept, to %+v", n, kept[n-1])
	}
	var old *engine.TooOldError
	for name, q := range map[string]engine.ChangeQuery{"by number": {After: engine.After(2)}, "by time": {Since: before}} {
		q.Project = "p"
		if _, err := e.Changes(t.Context(), q); !errors.As(err, &old) || !errors.Is(err, engine.ErrTooOld) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if want := kept[0].At.Sequence - 1; old.Sequence != want || !old.Time.Before(kept[0].Time) {
		t.Errorf("%+v, where %+v is the first that is kept", old, kept[0])
	}
	for name, q := range map[string]engine.ChangeQuery{"by number": {After: engine.After(old.Sequence)}, "by time": {Since: old.Time.Add(time.Microsecond)}} {
		if got := logged(t, e, q); !slices.Equal(got, kept) {
			t.Errorf("%s: %d changes of %d", name, len(got), len(kept))
		}
	}
	if list, err := tryLogged(t.Context(), e, engine.ChangeQuery{Project: "q", Since: before}, nil); err != nil || len(list) != 2 {
		t.Errorf("of the small project: %+v, %v", list, err)
	}
	none, _ := openOn(t, &engine.Options{ChangesBytes: -1})
	if _, err := none.Changes(t.Context(), engine.ChangeQuery{Project: "p"}); !errors.Is(err, engine.ErrNoChanges) {
		t.Error(err)
	}
}

// TestChangesOfRemovedProject: a project that comes again has its own log, and who followed the old one is told.
func TestChangesOfRemovedProject(t *testing.T) {
	e, _ := openOn(t, nil)
	apply := func() {
		t.Helper()
		if _, err := e.Apply(t.Context(), []engine.Report{lookOf(t, "a", "", 1, engine.ScopeAll(), "22/tcp")}); err != nil {
			t.Fatal(err)
		}
	}
	apply()
	if _, err := e.RemoveProject(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Changes(t.Context(), engine.ChangeQuery{Project: "p"}); !errors.Is(err, engine.ErrNoProject) {
		t.Error(err)
	}
	apply()
	if list := logged(t, e, engine.ChangeQuery{}); len(list) != 2 || list[0].At.Sequence != 3 {
		t.Errorf("%+v", list)
	}
	if _, err := e.Changes(t.Context(), engine.ChangeQuery{Project: "p", After: engine.After(1)}); !errors.Is(err, engine.ErrTooOld) {
		t.Error(err)
	}
}

// TestChangesOfMany: a batch that changes more than one list holds is told whole, and read in pieces.
func TestChangesOfMany(t *testing.T) {
	e := openWith(t, nil)
	reports := make([]engine.Report, 5000)
	for i := range reports {
		reports[i] = lookOf(t, fmt.Sprintf("host-%d", i), fmt.Sprint("e", i%7), i%50, engine.ScopeAll(), "22/tcp", "443/tcp")
	}
	if _, err := e.Apply(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	all := logged(t, e, engine.ChangeQuery{})
	if len(all) != 15_000 {
		t.Fatalf("%d changes", len(all))
	}
	for i := 0; i < len(all); i += 997 {
		if rest := logged(t, e, engine.ChangeQuery{After: all[i].At}); !slices.Equal(rest, all[i+1:]) {
			t.Fatalf("after %v: %d changes, want %d", all[i].At, len(rest), len(all)-i-1)
		}
	}
	many := lookOf(t, "host-3", "", 60, engine.ScopeAll())
	for port := range 65_535 {
		many.Open = append(many.Open, engine.MakeKey(uint16(port+1), engine.TCP))
	}
	if _, err := e.Apply(t.Context(), []engine.Report{many}); err != nil {
		t.Fatal(err)
	}
	if got := logged(t, e, engine.ChangeQuery{After: engine.After(1)}); len(got) != 65_533 {
		t.Fatalf("%d changes", len(got))
	}
}

// TestAwaitChanges: who waits is woken by a batch that changes what is waited for, and by no other.
func TestAwaitChanges(t *testing.T) {
	e := openWith(t, nil)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	wait := func(after uint64) { go func() { done <- e.AwaitChanges(ctx, "p", engine.Host, after) }() }
	apply := func(project, port string) {
		t.Helper()
		r := lookOf(t, "a", "", 1, engine.ScopeAll(), port)
		r.Project, r.Seen = project, time.Time{}
		if _, err := e.Apply(t.Context(), []engine.Report{r}); err != nil {
			t.Fatal(err)
		}
	}
	wait(0)
	apply("q", "22/tcp")
	apply("p", "22/tcp") // batch 2
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wait(2)
	apply("p", "22/tcp") // tells nothing new
	apply("q", "80/tcp")
	select {
	case err := <-done:
		t.Fatal("woken by nothing", err)
	case <-time.After(20 * time.Millisecond):
	}
	apply("p", "80/tcp")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wait(99)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestAwaitChangesOfClosed: who waits when an engine is closed waits no longer.
func TestAwaitChangesOfClosed(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.AwaitChanges(t.Context(), "p", engine.Host, 0) }()
	time.Sleep(10 * time.Millisecond)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, engine.ErrClosed) {
		t.Error(err)
	}
}

// TestChangesShared: many projects that have as much as each other all keep some of it.
func TestChangesShared(t *testing.T) {
	const projects = 50
	e, _ := openOn(t, &engine.Options{ChangesBytes: 64 << 10})
	for i := range 100 {
		for n := range projects {
			r := lookOf(t, fmt.Sprint("h", i), "", 1, engine.ScopeAll(), "22/tcp")
			r.Project = fmt.Sprint("p", n)
			if _, err := e.Apply(t.Context(), []engine.Report{r}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range projects {
		list, err := tryLogged(t.Context(), e, engine.ChangeQuery{Project: fmt.Sprint("p", n)}, nil)
		if err != nil || len(list) < 2*3 || list[len(list)-1].Asset != "h99" {
			t.Errorf("project %d: %d changes, %v", n, len(list), err)
		}
	}
}

// TestChangesOfAsset: what is told of one asset is what of it is told of all, for ids of every form, net too.
func TestChangesOfAsset(t *testing.T) {
	for seed := range uint64(6) {
		e := openWith(t, nil)
		h := live(t, e, seed)
		for _, id := range []string{"10.0.0.1", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "00ff00ff00ff00ff", "2001:db8::1", "a-longer", "aa"} {
			for _, open := range [][]engine.Key{mustParse(t, "1/tcp", "2/udp"), mustParse(t, "2/udp"), nil} {
				if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: id, Open: open, Scope: engine.ScopeAll()}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, net := range []bool{false, true} {
			all := logged(t, e, engine.ChangeQuery{After: engine.After(h.states[3].Sequence()), Net: net, Flapped: net})
			ids := map[string]bool{"none": true, "a-long": true}
			for _, c := range all {
				ids[c.Asset] = true
			}
			for id := range ids {
				got := logged(t, e, engine.ChangeQuery{After: engine.After(h.states[3].Sequence()), Net: net, Flapped: net, Asset: id})
				want := slices.DeleteFunc(slices.Clone(all), func(c engine.Change) bool { return c.Asset != id })
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d, %s: got %+v, want %+v", seed, id, got, want)
				}
			}
		}
	}
}
