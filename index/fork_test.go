package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"portolan/index"
)

// TestForksAtOnce: forks of every kind of posting are made and written to while the index is, and while others
// are made of the same snapshot; each comes to what its own changes make of it.
func TestForksAtOnce(t *testing.T) {
	const hosts = 3000
	x := index.New()
	write := func(x *index.Index, seed uint64, rounds int) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for range rounds {
			id := fmt.Sprintf("host-%d", rng.IntN(hosts+200))
			o, there := x.Find(id)
			keys := []index.Key{index.MakeKey(22, index.TCP), index.MakeKey(uint16(1+rng.IntN(100)), index.TCP), index.MakeKey(uint16(1000+rng.IntN(3000)), index.UDP)}
			slices.Sort(keys)
			keys = slices.Compact(keys)
			label := index.Label{Name: "env", Value: fmt.Sprint(seed)}
			switch {
			case !there:
				o, err := x.Add(&index.Asset{ID: id, Group: fmt.Sprint("g", rng.IntN(5)), Keys: keys, Note: []byte{0, 0}})
				if err != nil {
					t.Error(err)
				}
				x.Label(o, label)
				x.Unlabel(o, label)
			case rng.IntN(3) == 0:
				x.Remove(o)
			default:
				x.SetName(o, fmt.Sprint("name-", rng.IntN(1000)))
				x.Put(o, fmt.Sprint("g", rng.IntN(5)), []byte{0, 0}, keys)
			}
		}
	}
	write(x, 0, 2*hosts)
	s := x.Publish()
	want := map[uint64]int{}
	for seed := range uint64(4) { // what each comes to alone
		alone := s.Fork()
		write(alone, seed+1, 1500)
		want[seed+1] = alone.Publish().Observations()
	}
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			fork := x.Snapshot().Fork()
			if fork.Snapshot() != s { // the index has gone on
				fork = s.Fork()
			}
			for part := range 3 {
				write(fork, seed+1+uint64(part)*100, 500)
				if err := fork.Publish().Check(t.Context()); err != nil {
					t.Error(err)
				}
			}
			again := s.Fork()
			write(again, seed+1, 1500)
			if got := again.Publish().Observations(); got != want[seed+1] {
				t.Errorf("%d ports are open, want %d", got, want[seed+1])
			}
		})
	}
	for range 20 {
		write(x, 99, 300)
		x.Publish()
	}
	wg.Wait()
	for _, s := range []*index.Snapshot{s, x.Snapshot()} {
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
