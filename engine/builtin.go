package engine

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"portolan/index"
)

// The tables of the built-in policies have port, type, service, reason and source, parted by tabs,
// and a heading. Rows of TCP are about TCP6, too, and those of UDP about UDP6.
var (
	//go:embed danger.tsv
	cloudTable string
	//go:embed exposed.tsv
	exposedTable string
)

// Names of the built-in policies.
const (
	Exposed = "exposed"
	Cloud   = "cloud"
)

// BuiltinPolicies returns the names of the policies that are built in.
func BuiltinPolicies() []string { return []string{Exposed, Cloud} }

// BuiltinPolicy returns the built-in policy of the name. The error is a [*FieldError].
//
// The policy cloud has danger for services that are used for amplification (CISA TA14-017A), for the
// cloud's own list of high-risk ports, and for what two lists of classic backdoors name. The policy
// exposed has danger for all that, and for services that nobody should reach from elsewhere:
// databases, remote control, orchestration, file sharing, as Shadowserver's reports on accessible
// services and CISA's advice name them. All else is unknown.
func BuiltinPolicy(name string) (*Policy, error) {
	switch name {
	case Exposed:
		return exposedPolicy(), nil
	case Cloud:
		return cloudPolicy(), nil
	}
	return nil, &FieldError{Field: "policy", Value: name, Allowed: strings.Join(BuiltinPolicies(), " or ")}
}

// DefaultPolicy returns the policy exposed of [BuiltinPolicy].
func DefaultPolicy() *Policy { return exposedPolicy() }

var (
	cloudPolicy   = sync.OnceValue(func() *Policy { return policyOf(rulesOf(cloudTable)) })
	exposedPolicy = sync.OnceValue(func() *Policy { return policyOf(rulesOf(exposedTable), rulesOf(cloudTable)) })
)

// policyOf returns the policy of tables of rules; the last ones count.
func policyOf(tables ...[]Rule) *Policy {
	p, err := NewPolicy(slices.Concat(tables...))
	if err != nil {
		panic("engine: built-in policy: " + err.Error()) // a fault in an embedded table, held by a test
	}
	return p
}

// rulesOf returns the rules of a table.
func rulesOf(table string) []Rule {
	var rules []Rule
	for line := range strings.Lines(table) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		key, err := index.ParseKey(f[0] + "/" + f[1])
		if err != nil {
			continue // the heading; a test counts the rows that remain
		}
		var keys index.KeySetBuilder
		for _, t := range []index.Type{key.Type(), key.Type().V6()} {
			keys.AddRange(index.Range{Type: t, Lo: key.Port(), Hi: key.Port()})
		}
		rules = append(rules, Rule{Name: f[2], Keys: keys.Build(), KeysText: key.String() + "*", Status: Danger, Reason: f[3]})
	}
	return rules
}
