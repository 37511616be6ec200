package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"portolan/index"
)

// standing is which assets of a snapshot the rules of a policy are about.
type standing struct {
	rules    []index.Set              // by rule; of those with a set alone
	profiles [][numStatuses]index.Set // by profile: the assets on which its keys have each status
}

// standing returns it for the snapshot's policy. It is found when it is first asked for, once for all
// who ask in the meantime, and also if none of them waits for it.
func (s Snapshot) standing(ctx context.Context) (*standing, error) {
	p := s.policy
	if known, ok := s.s.Recall(p).(*standing); ok {
		return known, nil
	}
	found := p.making.DoChan(fmt.Sprintf("%p", s.s), func() (made any, err error) {
		defer func() {
			if cause := recover(); cause != nil { // else it would end the process
				err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
			}
		}()
		return s.findStanding(context.WithoutCancel(ctx))
	})
	select {
	case r := <-found:
		st, _ := r.Val.(*standing)
		return st, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s Snapshot) findStanding(ctx context.Context) (*standing, error) {
	p := s.policy
	if known, ok := s.s.Recall(p).(*standing); ok { // made since
		return known, nil
	}
	st := &standing{rules: make([]index.Set, len(p.rules)), profiles: make([][numStatuses]index.Set, len(p.profiles))}
	for i := range p.rules {
		if where := p.rules[i].Where; where != nil {
			var err error
			if st.rules[i], err = s.s.Search(ctx, where.c); err != nil {
				return nil, err
			}
		}
	}
	for i := range p.profiles {
		part, sets := &p.profiles[i], &st.profiles[i]
		left := s.s.View(index.Groups{}).Assets()
		for _, n := range slices.Backward(part.chain) { // the last one counts
			here, status := index.Intersect(left, st.rules[n]), p.rules[n].Status
			sets[status] = index.Unite(sets[status], here)
			left = index.Subtract(left, here)
		}
		sets[part.base] = index.Unite(sets[part.base], left)
	}
	s.s.Remember(p, st)
	return st, nil
}

// judged is what is remembered of a view.
type judged struct {
	policy *Policy
	view   any
}

// judge returns which keys have which status in a view: the one that counts most of those that they
// have on its assets.
func (s Snapshot) judge(ctx context.Context, view index.View) (*verdict, error) {
	p := s.policy
	if len(p.profiles) == 0 {
		return &p.flat, nil
	}
	of := judged{p, view.Identity()}
	if known, ok := s.s.Recall(of).(*verdict); ok {
		return known, nil
	}
	st, err := s.standing(ctx)
	if err != nil {
		return nil, err
	}
	var builders [numStatuses]index.KeySetBuilder
	for status := Unknown; status < numStatuses; status++ {
		builders[status].AddSet(p.flat.sets[status])
	}
	for i := range p.profiles {
		left := new(index.KeySetBuilder)
		left.AddSet(p.profiles[i].keys)
		for _, status := range bySeverity {
			if st.profiles[i][status].Len() == 0 {
				continue
			}
			open, err := view.OpenIn(ctx, left.Build(), st.profiles[i][status])
			if err != nil {
				return nil, err
			}
			builders[status].AddSet(open)
			left.RemoveSet(open)
		}
		builders[p.profiles[i].base].AddSet(left.Build()) // nobody has them open
	}
	v := new(verdict)
	for status := Unknown; status < numStatuses; status++ {
		v.sets[status] = builders[status].Build()
	}
	v.order()
	s.s.Remember(of, v)
	return v, nil
}

// judge is what a policy says of single assets.
type judge struct {
	policy *Policy
	*standing
}

// judges returns it for the snapshot.
func (s Snapshot) judges(ctx context.Context) (judge, error) {
	j := judge{policy: s.policy}
	if len(s.policy.profiles) == 0 {
		return j, nil
	}
	var err error
	j.standing, err = s.standing(ctx)
	return j, err
}

// having returns the assets on which a key has the status. All says that its status does not depend
// on the asset, and that it is that one on all of them or on none.
func (j *judge) having(k Key, status Status) (set index.Set, all, none bool) {
	for i := range j.policy.profiles {
		if j.policy.profiles[i].keys.Contains(k) {
			return j.profiles[i][status], false, false
		}
	}
	is := j.policy.flat.status(k) == status
	return index.Set{}, is, !is
}

// status returns the status of a key on an asset.
func (j *judge) status(o index.Ordinal, k Key) Status {
	for i := range j.policy.profiles {
		if !j.policy.profiles[i].keys.Contains(k) {
			continue
		}
		for _, status := range bySeverity {
			if j.profiles[i][status].Contains(o) {
				return status
			}
		}
	}
	return j.policy.flat.status(k)
}

// explain returns the status of a key on an asset, and the rule that gives it, nil for none.
func (j *judge) explain(o index.Ordinal, k Key) (Status, *Rule) {
	return j.policy.explain(k, func(rule int) bool { return j.standing != nil && j.rules[rule].Contains(o) })
}
