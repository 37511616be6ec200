package fleet_test

import (
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/index"
)

// byText compares reports, whose scopes have no exported fields.
var byText = cmp.Comparer(func(a, b engine.Scope) bool { return a.String() == b.String() })

func TestFleetsAreReproducible(t *testing.T) {
	for _, w := range fleet.Workloads() {
		t.Run(w.Name, func(t *testing.T) {
			reports := w.Fleet(7, 600)
			first := slices.Collect(reports)
			if diff := cmp.Diff(first, slices.Collect(reports), byText); diff != "" {
				t.Errorf("read twice (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(first[:300], slices.Collect(w.Fleet(7, 300)), byText); diff != "" {
				t.Errorf("a smaller fleet is not the larger one's beginning:\n%s", diff)
			}
			if cmp.Equal(first, slices.Collect(w.Fleet(8, 600)), byText) {
				t.Error("seeds 7 and 8 give the same fleet")
			}
		})
	}
}

func TestFleetsAreValid(t *testing.T) {
	for _, w := range fleet.Workloads() {
		t.Run(w.Name, func(t *testing.T) {
			const n = 20_000
			ids := map[string]bool{}
			for r := range w.Fleet(1, n) {
				ids[r.Asset] = true
				if err := r.Validate(); err != nil {
					t.Fatal(err)
				}
				if len(slices.Compact(slices.Sorted(slices.Values(r.Open)))) != len(r.Open) {
					t.Fatalf("%s: a key comes twice: %v", r.Asset, r.Open)
				}
			}
			if len(ids) != n {
				t.Errorf("%d distinct ids, want %d", len(ids), n)
			}
		})
	}
}

func TestFleetsStopWhenTold(*testing.T) {
	for _, w := range fleet.Workloads() {
		for range fleet.Churn(1, 0.5, w.Fleet(1, 10)) {
			break
		}
	}
}

// between fails the test unless the figure is in the range that the law promises.
func between(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	t.Logf("%s: %.4g", what, got)
	if got < low || got > high {
		t.Errorf("%s: %.4g, want %g to %g", what, got, low, high)
	}
}

// census is what the tests of proportions count.
type census struct {
	hosts, services float64
	sets            map[string]float64
	groups          map[string]float64
	sizes           []int
}

func count(reports iter.Seq[engine.Report]) *census {
	c := &census{sets: map[string]float64{}, groups: map[string]float64{}}
	for r := range reports {
		c.hosts++
		c.services += float64(len(r.Open))
		c.sets[fmt.Sprint(slices.Sorted(slices.Values(r.Open)))]++
		c.groups[r.EnterpriseProject]++
		c.sizes = append(c.sizes, len(r.Open))
	}
	slices.Sort(c.sizes)
	return c
}

// top returns the share of the n most frequent entries.
func top(counts map[string]float64, n int) float64 {
	list := make([]float64, 0, len(counts))
	var sum float64
	for _, c := range counts {
		list = append(list, c)
		sum += c
	}
	slices.Sort(list)
	slices.Reverse(list)
	var head float64
	for _, c := range list[:min(n, len(list))] {
		head += c
	}
	return head / sum
}

func TestAgentsProportions(t *testing.T) {
	const n = 20_000
	popular := map[string]float64{}
	var ephemeral float64
	for r := range fleet.Agents(3, n) {
		set := slices.DeleteFunc(slices.Sorted(slices.Values(r.Open)), func(k index.Key) bool { return k.Port() >= 32768 })
		popular[fmt.Sprint(set)]++
		ephemeral += float64(len(r.Open) - len(set))
	}
	c := count(fleet.Agents(3, n))
	between(t, "ports per host", c.services/n, 10, 12)
	between(t, "ephemeral ports per host", ephemeral/n, 4, 4)
	between(t, "hosts with one of 200 sets of popular ports", top(popular, 200), 0.6, 0.8)
	between(t, "enterprise projects", float64(len(c.groups)), 50, 50)
	between(t, "share of the largest enterprise project", top(c.groups, 1), 0.1, 0.2)
}

func TestInternetProportions(t *testing.T) {
	const n = 200_000
	ports := map[string]float64{}
	var services, boxes, single, many float64
	i := 0
	for r := range fleet.Internet(3, n) {
		open := float64(len(r.Open))
		services += open
		if i%500 == 250 {
			boxes += open
		} else {
			for _, k := range r.Open {
				ports[k.String()]++
			}
		}
		if open == 1 {
			single++
		}
		if open > 15 {
			many++
		}
		i++
	}
	between(t, "hosts with one port", single/n, 0.58, 0.62)
	between(t, "hosts with more than 15 ports", many/n, 0.008, 0.012)
	between(t, "services on middleboxes", boxes/services, 0.36, 0.44)
	between(t, "services on the top 10 ports", top(ports, 10), 0.46, 0.54)
	between(t, "services on the top 100 ports", top(ports, 100), 0.75, 0.82)
	between(t, "services on the top 1000 ports", top(ports, 1000), 0.91, 0.96)
}

func TestCampusProportions(t *testing.T) {
	const n = 1973
	c := count(fleet.Campus(3, n))
	between(t, "median of ports", float64(c.sizes[n/2]), 2, 2)
	between(t, "distinct sets", float64(len(c.sets)), 820, 930)
	between(t, "hosts with one of the ten commonest sets", top(c.sets, 10), 0.4, 0.48)
	between(t, "enterprise projects", float64(len(c.groups)), 8, 8)
}

func TestContainersProportions(t *testing.T) {
	const n = 20_000
	c := count(fleet.Containers(3, n))
	between(t, "containers with one of 40 sets", top(c.sets, 40), 0.985, 0.995)
	between(t, "largest image's share", top(c.sets, 1), 0.15, 0.25)
	between(t, "ports per container", c.services/n, 1, 4)
}

func TestChurn(t *testing.T) {
	const n = 5_000
	before := slices.Collect(fleet.Agents(5, n))
	kept := slices.Collect(fleet.Agents(5, n))
	var changed, total float64
	i := 0
	for r := range fleet.Churn(9, 0.1, slices.Values(before)) {
		for j, k := range r.Open {
			total++
			if k != before[i].Open[j] {
				changed++
			}
		}
		if r.Asset != before[i].Asset || !r.Seen.After(before[i].Seen) {
			t.Fatalf("report %d is not a later one of the same asset: %+v", i, r)
		}
		i++
	}
	between(t, "keys exchanged", changed/total, 0.09, 0.11)
	if diff := cmp.Diff(kept, before, byText); diff != "" {
		t.Errorf("the fleet was changed (-want +got):\n%s", diff)
	}
}

func BenchmarkFleets(b *testing.B) {
	for _, w := range fleet.Workloads() {
		b.Run(w.Name, func(b *testing.B) {
			b.ReportAllocs()
			for range w.Fleet(1, b.N) {
			}
		})
	}
}
