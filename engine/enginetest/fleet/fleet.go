// Package fleet makes up fleets of hosts and containers: streams of reports, the
// same for the same seed, by documented laws. They feed tests, benchmarks and
// demonstrations.
//
// # Basics
//
// A [Fleet] is [Agents], [Internet], [Campus] or [Containers]; [Workloads] lists
// them. [Churn] reports a fleet again, a day later and somewhat changed.
package fleet

import (
	"encoding/binary"
	"encoding/hex"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"portolan/engine"
	"portolan/index"
)

// Project is the project that every fleet's reports are about.
const Project = "fleet"

// Fleet makes the reports of a fleet of so many assets, one report per asset.
// The same seed gives the same reports, each time the stream is read. Reports
// may share key slices with one another; they must not be changed.
type Fleet func(seed uint64, assets int) iter.Seq[engine.Report]

// Workload is a fleet with a name.
type Workload struct {
	Name  string
	Fleet Fleet
}

// Workloads returns every kind of fleet, in a fixed order.
func Workloads() []Workload {
	return []Workload{{"agents", Agents}, {"internet", Internet}, {"campus", Campus}, {"containers", Containers}}
}

// fleetStart is when the first round of a fleet's reports begins; a report
// comes within a day of it.
var fleetStart = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// Churn reports a fleet again, a day later: every open key is exchanged, with
// the chance fraction (0 to 1), for a random ephemeral port of the same type.
// Streams chain: Churn of a Churn is two days later. It reads the fleet as it
// goes and changes none of its slices.
func Churn(seed uint64, fraction float64, fleet iter.Seq[engine.Report]) iter.Seq[engine.Report] {
	return func(yield func(engine.Report) bool) {
		rng := newRand(seed, "churn")
		for r := range fleet {
			r.Seen = r.Seen.Add(day)
			r.Open = exchange(rng, fraction, r.Open)
			if !yield(r) {
				return
			}
		}
	}
}

// exchange returns the keys with some exchanged, in a slice of its own if any is.
func exchange(rng *rand.Rand, fraction float64, open []index.Key) []index.Key {
	out := open
	for i, k := range open {
		if rng.Float64() >= fraction {
			continue
		}
		if &out[0] == &open[0] {
			out = slices.Clone(open)
		}
		out[i] = index.MakeKey(ephemeralPort(rng), k.Type())
	}
	return out
}

// newRand returns the random numbers of one use of a seed.
func newRand(seed uint64, use string) *rand.Rand {
	var tag [8]byte
	copy(tag[:], use)
	return rand.New(rand.NewPCG(seed, binary.LittleEndian.Uint64(tag[:])))
}

// ephemeralPort returns a port that a client's socket would get, 32768 to 60999.
func ephemeralPort(rng *rand.Rand) uint16 { return uint16(32768 + rng.IntN(61000-32768)) }

// within returns a time in the first day, to the microsecond.
func within(rng *rand.Rand) time.Time {
	return fleetStart.Add(time.Duration(rng.Int64N(day.Microseconds())) * time.Microsecond)
}

// logUniform returns a number from low to high-1; its chance falls with its size
// as in Zipf's law.
func logUniform(rng *rand.Rand, low, high int) int {
	n := float64(low) * math.Pow(float64(high)/float64(low), rng.Float64())
	return min(int(n), high-1)
}

// commonPorts are the ports at the head of our ranking, in a made-up order.
var commonPorts = []uint16{443, 80, 22, 8080, 3306, 25, 53, 8443, 5432, 6379}

// portsByRank is every port once, the common ones first and the others
// shuffled, the same for all seeds.
var portsByRank = sync.OnceValue(func() []uint16 {
	ports := slices.Clone(commonPorts)
	for p := 1; p <= index.MaxPort; p++ {
		if !slices.Contains(commonPorts, uint16(p)) {
			ports = append(ports, uint16(p))
		}
	}
	rest := ports[len(commonPorts):]
	newRand(1, "ranks").Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return ports
})

// randomID returns 16 random bytes as 32 hex digits.
func randomID(rng *rand.Rand) string {
	var text [32]byte
	hex.Encode(text[:], random16(rng))
	return string(text[:])
}

// randomUUID returns a random UUID of version 4.
func randomUUID(rng *rand.Rand) string {
	b := random16(rng)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var text [36]byte
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		hex.Encode(text[uuidParts[i]:], part)
	}
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

var uuidParts = [5]int{0, 9, 14, 19, 24}

func random16(rng *rand.Rand) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), rng.Uint64())
	return binary.LittleEndian.AppendUint64(b, rng.Uint64())
}

// ipv4 returns the text of an address.
func ipv4(bits uint32) string {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, bits))).String()
}

// names returns n texts: prefix-01, prefix-02 and so on.
func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = prefix + "-" + string([]byte{'0' + byte((i+1)/10), '0' + byte((i+1)%10)})
	}
	return list
}
