package engine

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"portolan/engine/journal"
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
		{Asset: "c", Open: []index.Key{index.MakeKey(22, index.TCP)}},
		{Asset: "c", Open: []index.Key{index.MakeKey(80, index.TCP)}},
		{Asset: "c", Open: []index.Key{index.MakeKey(443, index.TCP)}}, // own times are dense
		{Asset: "b", Labels: map[string]string{"env": "prod", "rack": "1"}},
		{Asset: "b", Labels: map[string]string{"env": ""}},
		{Asset: "d", Scope: ScopeAll(), Labels: map[string]string{"env": "prod"}},
	} {
		if err := v.applyAll([]Report{r}, []micros{noteEpoch + micros(i)}, new(Result)); err != nil {
			f.Fatal(err)
		}
		o, _ := v.x.Find(r.Asset)
		f.Add(v.appendState(nil, o), v.appendTimes(nil, o))
	}
	f.Fuzz(func(t *testing.T, state, times []byte) {
		load := func(state, times []byte) (*filling, error) {
			fill, err := (&loader{projects: map[string]*project{}}).begin(journal.Mark{Project: "p"})
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

// TestDenseTimesOfAnotherLength: own times that are all written are those of the open keys, in
// a width and a unit that there are.
func TestDenseTimesOfAnotherLength(t *testing.T) {
	e := evidence{newest: noteEpoch, name: never, address: never, home: never}
	for i := range micros(20) {
		e.own = append(e.own, noteEpoch-1000*100*i-1000)
	}
	times := e.append([]byte{timesVersion}, false, new([]micros))
	if got := new(evidence); got.decodeTimes(times, 20, 0) != nil || !slices.Equal(got.own, e.own) {
		t.Fatalf("own times come back as %v", got.own)
	}
	for _, c := range []struct {
		times []byte
		keys  int
	}{{times, 19}, {times, 21}, {times[:len(times)-1], 20}, {append(slices.Clone(times), 0), 20}} {
		if err := new(evidence).decodeTimes(c.times, c.keys, 0); !errors.Is(err, errDamaged) {
			t.Errorf("%d bytes of times are taken for %d keys: %v", len(c.times), c.keys, err)
		}
	}
	at := len(times) - 20*2 - 1 // two bytes each, in milliseconds
	if times[at] != 2|1<<4 {
		t.Fatalf("%x is written as %#x", times, times[at])
	}
	for how, size := range map[byte]int{0: 0, 9: 9, 2 | 3<<4: 2} {
		bad := append(append(slices.Clone(times[:at]), how), make([]byte, 20*size)...)
		if err := new(evidence).decodeTimes(bad, 20, 0); !errors.Is(err, errDamaged) {
			t.Errorf("times written as %#x are taken: %v", how, err)
		}
	}
}
