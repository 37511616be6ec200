package engine

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portolan/index"
)

// drawReports draws reports about few assets and keys, and their times: much of it meets.
func drawReports(t *rapid.T) ([]Report, []micros) {
	types := rapid.SampledFrom([][]index.Type{{index.TCP}, {index.SCTP, index.TCP, index.UDP6}}).Draw(t, "types")
	port := rapid.OneOf(rapid.Uint16Range(1, 6), rapid.SampledFrom([]uint16{63, 64, 65534, 65535}))
	key := rapid.Custom(func(t *rapid.T) Key {
		return MakeKey(port.Draw(t, "port"), rapid.SampledFrom(types).Draw(t, "type"))
	})
	scope := rapid.Custom(func(t *rapid.T) Scope {
		switch rapid.IntRange(0, 9).Draw(t, "kind of scope") {
		case 0:
			return ScopeAll()
		case 1, 2, 3, 4:
			return Scope{}
		}
		return ScopeOf(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Range {
			a, b := port.Draw(t, "a"), port.Draw(t, "b")
			return Range{Type: rapid.SampledFrom(types).Draw(t, "type"), Lo: min(a, b), Hi: max(a, b)}
		}), 1, 3).Draw(t, "ranges")...)
	})
	text := rapid.SampledFrom([]string{"", "", "", "a", "b", "10.0.0.1"})
	assets := rapid.IntRange(1, 3).Draw(t, "assets")
	reports := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Report {
		r := Report{Project: "p", Asset: fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, assets).Draw(t, "asset"))}
		r.Open = rapid.SliceOfN(key, 0, 3).Draw(t, "open")
		if rapid.Bool().Draw(t, "plain") {
			r.Open = r.Open[:min(1, len(r.Open))]
			if rapid.Bool().Draw(t, "addressed") {
				r.Address = r.Asset
			}
			return r
		}
		r.Scope = scope.Draw(t, "scope")
		r.Name, r.Address, r.EnterpriseProject = text.Draw(t, "name"), text.Draw(t, "address"), text.Draw(t, "home")
		return r
	}), 1, 60).Draw(t, "reports")
	times := make([]micros, len(reports))
	for i := range times {
		times[i] = noteEpoch + rapid.Int64Range(0, 12).Draw(t, "at")
	}
	return reports, times
}

// TestGroupedAsOneByOne: reports in one call, in some calls and one by one lead to the same
// inventory, and as much becomes of them.
func TestGroupedAsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reports, times := drawReports(t)
		defer func(many int) { manyScoped = many }(manyScoped)
		apply := func(many int, cut func(at int) int) (*inventory, Result) {
			manyScoped = many
			v := newInventory(true)
			v.lock()
			var sum Result
			for i := 0; i < len(reports); {
				n := min(cut(i), len(reports)-i)
				if err := v.applyAll(reports[i:i+n], times[i:i+n], &sum); err != nil {
					t.Fatal(err)
				}
				v.x.Publish()
				i += n
			}
			v.unlock()
			if err := v.check(t.Context()); err != nil {
				t.Fatal(err)
			}
			v.lock() // for what is kept to be written
			return v, sum
		}
		alone, want := apply(1<<20, func(int) int { return 1 })
		many := rapid.SampledFrom([]int{1, 5, 1 << 20}).Draw(t, "scoped reports are many from")
		whole, got := apply(many, func(int) int { return len(reports) })
		cut, gotCut := apply(many, func(int) int { return rapid.IntRange(1, 20).Draw(t, "reports in a call") })
		if got != want || gotCut != want {
			t.Fatalf("one by one %+v, in one call %+v, in some %+v", want, got, gotCut)
		}
		for _, v := range []*inventory{whole, cut} {
			if diff := differ(alone, v); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// differ says where what two inventories keep differs, empty for nowhere.
func differ(a, b *inventory) string {
	if a.x.Assets() != b.x.Assets() {
		return fmt.Sprintf("%d and %d assets", a.x.Assets(), b.x.Assets())
	}
	for n := range a.x.Assets() {
		o := index.Ordinal(n)
		p, ok := b.x.Find(a.x.ID(o))
		if !ok {
			return a.x.ID(o) + " is in one only"
		}
		if x, y := sortedLooks(a, o), sortedLooks(b, p); !slices.Equal(x, y) {
			return fmt.Sprintf("%s: looks %v and %v", a.x.ID(o), x, y)
		}
		if x, y := a.appendTimes(nil, o), b.appendTimes(nil, p); len(sortedLooks(a, o)) < 2 && !bytes.Equal(x, y) {
			return fmt.Sprintf("%s: times %x and %x", a.x.ID(o), x, y)
		}
		if x, y := ownTimes(a, o), ownTimes(b, p); x != y {
			return fmt.Sprintf("%s: %s and %s", a.x.ID(o), x, y)
		}
	}
	return ""
}

// sortedLooks returns the looks at an asset as text, in an order of their own.
func sortedLooks(v *inventory, o index.Ordinal) []string {
	var e evidence
	e.decodeNote(v.x.Note(o), -1)
	v.resolve(e.looks)
	slices.SortFunc(e.looks, func(a, b look) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.scope.String(), b.scope.String()))
	})
	texts := make([]string, len(e.looks))
	for i, l := range e.looks {
		texts[i] = fmt.Sprintf("%d %v", l.time-noteEpoch, l.scope)
	}
	return texts
}

// ownTimes returns all of an asset but its looks as text.
func ownTimes(v *inventory, o index.Ordinal) string {
	keys := v.x.Keys(o, nil)
	var e evidence
	e.decodeNote(v.x.Note(o), len(keys))
	name, address := v.x.Texts(o)
	return fmt.Sprint(keys, e.newest, e.name, e.address, e.home, e.own, name, address, v.x.Group(o))
}

// TestManyScopedReports: an asset that many scoped reports are about, in few calls or in
// many, has open what a list of all evidence says.
func TestManyScopedReports(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(100, 400).Draw(t, "reports")
		reports, times := make([]Report, n), make([]micros, n)
		for i := range reports {
			lo := rapid.Uint16Range(1, 300).Draw(t, "lo")
			times[i] = noteEpoch + int64(i) // in order, so that no merging of looks can be noticed
			reports[i] = Report{
				Project: "p", Asset: "a",
				Scope: ScopeOf(Range{Type: index.TCP, Lo: lo, Hi: lo + rapid.Uint16Range(0, 40).Draw(t, "more")}),
				Open:  []Key{MakeKey(rapid.Uint16Range(1, 340).Draw(t, "open"), index.TCP)},
			}
		}
		newest := map[Key]bool{}
		for i := range reports {
			for k := range newest {
				newest[k] = newest[k] && !reports[i].Scope.Contains(k)
			}
			newest[reports[i].Open[0]] = true
		}
		var want []Key
		for k, open := range newest {
			if open {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		v := newInventory(false)
		v.lock()
		for i := 0; i < n; {
			more := min(rapid.SampledFrom([]int{1, 3, 70, 400}).Draw(t, "reports in a call"), n-i)
			if err := v.applyAll(reports[i:i+more], times[i:i+more], new(Result)); err != nil {
				t.Fatal(err)
			}
			i += more
		}
		if got := v.x.Keys(0, nil); !slices.Equal(got, want) {
			t.Fatalf("open %v, want %v", got, want)
		}
		if looks := sortedLooks(v, 0); len(looks) > maxLooks {
			t.Fatalf("%d looks", len(looks))
		}
		v.x.Publish()
		v.unlock()
		if err := v.check(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
