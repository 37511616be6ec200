package index_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portolan/index"
)

// modelLabels are those that assets have. The note of an asset says how many of them it has, then
// their places here.
var modelLabels = func() []index.Label {
	list := []index.Label{{Name: "env", Value: "prod"}, {Name: "env", Value: "prod2"}, {Name: "envy", Value: "prod"}}
	for i := range 40 {
		list = append(list, index.Label{Name: "rack", Value: fmt.Sprint(i)})
	}
	return list
}()

// labelsOf returns the labels that a note tells of.
func labelsOf(note []byte) (list []index.Label) {
	if len(note) > 0 {
		for _, i := range note[1 : 1+note[0]] {
			list = append(list, modelLabels[i])
		}
	}
	return list
}

// relabel gives an asset the labels of one note in place of those of another.
func relabel(x *index.Index, o index.Ordinal, was, is []byte) {
	old, now := labelsOf(was), labelsOf(is)
	for _, l := range old {
		if !slices.Contains(now, l) {
			x.Unlabel(o, l)
		}
	}
	for _, l := range now {
		if !slices.Contains(old, l) {
			x.Label(o, l)
		}
	}
}

// drawNote draws a note, with labels or without.
func drawNote(t *rapid.T) []byte {
	note := make([]byte, rapid.SampledFrom([]int{0, 8, 9, 300}).Draw(t, "note"))
	if len(note) > 0 && rapid.Bool().Draw(t, "labelled") {
		places := rapid.SliceOfNDistinct(rapid.IntRange(0, len(modelLabels)-1), 0, 3, rapid.ID).Draw(t, "labels")
		note[0] = byte(len(places))
		for i, at := range places {
			note[1+i] = byte(at)
		}
	}
	return note
}

// compareLabels counts by label and by group, of views.
func compareLabels(t *rapid.T, s *index.Snapshot, m *model) {
	t.Helper()
	groups := rapid.SampledFrom(modelViews).Draw(t, "groups labelled")
	c, holds := drawCondition(t, 1)
	set, err := viewOf(s, groups).Find(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	some := m.where(groups, holds)
	want := map[index.Label]int{}
	byGroup := map[string]int{}
	for _, a := range some.assets {
		for _, l := range labelsOf(a.Note) {
			want[l]++
		}
		byGroup[a.Group]++
	}
	for _, within := range []struct {
		set  index.Set
		want map[index.Label]int
	}{{set, want}, {s.View(index.Groups{}).Assets(), m.labels()}} {
		got, last := map[index.Label]int{}, ""
		for name := range s.LabelNames() {
			if name <= last {
				t.Fatalf("name %q behind %q", name, last)
			}
			last = name
			var values []string
			var sets []index.Set
			for value, holders := range s.Labelled(name) {
				values, sets = append(values, value), append(sets, holders)
			}
			n, err := s.ShareOf(t.Context(), sets, within.set)
			if err != nil || !slices.IsSorted(values) {
				t.Fatal(err, values)
			}
			for i, value := range values {
				if n[i] > 0 {
					got[index.Label{Name: name, Value: value}] = n[i]
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(within.want) {
			t.Fatalf("labels: %v, want %v", got, within.want)
		}
	}
	for name, members := range s.Members() {
		if n, err := s.ShareOf(t.Context(), []index.Set{members}, set); err != nil || n[0] != byGroup[name] {
			t.Fatalf("group %q shares %d, want %d, %v", name, n[0], byGroup[name], err)
		}
	}
}

// labels counts the assets of each label.
func (m *model) labels() map[index.Label]int {
	n := map[index.Label]int{}
	for _, a := range m.assets {
		for _, l := range labelsOf(a.Note) {
			n[l]++
		}
	}
	return n
}

// TestLabelsLeaveNothing: when every label is gone, so is its number, and an image has none.
func TestLabelsLeaveNothing(t *testing.T) {
	x := index.New()
	o, err := x.Add(&index.Asset{ID: "a", Group: "0"})
	if err != nil {
		t.Fatal(err)
	}
	x.Publish()
	bare := imageOf(t, x)
	for round := range 3 {
		for i := range 1000 {
			x.Label(o, index.Label{Name: "n", Value: fmt.Sprint(round, i)})
		}
		held := x.Publish()
		for i := range 1000 {
			x.Unlabel(o, index.Label{Name: "n", Value: fmt.Sprint(round, i)})
		}
		x.Publish()
		n := 0
		for range held.Labelled("n") {
			n++
		}
		if n != 1000 {
			t.Errorf("round %d: a snapshot held has %d labels", round, n)
		}
		for name := range x.Snapshot().LabelNames() {
			t.Errorf("round %d: %q is left", round, name)
		}
		if image := imageOf(t, x); len(image) != len(bare) {
			t.Errorf("round %d: an image of %d bytes, of %d before", round, len(image), len(bare))
		}
	}
}
