package enginetest

import (
	"math/rand/v2"
	"time"

	"portolan/engine"
	"portolan/index"
)

// The small universe: few enough of everything that reports collide.
var (
	smallProjects = []string{"p", "q"}
	smallAssets   = []string{"a", "b", "c", "d"}
	smallGroups   = []string{engine.DefaultEnterpriseProject, "e1", "e2"}
	smallTexts    = []string{"m", "n", "nm"}
	smallHomes    = []string{"m", "nm", "10.0.0.1", "::ffff:10.0.0.1"} // addresses
	smallLabels   = []map[string]string{{"env": "prod"}, {"env": "test"}, {"env": ""}, {"env": "prod", "rack": "1"}, {"rack": "2", "owner": ""}}
	smallPorts    = []uint16{1, 2, 63, 64, 65, 80, 1023, 1024, 65535} // the edges of words and of the range
	smallTypes    = []index.Type{index.SCTP, index.TCP, index.UDP, index.UDP6}
	smallScopes   = scopesOf(
		"none", "all", "1-65535/tcp", "1-1023/tcp", "64-1024/tcp", "1-64/udp,64-80/tcp",
		"1/sctp,65535/udp6", "1-65535/udp,1-65535/udp6", "63-65/tcp,63-65/udp", "80/tcp", "2-65534/udp6",
	)
)

// smallTimes is how many distinct times, one microsecond apart, reports have.
const smallTimes = 8

// smallStart is the first of those times. The suites' clock starts a day later.
var smallStart = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Small returns n random reports about a small universe: two projects, both
// categories, four assets in each, and nine ports. They come in any order of
// time, often at the same one, and every report has a time, so what they say
// together does not depend on their order. The same seed gives the same reports.
func Small(seed uint64, n int) []engine.Report {
	d := dice(newRand(seed, "small").IntN)
	reports := make([]engine.Report, n)
	for i := range reports {
		reports[i] = smallReport(d)
	}
	return reports
}

// dice returns a number from 0 to n-1: at random, or as a model test's choice.
type dice func(n int) int

// one returns one of the list.
func one[T any](d dice, list []T) T { return list[d(len(list))] }

// given returns one of the list, or the zero value half the time.
func given[T any](d dice, list []T) T {
	var none T
	if d(2) == 0 {
		return none
	}
	return one(d, list)
}

func smallReport(d dice) engine.Report {
	return engine.Report{
		Project:           one(d, smallProjects),
		Category:          engine.Category(d(2)),
		Asset:             one(d, smallAssets),
		Name:              given(d, smallTexts),
		Address:           given(d, smallHomes),
		EnterpriseProject: given(d, smallGroups),
		Labels:            given(d, smallLabels),
		Seen:              smallTime(d(smallTimes)),
		Scope:             one(d, smallScopes),
		Open:              smallOpen(d),
	}
}

func smallTime(n int) time.Time { return smallStart.Add(time.Duration(n) * time.Microsecond) }

// smallOpen returns up to five keys, repeats among them.
func smallOpen(d dice) []index.Key {
	open := make([]index.Key, d(6))
	for i := range open {
		open[i] = index.MakeKey(one(d, smallPorts), one(d, smallTypes))
	}
	return open
}

func scopesOf(texts ...string) []engine.Scope {
	scopes := make([]engine.Scope, len(texts))
	for i, text := range texts {
		scopes[i] = must(engine.ParseScope(text))
	}
	return scopes
}

// shuffled returns the reports in another order.
func shuffled(rng *rand.Rand, reports []engine.Report) []engine.Report {
	out := append([]engine.Report{}, reports...)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// repeated returns the reports with about half of them given once more.
func repeated(rng *rand.Rand, reports []engine.Report) []engine.Report {
	out := append([]engine.Report{}, reports...)
	for range len(reports) / 2 {
		out = append(out, reports[rng.IntN(len(reports))])
	}
	return out
}

// split returns reports that say the same in more pieces.
func split(rng *rand.Rand, reports []engine.Report) []engine.Report {
	out := make([]engine.Report, 0, 2*len(reports))
	for _, r := range reports {
		out = append(out, splitReport(rng, r)...)
	}
	return out
}

// splitReport says what a report says in several: the keys are dealt out, and
// so are the scope's ranges and the texts, all at the report's time.
func splitReport(rng *rand.Rand, r engine.Report) []engine.Report {
	first, second := r, r
	first.Name, second.Address, first.Labels = "", "", nil
	cut := rng.IntN(len(r.Open) + 1)
	first.Open, second.Open = r.Open[:cut], r.Open[cut:]
	second.Scope = engine.Scope{}
	if ranges := r.Scope.Ranges(); len(ranges) > 0 {
		low, high := halves(ranges[0])
		first.Scope = engine.ScopeOf(low)
		second.Scope = engine.ScopeOf(append([]index.Range{high}, ranges[1:]...)...)
	}
	return []engine.Report{first, second}
}

// halves cuts a range in two; one of a single port is both of its halves.
func halves(r index.Range) (low, high index.Range) {
	low, high = r, r
	if r.Lo < r.Hi {
		low.Hi = r.Lo + (r.Hi-r.Lo)/2
		high.Lo = low.Hi + 1
	}
	return low, high
}
