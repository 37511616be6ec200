package index

import (
	"fmt"
	"testing"
)

// TestViewsAreRemembered: a snapshot remembers so many merged views at a time, and then
// begins anew.
func TestViewsAreRemembered(t *testing.T) {
	x := New()
	for i := range maxMerged + 3 {
		if _, err := x.Add(&Asset{ID: fmt.Sprint(i), Group: fmt.Sprintf("g%02d", i), Keys: everyOther(1 + i)}); err != nil {
			t.Fatal(err)
		}
	}
	s := x.Publish()
	view := func(i int) View { return s.View(GroupsOf([]string{"g00", fmt.Sprintf("g%02d", i)})) }
	var made []*mergedView
	for i := range maxMerged {
		made = append(made, view(i+1).merged)
		if made[i].length != i+1 {
			t.Errorf("after %d views %d are remembered", i+1, made[i].length)
		}
	}
	for i, m := range made {
		if v := view(i + 1); v.merged != m {
			t.Errorf("view %d of %d was made anew", i, maxMerged)
		}
	}
	if m := view(maxMerged + 1).merged; m.length != 1 || m.next != nil || s.merged.Load() != m {
		t.Errorf("one view more, and %d are remembered", m.length)
	}
	if v := view(1); v.merged == made[0] || v.counts.opens != made[0].counts.opens {
		t.Error("a view that was forgotten is remembered, or another one")
	}
}

// TestSetsAreRememberedTogether: of several sets of holders each is found again.
func TestSetsAreRememberedTogether(t *testing.T) {
	x := New()
	for i := range 8 * heldFrom {
		if _, err := x.Add(&Asset{ID: fmt.Sprint(i), Group: fmt.Sprint(i % 2), Keys: everyOther(1 + i%(maxHeld+3))}); err != nil {
			t.Fatal(err)
		}
	}
	v := x.Publish().View(GroupsOf([]string{"1"}))
	key := func(i int) Key { return everyOther(i + 2)[i+1] }
	var made []Set
	for i := range maxHeld {
		made = append(made, v.Holders(key(i)))
		if head := v.snapshot.held.Load(); head.length != i+1 {
			t.Errorf("after %d sets %d are remembered", i+1, head.length)
		}
	}
	for i, set := range made {
		if v.Holders(key(i)).p != set.p {
			t.Errorf("set %d of %d was made anew", i, maxHeld)
		}
	}
	if v.Holders(key(maxHeld)); v.snapshot.held.Load().length != 1 {
		t.Error("there is no end to what is remembered")
	}
}

// TestAddressThatIsTheID: an asset that goes by its address pays for it once.
func TestAddressThatIsTheID(t *testing.T) {
	for _, c := range []struct {
		id, address string
		size        int
	}{
		{"192.0.2.1", "192.0.2.1", 1 + 4},
		{"192.0.2.1", "192.0.2.2", 1 + 4 + 4},
		{"192.0.2.1", "::1", 1 + 4 + 16},
		{"web-1", "web-1", 1 + 6},
		{"web-1", "web-2", 1 + 6 + 6},
		{"web-1", "", 1 + 6},
	} {
		stored, kind := appendIdent(nil, c.id)
		rec := appendIdentRecord(nil, stored, kind, c.address, "")
		d := decodeIdent(rec)
		if len(rec) != c.size || d.idText() != c.id || d.addressText() != c.address {
			t.Errorf("%s at %s: %d bytes, want %d; it is read as %s at %s", c.id, c.address, len(rec), c.size, d.idText(), d.addressText())
		}
	}
}
