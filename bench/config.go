package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portolan/engine/enginetest/fleet"
)

// Suite is a part of the harness.
type Suite string

// The suites, in the order in which they run.
const (
	SuiteMemory  Suite = "memory"
	SuiteLibrary Suite = "library"
	SuiteFacets  Suite = "facets"
	SuiteHTTP    Suite = "http"
	SuiteLoad    Suite = "load"
	SuiteStore   Suite = "store"
	SuiteChanges Suite = "changes"
)

// Suites returns every suite, in the order in which they run.
func Suites() []Suite {
	return []Suite{SuiteMemory, SuiteLibrary, SuiteFacets, SuiteHTTP, SuiteLoad, SuiteStore, SuiteChanges}
}

// Defaults of [Config].
const (
	DefaultHosts   = 100_000
	DefaultProfile = "agents"
	DefaultSeed    = 1
)

// smallestSize is the first fleet that growth is looked at from.
const smallestSize = 10_000

// Config says what [Run] measures. The zero value measures everything once, with
// the defaults.
type Config struct {
	// Suites are what is measured, in any order; none is all of them.
	Suites []Suite
	// Hosts is the size of the fleet, in assets; 0 is 100,000.
	Hosts int
	// Growth measures smaller fleets, too: of 10,000 assets, and of every power of ten
	// below Hosts.
	Growth bool
	// Profile is the name of one of [fleet.Workloads]; empty is agents.
	Profile string
	// Seed makes up another fleet; 0 is 1.
	Seed uint64
	// For is how long a figure is measured at least; 0 is 50 ms for small fleets and
	// half a second for those of a million assets or more.
	For time.Duration
	// Client is the command of a process that runs [Client] on its standard input and
	// output, for the http suite; without one the client runs in this process, and the
	// results are marked.
	Client []string
	// Dir is the folder in which the store suite makes one of its own, which it removes;
	// empty is the system's for temporary files.
	Dir string
	// Opponents are compared with ours in the http suite, besides those that it knows.
	Opponents []Opponent
	// Progress is told what is measured next; it may be nil.
	Progress func(what string)
}

// Validate reports every value that is not allowed, joined.
func (c *Config) Validate() error {
	var errs []error
	refuse := func(name string, value any, want string) {
		errs = append(errs, fmt.Errorf("bench: %s is %v: want %s", name, value, want))
	}
	for _, s := range c.Suites {
		if !slices.Contains(Suites(), s) {
			refuse("Suites", fmt.Sprintf("%q", s), "only "+list(Suites()))
		}
	}
	if c.Hosts < 0 {
		refuse("Hosts", c.Hosts, "0 or more")
	}
	if c.Profile != "" && c.workload().Fleet == nil {
		refuse("Profile", fmt.Sprintf("%q", c.Profile), "one of "+list(Profiles()))
	}
	if c.For < 0 {
		refuse("For", c.For, "0 or more")
	}
	return errors.Join(errs...)
}

// Profiles returns the names of the fleets there are.
func Profiles() []string {
	workloads := fleet.Workloads()
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = w.Name
	}
	return names
}

// list returns words for a message.
func list[S ~string](words []S) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

// workload returns the fleet of the profile, and none where there is no such.
func (c *Config) workload() fleet.Workload {
	for _, w := range fleet.Workloads() {
		if w.Name == c.Profile {
			return w
		}
	}
	return fleet.Workload{}
}

// resolved returns a copy with the defaults filled in.
func (c *Config) resolved() Config {
	all := *c
	if len(all.Suites) == 0 {
		all.Suites = Suites()
	}
	if all.Hosts == 0 {
		all.Hosts = DefaultHosts
	}
	if all.Profile == "" {
		all.Profile = DefaultProfile
	}
	if all.Seed == 0 {
		all.Seed = DefaultSeed
	}
	if all.Progress == nil {
		all.Progress = func(string) {}
	}
	return all
}

// has says whether the suite is measured.
func (c *Config) has(s Suite) bool { return slices.Contains(c.Suites, s) }

// sizes returns the fleets' sizes, ascending.
func (c *Config) sizes() []int {
	var sizes []int
	for n := smallestSize; c.Growth && n < c.Hosts; n *= 10 {
		sizes = append(sizes, n)
	}
	return append(sizes, c.Hosts)
}

// figureTime is how long a figure is measured with a fleet of the size.
func (c *Config) figureTime(hosts int) time.Duration {
	const shortest, longest = 50 * time.Millisecond, 500 * time.Millisecond
	if c.For > 0 {
		return c.For
	}
	share := time.Duration(hosts) * longest / 1_000_000
	return min(max(share, shortest), longest)
}
