package fleet

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"

	"portolan/engine"
	"portolan/index"
)

// The law of [Internet].
const (
	middleboxEvery = 500 // 0.2 % of the hosts
	middleboxMin   = 16
	middleboxMax   = 65000
	middleboxTail  = 0.575 // the exponent that gives middleboxes 40 % of all services
)

// Internet is what a scan of all TCP ports of the Internet finds; only hosts
// that responded are reported. Six of ten hosts have one port open and one of
// a hundred has more than 15. Every 500th is a middlebox that answers
// everywhere, on 16 to 65,000 ports by a power law: together they have about
// 40 % of all services. Of the others' services the ten commonest ports have
// half, the top 100 have 78 % and the top 1000 have 93 %. Ids are the hosts'
// addresses; no enterprise project is given.
func Internet(seed uint64, hosts int) iter.Seq[engine.Report] {
	return func(yield func(engine.Report) bool) {
		law := newInternetLaw(newRand(seed, "internet"))
		for i := range hosts {
			if !yield(law.report(i)) {
				return
			}
		}
	}
}

type internetLaw struct {
	rng    *rand.Rand
	ranks  []uint16
	scope  engine.Scope
	offset uint32  // makes addresses differ by seed
	size   float64 // the last middlebox's place in the law of sizes, 0 to 1
}

func newInternetLaw(rng *rand.Rand) *internetLaw {
	return &internetLaw{
		rng:    rng,
		ranks:  portsByRank(),
		scope:  engine.ScopeOf(index.Range{Type: index.TCP, Lo: 1, Hi: index.MaxPort}),
		offset: rng.Uint32(),
		size:   rng.Float64(),
	}
}

func (l *internetLaw) report(i int) engine.Report {
	address := ipv4((uint32(i) + l.offset) * 0x9e3779b1) // odd, so no address comes twice
	r := engine.Report{
		Project: Project, Asset: address, Address: address,
		Seen: within(l.rng), Scope: l.scope,
	}
	if i%middleboxEvery == middleboxEvery/2 {
		r.Open = l.middlebox()
	} else {
		r.Open = l.ordinary()
	}
	return r
}

// ordinary returns the ports of a host that is not a middlebox.
func (l *internetLaw) ordinary() []index.Key {
	n := l.services()
	open := make([]index.Key, 0, n)
	for len(open) < n {
		k := index.MakeKey(l.ranks[l.rank()], index.TCP)
		if !slices.Contains(open, k) {
			open = append(open, k)
		}
	}
	return open
}

// services returns how many ports an ordinary host has.
func (l *internetLaw) services() int {
	switch u := l.rng.Float64(); {
	case u < 0.6:
		return 1
	case u < 0.992:
		return 2 + int(min(l.rng.ExpFloat64()*1.6, 13))
	default:
		return logUniform(l.rng, 16, 60)
	}
}

// rank returns a port's place in the ranking. The brackets' chances are a little
// above the law's shares, for a host does not have its commonest port twice; in
// each bracket Zipf's law holds.
func (l *internetLaw) rank() int {
	switch u := l.rng.Float64(); {
	case u < 0.56:
		return logUniform(l.rng, 1, 11) - 1
	case u < 0.8:
		return logUniform(l.rng, 11, 101) - 1
	case u < 0.94:
		return logUniform(l.rng, 101, 1001) - 1
	default:
		return logUniform(l.rng, 1001, index.MaxPort+1) - 1
	}
}

// middleboxSteps have no divisor in common with the number of ports, so that
// a walk by one of them meets every port once.
var middleboxSteps = [...]int{1, 7, 9973, 31337}

// middlebox returns the ports of a host that answers on very many: a run of
// neighbours or a scatter.
func (l *internetLaw) middlebox() []index.Key {
	step := middleboxSteps[l.rng.IntN(len(middleboxSteps))]
	at := l.rng.IntN(index.MaxPort)
	open := make([]index.Key, l.middleboxSize())
	for i := range open {
		open[i] = index.MakeKey(uint16(at+1), index.TCP)
		at = (at + step) % index.MaxPort
	}
	return open
}

// middleboxSize walks the law of sizes by the golden ratio rather than at
// random, so that few middleboxes have the law's mean as well.
func (l *internetLaw) middleboxSize() int {
	_, l.size = math.Modf(l.size + math.Phi)
	ratio := math.Pow(float64(middleboxMin)/middleboxMax, middleboxTail)
	return int(middleboxMin * math.Pow(1-l.size*(1-ratio), -1/middleboxTail))
}
