package engine

import (
	"context"
	"iter"
	"slices"
	"time"

	"portolan/index"
)

// ExportQuery asks for whole assets. The zero value of every field means no restriction.
type ExportQuery struct {
	View View
	// Where is the assets of the view that are asked for; nil is all.
	Where *HostSet
	// Keys, Type and Status restrict which open keys come with an asset. With one of them, an asset that
	// has no such key open is left out.
	Keys   *KeySet
	Type   Type
	Status Status
}

// Exported is an asset on its way out. It is valid, with all that it holds, until the next one is
// asked for; its maps and slices must not be changed.
type Exported struct {
	Asset // Open is the keys that are asked for

	of *Export
	o  index.Ordinal

	known  evidence
	scopes map[uint32]Scope
	labels map[uint32]map[string]string
	order  []int // indexes of Open, by own times
	keys   []Key // of reports
}

// Export is the assets that an [ExportQuery] asks for. It keeps its snapshot in memory.
type Export struct {
	s      Snapshot
	judge  judge
	filter index.Filter
	status Status
	whole  bool // all keys are asked for
	assets index.Set
}

// Export finds the assets that are asked for. The error is that of the context, or a [*FieldError].
func (s Snapshot) Export(ctx context.Context, q ExportQuery) (*Export, error) {
	if err := s.check("", Host, 0, 0, 0); err != nil {
		return nil, err
	}
	if err := s.present("export", "only of now"); err != nil {
		return nil, err
	}
	e := &Export{s: s, status: q.Status, whole: q.Keys == nil && q.Type == AnyType && q.Status == AnyStatus}
	var err error
	if e.filter, _, err = newFilter(0, q.Type, q.Status, q.Keys); err != nil || s.s == nil {
		return e, err
	}
	if q.Status != AnyStatus {
		e.filter.Also = s.policy.Keys(q.Status)
	}
	if e.judge, err = s.judges(ctx); err != nil {
		return nil, err
	}
	e.assets, err = s.assetsOf(ctx, q.View, q.having(&e.filter))
	return e, err
}

// All yields the assets in the inventory's own order. It takes memory for one of them, whatever their
// number, and goes on only when the next one is wanted. An error, which comes last, says that the list
// is not whole: it is that of the context.
func (e *Export) All(ctx context.Context) iter.Seq2[*Exported, error] {
	return func(yield func(*Exported, error) bool) {
		x := &Exported{of: e, scopes: map[uint32]Scope{}, labels: map[uint32]map[string]string{}}
		w := walk{ctx: ctx}
		for o := range e.assets.From(0) {
			if err := w.step(); err != nil {
				yield(nil, err)
				return
			}
			x.load(o)
			if !e.whole && !x.cut() {
				continue
			}
			if !yield(x, nil) {
				return
			}
		}
	}
}

// having returns the assets that may have a key that is asked for.
func (q *ExportQuery) having(f *index.Filter) *HostSet {
	var sets []*HostSet
	for _, keys := range []*KeySet{f.Keys, f.Also} {
		if keys != nil {
			sets = append(sets, HasOpen(keys))
		}
	}
	if q.Where != nil {
		sets = append(sets, q.Where)
	}
	switch len(sets) {
	case 0:
		return nil
	case 1:
		return sets[0]
	}
	return AllOf(sets...)
}

// load makes it the asset with the ordinal.
func (x *Exported) load(o index.Ordinal) {
	who := x.of.s.s.Who(o)
	x.Category, x.Version = x.of.s.category, x.of.s.Version()
	x.o, x.ID, x.Name, x.Address, x.EnterpriseProject = o, who.ID, who.Name, who.Address, who.Group
	x.Open = x.of.s.s.AppendKeys(x.Open[:0], o)
	note := x.of.s.s.Note(o)
	x.LastSeen, x.Labels = time.UnixMicro(noteNewest(note)).UTC(), nil
	if set, ok := noteLabels(note); ok {
		labels, known := x.labels[set]
		if !known {
			labels = labelsOf(x.of.s.s.Interned(set))
			remember(x.labels, set, labels)
		}
		x.Labels = labels
	}
}

// cut leaves the keys that are asked for, and says whether there are any.
func (x *Exported) cut() bool {
	e := x.of
	x.Open = slices.DeleteFunc(x.Open, func(k Key) bool {
		return !lets(&e.filter, k) || e.status != AnyStatus && x.Status(k) != e.status
	})
	return len(x.Open) > 0
}

// Status returns the status of a key on the asset.
func (x *Exported) Status(k Key) Status { return x.of.judge.status(x.o, k) }

// AppendReports appends reports that say of the asset what is known, without a project, oldest first.
// Where all its keys are asked for, an engine that is given them and nothing else about it answers as
// this one does, about what was looked at, and when, too. Otherwise it is one report, which tells of no
// other key. What they hold is valid as long as the asset is.
func (x *Exported) AppendReports(dst []Report) []Report {
	note := x.of.s.s.Note(x.o)
	report := Report{Category: x.Category, Asset: x.ID}
	if noteHasHome(note) {
		report.EnterpriseProject = x.EnterpriseProject
	}
	switch {
	case !x.of.whole:
		report.Scope, report.Seen, report.Open = Scope{}, x.LastSeen, x.Open
		dst = append(dst, report)
	case noteLooks(note) == oneFullLook && !x.stamped(note):
		report.Scope, report.Seen, report.Open = ScopeAll(), x.LastSeen, x.Open
		dst = append(dst, report)
	default:
		dst = x.appendEvidence(dst, report)
	}
	newest := &dst[len(dst)-1] // of a time, the others are told once
	newest.Name, newest.Address, newest.Labels = x.Name, x.Address, x.Labels
	return dst
}

// stamped decodes the note and says whether a key has a time of its own.
func (x *Exported) stamped(note []byte) bool {
	x.known.decodeNote(note, len(x.Open))
	return len(x.known.own) > 0
}

// remember remembers what a number stands for, as most assets share theirs with others, but not all.
func remember[V any](in map[uint32]V, n uint32, what V) {
	const most = 1024
	if len(in) == most {
		clear(in)
	}
	in[n] = what
}

// scope returns the scope of a look.
func (x *Exported) scope(l look) Scope {
	if l.ref == refAll {
		return ScopeAll()
	}
	scope, known := x.scopes[l.ref]
	if !known {
		scope = decodeScope(x.of.s.s.Interned(l.ref - 1))
		remember(x.scopes, l.ref, scope)
	}
	return scope
}

// appendEvidence appends a report for each look, with the keys that it found open and nothing newer
// did, and one for each time at which keys were found besides; if none is of the newest time, one of
// that, which tells of no key.
func (x *Exported) appendEvidence(dst []Report, like Report) []Report {
	x.stamped(x.of.s.s.Note(x.o))
	x.keys = slices.Grow(x.keys[:0], len(x.Open))
	from := len(dst)
	var looked cover
	looked.reset()
	for _, l := range x.known.looks {
		looked.add(x.scope(l), l.time)
	}
	looked.prepare(len(x.Open))
	when := make([]micros, len(x.Open)) // the time of the look, never for keys of an own time
	x.order = x.order[:0]
	for i, k := range x.Open {
		if when[i] = looked.at(k); x.known.ownOf(i) > when[i] {
			when[i] = never
			x.order = append(x.order, i)
		}
	}
	for _, l := range x.known.looks {
		scope := x.scope(l)
		report := like
		report.Scope, report.Seen = scope, time.UnixMicro(l.time).UTC()
		report.Open = x.some(func(i int) bool { return when[i] == l.time && scope.Contains(x.Open[i]) })
		dst = append(dst, report)
	}
	slices.SortStableFunc(x.order, func(a, b int) int { return int(min(max(x.known.own[a]-x.known.own[b], -1), 1)) })
	for rest := x.order; len(rest) > 0; {
		at := x.known.own[rest[0]]
		n := 1
		for n < len(rest) && x.known.own[rest[n]] == at {
			n++
		}
		begin := len(x.keys)
		for _, i := range rest[:n] {
			x.keys = append(x.keys, x.Open[i])
		}
		report := like
		report.Scope, report.Seen, report.Open = Scope{}, time.UnixMicro(at).UTC(), x.keys[begin:]
		dst, rest = append(dst, report), rest[n:]
	}
	slices.SortStableFunc(dst[from:], func(a, b Report) int { return a.Seen.Compare(b.Seen) })
	if len(dst) == from || dst[len(dst)-1].Seen.Before(x.LastSeen) {
		like.Scope, like.Seen = Scope{}, x.LastSeen
		dst = append(dst, like)
	}
	return dst
}

// some returns the keys at the indexes that are let through.
func (x *Exported) some(lets func(i int) bool) []Key {
	begin := len(x.keys)
	for i, k := range x.Open {
		if lets(i) {
			x.keys = append(x.keys, k)
		}
	}
	return x.keys[begin:]
}
