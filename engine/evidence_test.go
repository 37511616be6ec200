package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/engine/journal"
	"portolan/index"
)

// TestNote holds that evidence comes back from its note as it was.
func TestNote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Custom(func(t *rapid.T) micros {
			if rapid.Bool().Draw(t, "near") {
				return noteEpoch + rapid.Int64Range(-3, 3).Draw(t, "near time")
			}
			return rapid.Int64Range(-62135596800e6, 253402300799e6).Draw(t, "time") // years 1 to 9999
		})
		maybe := rapid.OneOf(at, rapid.Just(never))
		want := evidence{newest: at.Draw(t, "newest"), name: maybe.Draw(t, "name"), address: maybe.Draw(t, "address"), home: maybe.Draw(t, "home")}
		for range rapid.IntRange(0, 4).Draw(t, "looks") {
			want.looks = append(want.looks, look{ref: rapid.Uint32Max(refNone-1).Draw(t, "ref"), time: at.Draw(t, "look")})
		}
		if labels := rapid.SampledFrom([]int{0, 0, 1, 2, MaxLabels}).Draw(t, "labels"); labels > 0 {
			want.labels.set = rapid.Uint32().Draw(t, "set")
			for range labels {
				want.labels.at = append(want.labels.at, rapid.OneOf(at, rapid.Just(want.newest)).Draw(t, "label"))
			}
		}
		n := rapid.IntRange(0, 40).Draw(t, "keys")
		apart := rapid.Int64Range(0, 1<<rapid.IntRange(0, 36).Draw(t, "bits"))
		units := rapid.SampledFrom([][]micros{{1}, {1e3}, {1e6}, {1, 1e3, 1e6}}).Draw(t, "units")
		for range n {
			own, unit := maybe, rapid.SampledFrom(units).Draw(t, "unit")
			if rapid.Bool().Draw(t, "together") {
				own = rapid.Map(apart, func(d int64) micros { return noteEpoch + d*unit })
			}
			want.own = append(want.own, own.Draw(t, "own"))
		}
		note := want.appendNote(nil, new([]micros))
		var got evidence
		got.decodeNote(note, n)
		if !slices.ContainsFunc(want.own, func(m micros) bool { return m != never }) {
			want.own = nil
		}
		if at := want.labels.at; len(at) > 0 && !slices.ContainsFunc(at, func(t micros) bool { return t != at[0] }) {
			want.labels.at = at[:1] // one for all
		}
		if set, ok := noteLabels(note); set != want.labels.set || ok != !want.labels.none() || noteLooks(note) != want.looksCode() {
			t.Fatalf("labels under %d (%t), looks %d, want %d, %d", set, ok, noteLooks(note), want.labels.set, want.looksCode())
		}
		if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(evidence{}, look{}, Scope{}, labelTimes{}), gocmp.Transformer("nil", func(s []micros) []micros { return append([]micros{}, s...) }), gocmp.Transformer("nilLooks", func(s []look) []look { return append([]look{}, s...) })); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		if noteNewest(note) != want.newest {
			t.Fatalf("newest is %d, want %d", noteNewest(note), want.newest)
		}
	})
}

// TestUvarints: numbers are written and read as encoding/binary does.
func TestUvarints(t *testing.T) {
	for shift := range 64 {
		for _, v := range []uint64{1<<shift - 1, 1 << shift, 1<<shift + 1, 1<<shift*3/2 - 7, math.MaxUint64 >> shift} {
			want := binary.AppendUvarint([]byte("x"), v)
			got := appendUvarint([]byte("x"), v)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d is written %x, want %x", v, got, want)
			}
			for _, behind := range [][]byte{nil, {0}, {0xff}, bytes.Repeat([]byte{0xff}, 9), make([]byte, 9)} {
				r := index.Reader{Rest: slices.Concat(got[1:], behind)}
				if read := r.Uint64(); read != v || r.Bad || !bytes.Equal(r.Rest, behind) {
					t.Fatalf("%x and %x behind it: read %d, want %d; %x is left", got[1:], behind, read, v, r.Rest)
				}
			}
		}
	}
	for _, cut := range [][]byte{nil, {0x80}, bytes.Repeat([]byte{0x80}, 8), bytes.Repeat([]byte{0xff}, 11)} {
		if r := (index.Reader{Rest: cut}); r.Uint64() != 0 || !r.Bad {
			t.Errorf("%x is read", cut)
		}
	}
}

// TestAgentNoteIsSmall holds the cost of an agent's look, which the package
// promises: under a byte per open port.
func TestAgentNoteIsSmall(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).UnixMicro()
	e := evidence{newest: at, name: at, address: at, home: at, looks: []look{{ref: refAll, time: at}}}
	if n := len(e.appendNote(nil, new([]micros))); n > 8 {
		t.Errorf("the note of an agent's report is %d bytes, want at most 8", n)
	}
}

// TestOwnTimesAreSmall holds that the own time that most keys share is stored once,
// also where that is none.
func TestOwnTimesAreSmall(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).UnixMicro()
	for name, c := range map[string]struct{ shared, odd micros }{
		"most have one":  {at - 5_000_000, never},
		"most have none": {never, at - 5_000_000},
		"two times":      {at - 5_000_000, at - 7_000_000},
		"the other way":  {at - 7_000_000, at - 5_000_000},
	} {
		e := evidence{newest: at, name: never, address: never, home: never}
		for i := range 100 {
			if e.own = append(e.own, c.shared); i%20 == 7 {
				e.own[i] = c.odd
			}
		}
		if n := len(e.appendNote(nil, new([]micros))); n > 50 {
			t.Errorf("%s: a note of 100 keys is %d bytes, want at most 50", name, n)
		}
		e.own = e.own[:20]
		for i := range e.own {
			e.own[i] = []micros{c.shared, c.odd}[i%2]
		}
		note := e.appendNote(nil, new([]micros))
		var got evidence
		if got.decodeNote(note, 20); !slices.Equal(got.own, e.own) {
			t.Errorf("%s: own times come back as %v", name, got.own)
		}
	}
}

// TestOwnTimesOfAScanAreSmall: where each key has its own time of a day, it takes the bytes
// that these have in the unit they are told in.
func TestOwnTimesOfAScanAreSmall(t *testing.T) {
	const n, day = 1000, 86400 * 1e6
	for unit, width := range map[micros]int{1: 5, 1e3: 4, 1e6: 3} {
		rng := rand.New(rand.NewPCG(1, 2))
		e := evidence{newest: noteEpoch + day, name: never, address: never, home: never}
		for range n {
			e.own = append(e.own, noteEpoch+rng.Int64N(day/unit)*unit)
		}
		if got := len(e.appendNote(nil, new([]micros))); got > width*n+20 {
			t.Errorf("a note of %d keys with times in %d µs is %d bytes, want at most %d", n, unit, got, width*n+20)
		}
	}
}

// TestUnitsOfOwnTimes: one finer time is enough for all to be told finer, wherever it stands.
func TestUnitsOfOwnTimes(t *testing.T) {
	for _, fine := range [][]micros{{1}, {1e3}, {1e3, 1}, {1, 1e3}, {1e6 + 1, 1e3}} {
		for at := range 5 {
			e := evidence{newest: noteEpoch, name: never, address: never, home: never}
			for i := range micros(5) {
				e.own = append(e.own, noteEpoch-i*1e6)
			}
			for i, d := range fine {
				e.own[(at+i)%5] += d
			}
			var got evidence
			got.decodeNote(e.appendNote(nil, new([]micros)), 5)
			if !slices.Equal(got.own, e.own) {
				t.Errorf("%v comes back as %v", e.own, got.own)
			}
		}
	}
}

// TestManyLooks: an asset keeps 64 looks; those nearest in time are merged at
// the older one, so that nothing is forgotten that was open and nothing closes that was not looked at.
func TestManyLooks(t *testing.T) {
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const n = 200
	for i := range n {
		k := index.MakeKey(uint16(i+1), index.TCP)
		r := Report{
			Project: "p", Asset: "a", Seen: start.Add(time.Duration(i) * time.Second),
			Scope: ScopeOf(index.Range{Type: index.TCP, Lo: k.Port(), Hi: k.Port()}), Open: []index.Key{k},
		}
		if _, err := e.Apply(context.Background(), []Report{r}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := e.Asset(context.Background(), "p", Host, "a")
	if err != nil || len(a.Open) != n {
		t.Fatalf("%d open, %v, want %d", len(a.Open), err, n)
	}
	v := e.tenants.find("p").inventory(Host, false, 0, journal.Point{})
	var known evidence
	known.decodeNote(v.x.Note(0), n)
	if len(known.looks) != maxLooks {
		t.Errorf("%d looks, want %d", len(known.looks), maxLooks)
	}
	if len(v.scopes) > maxLooks {
		t.Errorf("%d scopes are remembered, want at most %d", len(v.scopes), maxLooks)
	}
	if err := v.check(t.Context()); err != nil { // that each scope is held which a look is at, and no other
		t.Error(err)
	}
	if _, err := e.Remove(context.Background(), "p", Host, "a"); err != nil {
		t.Fatal(err)
	}
	if len(v.scopes) != 0 {
		t.Errorf("%d scopes are remembered without an asset", len(v.scopes))
	}
}

// TestScopesAreDecodedOnce: what an inventory that was loaded from an image has of scopes is
// decoded by the first report that needs it, and not again by the next: a scope may have
// 30,000 ranges, and an asset 64 of them.
func TestScopesAreDecodedOnce(t *testing.T) {
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	apply := func(after time.Duration, s Scope) map[uint32]Scope {
		r := Report{Project: "p", Asset: "a", Seen: start.Add(after), Scope: s, Open: []index.Key{index.MakeKey(22, index.TCP)}}
		if _, err := e.Apply(t.Context(), []Report{r}); err != nil {
			t.Fatal(err)
		}
		return e.tenants.find("p").inventory(Host, false, 0, journal.Point{}).scopes
	}
	for _, port := range []uint16{22, 80, 443} {
		apply(time.Duration(port), ScopeOf(index.Range{Type: index.TCP, Lo: port, Hi: port}))
	}
	clear(apply(time.Minute, Scope{})) // as an image leaves it
	first := maps.Clone(apply(2*time.Minute, Scope{}))
	if again := apply(3*time.Minute, Scope{}); len(first) != 3 || !maps.Equal(first, again) {
		t.Errorf("%v, and after another report %v: want the same three", first, again)
	}
}

// looksOf returns what is kept of the looks at an asset, as text, in order of time.
func looksOf(t *testing.T, e *Engine, id string) []string {
	t.Helper()
	v := e.tenants.find("p").inventory(Host, false, 0, journal.Point{})
	v.lock()
	defer v.unlock()
	o, _ := v.x.Find(id)
	var ev evidence
	ev.decodeNote(v.x.Note(o), -1)
	slices.SortFunc(ev.looks, func(a, b look) int { return cmp.Compare(a.time, b.time) })
	texts := make([]string, len(ev.looks))
	for i, l := range ev.looks {
		texts[i] = fmt.Sprintf("%d %v", l.time-noteEpoch, v.scopeOf(l.ref))
	}
	return texts
}

// TestLooksAreFew: a look inside another one that is as new is not kept, whichever
// came first, and of many looks the oldest of the pairs that are nearest merge.
func TestLooksAreFew(t *testing.T) {
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	tell := func(id, scope string, at int) {
		t.Helper()
		s, err := ParseScope(scope)
		if err != nil {
			t.Fatal(err)
		}
		r := Report{Project: "p", Asset: id, Scope: s, Seen: time.UnixMicro(noteEpoch + micros(at))}
		if _, err := e.Apply(t.Context(), []Report{r}); err != nil {
			t.Fatal(err)
		}
	}
	for i, scopes := range [][]string{{"80/tcp", "1-100/tcp"}, {"1-100/tcp", "80/tcp"}, {"80/tcp", "1-100/tcp", "80/tcp"}} {
		id := fmt.Sprintf("same-%d", i)
		for _, scope := range scopes {
			tell(id, scope, 5)
		}
		if got := looksOf(t, e, id); !slices.Equal(got, []string{"5 1-100/tcp"}) {
			t.Errorf("%v: %v", scopes, got)
		}
	}
	tell("other", "80/tcp", 6)
	tell("other", "1-100/tcp", 5)
	tell("other", "90/tcp", 4)
	if got := looksOf(t, e, "other"); !slices.Equal(got, []string{"5 1-100/tcp", "6 80/tcp"}) {
		t.Errorf("a newer look inside an older one: %v", got)
	}
	for n := range maxLooks + 1 {
		tell("many", fmt.Sprintf("%d/tcp", 10*n+10), 100*n)
	}
	got := looksOf(t, e, "many")
	if len(got) != maxLooks || got[0] != "0 10/tcp,20/tcp" || got[1] != "200 30/tcp" {
		t.Errorf("of pairs equally near the oldest merges: %d looks, the first are %v", len(got), got[:2])
	}
	tell("many", "9999/tcp", 350)
	if got := looksOf(t, e, "many"); len(got) != maxLooks || got[2] != "300 40/tcp,9999/tcp" || got[0] != "0 10/tcp,20/tcp" {
		t.Errorf("the nearest pair merges: %v", got[:4])
	}
}

// TestLateReportAmongManyLooks: of 200 daily range scans one found a port closed
// after it was open. A report from the first days does not open it again, as looks
// merge with those next to them in time.
func TestLateReportAmongManyLooks(t *testing.T) {
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }
	ssh := []Key{MakeKey(22, TCP)}
	apply := func(r Report) Result {
		t.Helper()
		r.Project, r.Asset = "p", "a"
		result, err := e.Apply(t.Context(), []Report{r})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	for n := range 200 {
		r := Report{Seen: day(n), Scope: ScopeOf(Range{Type: UDP, Lo: uint16(2*n + 1), Hi: uint16(2*n + 1)})}
		switch n {
		case 2:
			r.Open = ssh
		case 130:
			r.Scope = r.Scope.Union(ScopeOf(Range{Type: TCP, Lo: 22, Hi: 22}))
		}
		apply(r)
	}
	for _, c := range []struct{ day, open int }{{2, 0}, {60, 0}, {120, 0}, {136, 1}} {
		apply(Report{Seen: day(c.day), Open: ssh})
		if a, err := e.Asset(t.Context(), "p", Host, "a"); err != nil || len(a.Open) != c.open {
			t.Errorf("a report of day %d: open %v, %v, want %d", c.day, a.Open, err, c.open)
		}
	}
}

// TestSnapshotIsHeld: a snapshot shows what it showed, also when ordinals are reused.
func TestSnapshotIsHeld(t *testing.T) {
	ctx := context.Background()
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	ssh := []index.Key{index.MakeKey(22, index.TCP)}
	for i := range 100 {
		if _, err := e.Apply(ctx, []Report{{Project: "p", Asset: fmt.Sprintf("old-%d", i), Scope: ScopeAll(), Open: ssh}}); err != nil {
			t.Fatal(err)
		}
	}
	held, err := e.Snapshot("p", Host)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := e.Remove(ctx, "p", Host, fmt.Sprintf("old-%d", i)); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Apply(ctx, []Report{{Project: "p", Asset: fmt.Sprintf("new-%d", i), Scope: ScopeAll()}}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := held.Hosts(ctx, HostQuery{Project: "p", Port: 22})
	if err != nil || page.Total != 100 {
		t.Fatalf("held snapshot has %d hosts, %v", page.Total, err)
	}
	for i, row := range page.Rows {
		if want := fmt.Sprintf("old-%d", i); row.Asset != want {
			t.Errorf("row %d is %s, want %s", i, row.Asset, want)
		}
	}
	if a, err := held.Asset("old-7"); err != nil || len(a.Open) != 1 {
		t.Errorf("old-7 is %+v, %v", a, err)
	}
	if _, err := held.Asset("new-7"); err == nil {
		t.Error("the held snapshot has an asset that came later")
	}
}
