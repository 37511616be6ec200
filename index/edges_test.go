package index

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestEdges: what is at the edge of a range, and texts of what is none.
func TestEdges(t *testing.T) {
	r := Range{Type: TCP, Lo: 80, Hi: 90}
	for k, want := range map[Key]bool{
		MakeKey(79, TCP): false, MakeKey(80, TCP): true, MakeKey(90, TCP): true, MakeKey(91, TCP): false,
		MakeKey(80, TCP6): false, MakeKey(85, UDP): false,
	} {
		if r.Contains(k) != want {
			t.Errorf("%v contains %v: %t", r, k, !want)
		}
	}
	for want, r := range map[bool][]Range{
		true:  {{TCP, 1, 1}, {UDP6, 1, MaxPort}, {SCTP, MaxPort, MaxPort}},
		false: {{TCP, 0, 1}, {TCP, 2, 1}, {AnyType, 1, 2}, {UDP6 + 1, 1, 2}},
	} {
		for _, r := range r {
			if r.Valid() != want {
				t.Errorf("%v is valid: %t", r, !want)
			}
		}
	}
	if got := Type(9).String(); got != "Type(9)" {
		t.Error(got)
	}
	for n, shown := range map[int]string{64: strings.Repeat("x", 64), 65: strings.Repeat("x", 64) + "…"} {
		if _, err := ParseKey(strings.Repeat("x", n)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q has no type", shown)) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, name := range []string{"tcp", "TCP", "Tcp"} {
		if got, err := ParseType(name); got != TCP || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := ParseType("any"); err == nil {
		t.Errorf("any is %v", got)
	}
}

// TestReserve: an index that was told of its assets makes its dictionary once, and
// one that has them already does not make it anew.
func TestReserve(t *testing.T) {
	x := New()
	x.Reserve(20_000)
	first := x.next.dict.tables[0]
	for i := range 20_000 {
		if _, err := x.Add(&Asset{ID: fmt.Sprint("asset-", i), Group: "0"}); err != nil {
			t.Fatal(err)
		}
	}
	x.Reserve(40_000)
	if x.next.dict.tables[0] != first {
		t.Error("the dictionary was made anew")
	}
	x.Reserve(60_000)
	if len(x.next.dict.tables) != numShards {
		t.Errorf("%d tables for 60,000 assets", len(x.next.dict.tables))
	}
	s := x.Publish()
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	o, ok := s.Find("asset-123")
	for prefix, want := range map[string]bool{"": true, "asset-12": true, "asset-123": true, "asset-1234": false, "sset": false} {
		if !ok || s.HasPrefix(o, []byte(prefix)) != want {
			t.Errorf("asset-123 begins with %q: %t", prefix, !want)
		}
	}
}

// TestHoldersAreRemembered: a snapshot remembers the last sets of holders that cost
// something, and gives the right one each time.
func TestHoldersAreRemembered(t *testing.T) {
	x := New()
	const assets, ports = 8 * heldFrom, maxHeld + 3
	for i := range assets {
		a := Asset{ID: fmt.Sprint("asset-", i), Group: fmt.Sprint(i % 4)}
		for port := range ports {
			if (i/4)%(port+2) > 0 {
				a.Keys = append(a.Keys, MakeKey(uint16(port+1), TCP))
			}
		}
		if _, err := x.Add(&a); err != nil {
			t.Fatal(err)
		}
	}
	s := x.Publish()
	made := map[Key]map[string]Set{}
	for round := range 3 {
		for port := range ports {
			k := MakeKey(uint16(port+1), TCP)
			for _, groups := range [][]string{{"1"}, {"0", "2"}, {"0", "3"}} {
				v := s.View(GroupsOf(groups))
				set := v.Holders(k)
				want := Intersect(s.Holders(k), v.Assets())
				if !slices.Equal(slices.Collect(set.From(0)), slices.Collect(want.From(0))) || set.Len() != v.Count(k) || set.Len() == 0 {
					t.Fatalf("round %d, %v in %v: %d assets, want %d", round, k, groups, set.Len(), want.Len())
				}
				if again := v.Holders(k); again.p != set.p {
					t.Errorf("round %d, %v in %v: made anew", round, k, groups)
				}
				if made[k] == nil {
					made[k] = map[string]Set{}
				}
				made[k][strings.Join(groups, " ")] = set
			}
		}
	}
	length := 0
	for h := s.held.Load(); h != nil; h = h.next {
		length++
	}
	if length == 0 || length > maxHeld {
		t.Errorf("%d sets are remembered, at most %d may be", length, maxHeld)
	}
	one, two := GroupsOf([]string{"0", "2"}), GroupsOf([]string{"0", "3"})
	same := GroupsOf([]string{"0", "2"})
	if !one.equal(&same) || one.equal(&two) {
		t.Error("groups are told apart by more than their names, or less")
	}
	two.hash = one.hash
	if one.equal(&two) {
		t.Error("groups with the same hash are taken for the same")
	}
}
