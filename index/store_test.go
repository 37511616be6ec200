package index

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
)

// TestPosting makes random changes to a posting through all its forms and holds
// it against a sorted slice; older versions must not change.
func TestPosting(t *testing.T) {
	for _, universe := range []int{300, 20_000, 2_000_000} {
		rng := rand.New(rand.NewPCG(1, uint64(universe)))
		p, have := &posting{}, map[Ordinal]bool{}
		forms := map[bool]int{}
		var scratch []Ordinal
		for epoch := uint64(1); epoch < 400; epoch++ {
			old, oldOrdinals := p, ordinalsOf(p)
			p = p.clone(epoch)
			grow := epoch/100%2 == 0
			p.apply(randomChanges(rng, have, universe, grow), universe, &scratch)
			forms[p.dense != nil]++
			want := make([]Ordinal, 0, len(have))
			for o := range have {
				want = append(want, o)
			}
			slices.Sort(want)
			if got := ordinalsOf(p); !slices.Equal(got, want) || p.n != len(want) {
				t.Fatalf("universe %d epoch %d: %d ordinals, n %d, want %d", universe, epoch, len(got), p.n, len(want))
			}
			if !slices.Equal(ordinalsOf(old), oldOrdinals) {
				t.Fatalf("universe %d epoch %d: the version before changed", universe, epoch)
			}
			checkContains(t, rng, p, have, universe)
		}
		if universe < 2_000_000 && (forms[true] == 0 || forms[false] == 0) {
			t.Errorf("universe %d: forms seen: %v", universe, forms)
		}
	}
}

func randomChanges(rng *rand.Rand, have map[Ordinal]bool, universe int, grow bool) []change {
	var changes []change
	touched := map[Ordinal]bool{}
	for range 1 + rng.IntN(120) {
		o := Ordinal(rng.IntN(universe))
		if grow && rng.IntN(2) == 0 {
			o = Ordinal(len(have)) % Ordinal(universe) // towards runs
		}
		if touched[o] || !have[o] && !grow && rng.IntN(4) > 0 {
			continue
		}
		touched[o] = true
		if have[o] {
			delete(have, o)
		} else {
			have[o] = true
		}
		changes = append(changes, makeChange(1, o, 0, have[o]))
	}
	if !grow {
		for o := range have { // shrink faster than by chance
			if len(changes) > 200 || touched[o] {
				break
			}
			touched[o] = true
			delete(have, o)
			changes = append(changes, makeChange(1, o, 0, false))
		}
	}
	return settle(changes)
}

func ordinalsOf(p *posting) []Ordinal { return slices.AppendSeq([]Ordinal{}, p.from(0)) }

func checkContains(t *testing.T, rng *rand.Rand, p *posting, have map[Ordinal]bool, universe int) {
	t.Helper()
	for range 50 {
		if o := Ordinal(rng.IntN(universe)); p.contains(o) != have[o] {
			t.Fatalf("contains(%d) is %t", o, !have[o])
		}
	}
	if p.n > 0 {
		skip := rng.IntN(p.n)
		if got, want := slices.AppendSeq([]Ordinal{}, p.from(skip)), ordinalsOf(p)[skip:]; !slices.Equal(got, want) {
			t.Fatalf("from(%d): %d ordinals, want %d", skip, len(got), len(want))
		}
	}
}

// TestPostingForms: when a posting becomes dense and when sparse again.
func TestPostingForms(t *testing.T) {
	of := func(n int, dense bool) *posting {
		ordinals := make([]Ordinal, n)
		for i := range ordinals {
			ordinals[i] = Ordinal(3 * i)
		}
		p := &posting{n: n, blocks: appendBlocks(nil, ordinals)}
		if dense {
			p.blocks, p.dense = nil, roaring.BitmapOf(ordinals...)
		}
		return p
	}
	const huge = 1 << 30
	for _, c := range []struct {
		n, universe  int
		dense, after bool
	}{
		{minDense - 1, 1, false, false},
		{minDense, 1, false, true},
		{minDense, minDense * denseAt, false, true},
		{minDense, minDense*denseAt + 1, false, false},
		{maxSparse, huge, false, false},
		{maxSparse + 1, huge, false, true},
		{minDense / 2, 1, true, true},
		{minDense/2 - 1, 1, true, false},
		{minDense, minDense * sparseAt, true, true},
		{minDense, minDense*sparseAt + 1, true, false},
		{maxSparse / 2, huge, true, false},
		{maxSparse/2 + 1, huge, true, true},
	} {
		p := of(c.n, c.dense)
		want := ordinalsOf(p)
		if p.adapt(c.universe, denseAt, sparseAt); (p.dense != nil) != c.after || p.dense != nil && p.blocks != nil {
			t.Errorf("%d of %d, dense %t: dense %t then", c.n, c.universe, c.dense, p.dense != nil)
		}
		if !slices.Equal(ordinalsOf(p), want) {
			t.Errorf("%d of %d, dense %t: other ordinals", c.n, c.universe, c.dense)
		}
	}
}

func TestSettle(t *testing.T) {
	open := func(o Ordinal) change { return makeChange(9, o, 0, true) }
	closed := func(o Ordinal) change { return makeChange(9, o, 0, false) }
	got := settle([]change{open(5), closed(3), closed(5), open(4), open(3), closed(3), open(7), closed(7), open(7)})
	if want := []change{closed(3), open(4), open(7)}; !slices.Equal(got, want) {
		t.Errorf("settled to %v, want %v", got, want)
	}
}

func TestSortByKey(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 100, 5000} {
		var changes []change
		for i := range n {
			changes = append(changes, makeChange(Key(rng.IntN(keyLimit)), Ordinal(i), uint32(i), i%2 == 0))
		}
		want := slices.Clone(changes)
		slices.SortStableFunc(want, func(a, b change) int { return int(a.key()) - int(b.key()) })
		if got, _ := sortByKey(changes, nil); !slices.Equal(got, want) {
			t.Errorf("%d changes are not in order", n)
		}
	}
}

// TestKeyList holds the three forms of key lists against what they encode.
func TestKeyList(t *testing.T) {
	var run, holes, random []Key
	for p := 1; p <= MaxPort; p++ {
		run = append(run, MakeKey(uint16(p), TCP))
		if p%2 == 0 {
			holes = append(holes, MakeKey(uint16(p), UDP))
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		random = append(random, MakeKey(uint16(1+rng.IntN(MaxPort)), Types()[rng.IntN(numTypes)]))
	}
	slices.Sort(random)
	random = slices.Compact(random)
	for name, c := range map[string]struct {
		keys []Key
		most int // bytes
	}{
		"none": {nil, 0}, "one": {[]Key{MakeKey(443, TCP)}, 4}, "ends": {[]Key{MakeKey(1, SCTP), MakeKey(MaxPort, UDP6)}, 8},
		"every port": {run, 16}, "every other": {holes, bitmapSize + 8}, "random": {random, 3 * 310},
	} {
		list := appendKeyList(nil, c.keys)
		if len(list) > c.most {
			t.Errorf("%s: %d bytes, want at most %d", name, len(list), c.most)
		}
		if got := appendKeys(nil, list); !slices.Equal(got, c.keys) {
			t.Errorf("%s: %d keys come back of %d", name, len(got), len(c.keys))
		}
	}
}

// TestKeyListForms holds each form to its size, at the edges between them.
func TestKeyListForms(t *testing.T) {
	every := func(step, n int) []Key {
		keys := make([]Key, n)
		for i := range keys {
			keys[i] = MakeKey(uint16(1+i*step), TCP)
		}
		return keys
	}
	for _, c := range []struct {
		keys []Key
		form byte
		size int
	}{
		{every(1, listOnly), listForm, 1 + 1 + listOnly},       // types, head, ports
		{every(1, listOnly+1), runsForm, 1 + 1 + 1 + 2},        // types, head, runs, a run
		{every(2, listOnly+1), listForm, 1 + 1 + listOnly + 1}, // a run takes two bytes, a port one
		{every(200, listOnly), listForm, 1 + 1 + 1 + 2*(listOnly-1)},
		{every(127, 3), listForm, 1 + 1 + 3},
		{every(128, 3), listForm, 1 + 1 + 1 + 2*2},
		{every(1<<14-1, 3), listForm, 1 + 1 + 1 + 2*2},
		{every(1<<14, 3), listForm, 1 + 1 + 1 + 2*3},
		{every(2, bitmapSize-3), listForm, 1 + 3 + bitmapSize - 3},
		{every(2, bitmapSize-2), bitmapForm, 1 + 3 + bitmapSize},
		{every(1, MaxPort), runsForm, 1 + 3 + 1 + 1 + 3},
	} {
		list := appendKeyList(nil, c.keys)
		if form := list[1] & 3; form != c.form || len(list) != c.size || list[0] != 1<<TCP {
			t.Errorf("%d keys: form %d, %d bytes, want %d, %d", len(c.keys), form, len(list), c.form, c.size)
		}
		if got := appendKeys(nil, list); !slices.Equal(got, c.keys) {
			t.Errorf("%d keys come back as %d", len(c.keys), len(got))
		}
	}
}

// TestRecordsAreShared: a record, a note or a key list goes into the stripe up to
// its limit and is interned beyond it.
func TestRecordsAreShared(t *testing.T) {
	for name, c := range map[string]struct {
		asset  Asset
		shared bool
	}{
		"the longest note":     {Asset{ID: "a", Note: make([]byte, maxInlineNote)}, false},
		"a longer note":        {Asset{ID: "a", Note: make([]byte, maxInlineNote+1)}, true},
		"the longest record":   {Asset{ID: "a", Name: strings.Repeat("n", maxRecord-3)}, false}, // head, the id's length and the id
		"a longer record":      {Asset{ID: "a", Name: strings.Repeat("n", maxRecord-2)}, true},
		"the longest key list": {Asset{ID: "a", Keys: everyOther(maxInlineKeys - 3)}, false}, // types and head
		"a longer key list":    {Asset{ID: "a", Keys: everyOther(maxInlineKeys - 2)}, true},
	} {
		x := New()
		c.asset.Group = "0"
		if _, err := x.Add(&c.asset); err != nil {
			t.Fatal(err)
		}
		if got := len(x.blobs.refs) > 0; got != c.shared {
			t.Errorf("%s: interned %t", name, got)
		}
		x.Publish()
		if err := x.Check(t.Context(), noRefs); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// everyOther returns n keys that a list is the smallest form of.
func everyOther(n int) []Key {
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = MakeKey(uint16(2*i+1), TCP)
	}
	return keys
}

func FuzzKeyList(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte(strings.Repeat("\x00\x01\x02", 60)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var keys []Key
		at := Key(8)
		for i := 0; i+1 < len(data); i += 2 { // steps, mostly short ones
			at += Key(data[i])<<(data[i+1]&7) + 1
			if at.Valid() {
				keys = append(keys, at)
			}
		}
		if got := appendKeys(nil, appendKeyList(nil, keys)); !slices.Equal(got, keys) {
			t.Errorf("%v comes back as %v", keys, got)
		}
	})
}

// FuzzIdent holds that storing a text gives back the same text, and that two
// texts are stored alike only if they are the same.
func FuzzIdent(f *testing.F) {
	for _, s := range []string{
		"", "h1", "192.0.2.1", "192.0.02.1", "256.1.1.1", "1.2.3", "2001:db8::1", "2001:DB8::1", "::ffff:192.0.2.1", "::", "fe80::1%eth0",
		"0189c0de-0000-4000-8000-0000000000ff", "0189C0DE-0000-4000-8000-0000000000FF", "d41d8cd98f00b204e9800998ecf8427e", "D41D8CD98F00B204E9800998ECF8427E",
		strings.Repeat("x", 300), "ünïcode", "\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		stored, kind := appendIdent(nil, text)
		if n := identLen(kind, stored); n != len(stored) {
			t.Errorf("%q: length %d of %d", text, n, len(stored))
		}
		if got := formatIdent(kind, stored); got != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	})
}

func TestIdentKinds(t *testing.T) {
	for text, want := range map[string]idKind{
		"192.0.2.1": kindIPv4, "255.255.255.255": kindIPv4, "1.1.1.1": kindIPv4, "2001:db8::1": kindIPv6, "0189c0de-0000-4000-8000-0000000000ff": kindUUID,
		"d41d8cd98f00b204e9800998ecf8427e": kindHex, "web-1": kindText, "": kindNone,
		"0.0.0.0": kindIPv4, "9.10.99.100": kindIPv4, "256.1.1.1": kindText, "1.2.3.": kindText, "1.2.3": kindText, "1.2.3.4.5": kindText,
		"01.2.3.4": kindText, "00.2.3.4": kindText, "1..2.3": kindText, ".1.2.3": kindText, "1.2.3.4:": kindText, "1.2.3./": kindText,
		"::": kindIPv6, "::1": kindIPv6, "2001:db8::af:90": kindIPv6, "2001:DB8::1": kindText, "0:0::1": kindText, "fe80::1%eth0": kindText,
		"::ffff:1.2.3.4": kindIPv6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": kindIPv6, "abc": kindText, "1": kindText,
		"00000000000000000000000000000000": kindHex, "99999999999999999999999999999999": kindHex, "aaaaaaaaaaaaaaaaffffffffffffffff": kindHex,
		"A41d8cd98f00b204e9800998ecf8427e": kindText, "g41d8cd98f00b204e9800998ecf8427e": kindText, "d41d8cd98f00b204e9800998ecf8427": kindText,
		"d41d8cd98f00b204e9800998ecf8427/": kindText, "d41d8cd98f00b204e9800998ecf8427:": kindText, "d41d8cd98f00b204e9800998ecf8427`": kindText,
		"0189c0de-0000-4000-8000-0000000000FF": kindText, "0189c0de+0000-4000-8000-0000000000ff": kindText, "0189c0de-0000-4000-8000+0000000000ff": kindText,
	} {
		if _, kind := appendIdent(nil, text); kind != want {
			t.Errorf("%q is stored as kind %d, want %d", text, kind, want)
		}
	}
}
