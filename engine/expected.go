package engine

import (
	"context"
	"fmt"
	"hash"
	"io"
	"slices"

	"portolan/index"
)

// Expectation is what is expected to be open on some assets. What else they have open is unexpected,
// unless another expectation about them has it.
type Expectation struct {
	// Name is for people; it need not be there.
	Name string
	// Keys is what is to be open: of each port number in it, one of its keys. Allowed is what may be
	// open besides. Nil is none; the texts are what they were made of, for people.
	Keys, Allowed         *KeySet
	KeysText, AllowedText string
	// Where is the assets that the expectation is about; nil is all. WhereText is as that of a [Rule].
	Where     *HostSet
	WhereText string
	// Projects is the tenants that it is about; none is all.
	Projects []string
}

// Bounds of what a policy expects.
const (
	MaxExpectations  = 64
	MaxExpectedPorts = 256 // numbers, of all expectations together
)

// expectations are what a policy expects, compiled.
type expectations struct {
	list    []Expectation
	covered *HostSet // the assets that one of them is about
	parts   []unexpectedPart
	units   []expectedPort
}

// unexpectedPart is keys that are unexpected on the same assets.
type unexpectedPart struct {
	keys *KeySet
	on   *HostSet
}

// expectedPort is one port of an expectation.
type expectedPort struct {
	of   int // the expectation
	port uint16
	keys *KeySet
}

// check says what is wrong with an expectation, the number-th.
func (x *Expectation) check(number int) error {
	field := fmt.Sprintf("expected %d", number)
	switch {
	case number > MaxExpectations:
		return &FieldError{Field: field, Value: x.Name, Allowed: fmt.Sprintf("at most %d of them", MaxExpectations)}
	case x.Keys == nil && x.Allowed == nil:
		return &FieldError{Field: field, Value: "no keys", Allowed: "a set of keys that are to be open, or may be"}
	case (x.Where == nil) != (x.WhereText == ""):
		return &FieldError{Field: field, Value: x.WhereText, Allowed: "a set of assets and its text, or neither"}
	}
	return nil
}

// describe writes what tells the expectation from another, whatever its name.
func (x *Expectation) describe(to io.Writer) {
	fmt.Fprintf(to, "expected %q %q", x.WhereText, x.Projects)
	for _, keys := range []*KeySet{x.Keys, x.Allowed} {
		fmt.Fprint(to, " of")
		if keys == nil {
			continue
		}
		for r := range keys.Ranges() {
			fmt.Fprintf(to, " %v", r)
		}
	}
	fmt.Fprintln(to)
}

// compileExpected makes of the expectations what questions are answered by.
func compileExpected(list []Expectation, text hash.Hash) (*expectations, error) {
	e := &expectations{list: list}
	if len(list) == 0 {
		return e, nil
	}
	parts := []profile{{keys: index.AllKeys()}}
	sets := make([]*HostSet, len(list))
	for i := range list {
		x := &list[i]
		x.describe(text)
		if sets[i] = x.Where; sets[i] == nil {
			sets[i] = AllOf()
		}
		keys := new(index.KeySetBuilder)
		for _, some := range []*KeySet{x.Keys, x.Allowed} {
			if some != nil {
				keys.AddSet(some)
			}
		}
		parts = overlay(parts, keys.Build(), func(of profile) profile {
			return profile{chain: append(slices.Clone(of.chain), i)}
		})
		if len(parts) > maxProfiles {
			return nil, &FieldError{Field: fmt.Sprintf("expected %d", i+1), Value: x.KeysText, Allowed: "keys that overlap less with those of others"}
		}
		e.addUnits(i)
		if len(e.units) > MaxExpectedPorts {
			return nil, &FieldError{Field: fmt.Sprintf("expected %d", i+1), Value: x.KeysText, Allowed: fmt.Sprintf("at most %d ports that are to be open, in all; others may be allowed", MaxExpectedPorts)}
		}
	}
	e.covered = AnyOf(sets...)
	for _, part := range parts {
		allowing := make([]*HostSet, 0, len(part.chain))
		for _, n := range part.chain {
			allowing = append(allowing, sets[n])
		}
		e.parts = append(e.parts, unexpectedPart{part.keys, AllOf(e.covered, NoneOf(allowing...))})
	}
	return e, nil
}

// addUnits adds the ports of an expectation, one more than there may be of too many.
func (e *expectations) addUnits(of int) {
	if e.list[of].Keys == nil {
		return
	}
	byPort := map[uint16]*index.KeySetBuilder{}
	var ports []uint16
	for r := range e.list[of].Keys.Ranges() {
		for port := int(r.Lo); port <= int(r.Hi) && len(ports) <= MaxExpectedPorts; port++ {
			b := byPort[uint16(port)]
			if b == nil {
				b = new(index.KeySetBuilder)
				byPort[uint16(port)] = b
				ports = append(ports, uint16(port))
			}
			b.AddRange(Range{Type: r.Type, Lo: uint16(port), Hi: uint16(port)})
		}
	}
	slices.Sort(ports)
	for _, port := range ports {
		e.units = append(e.units, expectedPort{of, port, byPort[port].Build()})
	}
}

// both returns the keys that are in two sets.
func both(a, b *KeySet) *KeySet {
	var keys index.KeySetBuilder
	keys.AddSet(a)
	keys.Retain(b)
	return keys.Build()
}

// Expected returns what the policy expects. It must not be changed.
func (p *Policy) Expected() []Expectation { return p.expected.list }

// Unexpected returns the assets that have one of the keys open where the policy expects something and
// not that: none, if it expects nothing.
func (p *Policy) Unexpected(keys *KeySet) *HostSet {
	var sets []*HostSet
	if p.expected != nil {
		for _, part := range p.expected.parts {
			if some := both(part.keys, keys); some.Len() > 0 {
				sets = append(sets, AllOf(HasOpen(some), part.on))
			}
		}
	}
	return AnyOf(sets...)
}

// Missing returns the assets of which the policy expects that a port with one of the keys is open, that
// were looked at for it, and do not have it open.
func (p *Policy) Missing(keys *KeySet) *HostSet {
	var sets []*HostSet
	if p.expected != nil {
		for i := range p.expected.units {
			if unit := &p.expected.units[i]; both(unit.keys, keys).Len() > 0 {
				sets = append(sets, p.expected.absent(unit, LookedAt(unit.keys)))
			}
		}
	}
	return AnyOf(sets...)
}

// absent returns the assets of a set of which a port is expected that they do not have open.
func (e *expectations) absent(unit *expectedPort, of *HostSet) *HostSet {
	sets := []*HostSet{of, NoneOf(HasOpen(unit.keys))}
	if where := e.list[unit.of].Where; where != nil {
		sets = append(sets, where)
	}
	return AllOf(sets...)
}

// Finding says how what is open differs from what is expected.
type Finding uint8

// The findings.
const (
	UnexpectedOpen Finding = iota // a key is open where something else is expected
	ExpectedClosed                // a port is expected and was looked at, or nobody looked, and it is not open
)

// String returns the finding as the HTTP API writes it.
func (f Finding) String() string {
	if f == UnexpectedOpen {
		return "unexpected"
	}
	return "closed"
}

// FindingQuery asks how what is open differs from what the policy expects. The zero value of every
// field means no restriction.
type FindingQuery struct {
	// Project is required; a [Snapshot] has its own.
	Project string
	View    View
	// Where is the assets of the view that are asked of; nil is all.
	Where    *HostSet
	Category Category
	// AtLeast is the [Result].Sequence of a write that the answer must include.
	AtLeast uint64
	// Offset is how many rows to skip; at or past the end the page is empty.
	Offset int
	// Limit is the most rows to return; 0 means all.
	Limit int
}

// FindingCount is one row of a [FindingPage].
type FindingCount struct {
	Finding Finding
	// Num is how many assets have the key open unexpectedly, or were looked at for the port and do not
	// have it open; Unseen is how many of which it is expected nobody has looked at for it.
	Num, Unseen int
	Port        uint16
	// Type is that of the key that is open; of a port that is expected, AnyType where several would do.
	Type Type
	// Expectation is the name of that which is not met, or its ports where it has none.
	Expectation string
}

// FindingPage is the answer to a [FindingQuery]: first what is unexpected, by port, then type name,
// then what is not open, by expectation, then port. Total is the number of rows before paging; all
// comes from one snapshot.
type FindingPage struct {
	Total   int
	Rows    []FindingCount
	Version uint64 // the inventory's data version the page was read from
	// Sequence is a batch that the page includes, with all before it, if the query has
	// AtLeast; else 0, as the number tells of other projects, too.
	Sequence uint64
}

// Findings answers the query from the newest snapshot. The error is [ErrNoProject], or a [*FieldError]
// for a query that makes no sense.
func (e *Engine) Findings(ctx context.Context, q FindingQuery) (FindingPage, error) {
	s, err := e.with(ctx, q.AtLeast, q.Project, q.Category)
	if err != nil {
		return FindingPage{}, err
	}
	return s.Findings(ctx, q)
}

// Findings answers the query from this snapshot. A query that names another project is refused, and
// so is one that names containers of a snapshot of hosts. It counts what the assets that something is
// expected of have open, and looks at those that do not have open what is.
func (s Snapshot) Findings(ctx context.Context, q FindingQuery) (FindingPage, error) {
	if err := ctx.Err(); err != nil {
		return FindingPage{}, err
	}
	if err := s.check(q.Project, q.Category, q.AtLeast, q.Offset, q.Limit); err != nil {
		return FindingPage{}, err
	}
	if err := s.present("findings", "only of now"); err != nil {
		return FindingPage{}, err
	}
	page := FindingPage{Version: s.Version(), Sequence: s.included(q.AtLeast)}
	if s.s == nil || s.policy.expected == nil {
		return page, nil
	}
	rows, err := s.unexpected(ctx, &q)
	if err == nil {
		rows, err = s.missing(ctx, &q, rows)
	}
	if err != nil {
		return FindingPage{}, err
	}
	page.Total = len(rows)
	rows = rows[min(q.Offset, len(rows)):]
	if q.Limit > 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	page.Rows = slices.Clone(rows) // they may be few of many
	return page, nil
}

// within returns the assets of a question that are in a set, too.
func (q *FindingQuery) within(set *HostSet) *HostSet {
	if q.Where == nil {
		return set
	}
	return AllOf(q.Where, set)
}

// unexpected returns the rows of what is open unexpectedly.
func (s Snapshot) unexpected(ctx context.Context, q *FindingQuery) ([]FindingCount, error) {
	var rows []FindingCount
	for _, part := range s.policy.expected.parts {
		view, err := s.view(ctx, q.View, q.within(part.on))
		if err != nil {
			return nil, err
		}
		c := view.Select(index.Filter{Keys: part.keys})
		for c.Seek(0, false); c.Next(); {
			rows = append(rows, FindingCount{Num: c.Count(), Port: c.Key().Port(), Type: c.Key().Type()})
		}
	}
	slices.SortFunc(rows, func(a, b FindingCount) int {
		return int(MakeKey(a.Port, a.Type)) - int(MakeKey(b.Port, b.Type))
	})
	return rows, nil
}

// missing appends the rows of what is not open and expected.
func (s Snapshot) missing(ctx context.Context, q *FindingQuery, rows []FindingCount) ([]FindingCount, error) {
	e := s.policy.expected
	for i := range e.units {
		unit := &e.units[i]
		absent, err := s.assetsOf(ctx, q.View, q.within(e.absent(unit, AllOf())))
		if err != nil {
			return nil, err
		}
		if absent.Len() == 0 {
			continue
		}
		closed, err := s.s.SearchIn(ctx, LookedAt(unit.keys).c, absent)
		if err != nil {
			return nil, err
		}
		x := &e.list[unit.of]
		row := FindingCount{Finding: ExpectedClosed, Num: closed.Len(), Unseen: absent.Len() - closed.Len(), Port: unit.port, Expectation: x.Name}
		if row.Expectation == "" {
			row.Expectation = x.KeysText
		}
		for r := range unit.keys.Ranges() {
			if row.Type != AnyType { // it is not the first
				row.Type = AnyType
				break
			}
			row.Type = r.Type
		}
		rows = append(rows, row)
	}
	return rows, nil
}
