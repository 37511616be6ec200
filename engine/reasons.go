package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"portolan/index"
)

// PortRules returns the rule of the policy that gives each of the rows of an answer to the query its
// status, nil where none does. Where assets that have the key open are given that status by several,
// it is the last of these. The query must be one that this snapshot has answered.
func (s Snapshot) PortRules(ctx context.Context, q PortQuery, rows []PortCount) ([]*Rule, error) {
	rules := make([]*Rule, len(rows))
	if s.s == nil || len(rows) == 0 {
		return rules, ctx.Err()
	}
	view, err := s.view(ctx, q.View, q.Where)
	if err != nil {
		return nil, err
	}
	j, err := s.judges(ctx)
	if err != nil {
		return nil, err
	}
	for i, r := range rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rules[i] = j.explainRow(view, r.Key(), r.Status)
	}
	return rules, nil
}

// explainRow returns the last rule that gives a key the status on an asset of the view that has it open.
func (j *judge) explainRow(view index.View, k Key, status Status) *Rule {
	if j.standing == nil || j.policy.profileOf(k) == nil {
		_, rule := j.policy.Explain(k)
		return rule
	}
	left := view.Holders(k)
	for i, rule := range slices.Backward(j.policy.rules) {
		switch {
		case !rule.Keys.Contains(k):
			continue
		case rule.Where == nil: // it is about all that are left
			if left.Len() > 0 && rule.Status == status {
				return &j.policy.rules[i]
			}
			return nil
		case rule.Status == status && index.Meet(left, j.rules[i]):
			return &j.policy.rules[i]
		}
		left = index.Subtract(left, j.rules[i])
	}
	return nil
}

// HostReason is what is known of a row of hosts besides.
type HostReason struct {
	// Rule is the one of the policy that gives the row its status, nil where none does.
	Rule *Rule
	// Seen is when the newest report that tells anything about the port was made: it was open then. It
	// is zero in a state of the past.
	Seen time.Time
}

// HostReasons returns what is known of each of the rows of an answer of this snapshot.
func (s Snapshot) HostReasons(ctx context.Context, rows []HostPort) ([]HostReason, error) {
	reasons := make([]HostReason, len(rows))
	if s.s == nil || len(rows) == 0 {
		return reasons, ctx.Err()
	}
	j, err := s.judges(ctx)
	if err != nil {
		return nil, err
	}
	type place struct {
		o index.Ordinal
		i int // of the row
	}
	places := make([]place, 0, len(rows))
	for i := range rows {
		if o, ok := s.s.Find(rows[i].Asset); ok {
			places = append(places, place{o, i})
		}
	}
	// Asset by asset, as an asset with very many ports may have as many rows.
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.o, b.o) })
	var times lastSeen
	for n, p := range places {
		if n == 0 || p.o != places[n-1].o {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			times.load(s.s, p.o)
		}
		k := rows[p.i].Key()
		_, reasons[p.i].Rule = j.explain(p.o, k)
		if !s.past {
			reasons[p.i].Seen = time.UnixMicro(times.of(k)).UTC()
		}
	}
	return reasons, nil
}

// lastSeen tells when the keys of assets of one snapshot were last seen, one asset after the other.
type lastSeen struct {
	open   []Key
	known  evidence
	scopes []Scope          // of the looks
	shared map[uint32]Scope // by ref, as most assets share theirs
}

func (l *lastSeen) load(s *index.Snapshot, o index.Ordinal) {
	l.open = s.AppendKeys(l.open[:0], o)
	l.known.decodeNote(s.Note(o), len(l.open))
	l.scopes = l.scopes[:0]
	for _, look := range l.known.looks {
		scope := ScopeAll()
		if look.ref != refAll {
			scope = l.scope(s, look.ref)
		}
		l.scopes = append(l.scopes, scope)
	}
}

func (l *lastSeen) scope(s *index.Snapshot, ref uint32) Scope {
	scope, known := l.shared[ref]
	if !known {
		if l.shared == nil {
			l.shared = map[uint32]Scope{}
		}
		scope = decodeScope(s.Interned(ref - 1))
		remember(l.shared, ref, scope)
	}
	return scope
}

func (l *lastSeen) of(k Key) micros {
	at := never
	if i, found := slices.BinarySearch(l.open, k); found {
		at = l.known.ownOf(i)
	}
	for i, look := range l.known.looks {
		if look.time > at && l.scopes[i].Contains(k) {
			at = look.time
		}
	}
	return at
}
