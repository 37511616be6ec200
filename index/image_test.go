package index_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"portolan/index"
)

// imageOf returns an image of an index that has been published.
func imageOf(t testing.TB, x *index.Index) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := x.WriteImage(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readImage makes an index of an image and publishes it. Bytes behind the image are left.
func readImage(image []byte) (*index.Index, int, error) {
	left := int64(len(image))
	r := bufio.NewReader(bytes.NewReader(image))
	x, err := index.ReadImage(r, &left)
	if err != nil {
		return nil, 0, err
	}
	x.Publish()
	return x, int(left), nil
}

// manyAssets fills an index with assets of every kind, some of which are removed again, in
// several states.
func manyAssets(t testing.TB, n int) *index.Index {
	t.Helper()
	x := index.New()
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		a := index.Asset{ID: fmt.Sprintf("h-%d", i), Group: fmt.Sprintf("g%d", i%7), Note: make([]byte, []int{0, 9, 300}[i%3])}
		if i%5 == 0 {
			a.ID, a.Address, a.Name = fmt.Sprintf("10.0.%d.%d", i>>8&255, i&255), a.ID, "name"
		}
		a.Keys = append(a.Keys, index.MakeKey(22, index.TCP), index.MakeKey(443, index.TCP))
		if i%2 == 0 {
			a.Keys = append(a.Keys, index.MakeKey(uint16(1000+rng.IntN(30_000)), index.UDP))
		}
		if _, known := x.Find(a.ID); known {
			continue
		}
		o, err := x.Add(&a)
		if err != nil {
			t.Fatal(err)
		}
		if i%5 == 0 { // it stays
			x.Label(o, index.Label{Name: "rack", Value: fmt.Sprint(i % 300)})
			x.Label(o, index.Label{Name: "env", Value: "prod"})
		}
		if i%1000 == 999 {
			if o, ok := x.Find(fmt.Sprintf("h-%d", i-rng.IntN(900))); ok {
				x.Remove(o)
			}
			x.Publish()
		}
	}
	x.Publish()
	return x
}

// TestImage: an index made of an image is the same, to the last byte of its own image, and
// goes on as the one that it is of.
func TestImage(t *testing.T) {
	for _, n := range []int{0, 1, 300, 80_000} {
		x := manyAssets(t, n)
		image := imageOf(t, x)
		again, left, err := readImage(append(bytes.Clone(image), "more"...))
		if err != nil || left != len("more") {
			t.Fatalf("%d assets: %d bytes are left, %v", n, left, err)
		}
		if !bytes.Equal(imageOf(t, again), image) {
			t.Errorf("%d assets: an image of the image is another one", n)
		}
		for round := range 3 {
			for _, y := range []*index.Index{x, again} {
				if err := y.Snapshot().Check(t.Context()); err != nil {
					t.Fatalf("%d assets, round %d: %v", n, round, err)
				}
				change(t, y, round)
			}
			if a, b := answers(x.Snapshot()), answers(again.Snapshot()); a != b {
				t.Errorf("%d assets, round %d:\n%s\nwant\n%s", n, round, b, a)
			}
		}
	}
}

// change makes the same changes to any index with the same assets.
func change(t *testing.T, x *index.Index, round int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(2, uint64(round)))
	for i := range 500 {
		id := fmt.Sprintf("h-%d", rng.IntN(1000))
		keys := []index.Key{index.MakeKey(uint16(1+i), index.TCP), index.MakeKey(uint16(1000+rng.IntN(30_000)), index.UDP)}
		o, known := x.Find(id)
		switch {
		case known && i%3 == 0:
			x.Remove(o)
		case known:
			x.Put(o, fmt.Sprintf("g%d", i%9), []byte{1}, keys)
		default:
			if _, err := x.Add(&index.Asset{ID: id, Group: "new", Keys: keys}); err != nil {
				t.Fatal(err)
			}
		}
	}
	x.Publish()
}

// answers is what a snapshot answers, as text.
func answers(s *index.Snapshot) string {
	var b bytes.Buffer
	fmt.Fprintln(&b, s.Assets(), s.Observations())
	for name, n := range s.Groups() {
		total, rows := pageOf(s.View(index.GroupsOf([]string{name})), index.Filter{}, 0, 1<<20, false)
		fmt.Fprintln(&b, name, n, total, rows)
	}
	for name := range s.LabelNames() {
		for value, holders := range s.Labelled(name) {
			fmt.Fprintln(&b, name, value, slices.Collect(holders.From(0)))
		}
	}
	for id := range 1000 {
		if o, ok := s.Find(fmt.Sprintf("h-%d", id)); ok {
			a, _ := s.Asset(o)
			fmt.Fprintln(&b, a)
		}
	}
	return b.String()
}

// TestCutImage: an image that is cut anywhere is none.
func TestCutImage(t *testing.T) {
	image := imageOf(t, manyAssets(t, 300))
	for n := range image {
		if _, _, err := readImage(image[:n]); !errors.Is(err, index.ErrImage) {
			t.Fatalf("cut at %d of %d: %v", n, len(image), err)
		}
	}
}

// TestImageOfVersion1: it had no labels.
func TestImageOfVersion1(t *testing.T) {
	image := imageOf(t, manyAssets(t, 0))
	const labels = 4 // behind the version, two numbers and no group
	old := append([]byte{1}, image[1:labels]...)
	old = append(old, image[labels+1:]...)
	x, _, err := readImage(old)
	if err != nil || !bytes.Equal(imageOf(t, x), image) {
		t.Errorf("%v", err)
	}
}

// FuzzReadImage reads bytes that may be no image.
func FuzzReadImage(f *testing.F) {
	for _, n := range []int{0, 1, 12} {
		f.Add(imageOf(f, manyAssets(f, n)))
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		x, _, err := readImage(image)
		if (err == nil) != (x != nil) || err != nil && !errors.Is(err, index.ErrImage) {
			t.Errorf("%v, %v", x, err)
		}
	})
}
