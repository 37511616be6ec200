package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"portolan/index"
)

// standing is which assets of a snapshot the rules of a policy are about.
type standing struct {
	*places

	views atomic.Pointer[judged] // that were asked for so far
}

// places is the sets of a standing. It holds on to nothing else of its snapshot.
type places struct {
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
	all := s.s.View(index.Groups{}).Assets()
	earlier, changed := s.s.Earlier(p)
	was, known := earlier.(*places)
	if known { // only what has changed since is looked at
		all = index.Intersect(all, changed)
	}
	found, err := s.findPlaces(ctx, all)
	if err != nil {
		return nil, err
	}
	if known {
		found.amend(was, changed)
	}
	st := &standing{places: found}
	s.s.Remember(p, st)
	s.s.Keep(p, found)
	return st, nil
}

// findPlaces finds them among some assets.
func (s Snapshot) findPlaces(ctx context.Context, all index.Set) (*places, error) {
	p := s.policy
	at := &places{rules: make([]index.Set, len(p.rules)), profiles: make([][numStatuses]index.Set, len(p.profiles))}
	for i := range p.rules {
		if where := p.rules[i].Where; where != nil {
			var err error
			if at.rules[i], err = s.s.SearchIn(ctx, where.c, all); err != nil {
				return nil, err
			}
		}
	}
	for i := range p.profiles {
		part, sets := &p.profiles[i], &at.profiles[i]
		left := all
		for _, n := range slices.Backward(part.chain) { // the last one counts
			here, status := index.Intersect(left, at.rules[n]), p.rules[n].Status
			sets[status] = index.Unite(sets[status], here)
			left = index.Subtract(left, here)
		}
		sets[part.base] = index.Unite(sets[part.base], left)
	}
	return at, nil
}

// amend makes what was found among those that have changed what was found among all.
func (at *places) amend(was *places, changed index.Set) {
	for i := range at.rules {
		at.rules[i] = index.Amend(was.rules[i], changed, at.rules[i])
	}
	for i := range at.profiles {
		for status := range at.profiles[i] {
			at.profiles[i][status] = index.Amend(was.profiles[i][status], changed, at.profiles[i][status])
		}
	}
}

// standingOf is which assets a set of a standing is.
type standingOf struct {
	policy  *Policy
	profile int
	status  Status
}

// judged is a list of what is remembered of views, newest first, at most maxJudged long.
type judged struct {
	view    any // its identity
	verdict *verdict
	next    *judged
	length  int
}

// maxJudged bounds the memory: a verdict takes 100 KB at most.
const maxJudged = 16

// of returns what is remembered of a view, nil for nothing.
func (st *standing) of(view index.View) *verdict {
	identity := view.Identity()
	for j := st.views.Load(); j != nil; j = j.next {
		if j.view == identity {
			return j.verdict
		}
	}
	return nil
}

func (st *standing) remember(view index.View, v *verdict) {
	head := st.views.Load()
	j := &judged{view: view.Identity(), verdict: v, length: 1}
	if head != nil && head.length < maxJudged {
		j.next, j.length = head, head.length+1
	}
	st.views.CompareAndSwap(head, j) // losing to another reader loses a memory only
}

// Settled says whether it is known which status the keys of each asset have. If not, the next question
// about statuses finds it, which may take a look at every asset for each rule with a set.
func (s Snapshot) Settled() bool {
	return s.s == nil || s.policy == nil || len(s.policy.profiles) == 0 || s.s.Recall(s.policy) != nil
}

// judge returns which keys have which status in a view: the one that counts most of those that they
// have on its assets.
func (s Snapshot) judge(ctx context.Context, view index.View) (*verdict, error) {
	p := s.policy
	if len(p.profiles) == 0 {
		return &p.flat, nil
	}
	st, err := s.standing(ctx)
	if err != nil {
		return nil, err
	}
	if known := st.of(view); known != nil {
		return known, nil
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
			open, err := view.OpenIn(ctx, left.Build(), st.profiles[i][status], standingOf{p, i, status})
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
	st.remember(view, v)
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
