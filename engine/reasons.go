package engine

import (
	"context"
	"slices"

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

// HostRules returns the rule of the policy that gives each of the rows of an answer of this snapshot its
// status, nil where none does.
func (s Snapshot) HostRules(ctx context.Context, rows []HostPort) ([]*Rule, error) {
	rules := make([]*Rule, len(rows))
	if s.s == nil || len(rows) == 0 {
		return rules, ctx.Err()
	}
	j, err := s.judges(ctx)
	if err != nil {
		return nil, err
	}
	w := walk{ctx: ctx}
	for i := range rows {
		if err := w.step(); err != nil {
			return nil, err
		}
		if o, ok := s.s.Find(rows[i].Asset); ok {
			_, rules[i] = j.explain(o, rows[i].Key())
		}
	}
	return rules, nil
}
