package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

// stateOnly opens engines without a log of changes, which takes so many bytes at most however large a fleet is.
var stateOnly = &engine.Options{ChangesBytes: -1}

// memory measures what a fleet takes, but for the log of what changed.
func (run *run) memory(ctx context.Context, hosts int) error {
	run.progress("memory: a fleet of %d", hosts)
	resetPeak()
	before := LiveHeap()
	e, err := engine.Open(stateOnly)
	if err != nil {
		return err
	}
	var category engine.Category
	for batch := range batches(run.c.workload().Fleet(run.c.Seed, hosts), loadBatch) {
		category = batch[0].Category
		if _, err := e.Apply(ctx, batch); err != nil {
			return err
		}
	}
	peak := peakRSS()
	heap := LiveHeap()
	heap -= min(before, heap) // less, where what was left of before is gone by now
	snapshot, err := e.Snapshot(fleet.Project, category)
	if err != nil {
		return err
	}
	held, err := e.Stats()
	if err != nil {
		return err
	}
	parts := snapshot.Memory()
	named := []struct {
		name  string
		bytes uint64
	}{
		{"dictionary", parts.Dictionary},
		{"assets", parts.Assets},
		{"postings", parts.Postings},
		{"counts", parts.Counts},
		{"interned", parts.Interned},
		// What only the writer needs, and what the allocator rounds up to.
		{"other", heap - min(heap, parts.Total())},
		{memoryTotal, heap},
	}
	for _, part := range named {
		result := Result{Suite: SuiteMemory, Name: part.name, Hosts: hosts, Samples: 1}
		result.add("B", float64(part.bytes))
		result.add("B/obs", float64(part.bytes)/float64(max(held.Observations, 1)))
		run.report.Results = append(run.report.Results, result)
	}
	if peak > 0 {
		result := Result{Suite: SuiteMemory, Name: "peak RSS while loading", Hosts: hosts, Samples: 1}
		result.add("B", float64(peak))
		run.report.Results = append(run.report.Results, result)
	}
	runtime.KeepAlive(e)
	return nil
}

// memoryTotal is the name of the result that the parts add up to.
const memoryTotal = "live heap"

// LiveHeap returns the bytes of all objects that are reachable, after a collection.
func LiveHeap() uint64 {
	runtime.GC()
	runtime.GC() // the first one may have been under way
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// resetPeak makes peakRSS forget what was before, where the system can; see proc(5).
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakRSS returns the most bytes that the process had resident, 0 where the system
// does not say.
func peakRSS() uint64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	return kibibytes(f, "VmHWM")
}

// kibibytes returns the bytes of a line such as "VmHWM:  1024 kB", 0 if there is none.
func kibibytes(r io.Reader, name string) uint64 {
	for s := bufio.NewScanner(r); s.Scan(); {
		field, value, _ := strings.Cut(s.Text(), ":")
		if field != name {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			return 0
		}
		return n << 10
	}
	return 0
}

const (
	// roomSample is how many assets of a fleet are loaded to see what one takes.
	roomSample = 100_000
	// roomFactor is how many times what the sample says a process needs: the collector
	// lets the heap double, and tables that grow in steps take somewhat more.
	roomFactor = 3
)

// checkRoom refuses a fleet that would not fit into the memory there is. What an asset
// takes is what the second half of a sample adds to the first, as a fleet's first assets
// pay for what all of them share.
func checkRoom(ctx context.Context, c *Config, available uint64) error {
	if c.Hosts <= roomSample || available == 0 {
		return nil
	}
	e, err := engine.Open(stateOnly)
	if err != nil {
		return err
	}
	var heaps []uint64
	for batch := range batches(c.workload().Fleet(c.Seed, roomSample), roomSample/2) {
		if _, err := e.Apply(ctx, batch); err != nil {
			return err
		}
		clear(batch) // what the reports took is no part of it
		heaps = append(heaps, LiveHeap())
	}
	runtime.KeepAlive(e)
	each := float64(heaps[1]-min(heaps[0], heaps[1])) / (roomSample / 2)
	if need := uint64(each * float64(c.Hosts) * roomFactor); need > available {
		return fmt.Errorf("a fleet of %d %s needs some %s of memory, and %s are available: want at most %d hosts",
			c.Hosts, c.Profile, gibibytes(need), gibibytes(available), int(float64(available)/roomFactor/each))
	}
	return nil
}

func gibibytes(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// availableMemory returns how many bytes the process can have besides what it has, 0
// where the system does not say: what is free on the machine, within the limit of
// the control group.
func availableMemory() uint64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	free := kibibytes(f, "MemAvailable")
	limit, ok := number64("/sys/fs/cgroup/memory.max")
	used, ok2 := number64("/sys/fs/cgroup/memory.current")
	if ok && ok2 {
		free = min(free, limit-min(limit, used))
	}
	return free
}

// number64 returns the number that is all of a file.
func number64(path string) (uint64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
