package engine_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

// record is one open port of a host that goes by its address, as scanners write it.
type record struct {
	host uint32
	seen uint32 // seconds since 2025
	key  engine.Key
}

func records(b *testing.B, hosts int, workload func(uint64, int) iter.Seq[engine.Report], shuffled bool) []record {
	b.Helper()
	var all []record
	host := uint32(0)
	rng := rand.New(rand.NewPCG(1, 2))
	for r := range workload(1, hosts) {
		host++
		for _, k := range r.Open {
			all = append(all, record{host * 0x9e3779b1, rng.Uint32N(100_000), k})
		}
	}
	if shuffled {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	return all
}

// reportsOf makes reports of records, next to each other in memory as a reader leaves them.
func reportsOf(records []record) []engine.Report {
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	reports, keys := make([]engine.Report, len(records)), make([]engine.Key, len(records))
	for i, r := range records {
		keys[i] = r.key
		id := netip.AddrFrom4([4]byte{byte(r.host >> 24), byte(r.host >> 16), byte(r.host >> 8), byte(r.host)}).String()
		reports[i] = engine.Report{
			Project: "p", Asset: id, Address: id,
			Seen: start.Add(time.Duration(r.seen) * time.Second), Open: keys[i : i+1 : i+1],
		}
	}
	return reports
}

// BenchmarkRecords applies one-port records in calls of 200,000 to an engine that is empty,
// and once more to the one that has them.
func BenchmarkRecords(b *testing.B) {
	for _, w := range []struct {
		name  string
		fleet func(uint64, int) iter.Seq[engine.Report]
	}{{"agents", fleet.Agents}, {"internet", fleet.Internet}} {
		for _, shuffled := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/shuffled=%t", w.name, shuffled), func(b *testing.B) {
				all := records(b, benchHosts(b), w.fleet, shuffled)
				var took [2]time.Duration
				for b.Loop() {
					e, err := engine.Open(nil)
					if err != nil {
						b.Fatal(err)
					}
					for i := range took {
						for part := range slices.Chunk(all, 200_000) {
							reports := reportsOf(part)
							start := time.Now()
							if _, err := e.Apply(context.Background(), reports); err != nil {
								b.Fatal(err)
							}
							took[i] += time.Since(start)
						}
					}
				}
				n := float64(len(all)) * float64(b.N) / 1e6
				b.ReportMetric(n/took[0].Seconds(), "Mnew/s")
				b.ReportMetric(n/took[1].Seconds(), "Magain/s")
			})
		}
	}
}
