package fleet

import (
	"iter"
	"math/rand/v2"
	"slices"

	"portolan/engine"
	"portolan/index"
)

// The law of [Agents].
const (
	agentRoles      = 200
	agentPopular    = 1000 // ports that a role can have
	agentEphemeral  = 4
	agentGroups     = 50
	agentDeviation  = 0.4 // of the hosts differ from their role in one key
	agentZipf       = 1.1
	agentRoleMin    = 5
	agentRoleSpread = 5 // a role has 5 to 9 ports
)

// Agents is a fleet of servers whose agents report full lists. A host has a
// role, one of 200 by Zipf's law; a role has 5 to 9 of 1,000 popular ports, by
// Zipf's law, too, mostly TCP. Two hosts of five differ from their role in one
// key. Every host has four ephemeral ports besides, 32768 to 60999, TCP. The
// hosts are spread unevenly over 50 enterprise projects, 0 among them. Ids are
// UUIDs, addresses IPv4.
func Agents(seed uint64, hosts int) iter.Seq[engine.Report] {
	return func(yield func(engine.Report) bool) {
		law := newAgentLaw(newRand(seed, "agents"))
		for i := range hosts {
			if !yield(law.report(i)) {
				return
			}
		}
	}
}

type agentLaw struct {
	rng        *rand.Rand
	rank, role *rand.Zipf
	popular    []index.Key
	roles      [][]index.Key
	groups     []string
}

func newAgentLaw(rng *rand.Rand) *agentLaw {
	l := &agentLaw{
		rng:     rng,
		rank:    rand.NewZipf(rng, agentZipf, 1, agentPopular-1),
		role:    rand.NewZipf(rng, agentZipf, 4, agentRoles-1),
		popular: popularKeys(agentPopular),
		groups:  append([]string{engine.DefaultEnterpriseProject}, names("group", agentGroups-1)...),
	}
	for range agentRoles {
		l.roles = append(l.roles, l.newRole())
	}
	return l
}

// popularKeys returns the keys of the first n ports by rank below the
// ephemeral range; every fifth is UDP.
func popularKeys(n int) []index.Key {
	list := make([]index.Key, 0, n)
	for _, port := range portsByRank() {
		if len(list) == n {
			break
		}
		if port < 32768 {
			list = append(list, index.MakeKey(port, typeByRank(len(list))))
		}
	}
	return list
}

func typeByRank(rank int) index.Type {
	if rank%5 == 4 {
		return index.UDP
	}
	return index.TCP
}

func (l *agentLaw) newRole() []index.Key {
	role := make([]index.Key, 0, agentRoleMin+agentRoleSpread-1)
	for range agentRoleMin + l.rng.IntN(agentRoleSpread) {
		role = append(role, l.otherThan(role))
	}
	return role
}

// otherThan returns a popular key that is not in the list.
func (l *agentLaw) otherThan(list []index.Key) index.Key {
	for {
		k := l.popular[l.rank.Uint64()]
		if !slices.Contains(list, k) {
			return k
		}
	}
}

func (l *agentLaw) report(i int) engine.Report {
	u := l.rng.Float64()
	return engine.Report{
		Project:           Project,
		Asset:             randomUUID(l.rng),
		Address:           ipv4(10<<24 | uint32(i)&0xffffff),
		EnterpriseProject: l.groups[int(u*u*float64(len(l.groups)))], // the first are the largest
		Seen:              within(l.rng),
		Scope:             engine.ScopeAll(),
		Open:              l.open(),
	}
}

func (l *agentLaw) open() []index.Key {
	role := l.roles[l.role.Uint64()]
	open := append(make([]index.Key, 0, len(role)+agentEphemeral), role...)
	if l.rng.Float64() < agentDeviation {
		k := l.otherThan(role)
		open[l.rng.IntN(len(open))] = k
	}
	for len(open) < len(role)+agentEphemeral {
		k := index.MakeKey(ephemeralPort(l.rng), index.TCP)
		if !slices.Contains(open, k) {
			open = append(open, k)
		}
	}
	return open
}
