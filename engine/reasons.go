package engine

import (
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
	// Seen is when the newest report that tells anything about the port was made: it was open then.
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
	w := walk{ctx: ctx}
	var known evidence
	for i := range rows {
		if err := w.step(); err != nil {
			return nil, err
		}
		if o, ok := s.s.Find(rows[i].Asset); ok {
			_, reasons[i].Rule = j.explain(o, rows[i].Key())
			reasons[i].Seen = time.UnixMicro(s.seen(o, rows[i].Key(), &known)).UTC()
		}
	}
	return reasons, nil
}

// seen returns when an open key of an asset was last seen.
func (s Snapshot) seen(o index.Ordinal, k Key, known *evidence) micros {
	var room [64]Key
	open := s.s.AppendKeys(room[:0], o)
	known.decodeNote(s.s.Note(o), len(open))
	at := never
	if i, found := slices.BinarySearch(open, k); found {
		at = known.ownOf(i)
	}
	for _, l := range known.looks {
		if l.time > at && (l.ref == refAll || decodeScope(s.s.Interned(l.ref-1)).Contains(k)) {
			at = l.time
		}
	}
	return at
}
