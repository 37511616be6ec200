package engine

import (
	"cmp"
	"slices"
)

// This file is the rule for reports: what they make of a key, of the looks at an asset and
// of its texts. How evidence is stored is evidence.go; how the reports of a call are put
// together is group.go.

// maxLooks is how many looks an asset keeps. Beyond it those that are nearest in time
// become one look at their union at the oldest of their times, which only a late report
// can notice, and only one from between them.
const maxLooks = 64

// look is a scope that was looked at and when.
type look struct {
	scope Scope
	time  micros
	ref   uint32 // under which the inventory holds the scope; refNone: not yet
}

// fate is what is known of one key of an asset.
type fate struct {
	open  bool
	since micros // the newest evidence that it is open, where it is; never before cover
	cover micros // the newest look at it
}

// find is evidence that the key is open. It says whether that opened it, and whether it
// moved what is known of when it was open.
func (f *fate) find(at micros) (opened, moved bool) {
	switch {
	case at < f.cover:
		return false, false
	case !f.open:
		f.open, f.since = true, at
		return true, true
	}
	moved = at > f.since
	f.since = max(f.since, at)
	return false, moved
}

// look is evidence that the key was closed, unless it was found open by then, too. It says
// whether that closed it.
func (f *fate) look(at micros) (closed bool) {
	closed = f.open && f.since < at
	f.open = f.open && !closed
	f.cover = max(f.cover, at)
	return closed
}

// own is the key's own time, where it is open: kept only where it is newer than every look.
func (f *fate) own() micros {
	if f.since > f.cover {
		return f.since
	}
	return never
}

// looks are the looks at an asset: none lies inside another that is as new.
type looks struct {
	list    []look
	dropped []look // that were in the list at the beginning and are no more
	changed bool   // the list has other scopes than at the beginning, or others' order
}

// reset begins with a list, which is copied.
func (l *looks) reset(list []look) {
	l.list, l.dropped, l.changed = append(l.list[:0], list...), l.dropped[:0], false
}

// add adds a look, lets go of those that lie inside one as new, and keeps their number
// within twice maxLooks: see settle. It says whether the look told anything new.
func (l *looks) add(s Scope, at micros) bool {
	if s.IsNone() {
		return false
	}
	for i := range l.list {
		if have := &l.list[i]; have.time >= at && have.scope.Covers(s) {
			return false
		}
	}
	kept, again := l.list[:0], false
	for _, have := range l.list {
		switch {
		case have.time > at || !s.Covers(have.scope):
			kept = append(kept, have)
		case !again && have.scope.Covers(s): // the same once more; it keeps its place
			have.time, again = at, true
			kept = append(kept, have)
		default:
			l.drop(have)
		}
	}
	if l.list = kept; !again {
		l.list, l.changed = append(l.list, look{s, at, refNone}), true
	}
	if len(l.list) > 2*maxLooks {
		l.settle()
	}
	return true
}

func (l *looks) drop(old look) {
	l.changed = true
	if old.ref != refNone {
		l.dropped = append(l.dropped, old)
	}
}

// settle makes maxLooks of more, those that are nearest in time one at the oldest time of
// theirs; of those equally near the oldest. Merging the oldest first would keep the oldest
// time for ever.
func (l *looks) settle() {
	if len(l.list) <= maxLooks {
		return
	}
	slices.SortStableFunc(l.list, func(a, b look) int { return cmp.Compare(a.time, b.time) })
	merged := make([][]Scope, len(l.list)) // what belongs to a look that takes in others
	for len(l.list) > maxLooks {
		at := 1
		for i := range l.list[1:] {
			if l.list[i+1].time-l.list[i].time < l.list[at].time-l.list[at-1].time {
				at = i + 1
			}
		}
		older, newer := l.list[at-1], l.list[at]
		if len(merged[at-1]) == 0 {
			merged[at-1] = []Scope{older.scope}
			l.drop(older)
			l.list[at-1].ref = refNone
		}
		if len(merged[at]) == 0 {
			merged[at] = []Scope{newer.scope}
			l.drop(newer)
		}
		merged[at-1] = append(merged[at-1], merged[at]...)
		l.list, merged = slices.Delete(l.list, at, at+1), slices.Delete(merged, at, at+1)
	}
	old := slices.Clone(l.list)
	l.list = l.list[:0]
	for i := range old {
		if len(merged[i]) == 0 {
			l.list = append(l.list, old[i])
		}
	}
	for i := range old {
		if len(merged[i]) > 0 {
			l.add(unionOf(merged[i]), old[i].time)
		}
	}
}

// register is a text of an asset and when it was last given. The newest one given stands, at
// equal times the greater text.
type register struct {
	at    micros
	given string // by reports since the text was stored, where it is another one; else empty
}

// give is a report with a text, which is empty if it gives none. It says whether the
// register's text changed, and whether its time moved.
func (g *register) give(value string, at micros, was *stored) (changed, moved bool) {
	if value == "" || at < g.at {
		return false, false
	}
	switch moved = at > g.at; {
	case g.given != "":
		changed = moved && value != g.given || value > g.given
	case was.is(value):
	default:
		changed = moved || value > was.text()
	}
	if changed {
		g.given = value
	}
	g.at = at
	return changed, moved
}
