package index_test

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"portolan/index"
)

// TestLocate: ids are found where Find finds them, and those of no asset are numbered in the
// order in which they first come.
func TestLocate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := index.New()
		id := rapid.Custom(func(t *rapid.T) string {
			form := rapid.SampledFrom([]string{"10.1.2.%d", "host-%d", "00000000-0000-4000-8000-%012d", "2001:db8::%d"}).Draw(t, "form")
			return fmt.Sprintf(form, rapid.IntRange(0, 300).Draw(t, "n"))
		})
		for _, s := range rapid.SliceOfNDistinct(id, 0, 200, rapid.ID).Draw(t, "assets") {
			if _, err := x.Add(&index.Asset{ID: s, Group: "g"}); err != nil {
				t.Fatal(err)
			}
		}
		if o, ok := x.Find("host-7"); ok {
			x.Remove(o)
		}
		ids := rapid.SliceOfN(id, 0, 150).Draw(t, "sought")
		places := make([]index.Place, len(ids))
		x.Locate(len(ids), func(i int) string { return ids[i] }, places)
		first := map[string]index.Place{}
		highest := index.Place(0)
		for i, s := range ids {
			want, known := x.Find(s)
			o, found := places[i].Ordinal()
			if found != known || known && o != want {
				t.Fatalf("%s is at %d, %t, want %d, %t", s, o, found, want, known)
			}
			if known {
				continue
			}
			at, seen := first[s]
			switch {
			case seen && at != places[i]:
				t.Fatalf("%s is newcomer %d and %d", s, at, places[i])
			case !seen && highest > 0 && places[i] != highest+1:
				t.Fatalf("newcomer %d comes after %d", places[i], highest)
			}
			first[s] = places[i]
			highest = max(highest, places[i])
		}
	})
}

// TestPutNote: a note is replaced and nothing else, whether it is short or long.
func TestPutNote(t *testing.T) {
	x := index.New()
	keys := []index.Key{index.MakeKey(22, index.TCP), index.MakeKey(53, index.UDP)}
	var all []index.Ordinal
	for i := range 100 {
		o, err := x.Add(&index.Asset{ID: fmt.Sprint("a", i), Group: "g", Note: []byte{1}, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	held := x.Publish()
	for _, size := range []int{0, 2, 255, 256, 70000, 3} {
		note := make([]byte, size)
		for i := range note {
			note[i] = byte(i * size)
		}
		for _, o := range all {
			x.PutNote(o, note)
		}
		s := x.Publish()
		for _, o := range all {
			if got := s.Note(o); !bytes.Equal(got, note) {
				t.Fatalf("note of %d bytes is %x", size, got)
			}
			if a, _ := s.Asset(o); len(a.Keys) != 2 || a.Group != "g" {
				t.Fatalf("asset is %+v", a)
			}
		}
		if err := x.Check(t.Context(), func([]byte) ([]uint32, []index.Label) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if note := held.Note(all[0]); len(note) != 1 || note[0] != 1 {
		t.Errorf("a snapshot that is held has note %x", note)
	}
}
