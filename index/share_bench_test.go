package index_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"portolan/index"
)

// BenchmarkShareOf is how many of half of 10 M assets each of 1,000 sets has, which are a thousandth of
// all each.
func BenchmarkShareOf(b *testing.B) {
	const assets, values = 10_000_000, 1000
	x, rng := index.New(), rand.New(rand.NewPCG(1, 1))
	x.Reserve(assets)
	for i := range assets {
		a := index.Asset{ID: fmt.Sprint(i)}
		if rng.IntN(2) == 0 {
			a.Keys = []index.Key{index.MakeKey(22, index.TCP)}
		}
		o, err := x.Add(&a)
		if err != nil {
			b.Fatal(err)
		}
		x.Label(o, index.Label{Name: "rack", Value: fmt.Sprint(rng.IntN(values))})
	}
	s := x.Publish()
	var sets []index.Set
	for _, set := range s.Labelled("rack") {
		sets = append(sets, set)
	}
	half := s.Holders(index.MakeKey(22, index.TCP))
	b.ResetTimer()
	for b.Loop() {
		if _, err := s.ShareOf(b.Context(), sets, half); err != nil {
			b.Fatal(err)
		}
	}
}
