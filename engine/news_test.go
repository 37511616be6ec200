package engine_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"portolan/engine"
)

// TestChangedSince: the inventories that changed after a batch are told, whoever changed them, and who waits for a
// batch hears of any.
func TestChangedSince(t *testing.T) {
	e := openWith(t, nil)
	write := func(project string, category engine.Category, port uint16) uint64 {
		t.Helper()
		got, err := e.Apply(t.Context(), []engine.Report{{
			Project: project, Category: category, Asset: "a", Open: []engine.Key{engine.MakeKey(port, engine.TCP)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return got.Sequence
	}
	since := func(after uint64, want ...engine.Inventory) {
		t.Helper()
		got, through, err := e.ChangedSince(after)
		slices.SortFunc(got, func(a, b engine.Inventory) int {
			return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Category, b.Category))
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("after %d: %v through %d, %v, want %v", after, got, through, err, want)
		}
	}
	since(0)
	waiting := make(chan error)
	go func() { waiting <- e.AwaitBatch(t.Context(), 0) }()
	one := write("p", engine.Host, 1)
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	two := write("q", engine.Container, 1)
	write("q", engine.Container, 1) // which confirms
	three := write("p", engine.Container, 1)
	p, q := engine.Inventory{Project: "p"}, engine.Inventory{Project: "q", Category: engine.Container}
	pc := engine.Inventory{Project: "p", Category: engine.Container}
	since(0, p, pc, q)
	since(one, pc, q)
	since(two, pc)
	since(three)
	if _, err := e.RemoveProject(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	since(0, p, pc)
	four := write("q", engine.Container, 2)
	since(three, q)
	since(four)
	three = four

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := e.AwaitBatch(ctx, three); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	for _, p := range []engine.Position{{}, engine.After(one), {Sequence: two, Asset: 3}, engine.After(three + 100)} {
		want := p
		if p.Sequence > three {
			want = engine.After(three)
		}
		if got := e.Known(p); got != want {
			t.Errorf("known of %v: %v, want %v", p, got, want)
		}
	}
	go func() { waiting <- e.AwaitBatch(t.Context(), three) }()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, engine.ErrClosed) {
		t.Error(err)
	}
	if _, _, err := e.ChangedSince(0); !errors.Is(err, engine.ErrClosed) {
		t.Error(err)
	}
}

// TestChangesUnexpected holds changes of what is unexpected against what the policy expects of each asset and key.
func TestChangesUnexpected(t *testing.T) {
	list := func(texts ...string) []engine.Key {
		keys, err := engine.ParseKeys(texts...)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	keys := func(texts ...string) *engine.KeySet {
		var ranges []engine.Range
		for _, text := range texts {
			ranges = append(ranges, rangeOf(t, text))
		}
		return engine.KeysOf(ranges...)
	}
	policy, err := engine.NewPolicy(nil,
		engine.Expectation{Keys: keys("443/tcp"), Allowed: keys("22/tcp"), Where: engine.HasID("a", "b"), WhereText: "a or b"},
		engine.Expectation{Keys: keys("80/tcp"), Where: engine.HasID("b", "gone"), WhereText: "b or gone"})
	if err != nil {
		t.Fatal(err)
	}
	e := openWith(t, nil)
	if err := e.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c", "gone"} {
		for _, open := range [][]engine.Key{nil, list("22/tcp", "80/tcp", "443/tcp", "443/udp"), list("443/udp")} {
			r := engine.Report{Project: "p", Asset: id, Open: open, Scope: engine.ScopeAll()}
			if _, err := e.Apply(t.Context(), []engine.Report{r}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := e.Remove(t.Context(), "p", engine.Host, "gone"); err != nil {
		t.Fatal(err)
	}
	var r engine.Reading
	changes, err := tryLogged(t.Context(), e, engine.ChangeQuery{Project: "p", Unexpected: true}, &r)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.Kind.String()+" "+c.Asset+" "+c.Key().String())
	}
	want := []string{"opened a 80/tcp", "opened a 443/udp", "closed a 80/tcp", "opened b 443/udp"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if r.Gone != 4+3+1 { // opened or found, closed, forgotten
		t.Errorf("%d left out", r.Gone)
	}
}
