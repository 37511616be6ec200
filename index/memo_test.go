package index

import (
	"fmt"
	"testing"
)

// TestMemo: a snapshot remembers a filter from the second time on, gives what it
// remembers, and forgets those that have not been asked for longest.
func TestMemo(t *testing.T) {
	x := New()
	if _, err := x.Add(&Asset{ID: "a", Group: "0", Keys: everyOther(1000)}); err != nil {
		t.Fatal(err)
	}
	s := x.Publish()
	v := s.View(Groups{})
	filter := func(n int) Filter {
		d, _ := ParseDigits(fmt.Sprint(n))
		return Filter{Digits: d, Type: TCP}
	}
	ask := func(n int) int { c := v.Select(filter(n)); return c.Total() }
	key := memoKey{v.counts, filter(1)}
	right := ask(1)
	if s.memo.young.Load() != nil || right == 0 {
		t.Fatalf("a filter asked once has a place, or no rows: %d", right)
	}
	if ask(1) != right || s.memo.young.Load().used.Load() != 1 || s.memo.old.Load() != nil {
		t.Fatal("a filter asked twice has no place")
	}
	// What is remembered is made recognisable.
	s.memo.young.Load().entries[0].tally.total = 777
	if got := ask(1); got != 777 {
		t.Errorf("it was counted again: %d", got)
	}
	var out tally
	other := memoKey{v.counts, filter(2)}
	if s.memo.young.Load().find(key.hash(), &other, &out) || s.memo.young.Load().find(key.hash()+2, &key, &out) {
		t.Error("another filter is found under its hash, or it under another hash")
	}
	// Others fill the table; the next one begins a new one.
	place := func(n int) {
		t.Helper()
		before := ask(n)
		for range 3 { // two may share the slot that says they were asked once
			if ask(n) != before {
				t.Fatalf("filter %d: another answer", n)
			}
		}
	}
	for n := 2; s.memo.young.Load().used.Load() < memoSize; n++ {
		place(n)
		if n > 2*memoSize {
			t.Fatal("the table is not filled")
		}
	}
	if s.memo.old.Load() != nil {
		t.Error("a table of one place less is full")
	}
	full := s.memo.young.Load()
	last := &full.entries[memoSize-1]
	if last.tally.total = 888; ask(int(last.key.filter.Digits.value)) != 888 {
		t.Error("the last place is not found")
	}
	place(5000)
	if s.memo.old.Load() != full || s.memo.young.Load().used.Load() != 1 {
		t.Fatal("the full table was not put by")
	}
	// One of the old ones that is asked for again comes along, and the others go.
	if ask(1) != 777 || s.memo.young.Load().used.Load() != 2 || ask(1) != 777 {
		t.Error("an old filter was not taken along")
	}
	for n := 6000; s.memo.old.Load() == full; n++ {
		place(n)
	}
	if ask(1) != 777 {
		t.Error("a filter that was taken along is forgotten")
	}
	if got := ask(int(last.key.filter.Digits.value)); got == 888 {
		t.Error("a filter that was not taken along is remembered")
	}
}
