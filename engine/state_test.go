package engine

import (
	"bytes"
	"testing"

	"portolan/index"
)

// FuzzPortableState loads an asset from any bytes: either they are refused, or the
// inventory is sound and what it writes is read as the same again.
func FuzzPortableState(f *testing.F) {
	v := newInventory(true)
	v.lock()
	for i, r := range []Report{
		{Asset: "a", Scope: ScopeAll(), Name: "n", Open: []index.Key{index.MakeKey(22, index.TCP)}},
		{Asset: "b", Scope: ScopeOf(index.Range{Type: index.TCP, Lo: 1, Hi: 100}, index.Range{Type: index.UDP, Lo: 53, Hi: 53}), Open: []index.Key{index.MakeKey(22, index.TCP), index.MakeKey(80, index.UDP)}},
		{Asset: "b", Scope: ScopeOf(index.Range{Type: index.TCP, Lo: 50, Hi: 200}), EnterpriseProject: "e", Open: []index.Key{index.MakeKey(99, index.SCTP)}},
	} {
		if err := v.applyAll([]Report{r}, []micros{noteEpoch + micros(i)}, new(Result)); err != nil {
			f.Fatal(err)
		}
		o, _ := v.x.Find(r.Asset)
		f.Add(v.appendState(nil, o), v.appendTimes(nil, o))
	}
	f.Fuzz(func(t *testing.T, state, times []byte) {
		load := func(state, times []byte) (*Filling, error) {
			fill, err := (&Loader{projects: map[string]*project{}}).Inventory(Mark{Project: "p"})
			if err != nil {
				t.Fatal(err)
			}
			err = fill.Add("x", state, times)
			return fill, err
		}
		fill, err := load(state, times)
		if err != nil {
			return
		}
		s, tm := fill.v.appendState(nil, 0), fill.v.appendTimes(nil, 0)
		again, err := load(s, tm)
		if err != nil {
			t.Fatalf("%x %x is written as %x %x, which is refused: %v", state, times, s, tm, err)
		}
		if s2, tm2 := again.v.appendState(nil, 0), again.v.appendTimes(nil, 0); !bytes.Equal(s, s2) || !bytes.Equal(tm, tm2) {
			t.Fatalf("%x %x is read and written as %x %x", s, tm, s2, tm2)
		}
		fill.v.x.Publish()
		if err := fill.v.check(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
