package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"portolan/engine/journal"
	"portolan/index"
)

// Position says how far a reader of an inventory's changes has come. They are ordered by the batches that
// made them, within a batch by asset, in no order that means anything, and of an asset as in
// a [Diff]. The zero Position is before all.
type Position struct {
	Sequence uint64 // of the batch
	Asset    uint32 // the number of the asset among those that the batch changed, from 0
	Change   uint32 // the number of the change among the asset's, from 0
}

// After returns the position after a batch as a whole.
func After(sequence uint64) Position { return Position{sequence, math.MaxUint32, math.MaxUint32} }

// Compare is less than 0 if the position is before another, and more if it is after it.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Sequence, other.Sequence), cmp.Compare(p.Asset, other.Asset), cmp.Compare(p.Change, other.Change))
}

// String returns the position as text, such as 17.3.0, 17.3 after all of an asset, or 17 after all of batch 17.
func (p Position) String() string {
	switch {
	case p == After(p.Sequence):
		return strconv.FormatUint(p.Sequence, 10)
	case p.Change == math.MaxUint32:
		return fmt.Sprintf("%d.%d", p.Sequence, p.Asset)
	}
	return fmt.Sprintf("%d.%d.%d", p.Sequence, p.Asset, p.Change)
}

// ParsePosition returns the position of a text that String has made. The error is a [*FieldError].
func ParsePosition(text string) (Position, error) {
	seq, rest, more := strings.Cut(text, ".")
	n, err := strconv.ParseUint(seq, 10, 64)
	p := After(n)
	for _, part := range []*uint32{&p.Asset, &p.Change} {
		if !more {
			break
		}
		var number string
		number, rest, more = strings.Cut(rest, ".")
		v, wrong := strconv.ParseUint(number, 10, 32)
		*part, err = uint32(v), errors.Join(err, wrong)
	}
	if more {
		err = strconv.ErrSyntax
	}
	if err != nil {
		return Position{}, &FieldError{Field: "position", Value: text, Allowed: "the number of a batch, or one that an answer gave, such as 17.3.0"}
	}
	return p, nil
}

// ChangeQuery asks what changed in the course of time. The zero value of every field but Project means no
// restriction.
type ChangeQuery struct {
	Project  string
	Category Category
	// View is the enterprise projects that the changes happened in, or that assets moved into or out of.
	View View
	// Asset is the id of the one asset that is asked for, whether it is there or gone; empty is all. What is not of
	// it is passed over some ten times as fast as it is read.
	Asset string
	// Where is assets as they are now. Those that are gone are in no set: see [Changes.All].
	Where *HostSet
	// Keys, Type, Status and Unexpected restrict the ports. With one of them there are no changes of assets
	// themselves. The status is that which the policy gives the port now, and unexpected is what it does not
	// expect on the asset now, of which assets that are gone are nothing that is known.
	Keys       *KeySet
	Type       Type
	Status     Status
	Unexpected bool
	// Kinds is the kinds that are asked for; none is all.
	Kinds []ChangeKind
	// After asks for what came after a position, Since for what came at a time or later, of which one may
	// be given. Without either it is all that is kept.
	After Position
	Since time.Time
	// Until asks for what came before a time, Through for what came up to a batch.
	Until   time.Time
	Through uint64
	// Net asks for what differs between the first and the last, not for what happened between: of what
	// changed and changed back, nothing. Flapped asks for that, too.
	Net, Flapped bool
}

// ErrTooOld is matched by a [*TooOldError].
var ErrTooOld = errors.New("changes are not kept any more")

// TooOldError is returned to who asks for changes of which some are not kept.
type TooOldError struct {
	// Sequence is the batch after which all changes are kept, 0 where only the time is known, and Time its time.
	Sequence uint64
	Time     time.Time
}

// Error says from where on there are changes.
func (e *TooOldError) Error() string {
	if e.Sequence == 0 {
		return fmt.Sprintf("%v: they are kept since %s", ErrTooOld, e.Time.Format(time.RFC3339Nano))
	}
	return fmt.Sprintf("%v: they are kept after batch %d of %s", ErrTooOld, e.Sequence, e.Time.Format(time.RFC3339Nano))
}

// Is makes every TooOldError match [ErrTooOld].
func (e *TooOldError) Is(target error) bool { return target == ErrTooOld }

// ErrNoChanges is returned to who asks an engine for changes that does not record any: see [Options].ChangesBytes.
var ErrNoChanges = errors.New("changes are not recorded")

// Changes is what changed of an inventory in the course of time.
type Changes struct {
	s      Snapshot // the state after them
	q      ChangeQuery
	judge  judge
	set    index.Set // that is asked of
	asked  bool      // it is not all
	odd    []unexpectedOn
	filter index.Filter
	kinds  [numKinds]bool
	asset  []byte        // what is in every part that has the asset that is asked for; nil: all are
	first  journal.Point // of the inventory, where one was removed before
	kept   journal.Point // after it everything is kept; zero: everything that ever was
	begins journal.Point // of lists
	lists  []journal.Past
	past   journal.Historian
	after  Position
	to     uint64 // the last batch that is told of
	since  micros
	until  micros
}

// Changes returns what changed of a project's hosts or containers, as far as readers see it by now. The
// error is [ErrNoProject], a [*TooOldError], [ErrNoChanges], [ErrBehind], or a [*FieldError].
func (e *Engine) Changes(ctx context.Context, q ChangeQuery) (*Changes, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	if e.pipeline.history.most < 0 {
		return nil, ErrNoChanges
	}
	s, err := e.Snapshot(q.Project, q.Category)
	if err != nil {
		return nil, err
	}
	c := &Changes{s: s, q: q, past: e.pipeline.history.past, after: q.After, since: never, until: math.MaxInt64}
	if c.to = s.sequence; q.Through > 0 {
		c.to = min(q.Through, c.to)
	}
	if err := c.check(ctx); err != nil {
		return nil, err
	}
	log := e.logOf(c)
	if err := c.locate(ctx); err != nil {
		return nil, err
	}
	if log == nil {
		c.after = After(c.to)
	}
	return c, nil
}

// check prepares what is asked for.
func (c *Changes) check(ctx context.Context) (err error) {
	q := &c.q
	if c.filter, _, err = newFilter(0, q.Type, q.Status, q.Keys); err != nil {
		return err
	}
	if c.kinds, err = kindsOf(q.Kinds); err != nil {
		return err
	}
	switch {
	case q.After != Position{} && !q.Since.IsZero():
		return &FieldError{Field: "since", Value: q.Since.Format(time.RFC3339Nano), Allowed: "a time, or a position, not both"}
	case q.After.Sequence > c.s.sequence:
		return fmt.Errorf("%w: it has batches 1 to %d, not %d", ErrBehind, c.s.sequence, q.After.Sequence)
	case q.Flapped && !q.Net:
		return &FieldError{Field: "flapped", Value: "true", Allowed: "only with net"}
	}
	if err := c.s.gaps.lost(q.After.Sequence); err != nil {
		return err
	}
	if q.Asset != "" {
		if err := checkText("asset", q.Asset, 1, MaxAssetLen); err != nil {
			return err
		}
		c.asset = index.AppendID(nil, q.Asset)[1:] // without its kind
	}
	if !q.Since.IsZero() {
		c.since = q.Since.UnixMicro()
	}
	if !q.Until.IsZero() {
		c.until = q.Until.UnixMicro()
	}
	if c.s.s == nil {
		c.s.s = nothing
	}
	if c.judge, err = c.s.judges(ctx); err != nil {
		return err
	}
	if q.Unexpected {
		if c.odd, err = c.s.unexpectedOn(ctx); err != nil {
			return err
		}
	}
	if q.Where == nil {
		return nil
	}
	c.asked = true
	c.set, err = c.s.assetsOf(ctx, All(), q.Where) // whether it is in the view is said by the changes
	return err
}

// unexpectedOn is keys that are unexpected on some assets, open or not.
type unexpectedOn struct {
	keys *KeySet
	set  index.Set
}

// unexpectedOn returns which keys are unexpected on which assets.
func (s Snapshot) unexpectedOn(ctx context.Context) (list []unexpectedOn, err error) {
	if s.policy.expected == nil {
		return nil, nil
	}
	for _, part := range s.policy.expected.parts {
		set, err := s.assetsOf(ctx, All(), part.on)
		if err != nil {
			return nil, err
		}
		list = append(list, unexpectedOn{part.keys, set})
	}
	return list, nil
}

// expects says whether the policy expects a key on an asset, or nothing of it.
func (c *Changes) expects(o index.Ordinal, k Key) bool {
	return !slices.ContainsFunc(c.odd, func(x unexpectedOn) bool { return x.keys.Contains(k) && x.set.Contains(o) })
}

// kindsOf returns which kinds are asked for.
func kindsOf(list []ChangeKind) (kinds [numKinds]bool, err error) {
	for i := range kinds {
		kinds[i] = len(list) == 0 || slices.Contains(list, ChangeKind(i))
	}
	for _, k := range list {
		if k >= numKinds {
			return kinds, &FieldError{Field: "kind", Value: k.String(), Allowed: "Opened to Appeared"}
		}
	}
	return kinds, nil
}

// findKept finds after which batch everything is kept.
func (c *Changes) findKept() {
	c.kept = c.begins
	if c.past != nil {
		c.kept = c.past.Begins(c.q.Project, c.q.Category)
	}
	if c.kept.Seq < c.first.Seq {
		c.kept = c.first
	}
}

// locate finds where to begin.
func (c *Changes) locate(ctx context.Context) error {
	c.findKept()
	kept := c.kept
	switch {
	case c.since != never:
		if kept != (journal.Point{}) && c.since <= kept.Time {
			return tooOld(kept)
		}
		return c.locateTime(ctx)
	case c.after != Position{}:
		if c.after.Compare(After(kept.Seq)) < 0 {
			return tooOld(kept)
		}
	default:
		c.after = After(kept.Seq)
	}
	return nil
}

// locateTime finds the last batch before the time that is asked for.
func (c *Changes) locateTime(ctx context.Context) error {
	n, _ := slices.BinarySearchFunc(c.lists, c.since, func(l journal.Past, t micros) int { return cmp.Compare(l.Time, t) })
	c.after = After(max(c.begins.Seq, c.kept.Seq))
	switch {
	case n > 0:
		c.after = After(c.lists[n-1].Seq)
	case c.past != nil && c.since <= c.begins.Time:
		seq, err := c.past.Before(ctx, c.q.Project, c.q.Category, c.since)
		if err != nil {
			return err
		}
		c.after = After(min(seq, c.begins.Seq))
	}
	return nil
}

func tooOld(kept journal.Point) error {
	return &TooOldError{Sequence: kept.Seq, Time: time.UnixMicro(kept.Time).UTC()}
}

// AwaitChanges returns when readers see a batch after one that changed any of a project's hosts or containers.
// There need be no such project yet. The error is that of the context, or [ErrClosed].
func (e *Engine) AwaitChanges(ctx context.Context, project string, category Category, after uint64) error {
	if err := checkCategory(category); err != nil {
		return err
	}
	p := &e.pipeline
	for {
		if err := e.ready(ctx); err != nil {
			return err
		}
		p.mu.Lock()
		news := p.listen()
		p.mu.Unlock()
		if of := e.tenants.find(project); of != nil {
			if v := of.inventories[category].Load(); v != nil && v.changes.after(after, p.shown.Load()) {
				return nil
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Start returns the position that the changes come after: of those since a time, after the last batch before it.
func (c *Changes) Start() Position { return c.after }

// Through returns the last batch that may be told of.
func (c *Changes) Through() uint64 { return c.to }

// KeptSince is when that was after which all changes of the inventory are kept: zero if that is all there ever was.
func (c *Changes) KeptSince() time.Time {
	if c.kept == (journal.Point{}) {
		return time.Time{}
	}
	return time.UnixMicro(c.kept.Time).UTC()
}

// Snapshot returns the state after the last batch that is told of, or after a later one.
func (c *Changes) Snapshot() Snapshot { return c.s }

// Reading is how far a reader of changes has come, and what it was not told of.
type Reading struct {
	// Position is after the last change in the view that was read, whether it was one that is asked for or not:
	// it tells nothing of others'.
	Position Position
	// Gone is how many changes were left out as they are of assets that are gone: with Where or Unexpected, as
	// nobody knows whether they would be in the set.
	Gone int
}

// All yields the changes in their order. They are valid until the next one is asked for. How far it has come
// is left in r, if that is not nil. An error, which comes last, says that the list
// is not whole: that of the context, a [*TooOldError] where a reader was slower than what is kept, or one of
// the journal.
func (c *Changes) All(ctx context.Context, r *Reading) iter.Seq2[*Change, error] {
	if r == nil {
		r = new(Reading)
	}
	r.Position = c.after
	return func(yield func(*Change, error) bool) {
		if c.q.Net {
			c.net(ctx, r, yield)
			return
		}
		t := telling{Changes: c, reading: r, yield: yield}
		err := c.each(ctx, t.asset)
		if err != nil && !t.over {
			yield(nil, err)
		}
	}
}

// each calls f for every asset that was changed, in order, until it is false.
func (c *Changes) each(ctx context.Context, f func(at journal.Point, number uint32, a *changedAsset) bool) error {
	var a changedAsset
	from := c.after
	for from.Compare(After(min(c.begins.Seq, c.to))) < 0 {
		if c.past == nil {
			return tooOld(c.begins)
		}
		past, err := c.past.Past(ctx, c.q.Project, c.q.Category, from.Sequence, from.Asset, min(c.begins.Seq, c.to))
		if err == nil && c.past.Begins(c.q.Project, c.q.Category).Seq > from.Sequence {
			err = tooOld(c.past.Begins(c.q.Project, c.q.Category))
		}
		if err != nil {
			return err
		}
		if len(past) == 0 {
			break
		}
		for i := range past {
			if more, err := c.list(ctx, &past[i], from, &a, f); err != nil || !more {
				return err
			}
			from = endOf(&past[i])
		}
	}
	n, _ := slices.BinarySearchFunc(c.lists, from, func(l journal.Past, p Position) int {
		return cmp.Or(endOf(&l).Compare(p), -1) // the first that ends after it
	})
	for ; n < len(c.lists); n++ {
		if more, err := c.list(ctx, &c.lists[n], from, &a, f); err != nil || !more {
			return err
		}
	}
	return nil
}

// endOf returns the position of what comes after a part.
func endOf(p *journal.Past) Position { return Position{Sequence: p.Seq, Asset: p.End} }

// list reads a part, from a position in it on. It is false when no more is wanted.
func (c *Changes) list(ctx context.Context, p *journal.Past, from Position, a *changedAsset, f func(journal.Point, uint32, *changedAsset) bool) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if p.Time >= c.until {
		return false, nil
	}
	if c.asset != nil && !bytes.Contains(p.Data, c.asset) {
		return true, nil
	}
	l, err := readList(p.Data)
	for n := p.First; err == nil; n++ {
		var ok bool
		if ok, err = l.next(a); !ok {
			if err == nil && n != p.End {
				err = fmt.Errorf("%w changes: of %d assets, where there are to be %d", errDamaged, n-p.First, p.End-p.First)
			}
			break
		}
		if p.Seq == from.Sequence && n < from.Asset || !c.isAsset(a) {
			continue
		}
		if !f(p.Point, n, a) {
			return false, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("batch %d: %w", p.Seq, err)
	}
	return true, nil
}

// isAsset says whether what changed is of the asset that is asked for, if one is.
func (c *Changes) isAsset(a *changedAsset) bool {
	if c.asset == nil {
		return true
	}
	if !bytes.Contains(a.names, c.asset) {
		return false
	}
	id, _, _, err := index.ParseNames(a.names)
	return err != nil || id == c.q.Asset // what is damaged is found out by who reads on
}

// telling is changes on their way out. It belongs to one goroutine.
type telling struct {
	*Changes
	reading *Reading
	yield   func(*Change, error) bool
	over    bool // no more is wanted
	change  Change
	named   bool // the change says whose it is

	o    index.Ordinal // of the asset now
	here bool          // it is there
}

// asset tells what became of an asset. It is false when no more is wanted.
func (t *telling) asset(at journal.Point, number uint32, a *changedAsset) bool {
	t.named = false
	if t.sees(a) {
		t.reading.Position = Position{at.Seq, number, math.MaxUint32}
	}
	next := Position{at.Seq, number, 0}
	if kind, told := a.kind(); told && t.wantsAsset(a, kind) && next.Compare(t.after) > 0 {
		t.change.Port, t.change.Type, t.change.Status = 0, AnyType, AnyStatus
		seen := a.seen
		if a.moved {
			seen = a.movedAt
		}
		if !t.give(at, next, a, kind, seen, a.own) {
			return false
		}
	}
	if !t.q.View.Has(a.group) {
		return true
	}
	for i := range a.keys {
		k := &a.keys[i]
		next.Change = uint32(i) + 1
		if !t.kinds[k.kind] || !lets(&t.filter, k.key) || next.Compare(t.after) <= 0 {
			continue
		}
		if !t.give(at, next, a, k.kind, k.seen, k.net) {
			return false
		}
	}
	return true
}

// kind returns what became of the asset itself, if anything did.
func (a *changedAsset) kind() (kind ChangeKind, told bool) {
	switch a.what {
	case assetAppeared:
		return Appeared, true
	case assetForgotten:
		return Forgotten, true
	}
	return Moved, a.moved
}

// wantsAsset says whether a change of an asset itself is asked for.
func (c *Changes) wantsAsset(a *changedAsset, kind ChangeKind) bool {
	ofPorts := c.q.Keys != nil || c.q.Type != AnyType || c.q.Status != AnyStatus || c.q.Unexpected
	return c.kinds[kind] && !ofPorts && c.sees(a)
}

// sees says whether the asset is or was in the view.
func (c *Changes) sees(a *changedAsset) bool {
	return c.q.View.Has(a.group) || a.moved && c.q.View.Has(a.left)
}

// give tells of a change, of a port if the position is of one.
func (t *telling) give(at journal.Point, p Position, a *changedAsset, kind ChangeKind, seen micros, net *netMark) bool {
	c := &t.change
	if c.Flapped = false; net != nil {
		if c.Flapped = net.flapped; c.Flapped && !t.q.Flapped {
			return true
		}
		at = net.at
	}
	if !t.named {
		if err := t.name(a); err != nil {
			t.over = true
			t.yield(nil, fmt.Errorf("batch %d: %w", at.Seq, err))
			return false
		}
	}
	switch {
	case (t.asked || t.q.Unexpected) && !t.here:
		t.reading.Gone++
		return true
	case t.asked && !t.set.Contains(t.o):
		return true
	}
	if p.Change > 0 {
		k := a.keys[p.Change-1].key
		status := t.judge.status(t.o, k)
		if t.q.Status != AnyStatus && status != t.q.Status || t.q.Unexpected && t.expects(t.o, k) {
			return true
		}
		c.Port, c.Type, c.Status = k.Port(), k.Type(), status
	}
	if net != nil {
		p = After(at.Seq)
	}
	c.Kind, c.At, c.Time, c.Seen = kind, p, time.UnixMicro(at.Time).UTC(), time.Time{}
	if seen != never {
		c.Seen = time.UnixMicro(seen).UTC()
	}
	c.EnterpriseProject, c.From = t.inView(a.group), ""
	if kind == Moved {
		c.From = t.inView(a.left)
	}
	t.over = !t.yield(c, nil)
	return !t.over
}

func (c *Changes) inView(group string) string {
	if !c.q.View.Has(group) {
		return ""
	}
	return group
}

// noAsset is the ordinal of none.
const noAsset = index.Ordinal(math.MaxUint32)

// name has the change say whose it is.
func (t *telling) name(a *changedAsset) (err error) {
	c := &t.change
	c.Category = t.q.Category
	if c.Asset, c.Address, c.Name, err = index.ParseNames(a.names); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	t.named = true
	if t.o, t.here = t.s.s.Find(c.Asset); !t.here {
		t.o = noAsset
	}
	return nil
}
