package index

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// formed returns a set in the form that is asked for.
func formed(members map[Ordinal]bool, dense bool) Set {
	s := setOf(slices.Sorted(maps.Keys(members)))
	if dense && s.p != nil {
		p := &posting{}
		var changes []change
		for _, o := range slices.Sorted(maps.Keys(members)) {
			changes = append(changes, makeChange(1, o, 0, true))
		}
		p.apply(changes, 1, new([]Ordinal)) // of a universe of one nothing is sparse but the smallest
		s.p = p
	}
	return s
}

// randomMembers returns about n ordinals below limit, some of them next to each other.
func randomMembers(rng *rand.Rand, n, limit int) map[Ordinal]bool {
	members := map[Ordinal]bool{}
	for len(members) < n {
		o := rng.IntN(limit)
		for range 1 + rng.IntN(4) {
			members[Ordinal(min(o, limit-1))] = true
			o++
		}
	}
	return members
}

// TestSets holds the algebra of sets, of every form and size with every other,
// against maps.
func TestSets(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var all []map[Ordinal]bool
	for _, limit := range []int{70, 5_000, 300_000} {
		for _, n := range []int{0, 1, 60, 400, 3_000} {
			if n < limit {
				all = append(all, randomMembers(rng, n, limit))
			}
		}
	}
	forms := map[string]int{}
	for _, a := range all {
		for _, b := range all {
			for _, dense := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
				as, bs := formed(a, dense[0]), formed(b, dense[1])
				forms[fmt.Sprint(as.p != nil && as.p.dense != nil, bs.p != nil && bs.p.dense != nil)]++
				var both, left []Ordinal
				either := maps.Clone(a)
				maps.Copy(either, b)
				for _, o := range slices.Sorted(maps.Keys(a)) {
					if b[o] {
						both = append(both, o)
					} else {
						left = append(left, o)
					}
				}
				name := fmt.Sprintf("%d and %d, dense %v", len(a), len(b), dense)
				checkSet(t, name+", intersection", Intersect(as, bs), both)
				checkSet(t, name+", difference", Subtract(as, bs), left)
				checkSet(t, name+", union", Unite(as, bs), slices.Sorted(maps.Keys(either)))
				checkSet(t, name+", union of three", Unite(bs, Set{}, as, bs), slices.Sorted(maps.Keys(either)))
				checkSet(t, name+", the first after all", as, slices.Sorted(maps.Keys(a)))
			}
		}
	}
	if len(forms) != 4 {
		t.Errorf("forms seen: %v", forms)
	}
	s := formed(all[len(all)-1], true)
	checkSet(t, "with itself", Intersect(s, s), slices.Collect(s.From(0)))
	checkSet(t, "without itself", Subtract(s, s), nil)
	checkSet(t, "of none", Unite(), nil)
}

func checkSet(t *testing.T, name string, s Set, want []Ordinal) {
	t.Helper()
	if got := slices.AppendSeq([]Ordinal{}, s.From(0)); !slices.Equal(got, want) || s.Len() != len(want) {
		t.Fatalf("%s: %d ordinals, length %d, want %d", name, len(got), s.Len(), len(want))
	}
	for _, rank := range []int{-1, 0, len(want) / 2, len(want) - 1, len(want)} {
		o, ok := s.Select(rank)
		if in := rank >= 0 && rank < len(want); ok != in || in && (o != want[rank] || !s.Contains(o)) {
			t.Fatalf("%s: rank %d is %d, %t", name, rank, o, ok)
		}
	}
	if n := len(want); n > 0 && (s.Contains(want[n-1]+1) || want[0] > 0 && s.Contains(want[0]-1)) {
		t.Fatalf("%s: contains what lies beside", name)
	}
}

// TestDictGrows: while an index grows from one table to shards and on, with assets
// removed and others in their place, every snapshot finds its own assets and no
// table that has room for more is made anew.
func TestDictGrows(t *testing.T) {
	x, rng := New(), rand.New(rand.NewPCG(1, 1))
	var ids []string
	var kept []*Snapshot
	var numbers []int
	const most = 3 * shardFrom
	for n := range most {
		id := fmt.Sprintf("asset-%d", n)
		if _, err := x.Add(&Asset{ID: id, Group: "0"}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		if rng.IntN(5) == 0 {
			gone := rng.IntN(len(ids))
			if o, ok := x.Find(ids[gone]); ok {
				x.Remove(o)
			}
			ids[gone] = ids[len(ids)-1]
			ids = ids[:len(ids)-1]
		}
		if n%(most/12) == 0 {
			kept, numbers = append(kept, x.Publish()), append(numbers, len(x.next.dict.tables))
		}
	}
	last := x.Publish()
	for _, id := range ids {
		if _, ok := last.Find(id); !ok {
			t.Fatalf("%s is not found", id)
		}
	}
	for i, s := range append(kept, last) {
		if err := s.Check(t.Context()); err != nil {
			t.Fatalf("snapshot %d: %v", i, err)
		}
	}
	if numbers[0] != 1 || numbers[len(numbers)-1] != numShards {
		t.Errorf("numbers of tables: %v", numbers)
	}
	for i, table := range last.dict.tables {
		if load := float64(table.used) / float64(len(table.slots)); load > maxLoad {
			t.Errorf("table %d has load %.2f", i, load)
		}
	}
}

// TestDictSpread: the shards of a dictionary fill up one after the other.
func TestDictSpread(t *testing.T) {
	d := newDict(nil, 1<<20, 1<<20, 1)
	if len(d.tables) != numShards {
		t.Fatalf("%d tables", len(d.tables))
	}
	for i := 1; i < len(d.tables); i++ {
		if a, b := len(d.tables[i-1].slots), len(d.tables[i].slots); b < a || b > a*102/100 {
			t.Errorf("shard %d has %d slots, the one before %d", i, b, a)
		}
	}
	if first, last := len(d.tables[0].slots), len(d.tables[numShards-1].slots); float64(last)/float64(first) < dictGrowth*0.98 {
		t.Errorf("from %d to %d slots: want one step of growth, %g", first, last, dictGrowth)
	}
}

// TestTable: how large a table is, and when it is full.
func TestTable(t *testing.T) {
	for _, c := range []struct {
		n      int
		growth float64
		limit  int
		slots  int
		bits   uint8
	}{
		{0, 1.9, 0, minTable, 5}, {1000, 1.9, 1000, 2235, 11}, {1000, 1.0, 1024, 1176, 12}, {17, 1.0, 1 << 20, 20, 22},
	} {
		table := newTable(c.n, c.growth, c.limit, 1)
		if len(table.slots) != c.slots || table.ordBits != c.bits {
			t.Errorf("for %d, %g, %d: %d slots, %d bits", c.n, c.growth, c.limit, len(table.slots), table.ordBits)
		}
	}
	table := newTable(17, 1.0, 0, 1) // 20 slots, 17 of which are used at most
	for used, full := range map[int]bool{0: false, 16: false, 17: true, 20: true} {
		if table.used = used; table.full(3) != full {
			t.Errorf("with %d used it is full: %t", used, !full)
		}
	}
	table.used = 0
	for o, full := range map[Ordinal]bool{0: false, 30: false, 31: true, 1000: true} {
		if table.full(o) != full {
			t.Errorf("for ordinal %d it is full: %t", o, !full)
		}
	}
	if n := len(newDict(nil, shardFrom-1, 0, 1).tables); n != 1 {
		t.Errorf("%d tables for the most assets of one", n)
	}
	entries := make([]entry, 1000)
	for i := range entries {
		entries[i] = entry{hash: 1 << 63, o: Ordinal(i)} // all of one shard
	}
	d := newDict(entries, shardFrom, 1000, 1)
	for i, table := range d.tables {
		want := shardFrom/numShards + 1
		if i == numShards/2 {
			want = 1001
		}
		growth := math.Pow(dictGrowth, float64(i+1)/numShards)
		if n := int(float64(want) * growth / maxLoad); len(table.slots) != n {
			t.Errorf("shard %d has %d slots, want %d", i, len(table.slots), n)
		}
	}
	if n := d.slots(); n < 50_000 || n > 70_000 {
		t.Errorf("%d slots in all", n)
	}
}

// TestNumStripes: ordinals lie in stripes of 64.
func TestNumStripes(t *testing.T) {
	for ordinals, want := range map[int]uint32{0: 0, 1: 1, 63: 1, 64: 1, 65: 2, 128: 2, 129: 3} {
		if d := (data{ordinals: ordinals}); d.numStripes() != want {
			t.Errorf("%d ordinals: %d stripes, want %d", ordinals, d.numStripes(), want)
		}
	}
}
