package engine

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"portolan/index"
)

// Status is the risk that a policy gives a key.
type Status uint8

// The statuses. A key that no rule names is Unknown. AnyStatus is the zero value:
// in a query it is no restriction, and no key has it.
const (
	AnyStatus Status = iota
	Unknown
	Normal
	Danger

	numStatuses = 4
)

var statusNames = [numStatuses]string{"any", "unknown", "normal", "danger"}

// Valid says whether the status is one that keys have.
func (s Status) Valid() bool { return s > AnyStatus && s < numStatuses }

// String returns the status as the HTTP API writes it: danger, normal or unknown.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "Status(" + strconv.Itoa(int(s)) + ")"
}

// ParseStatus returns the status of that name, in any letter case. The published
// misspelling "unknow" is an alias of unknown. The error is a [*FieldError].
func ParseStatus(name string) (Status, error) {
	switch strings.ToLower(name) {
	case "danger":
		return Danger, nil
	case "normal":
		return Normal, nil
	case "unknown", "unknow":
		return Unknown, nil
	}
	return AnyStatus, &FieldError{Field: "status", Value: name, Allowed: "danger, normal or unknown"}
}

// Rule gives the keys of a range a status.
type Rule struct {
	Keys   index.Range
	Status Status
	Reason string
}

// Policy gives every key its status. It is immutable.
type Policy struct {
	sets    [numStatuses]*index.KeySet // disjoint, together all keys; that of AnyStatus is nil
	classes *index.Classes             // the sets in the order of the names of statuses
	rules   []Rule                     // in the order in which they were given
	version string
}

// NewPolicy returns the policy of the rules; where several cover a key, the
// last one counts.
func NewPolicy(rules []Rule) (*Policy, error) {
	var builders [numStatuses]index.KeySetBuilder
	text := sha256.New()
	builders[Unknown].AddSet(index.AllKeys())
	for i, r := range rules {
		if !r.Keys.Valid() {
			return nil, &FieldError{Field: fmt.Sprintf("rule %d", i+1), Value: r.Keys.String(), Allowed: "ports from 1 to 65535 with a known type"}
		}
		if !r.Status.Valid() {
			return nil, &FieldError{Field: fmt.Sprintf("rule %d", i+1), Value: r.Status.String(), Allowed: "danger, normal or unknown"}
		}
		for s := range builders {
			builders[s].RemoveRange(r.Keys)
		}
		builders[r.Status].AddRange(r.Keys)
		fmt.Fprintf(text, "%v %v\n", r.Keys, r.Status)
	}
	p := &Policy{rules: slices.Clone(rules), version: hex.EncodeToString(text.Sum(nil)[:8])}
	for s := Unknown; s < numStatuses; s++ {
		p.sets[s] = builders[s].Build()
	}
	p.classes = index.ClassesOf(p.sets[Danger], p.sets[Normal], p.sets[Unknown])
	return p, nil
}

// isZero says whether the policy was made by nobody.
func (p *Policy) isZero() bool { return p.sets[Unknown] == nil }

// Version tells policies apart: it is the same for the same rules in the same
// order, whatever their reasons, in every process. It holds letters and digits.
func (p *Policy) Version() string { return p.version }

// Keys returns the keys that have the status, none for one that keys cannot have.
func (p *Policy) Keys(s Status) *KeySet {
	switch {
	case !s.Valid() || p.isZero() && s != Unknown:
		return new(KeySet)
	case p.isZero():
		return index.AllKeys()
	}
	return p.sets[s]
}

// Status returns the key's status.
func (p *Policy) Status(k index.Key) Status {
	switch {
	case p.isZero():
		return Unknown
	case p.sets[Danger].Contains(k):
		return Danger
	case p.sets[Normal].Contains(k):
		return Normal
	}
	return Unknown
}

// Explain returns the key's status and the reason of the rule that gives it; that is empty where
// no rule covers the key, or it has none.
func (p *Policy) Explain(k Key) (Status, string) {
	status := p.Status(k)
	for _, rule := range slices.Backward(p.rules) { // the last one counts
		if rule.Keys.Contains(k) {
			return status, rule.Reason
		}
	}
	return status, ""
}

// dangerTable lists dangerous keys: port, type, service, reason, source. TCP
// rows cover TCP6 and UDP rows UDP6.
//
//go:embed danger.tsv
var dangerTable string

// DefaultPolicy returns the built-in policy: danger for services that should
// not be reachable or are used for amplification (CISA TA14-017A, the cloud's
// own list of high-risk ports, two lists of classic backdoors), else unknown.
var DefaultPolicy = sync.OnceValue(func() *Policy {
	var rules []Rule
	for line := range strings.Lines(dangerTable) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		key, err := index.ParseKey(f[0] + "/" + f[1])
		if err != nil {
			continue // the heading; a test counts the rows that remain
		}
		for _, t := range []index.Type{key.Type(), key.Type().V6()} {
			rules = append(rules, Rule{Keys: index.Range{Type: t, Lo: key.Port(), Hi: key.Port()}, Status: Danger, Reason: f[3]})
		}
	}
	p, err := NewPolicy(rules)
	if err != nil {
		panic("engine: built-in policy: " + err.Error()) // a fault in the embedded table, held by a test
	}
	return p
})
