package index_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"portolan/index"
)

// TestLeastIDs: assets by id are what sorting all of them gives, for ids of every form, however many
// goroutines look at them.
func TestLeastIDs(t *testing.T) {
	x, rng := index.New(), rand.New(rand.NewPCG(1, 1))
	var ids []string
	for i := range 50_000 {
		id := fmt.Sprint("host-", i)
		switch i % 5 {
		case 0:
			id = fmt.Sprintf("%08x-0000-4000-8000-%012x", rng.Uint32(), i)
		case 1:
			id = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		case 2:
			id = fmt.Sprintf("fd00::%x:%x", i>>8+1, i&255+1)
		case 3:
			id = strings.Repeat("z", i%200) + fmt.Sprint(i)
		}
		ids = append(ids, id)
	}
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids {
		if _, err := x.Add(&index.Asset{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(ids)
	s := x.Publish()
	all := s.View(index.Groups{}).Assets()
	for _, after := range []string{"", "0", ids[0], ids[24_999], ids[49_998], ids[49_999], "~", "host-"} {
		from, found := slices.BinarySearch(ids, after)
		if found {
			from++
		}
		for _, most := range []int{0, 1, 10, 3000, 60_000} {
			list, err := s.LeastIDs(t.Context(), all, after, most)
			if err != nil {
				t.Fatal(err)
			}
			want := ids[from:]
			if most > 0 {
				want = want[:min(most, len(want))]
			}
			got := make([]string, len(list))
			for i, o := range list {
				got[i] = s.Who(o).ID
			}
			if !slices.Equal(got, want) {
				t.Errorf("after %q, %d: %d ids, want %d", after, most, len(got), len(want))
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.LeastIDs(ctx, all, "", 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// BenchmarkLeastIDs is a page of 100 of 4 M assets by id, behind the middle.
func BenchmarkLeastIDs(b *testing.B) {
	s := benchIndex(b, 4_000_000).Snapshot()
	all := s.View(index.Groups{}).Assets()
	o, _ := all.Select(2_000_000)
	after := s.Who(o).ID
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.LeastIDs(b.Context(), all, after, 100); err != nil {
			b.Fatal(err)
		}
	}
}
