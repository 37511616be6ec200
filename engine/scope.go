package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portolan/index"
)

// Scope is the set of keys that a report looked at. The zero value is the empty
// scope, none. A Scope is immutable and may be shared by any number of reports;
// reports that share one are applied faster.
type Scope struct {
	s *scope
}

// scope holds disjoint, non-adjacent ranges ordered by type, then port. all is
// the scope that holds every key, present and future types included.
type scope struct {
	all    bool
	ranges []index.Range
	bad    *index.Range // one that it was made of and that is none: see [Scope.Err]
}

var everything = &scope{all: true}

// ScopeAll returns the scope of a full list: every key was looked at.
func ScopeAll() Scope { return Scope{everything} }

// ScopeOf returns the scope that holds exactly the given ranges, in any order, overlaps
// allowed. One of ranges of which one is invalid, such as a port 0 or a highest port below the
// lowest, holds the others, and a report with it is refused: see [Scope.Err].
func ScopeOf(ranges ...index.Range) Scope {
	var bad *index.Range
	valid := make([]index.Range, 0, len(ranges))
	for _, r := range ranges {
		if r.Valid() {
			valid = append(valid, r)
		} else if bad == nil {
			bad = &r
		}
	}
	if valid = mergeRanges(valid); len(valid) == 0 && bad == nil {
		return Scope{}
	}
	return Scope{&scope{ranges: valid, bad: bad}}
}

// Err says what is wrong with a scope that was made of an invalid range, as a [*FieldError];
// nil for every other.
func (s Scope) Err() error {
	if s.s == nil || s.s.bad == nil {
		return nil
	}
	return &FieldError{Field: "scope", Value: s.s.bad.String(), Allowed: "ranges of ports from 1 to 65535, the lowest first, with a known type"}
}

// ParseScope parses all, none or a list of ranges such as 1-1024/tcp,53/udp.
// The error is a [*FieldError].
func ParseScope(text string) (Scope, error) {
	switch text {
	case "all":
		return ScopeAll(), nil
	case "none", "":
		return Scope{}, nil
	}
	return ParseScopeList(strings.Split(text, ","))
}

// ParseScopeList parses ranges such as 1-1024/tcp and 53/udp.
// The error is a [*FieldError].
func ParseScopeList(texts []string) (Scope, error) {
	ranges := make([]index.Range, len(texts))
	for i, text := range texts {
		r, err := index.ParseRange(strings.TrimSpace(text))
		if err != nil {
			return Scope{}, &FieldError{Field: "scope", Value: text, Allowed: `all, none or ranges such as 1-1024/tcp,53/udp (` + err.Error() + `)`}
		}
		ranges[i] = r
	}
	return ScopeOf(ranges...), nil
}

// IsAll says whether the scope holds every key.
func (s Scope) IsAll() bool { return s.s != nil && s.s.all }

// IsNone says whether the scope is empty.
func (s Scope) IsNone() bool { return s.s == nil }

// Ranges returns the scope's ranges, disjoint and ordered by type, then port, in a slice of
// the caller's own; nil for all and for none.
func (s Scope) Ranges() []index.Range { return slices.Clone(s.parts()) }

// Len is how many ranges there are.
func (s Scope) Len() int { return len(s.parts()) }

// parts is Ranges without a copy.
func (s Scope) parts() []index.Range {
	if s.s == nil {
		return nil
	}
	return s.s.ranges
}

// Contains says whether the key was looked at.
func (s Scope) Contains(k index.Key) bool {
	if s.s == nil || s.s.all {
		return s.s != nil
	}
	i, _ := slices.BinarySearchFunc(s.s.ranges, k, func(r index.Range, k index.Key) int {
		return cmp.Or(cmp.Compare(r.Type, k.Type()), cmp.Compare(r.Hi, k.Port()))
	})
	return i < len(s.s.ranges) && s.s.ranges[i].Contains(k)
}

// Covers says whether every key of o is in s.
func (s Scope) Covers(o Scope) bool {
	if o.IsNone() || s.IsAll() || s.s == o.s {
		return true
	}
	if s.IsNone() || o.IsAll() {
		return false
	}
	i := 0
	for _, r := range o.s.ranges {
		if i = skipBefore(s.s.ranges, i, r); i == len(s.s.ranges) {
			return false
		}
		if c := s.s.ranges[i]; c.Type != r.Type || c.Lo > r.Lo || c.Hi < r.Hi {
			return false
		}
	}
	return true
}

// skipBefore returns the first i from the given one on whose range does not end before r
// begins. It takes steps that double, so what is skipped costs its logarithm.
func skipBefore(ranges []index.Range, i int, r index.Range) int {
	step := 1
	for i+step <= len(ranges) && before(ranges[i+step-1], r) {
		i += step
		step *= 2
	}
	for ; step > 0; step /= 2 {
		if i+step <= len(ranges) && before(ranges[i+step-1], r) {
			i += step
		}
	}
	return i
}

// before says whether range c ends before range r begins.
func before(c, r index.Range) bool {
	return c.Type < r.Type || c.Type == r.Type && c.Hi < r.Lo
}

// Intersect returns the scope of what both hold.
func (s Scope) Intersect(o Scope) Scope {
	switch {
	case s.Err() != nil:
		return s
	case o.Err() != nil || s.Covers(o):
		return o
	case o.Covers(s):
		return s
	}
	var both []index.Range
	a, b := s.parts(), o.parts()
	for len(a) > 0 && len(b) > 0 {
		x, y := a[0], b[0]
		if lo, hi := max(x.Lo, y.Lo), min(x.Hi, y.Hi); x.Type == y.Type && lo <= hi {
			both = append(both, index.Range{Type: x.Type, Lo: lo, Hi: hi})
		}
		if cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.Hi, y.Hi)) <= 0 {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return ScopeOf(both...)
}

// Minus returns the scope of what s holds and none of the ranges does. Of all, which has the
// keys of types that there are not yet, nothing can be taken: it stays all.
func (s Scope) Minus(ranges []index.Range) Scope {
	if len(ranges) == 0 || s.IsAll() || s.Err() != nil {
		return s
	}
	cuts := mergeRanges(slices.Clone(ranges))
	var left []index.Range
	i := 0
	for _, r := range s.parts() {
		i = skipBefore(cuts, i, r)
		lo := int(r.Lo)
		for _, cut := range cuts[i:] {
			if cut.Type != r.Type || cut.Lo > r.Hi {
				break
			}
			if int(cut.Lo) > lo {
				left = append(left, index.Range{Type: r.Type, Lo: uint16(lo), Hi: cut.Lo - 1})
			}
			lo = int(cut.Hi) + 1
		}
		if lo <= int(r.Hi) {
			left = append(left, index.Range{Type: r.Type, Lo: uint16(lo), Hi: r.Hi})
		}
	}
	return ScopeOf(left...)
}

// Union returns the scope that holds the keys of both.
func (s Scope) Union(o Scope) Scope {
	switch {
	case s.Err() != nil:
		return s
	case o.Err() != nil:
		return o
	case s.IsAll() || o.IsNone():
		return s
	case o.IsAll() || s.IsNone():
		return o
	}
	return Scope{&scope{ranges: joinRanges(s.s.ranges, o.s.ranges)}}
}

// unionOf returns the scope that holds the keys of all, in the time that their ranges take
// to be sorted but for those of the largest.
func unionOf(scopes []Scope) Scope {
	largest := 0
	for i, s := range scopes {
		if s.IsAll() {
			return s
		}
		if len(s.parts()) > len(scopes[largest].parts()) {
			largest = i
		}
	}
	var others []index.Range
	for i, s := range scopes {
		if i != largest {
			others = append(others, s.parts()...)
		}
	}
	return scopes[largest].Union(ScopeOf(others...))
}

// String returns all, none or the ranges as [ParseScope] reads them.
func (s Scope) String() string {
	switch {
	case s.IsAll():
		return "all"
	case s.IsNone():
		return "none"
	}
	texts := make([]string, len(s.s.ranges))
	for i, r := range s.s.ranges {
		texts[i] = fmt.Sprint(r)
	}
	return strings.Join(texts, ",")
}

// joinRanges returns the ranges of two scopes as those of one.
func joinRanges(a, b []index.Range) []index.Range {
	out := make([]index.Range, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		next := &a
		if len(a) == 0 || len(b) > 0 && (b[0].Type < a[0].Type || b[0].Type == a[0].Type && b[0].Lo < a[0].Lo) {
			next = &b
		}
		out = appendRange(out, (*next)[0])
		*next = (*next)[1:]
	}
	return out
}

// mergeRanges orders the ranges and joins those that overlap or touch. It
// takes ownership of the slice.
func mergeRanges(ranges []index.Range) []index.Range {
	slices.SortFunc(ranges, func(a, b index.Range) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Lo, b.Lo))
	})
	out := ranges[:0]
	for _, r := range ranges {
		out = appendRange(out, r)
	}
	return out
}

// appendRange appends a range that begins no earlier than the last one, which it joins if
// they overlap or touch.
func appendRange(out []index.Range, r index.Range) []index.Range {
	if n := len(out); n > 0 && out[n-1].Type == r.Type && int(r.Lo) <= int(out[n-1].Hi)+1 {
		out[n-1].Hi = max(out[n-1].Hi, r.Hi)
		return out
	}
	return append(out, r)
}
