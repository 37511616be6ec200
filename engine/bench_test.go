package engine_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

const loadBatch = 1_000_000

// benchHosts is how many hosts are made up: PORTOLAN_BENCH_HOSTS, a million, or,
// with -short, some.
func benchHosts(b *testing.B) int {
	b.Helper()
	text := os.Getenv("PORTOLAN_BENCH_HOSTS")
	switch {
	case text == "" && testing.Short():
		return 10_000
	case text == "":
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("PORTOLAN_BENCH_HOSTS is %q: want a number of hosts", text)
	}
	return n
}

// agents is the agent workload, made once, or again after it was let go.
var agents []engine.Report

func agentFleet(b *testing.B) []engine.Report {
	b.Helper()
	if agents == nil {
		agents = slices.Collect(fleet.Agents(1, benchHosts(b)))
	}
	return agents
}

func observations(reports []engine.Report) int {
	n := 0
	for i := range reports {
		n += len(reports[i].Open)
	}
	return n
}

func load(b *testing.B, reports []engine.Report) *engine.Engine {
	b.Helper()
	return loadWith(b, nil, reports)
}

func loadWith(b *testing.B, opts *engine.Options, reports []engine.Report) *engine.Engine {
	b.Helper()
	e, err := engine.Open(opts)
	if err != nil {
		b.Fatal(err)
	}
	for part := range slices.Chunk(reports, loadBatch) {
		if _, err := e.Apply(context.Background(), part); err != nil {
			b.Fatal(err)
		}
	}
	return e
}

// noLog is options of an engine that does not record what changes.
var noLog = &engine.Options{ChangesBytes: -1}

// BenchmarkLoad applies the fleet to an empty engine, which records what changes or does not.
func BenchmarkLoad(b *testing.B) {
	reports := agentFleet(b)
	n := observations(reports)
	for name, opts := range map[string]*engine.Options{"recorded": nil, "plain": noLog} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				loadWith(b, opts, reports)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mobs/s")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMemory reports the live heap per observation.
func BenchmarkMemory(b *testing.B) {
	reports := agentFleet(b)
	n := observations(reports)
	for b.Loop() {
		before := heap()
		e := loadWith(b, noLog, reports)
		b.ReportMetric(float64(heap()-before)/float64(n), "B/obs")
		runtime.KeepAlive(e)
	}
}

// queries draws combinations of the seed's filters.
func queries(n int) []engine.PortQuery {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]engine.PortQuery, n)
	for i := range out {
		q := engine.PortQuery{Project: "p", Limit: 10, Descending: rng.IntN(2) == 0}
		if rng.IntN(2) == 0 {
			q.PortString = strconv.Itoa(rng.IntN(9999))
		}
		if rng.IntN(2) == 0 {
			q.Type = []engine.Type{engine.TCP, engine.UDP}[rng.IntN(2)]
		}
		if rng.IntN(3) == 0 {
			q.View = engine.In(fmt.Sprintf("group-%02d", rng.IntN(50)))
		}
		if rng.IntN(4) == 0 {
			q.Status = []engine.Status{engine.Danger, engine.Unknown}[rng.IntN(2)]
		}
		out[i] = q
	}
	return out
}

var loaded *engine.Engine

func loadedEngine(b *testing.B) *engine.Engine {
	b.Helper()
	if loaded == nil {
		loaded = load(b, agentFleet(b))
	}
	return loaded
}

func benchPages(b *testing.B, qs []engine.PortQuery) {
	e := loadedEngine(b)
	ctx, into := context.Background(), make([]engine.PortCount, 0, 200)
	project := fleet.Project
	for i := range qs {
		qs[i].Project, qs[i].Into = project, into
		page, err := e.Ports(ctx, qs[i])
		if err != nil {
			b.Fatal(err)
		}
		if page.Total > 0 {
			qs[i].Offset = rand.IntN(page.Total)
		}
		e.Ports(ctx, qs[i])
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := e.Ports(ctx, qs[i%len(qs)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkPageSeen asks for pages of filters that the snapshot remembers.
func BenchmarkPageSeen(b *testing.B) { benchPages(b, queries(24)) }

// BenchmarkPageUnseen asks for pages of so many filters that none is remembered.
func BenchmarkPageUnseen(b *testing.B) { benchPages(b, queries(20_000)) }

// BenchmarkPageBesideLoad reports the 99th percentile of a page while a fleet
// is loaded at full rate, against that of a page at rest, in nanoseconds.
func BenchmarkPageBesideLoad(b *testing.B) {
	reports := agentFleet(b)
	for b.Loop() {
		e := load(b, reports[:len(reports)/2])
		idle := pageP99(b, e, time.After(time.Second))
		done := make(chan time.Time)
		go func() {
			defer close(done)
			for part := range slices.Chunk(reports, 10_000) {
				if _, err := e.Apply(context.Background(), part); err != nil {
					b.Error(err)
				}
			}
		}()
		loading := pageP99(b, e, done)
		b.ReportMetric(float64(idle), "idle-p99-ns")
		b.ReportMetric(float64(loading), "loading-p99-ns")
		b.ReportMetric(float64(loading)/float64(idle), "ratio")
	}
}

// pageP99 asks for pages until done and returns the 99th percentile of what they took.
func pageP99(b *testing.B, e *engine.Engine, done <-chan time.Time) time.Duration {
	b.Helper()
	qs, into := queries(20_000), make([]engine.PortCount, 0, 200)
	took := make([]time.Duration, 0, 1<<23)
	for i := 0; ; i++ {
		select {
		case <-done:
			slices.Sort(took)
			return took[len(took)*99/100]
		default:
		}
		q := qs[i%len(qs)]
		q.Project, q.Into = fleet.Project, into
		start := time.Now()
		if _, err := e.Ports(context.Background(), q); err != nil {
			b.Fatal(err)
		}
		if len(took) < cap(took) {
			took = append(took, time.Since(start))
		}
	}
}

// BenchmarkRangeReport applies range reports to an asset with 65,000 open ports
// and as many looks as one can have.
func BenchmarkRangeReport(b *testing.B) {
	e, err := engine.Open(nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, start := context.Background(), time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	all := engine.Report{Project: "p", Asset: "x", Seen: start, Scope: engine.ScopeAll()}
	for port := range 65_000 {
		all.Open = append(all.Open, engine.MakeKey(uint16(port+1), engine.TCP))
	}
	n := 0
	look := func(open []engine.Key) engine.Report {
		n++
		lo := uint16(1 + n*997%60_000)
		return engine.Report{
			Project: "p", Asset: "x", Seen: start.Add(time.Duration(n) * time.Minute), Open: open,
			Scope: engine.ScopeOf(engine.Range{Type: engine.TCP, Lo: lo, Hi: lo + 999}),
		}
	}
	reports := []engine.Report{all}
	for range 64 {
		reports = append(reports, look(all.Open))
	}
	if _, err := e.Apply(ctx, reports); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		open []engine.Key
	}{{"nothing", nil}, {"everything", all.Open}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Apply(ctx, []engine.Report{look(c.open)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGrow fills an empty engine in calls of 200,000 reports and reports the
// median and the worst call.
func BenchmarkGrow(b *testing.B) {
	const batch = 200_000
	for b.Loop() {
		e, err := engine.Open(nil)
		if err != nil {
			b.Fatal(err)
		}
		var took []time.Duration
		next, stop := iter.Pull(fleet.Agents(1, benchHosts(b)))
		reports := make([]engine.Report, 0, batch)
		for more := true; more; {
			var r engine.Report
			for reports = reports[:0]; len(reports) < batch; reports = append(reports, r) {
				if r, more = next(); !more {
					break
				}
			}
			start := time.Now()
			if _, err := e.Apply(context.Background(), reports); err != nil {
				b.Fatal(err)
			}
			if len(reports) == batch {
				took = append(took, time.Since(start))
			}
		}
		stop()
		runtime.KeepAlive(e)
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		median, worst := took[len(took)/2], took[len(took)-1]
		b.ReportMetric(median.Seconds()*1e3, "median-ms")
		b.ReportMetric(worst.Seconds()*1e3, "worst-ms")
		b.ReportMetric(float64(worst)/float64(median), "ratio")
	}
}

// lastSeen is the time of the latest report of BenchmarkOneReport.
var lastSeen = time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC)

// BenchmarkOneReport applies one changed report a call to a fleet.
func BenchmarkOneReport(b *testing.B) {
	e, rng := loadedEngine(b), rand.New(rand.NewPCG(1, 3))
	reports := make([]engine.Report, 100_000)
	for i := range reports {
		reports[i] = agentFleet(b)[rng.IntN(len(agents))]
	}
	agents = nil // nobody keeps them in memory beside the engine
	b.ReportAllocs()
	for b.Loop() {
		r := reports[rng.IntN(len(reports))]
		lastSeen = lastSeen.Add(time.Second)
		r.Seen, r.Open = lastSeen, slices.Clone(r.Open)
		r.Open[rng.IntN(len(r.Open))] = engine.MakeKey(uint16(32768+rng.IntN(28232)), engine.TCP)
		if _, err := e.Apply(context.Background(), []engine.Report{r}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSmallProjects reports what a project of one host with 11 ports costs.
func BenchmarkSmallProjects(b *testing.B) {
	const projects = 1000
	report := slices.Collect(fleet.Agents(1, 1))[0]
	for b.Loop() {
		before := heap()
		e, err := engine.Open(nil)
		if err != nil {
			b.Fatal(err)
		}
		for i := range projects {
			r := report
			r.Project = "p" + strconv.Itoa(i)
			if _, err := e.Apply(context.Background(), []engine.Report{r}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/projects, "B/project")
		runtime.KeepAlive(e)
	}
}

// BenchmarkPast makes the state of a fleet before a share of its hosts had other ports, in batches of 1,000, and
// asks it for a page.
func BenchmarkPast(b *testing.B) {
	for _, share := range []int{1000, 100, 10} {
		b.Run(fmt.Sprintf("1-of-%d", share), func(b *testing.B) {
			reports := agentFleet(b)
			e := loadWith(b, &engine.Options{ChangesBytes: 1 << 30}, reports)
			before, err := e.Snapshot(reports[0].Project, engine.Host)
			if err != nil {
				b.Fatal(err)
			}
			changed := changedPorts(reports, share)
			for batch := range slices.Chunk(changed, 1000) {
				if _, err := e.Apply(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			for range b.N {
				engine.ForgetPasts(e)
				s, err := e.SnapshotAt(b.Context(), reports[0].Project, engine.Host, engine.Moment{Sequence: before.Sequence()})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Ports(b.Context(), engine.PortQuery{Limit: 100}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(changed)), "ns/asset")
		})
	}
}

// changedPorts returns reports of one of so many hosts with other ports than it had.
func changedPorts(reports []engine.Report, share int) (changed []engine.Report) {
	for i := 0; i < len(reports); i += share {
		r := reports[i]
		r.Seen, r.Open = r.Seen.Add(time.Second), append(slices.Clone(r.Open[:len(r.Open)/2]), engine.MakeKey(uint16(20_000+i%1000), engine.TCP))
		slices.Sort(r.Open)
		changed = append(changed, r)
	}
	return changed
}
