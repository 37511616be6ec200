package fleet

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"portolan/engine"
	"portolan/index"
)

// The law of [Campus]: where a host's set of ports comes from.
const (
	campusCommon  = 0.44 // one of the ten commonest sets
	campusPooled  = 0.17 // one of the sets of a department's image
	campusPool    = 120
	campusRanks   = 2000
	campusMaxOpen = 24
)

// campusCommonSets are ten sets of ports, the commonest first.
var campusCommonSets = [][]index.Key{
	keysOf("22/tcp"),
	keysOf("22/tcp", "80/tcp"),
	keysOf("80/tcp"),
	keysOf("80/tcp", "443/tcp"),
	keysOf("443/tcp"),
	keysOf("80/tcp", "443/tcp", "9100/tcp", "161/udp"),
	keysOf("22/tcp", "53/udp"),
	keysOf("135/tcp", "445/tcp"),
	keysOf("22/tcp", "443/tcp"),
	keysOf("80/tcp", "123/udp"),
}

// Campus is a university's network as a scan of all TCP and UDP ports finds
// it. Hosts have two ports in the median. 44 % have one of ten common sets of
// ports, by Zipf's law, 17 % one of 120 sets of 2 to 5 ports, and the others a
// set that is drawn for them: of 1,973 hosts' sets about 870 are distinct.
// There are eight enterprise projects, one per department.
func Campus(seed uint64, hosts int) iter.Seq[engine.Report] {
	return func(yield func(engine.Report) bool) {
		law := newCampusLaw(newRand(seed, "campus"))
		for i := range hosts {
			if !yield(law.report(i)) {
				return
			}
		}
	}
}

type campusLaw struct {
	rng    *rand.Rand
	scope  engine.Scope
	ranked []index.Key
	pool   [][]index.Key
	groups []string
}

func newCampusLaw(rng *rand.Rand) *campusLaw {
	l := &campusLaw{
		rng: rng,
		scope: engine.ScopeOf(
			index.Range{Type: index.TCP, Lo: 1, Hi: index.MaxPort},
			index.Range{Type: index.UDP, Lo: 1, Hi: index.MaxPort},
		),
		ranked: popularKeys(campusRanks),
		groups: names("dept", 8),
	}
	for range campusPool {
		l.pool = append(l.pool, l.draw(2+rng.IntN(4)))
	}
	return l
}

func (l *campusLaw) report(i int) engine.Report {
	name := "host-" + strconv.Itoa(i)
	return engine.Report{
		Project: Project, Asset: name, Name: name + ".campus.example",
		Address:           ipv4(172<<24 | 16<<16 | uint32(i)&0xfffff),
		EnterpriseProject: l.groups[l.rng.IntN(len(l.groups))],
		Seen:              within(l.rng),
		Scope:             l.scope,
		Open:              l.open(),
	}
}

func (l *campusLaw) open() []index.Key {
	switch u := l.rng.Float64(); {
	case u < campusCommon:
		return campusCommonSets[logUniform(l.rng, 1, len(campusCommonSets)+1)-1]
	case u < campusCommon+campusPooled:
		return l.pool[l.rng.IntN(len(l.pool))]
	default:
		return l.draw(2 + int(min(l.rng.ExpFloat64()*math.E, campusMaxOpen-2)))
	}
}

// draw returns n distinct keys, the popular ones more often.
func (l *campusLaw) draw(n int) []index.Key {
	open := make([]index.Key, 0, n)
	for len(open) < n {
		k := l.ranked[logUniform(l.rng, 1, len(l.ranked)+1)-1]
		if !slices.Contains(open, k) {
			open = append(open, k)
		}
	}
	return open
}

// keysOf parses keys that are part of this package's text.
func keysOf(texts ...string) []index.Key {
	list := make([]index.Key, len(texts))
	for i, text := range texts {
		list[i] = must(index.ParseKey(text))
	}
	return list
}

// must returns the value of a call that fails only if this package's own text is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic("fleet: " + err.Error())
	}
	return v
}
