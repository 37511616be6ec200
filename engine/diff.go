package engine

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"portolan/index"
)

// ChangeKind is what became of an asset, or of a port of one.
type ChangeKind uint8

// The kinds. Of a port that nobody had looked at before, nobody knows since when it is open: it is found,
// and not called opened.
const (
	Opened    ChangeKind = iota // a port was looked at before and closed, and is open
	Found                       // a port was never looked at before, and is open
	Closed                      // a port was open, and is closed
	Forgotten                   // an asset was removed, or has expired; its ports with it
	Moved                       // an asset is in another enterprise project
	Appeared                    // an asset is new

	numKinds = 6
)

var kindNames = [numKinds]string{"opened", "found", "closed", "forgotten", "moved", "appeared"}

// String returns the kind as the HTTP API writes it.
func (k ChangeKind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "ChangeKind(?)"
}

// ParseChangeKind returns the kind of that name, in any letter case. The error is a [*FieldError].
func ParseChangeKind(name string) (ChangeKind, error) {
	for k, known := range kindNames {
		if strings.EqualFold(known, name) {
			return ChangeKind(k), nil
		}
	}
	return 0, &FieldError{Field: "kind", Value: name, Allowed: strings.Join(kindNames[:numKinds-1], ", ") + " or " + kindNames[numKinds-1]}
}

// Change is a difference between two states of an inventory. Port is 0 where it is one of the asset itself.
type Change struct {
	Kind                 ChangeKind
	Asset, Name, Address string
	EnterpriseProject    string // that the asset is in, of one that is forgotten was; empty if that is not in the view
	From                 string // the enterprise project that a moved asset left; empty if that is not in the view
	Category             Category
	Port                 uint16
	Type                 Type
	Status               Status // of a port, where it is or was open
	// Seen is the time of the report that tells of it: of a port that was closed, of the look that found
	// it closed. It is zero of an asset that is forgotten.
	Seen time.Time

	// Where the change is one of [Changes], At says which, or of net ones after which batch it is so, and Time
	// when that batch was made; else they are zero.
	At   Position
	Time time.Time
	// Flapped says that it was changed back since, or before: see [ChangeQuery].
	Flapped bool
}

// Key returns the port and type as a key.
func (c *Change) Key() Key { return index.MakeKey(c.Port, c.Type) }

// DiffQuery asks what differs. The zero value of every field means no restriction.
type DiffQuery struct {
	// View and Where are the assets that are asked of: those that are in them in one of the states.
	View  View
	Where *HostSet
	// Keys, Type and Status restrict the ports. With one of them there are no changes of assets
	// themselves.
	Keys   *KeySet
	Type   Type
	Status Status
	// Apart says that the states are not one of which the other became, but what two scans found. Then
	// what the newer one has not looked at is not closed, and assets that it does not have are not
	// forgotten: see [Unseen].
	Apart bool
	// Kinds is the kinds that are asked for; none is all.
	Kinds []ChangeKind
}

// Diff is what differs between an older state and a newer one.
type Diff struct {
	old, s      Snapshot
	was, is     judge
	before, now index.Set
	filter      index.Filter
	q           DiffQuery
	kinds       [numKinds]bool
	ofPorts     bool // only ports are asked for
}

// Diff compares the snapshot with an older one: of the same inventory, of which it passes over what did not
// change, or of another one, whose assets it looks up by their ids. The error is that of the context, or a
// [*FieldError].
func (s Snapshot) Diff(ctx context.Context, old Snapshot, q DiffQuery) (*Diff, error) {
	for _, of := range []*Snapshot{&s, &old} {
		if err := of.check("", Host, 0, 0, 0); err != nil {
			return nil, err
		}
		if err := of.present("diff", "states of now, or Changes with Net"); err != nil {
			return nil, err
		}
		if of.s == nil { // the project never had an asset
			of.s = nothing
		}
	}
	if s.category != old.category {
		return nil, &FieldError{Field: "category", Value: old.category.String(), Allowed: s.category.String() + ", as both states must be of one"}
	}
	d := &Diff{old: old, s: s, q: q, ofPorts: q.Keys != nil || q.Type != AnyType || q.Status != AnyStatus}
	var err error
	if d.filter, _, err = newFilter(0, q.Type, q.Status, q.Keys); err != nil {
		return nil, err
	}
	if d.kinds, err = kindsOf(q.Kinds); err != nil {
		return nil, err
	}
	if d.before, d.was, err = old.asked(ctx, &q); err != nil {
		return nil, err
	}
	d.now, d.is, err = s.asked(ctx, &q)
	return d, err
}

// asked returns the assets that a difference is asked of, and what the policy says of them.
func (s Snapshot) asked(ctx context.Context, q *DiffQuery) (set index.Set, j judge, err error) {
	if j, err = s.judges(ctx); err != nil {
		return set, j, err
	}
	set, err = s.assetsOf(ctx, q.View, q.Where)
	return set, j, err
}

// Unseen is what a difference of states apart does not tell of, as nobody looked: ports that were open of assets that the
// newer state has not looked at for them, and assets that it does not have.
type Unseen struct{ Ports, Assets int }

// diffing is a difference on its way out. It belongs to one goroutine.
type diffing struct {
	*Diff
	was, is lastSeen
	room    [2][]byte
	keys    []keyChange
	change  Change
	unseen  *Unseen
	yield   func(*Change, error) bool
}

// All yields the changes, asset by asset: first what is of the asset itself, then its ports in order. They
// are valid until the next one is asked for. What nobody looked at is added to unseen, if that is not nil.
// An error, which comes last, says that the list is not whole: it is that of the context.
func (d *Diff) All(ctx context.Context, unseen *Unseen) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		if unseen == nil {
			unseen = new(Unseen)
		}
		of := &diffing{Diff: d, unseen: unseen, yield: yield}
		of.change.Category = d.s.category
		w := walk{ctx: ctx}
		for x := range d.s.s.Since(d.old.s) {
			if err := w.step(); err != nil {
				yield(nil, err)
				return
			}
			if !of.asset(x) {
				return
			}
		}
	}
}

// asset tells of an asset. It is false when no more is wanted.
func (d *diffing) asset(x index.Differing) bool {
	before, now := x.There && d.before.Contains(x.Was), x.Here && d.now.Contains(x.Is)
	if !before && !now {
		return true
	}
	if x.There && x.Here && d.same(x) {
		return true
	}
	who := index.Asset{}
	if x.There {
		who = d.old.s.Who(x.Was)
		d.was.load(d.old.s, x.Was)
	}
	left := who.Group
	if x.Here {
		who = d.s.s.Who(x.Is)
		d.is.load(d.s.s, x.Is)
	}
	c := &d.change
	c.Asset, c.Name, c.Address, c.From = who.ID, who.Name, who.Address, ""
	c.EnterpriseProject = d.named(who.Group)
	switch {
	case !x.There:
		return d.appeared(x.Is)
	case x.Here:
		return d.both(x, left != who.Group, left)
	case d.q.Apart:
		d.unseen.Assets++
		return true
	}
	return d.forgotten(x.Was)
}

// same says whether there is nothing to tell of an asset that is in both states.
func (d *diffing) same(x index.Differing) bool {
	was, is := d.old.s, d.s.s
	d.room[0], d.room[1] = was.AppendKeysOf(d.room[0][:0], x.Was), is.AppendKeysOf(d.room[1][:0], x.Is)
	return bytes.Equal(d.room[0], d.room[1]) && was.Group(x.Was) == is.Group(x.Is)
}

// named returns an enterprise project if it is in the view.
func (d *diffing) named(group string) string {
	if !d.q.View.Has(group) {
		return ""
	}
	return group
}

func (d *diffing) appeared(o index.Ordinal) bool {
	if !d.tell(Appeared, d.is.known.newest) {
		return false
	}
	for _, k := range d.is.open {
		if !d.port(Found, k, d.Diff.is.status(o, k), d.is.of(k)) {
			return false
		}
	}
	return true
}

func (d *diffing) forgotten(o index.Ordinal) bool {
	if !d.tell(Forgotten, never) {
		return false
	}
	for _, k := range d.was.open {
		if !d.port(Forgotten, k, d.Diff.was.status(o, k), never) {
			return false
		}
	}
	return true
}

// both tells of an asset that is in both states.
func (d *diffing) both(x index.Differing, moved bool, left string) bool {
	if moved {
		d.change.From = d.named(left)
		if !d.tell(Moved, d.is.known.home) {
			return false
		}
		d.change.From = ""
	}
	d.keys = appendKeyChanges(d.keys[:0], &d.was, &d.is)
	for _, c := range d.keys {
		var status Status
		switch {
		case c.kind != Closed:
			status = d.Diff.is.status(x.Is, c.key)
		case d.q.Apart && !d.is.looked(c.key):
			d.unseen.Ports++
			continue
		default:
			status = d.Diff.was.status(x.Was, c.key)
		}
		if !d.port(c.kind, c.key, status, c.seen) {
			return false
		}
	}
	return true
}

// tell tells of a change of the asset itself.
func (d *diffing) tell(kind ChangeKind, at micros) bool {
	if d.ofPorts || !d.kinds[kind] {
		return true
	}
	d.change.Port, d.change.Type, d.change.Status = 0, AnyType, AnyStatus
	return d.give(kind, at)
}

// port tells of a change of a port.
func (d *diffing) port(kind ChangeKind, k Key, status Status, at micros) bool {
	if !d.kinds[kind] || !lets(&d.filter, k) || d.q.Status != AnyStatus && status != d.q.Status {
		return true
	}
	d.change.Port, d.change.Type, d.change.Status = k.Port(), k.Type(), status
	return d.give(kind, at)
}

func (d *diffing) give(kind ChangeKind, at micros) bool {
	d.change.Kind, d.change.Seen = kind, time.Time{}
	if at != never {
		d.change.Seen = time.UnixMicro(at).UTC()
	}
	return d.yield(&d.change, nil)
}

// looked says whether a look at the asset was one at the key.
func (l *lastSeen) looked(k Key) bool {
	return slices.ContainsFunc(l.scopes, func(s Scope) bool { return s.Contains(k) })
}
