package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strconv"

	"golang.org/x/sync/singleflight"

	"portolan/index"
)

// Rule gives keys a status.
type Rule struct {
	// Name is for people; it need not be there.
	Name string
	// Keys is what the rule is about; it must not be nil. KeysText is what it was made of, for people.
	Keys     *KeySet
	KeysText string
	Status   Status
	// Reason is why, for people.
	Reason string
	// Where is the assets that the rule is about; nil is all. WhereText is what it was made of,
	// such as the text that package expr has read: it is what tells one set from another in
	// [Policy.Version], and must be there where Where is. What a set looks at may not depend on
	// the time.
	Where     *HostSet
	WhereText string
	// Projects is the tenants that the rule is about; none is all.
	Projects []string
}

// Bounds of a policy.
const (
	MaxRules      = 2000
	MaxWhereRules = 64 // with Where
)

// Policy gives every open key of every asset its status. It is immutable.
type Policy struct {
	rules    []Rule // in the order in which they were given
	version  string
	flat     verdict   // of keys whose status does not depend on the asset
	profiles []profile // of the others, disjoint
	expected *expectations
	keys     [numStatuses]*KeySet  // that have the status on some assets
	assets   [numStatuses]*HostSet // that have a key of the status open

	making  singleflight.Group // of what is found in a snapshot
	tenants map[string]*Policy // of those that rules name, and of all others under ""; nil: they name none
}

// verdict is which keys have which status, and the same as an order.
type verdict struct {
	sets    [numStatuses]*KeySet // disjoint; that of AnyStatus is nil
	classes *index.Classes       // the sets in the order of the names of statuses
}

func (v *verdict) order() {
	v.classes = index.ClassesOf(v.sets[Danger], v.sets[Normal], v.sets[Unknown])
}

func (v *verdict) status(k Key) Status {
	switch {
	case v.sets[Danger].Contains(k):
		return Danger
	case v.sets[Normal].Contains(k):
		return Normal
	}
	return Unknown
}

// maxTenants bounds how many tenants rules may name.
const maxTenants = 256

// maxProfiles bounds what a policy takes: 48 KB each, and what it asks of a snapshot.
const maxProfiles = 256

// profile is keys that the same rules are about.
type profile struct {
	keys  *KeySet
	base  Status // of assets that are in no rule's set
	chain []int  // the rules with sets, in their order; the last one counts
}

// NewPolicy returns the policy of the rules, of which the last one about a key of an asset counts,
// and of what is expected. The error is a [*FieldError] that names the rule, or the expectation, by
// its number, from 1.
func NewPolicy(rules []Rule, expected ...Expectation) (*Policy, error) {
	if len(rules) > MaxRules {
		return nil, &FieldError{Field: "rules", Value: strconv.Itoa(len(rules)), Allowed: fmt.Sprintf("at most %d", MaxRules)}
	}
	p := &Policy{rules: slices.Clone(rules)}
	sets := 0
	for i := range p.rules {
		r := &p.rules[i]
		if r.Where != nil {
			sets++
		}
		if err := r.check(i+1, sets); err != nil {
			return nil, err
		}
		r.Projects = slices.Clone(r.Projects)
	}
	p.expected = &expectations{list: slices.Clone(expected)}
	for i := range p.expected.list {
		x := &p.expected.list[i]
		if err := x.check(i + 1); err != nil {
			return nil, err
		}
		x.Projects = slices.Clone(x.Projects)
	}
	if err := cmp.Or(p.compile(), p.part()); err != nil {
		return nil, err
	}
	return p, nil
}

// check says what is wrong with a rule, the number-th, at which so many have sets of assets.
func (r *Rule) check(number, sets int) error {
	field := fmt.Sprintf("rule %d", number)
	switch {
	case r.Keys == nil:
		return &FieldError{Field: field, Value: "no keys", Allowed: "a set of keys"}
	case !r.Status.Valid():
		return &FieldError{Field: field, Value: r.Status.String(), Allowed: "danger, normal or unknown"}
	case (r.Where == nil) != (r.WhereText == ""):
		return &FieldError{Field: field, Value: r.WhereText, Allowed: "a set of assets and its text, or neither"}
	case sets > MaxWhereRules:
		return &FieldError{Field: field, Value: r.WhereText, Allowed: fmt.Sprintf("at most %d rules with sets of assets", MaxWhereRules)}
	}
	return nil
}

// describe writes what tells the rule from another, whatever its name and reason.
func (r *Rule) describe(text hash.Hash) {
	fmt.Fprintf(text, "%v %q %q", r.Status, r.WhereText, r.Projects)
	for ranges := range r.Keys.Ranges() {
		fmt.Fprintf(text, " %v", ranges)
	}
	fmt.Fprintln(text)
}

// compile makes of the rules what questions are answered by.
func (p *Policy) compile() error {
	text := sha256.New()
	for i := range p.rules {
		p.rules[i].describe(text)
	}
	expected, err := compileExpected(p.expected.list, text)
	if err != nil {
		return err
	}
	p.expected = expected
	p.version = hex.EncodeToString(text.Sum(nil)[:8])
	parts := []profile{{keys: index.AllKeys(), base: Unknown}}
	for i := 0; i < len(p.rules); i++ {
		r := &p.rules[i]
		if r.Where != nil {
			parts = overlay(parts, r.Keys, func(of profile) profile {
				return profile{base: of.base, chain: append(slices.Clone(of.chain), i)}
			})
			if len(parts) > maxProfiles {
				return &FieldError{Field: fmt.Sprintf("rule %d", i+1), Value: r.WhereText, Allowed: "keys that overlap less with those of other rules with sets of assets"}
			}
			continue
		}
		keys := r.Keys
		for ; i+1 < len(p.rules) && p.rules[i+1].Where == nil && p.rules[i+1].Status == r.Status; i++ { // as one
			keys = union(keys, p.rules[i+1].Keys)
		}
		parts = overlay(parts, keys, func(profile) profile { return profile{base: r.Status} })
	}
	var flat [numStatuses]index.KeySetBuilder
	for _, part := range parts {
		if len(part.chain) == 0 {
			flat[part.base].AddSet(part.keys)
		} else {
			p.profiles = append(p.profiles, part)
		}
	}
	for s := Unknown; s < numStatuses; s++ {
		p.flat.sets[s] = flat[s].Build()
	}
	p.flat.order()
	for s := Unknown; s < numStatuses; s++ {
		p.keys[s], p.assets[s] = p.keysWith(s), p.assetsWith(s)
	}
	return nil
}

// union returns the keys of two sets.
func union(a, b *KeySet) *KeySet {
	var both index.KeySetBuilder
	both.AddSet(a)
	both.AddSet(b)
	return both.Build()
}

// overlay makes of the keys of each part that are in a set another part, and joins parts that have
// become the same.
func overlay(parts []profile, keys *KeySet, over func(profile) profile) []profile {
	var out []profile
	add := func(b *index.KeySetBuilder, like profile) {
		like.keys = b.Build()
		if like.keys.Len() == 0 {
			return
		}
		for i := range out {
			if out[i].base == like.base && slices.Equal(out[i].chain, like.chain) {
				out[i].keys = union(out[i].keys, like.keys)
				return
			}
		}
		out = append(out, like)
	}
	for _, part := range parts {
		var in, rest index.KeySetBuilder
		in.AddSet(part.keys)
		in.Retain(keys)
		rest.AddSet(part.keys)
		rest.RemoveSet(keys)
		add(&rest, part)
		add(&in, over(part))
	}
	return out
}

// assetsWith returns the assets that have a key of the status open.
func (p *Policy) assetsWith(s Status) *HostSet {
	sets := []*HostSet{HasOpen(p.flat.sets[s])}
	for i := range p.profiles {
		part := &p.profiles[i]
		later := []*HostSet(nil) // of the rules that count more
		for _, n := range slices.Backward(part.chain) {
			if p.rules[n].Status == s {
				sets = append(sets, AllOf(HasOpen(part.keys), p.rules[n].Where, NoneOf(later...)))
			}
			later = append(later, p.rules[n].Where)
		}
		if part.base == s {
			sets = append(sets, AllOf(HasOpen(part.keys), NoneOf(later...)))
		}
	}
	return AnyOf(sets...)
}

// isZero says whether the policy was made by nobody.
func (p *Policy) isZero() bool { return p.flat.classes == nil }

// Version tells policies apart: it is the same for the same rules in the same
// order, whatever their names and reasons, in every process. It holds letters and digits.
func (p *Policy) Version() string { return p.version }

// Rules returns the rules in their order. They must not be changed.
func (p *Policy) Rules() []Rule { return p.rules }

// Keys returns the keys that the policy gives the status, on some assets at least; none for a status
// that keys cannot have.
func (p *Policy) Keys(s Status) *KeySet {
	switch {
	case !s.Valid() || p.isZero() && s != Unknown:
		return new(KeySet)
	case p.isZero():
		return index.AllKeys()
	}
	return p.keys[s]
}

// keysWith returns the keys that have the status on some assets.
func (p *Policy) keysWith(s Status) *KeySet {
	if len(p.profiles) == 0 {
		return p.flat.sets[s]
	}
	var keys index.KeySetBuilder
	keys.AddSet(p.flat.sets[s])
	for i := range p.profiles {
		part := &p.profiles[i]
		if part.base == s || slices.ContainsFunc(part.chain, func(n int) bool { return p.rules[n].Status == s }) {
			keys.AddSet(part.keys)
		}
	}
	return keys.Build()
}

// Assets returns the assets that have a key open to which the policy gives the status there; none for
// a status that keys cannot have.
func (p *Policy) Assets(s Status) *HostSet {
	if !s.Valid() || p.isZero() {
		return HasOpen(p.Keys(s))
	}
	return p.assets[s]
}

// Status returns the status of a key on an asset that is in no set of a rule.
func (p *Policy) Status(k Key) Status {
	if p.isZero() {
		return Unknown
	}
	if part := p.profileOf(k); part != nil {
		return part.base
	}
	return p.flat.status(k)
}

// profileOf returns the profile of a key, nil if its status does not depend on the asset.
func (p *Policy) profileOf(k Key) *profile {
	for i := range p.profiles {
		if p.profiles[i].keys.Contains(k) {
			return &p.profiles[i]
		}
	}
	return nil
}

// Explain returns the status of a key on an asset that is in no set of a rule, and the rule that
// gives it; nil where none does.
func (p *Policy) Explain(k Key) (Status, *Rule) {
	return p.explain(k, func(int) bool { return false })
}

// explain is Explain for an asset that is in some rules' sets.
func (p *Policy) explain(k Key, in func(rule int) bool) (Status, *Rule) {
	for i, rule := range slices.Backward(p.rules) { // the last one counts
		if rule.Keys.Contains(k) && (rule.Where == nil || in(i)) {
			return rule.Status, &p.rules[i]
		}
	}
	return Unknown, nil
}

// For returns the policy of a tenant: of the rules that are about it.
func (p *Policy) For(project string) *Policy {
	if p.tenants == nil {
		return p
	}
	if own := p.tenants[project]; own != nil {
		return own
	}
	return p.tenants[""] // of rules that name no tenant: no project is called so
}

// part compiles the tenants' policies, if rules name any.
func (p *Policy) part() error {
	named := map[string]bool{}
	for i := range p.rules {
		for _, name := range p.rules[i].Projects {
			named[name] = true
		}
	}
	for i := range p.expected.list {
		for _, name := range p.expected.list[i].Projects {
			named[name] = true
		}
	}
	if len(named) == 0 {
		return nil
	}
	if len(named) > maxTenants {
		return &FieldError{Field: "rules", Value: strconv.Itoa(len(named)) + " projects", Allowed: fmt.Sprintf("at most %d", maxTenants)}
	}
	named[""] = true
	p.tenants = make(map[string]*Policy, len(named))
	for name := range named {
		own := &Policy{expected: new(expectations)}
		for _, x := range p.expected.list {
			if len(x.Projects) == 0 || slices.Contains(x.Projects, name) {
				own.expected.list = append(own.expected.list, x)
			}
		}
		for _, r := range p.rules {
			if len(r.Projects) == 0 || slices.Contains(r.Projects, name) {
				own.rules = append(own.rules, r)
			}
		}
		if err := own.compile(); err != nil {
			return fmt.Errorf("project %q: %w", name, err)
		}
		p.tenants[name] = own
	}
	return nil
}
