package bench

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"portolan/engine"
	"portolan/index"
)

// finding is one open port of a host, as scanners report it that probe ports in an order of
// their own.
type finding struct {
	host uint32 // whose address it is
	seen uint32 // seconds since scanBegan
	key  engine.Key
}

// scanBegan is when the scan of recordsOf began; it took scanSeconds.
var scanBegan = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const scanSeconds = 100_000

// recordsOf returns what a scan of a fleet finds, in the scanner's order, and the greatest
// host's part of it.
func recordsOf(seed uint64, fleet iter.Seq[engine.Report]) (all, greatest []finding) {
	host, first := uint32(0), 0
	rng := rand.New(rand.NewPCG(seed, 0))
	for r := range fleet {
		host++
		first = len(all)
		for _, k := range r.Open {
			all = append(all, finding{host * 0x9e3779b1, rng.Uint32N(scanSeconds), k}) // odd: no address twice
		}
		if len(all)-first > len(greatest) {
			greatest = slices.Clone(all[first:])
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, greatest
}

// everyPort returns what a scan of one host finds that answers everywhere.
func everyPort(seed uint64) []finding {
	rng := rand.New(rand.NewPCG(seed, 1))
	all := make([]finding, index.MaxPort)
	for i := range all {
		all[i] = finding{1, rng.Uint32N(scanSeconds), engine.MakeKey(uint16(i+1), engine.TCP)}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// reportsOf yields a report for each finding, each batch next to each other in memory as
// readers leave them. The reports are valid until the next one.
func reportsOf(project string, records []finding) iter.Seq[engine.Report] {
	return func(yield func(engine.Report) bool) {
		for part := range slices.Chunk(records, loadBatch) {
			keys := make([]engine.Key, len(part))
			for i, r := range part {
				keys[i] = r.key
				id := netip.AddrFrom4([4]byte{byte(r.host >> 24), byte(r.host >> 16), byte(r.host >> 8), byte(r.host)}).String()
				if !yield(engine.Report{
					Project: project, Asset: id, Address: id,
					Seen: scanBegan.Add(time.Duration(r.seen) * time.Second), Open: keys[i : i+1 : i+1],
				}) {
					return
				}
			}
		}
	}
}

// loadRecords measures records of one port each: in the scanner's order, the same again, and
// all of one host.
func (run *run) loadRecords(ctx context.Context, hosts int) error {
	all, greatest := recordsOf(run.c.Seed, run.c.workload().Fleet(run.c.Seed, hosts))
	e, err := engine.Open(nil)
	if err != nil {
		return err
	}
	const project = "records"
	for _, c := range []struct {
		name    string
		records []finding
		size    int
		enough  time.Duration
	}{
		{"records of one port", all, loadBatch, 0},
		{"the same records again", all, loadBatch, 0},
		{"records of the greatest host", greatest, loadBatch, 0},
		{"records of one host with every port", everyPort(run.c.Seed), loadBatch, 0},
		{"one record in a call about that host", everyPort(run.c.Seed + 1), 1, run.c.figureTime(hosts)},
	} {
		if len(c.records) == 0 {
			return fmt.Errorf("load: %s: the fleet has no open ports", c.name)
		}
		if err := run.loadBatches(ctx, SuiteLoad, c.name, hosts, e, reportsOf(project, c.records), c.size, c.enough); err != nil {
			return err
		}
	}
	return nil
}
