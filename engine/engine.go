package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"

	"portolan/engine/journal"
	"portolan/index"
)

// Options configures an [Engine]. Nil and the zero value are the defaults.
type Options struct {
	// Policy gives keys their status; nil is [DefaultPolicy].
	Policy *Policy
	// Now is the clock that reports and questions about the past are held against; nil is
	// [time.Now]. A call of Apply or Check reads it once, and a question about the present never.
	// It is called concurrently.
	Now func() time.Time
	// MaxAssets is the most hosts, and the most containers, that a project may
	// have; 0 is the most that there can be, 2,147,483,647.
	MaxAssets int
	// DurableWithin is how long what readers see, and Apply returned from, may be lost in
	// a crash: then a commit that many calls share suffices, and their results say that
	// they are not durable yet. While commits take longer than that, writes wait for them. If
	// a commit fails, readers see to the end what is lost, and Sync, Close and every write say
	// so. 0 is not at all: readers see what is durable. Without a journal it means nothing.
	DurableWithin time.Duration
	// Expire is how long an asset is kept after the newest report about it: see
	// [Engine.Expire]. A report that is older is invalid, as what it might have confirmed
	// may be gone. 0 is for ever.
	Expire time.Duration
	// ChangesBytes is how many bytes of what batches changed stay in memory, for [Engine.Changes]: of all
	// projects together, of which the one that has the most gives up its oldest. 0 is
	// DefaultChangesBytes, or with a journal that keeps them a part of it. With less than 0, changes are
	// neither recorded nor told.
	ChangesBytes int
}

// DefaultChangesBytes is how many bytes of what batches changed stay in memory.
const DefaultChangesBytes = 64 << 20

// Validate reports every option that is not allowed, joined. A nil o is legal.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	if o.Policy != nil && o.Policy.isZero() {
		errs = append(errs, &FieldError{Field: "Policy", Value: "the zero Policy", Allowed: "nil, or one that NewPolicy has made"})
	}
	if o.MaxAssets < 0 || o.MaxAssets > index.MaxAssets {
		errs = append(errs, &FieldError{Field: "MaxAssets", Value: strconv.Itoa(o.MaxAssets), Allowed: fmt.Sprintf("0 to %d", index.MaxAssets)})
	}
	if o.DurableWithin < 0 || o.DurableWithin > MaxDurableWithin {
		errs = append(errs, &FieldError{Field: "DurableWithin", Value: o.DurableWithin.String(), Allowed: fmt.Sprintf("0 to %v", MaxDurableWithin)})
	}
	if o.Expire < 0 {
		errs = append(errs, &FieldError{Field: "Expire", Value: o.Expire.String(), Allowed: "0 or more"})
	}
	return errors.Join(errs...)
}

// MaxDurableWithin is the longest time that may be chosen for losing what was acknowledged:
// see [Options].
const MaxDurableWithin = time.Hour

// Engine holds the inventories of any number of projects in memory.
// All methods may be called concurrently; readers never wait for a writer.
type Engine struct {
	policy    atomic.Pointer[Policy]
	now       func() time.Time
	maxAssets int
	expire    time.Duration
	expired   atomic.Int64 // assets
	closed    atomic.Bool
	writers   sync.RWMutex // read-locked by writes, locked by Close and Attach
	tenants   tenants
	pipeline  pipeline
	pasts     pasts
}

// projectTree orders projects by name. A tree that is published is not changed.
type projectTree = btree.Map[string, *project]

// project is one tenant.
type project struct {
	name        string
	inventories [numCategories]atomic.Pointer[inventory] // nil until something is written
	receipts    receipts
}

// inventory returns the project's assets of a category for writing to. The data versions of
// one that is new are higher than least, and its changes begin after a batch.
func (p *project) inventory(c Category, logged bool, least uint64, begins journal.Point) *inventory {
	at := &p.inventories[c]
	if at.Load() == nil {
		v := newInventory(logged)
		v.changes.first, v.changes.begins = begins, begins
		v.changes.of = Inventory{p.name, c}
		if least > 0 {
			v.x.Resume(least + 1)
		}
		at.CompareAndSwap(nil, v) // losing to another writer loses nothing
	}
	return at.Load()
}

// nothing is the state of an inventory that was never written to.
var nothing = index.New().Snapshot()

// snapshot returns the project's assets of a category for reading.
func (p *project) snapshot(c Category) *index.Snapshot {
	if v := p.inventories[c].Load(); v != nil {
		return v.x.Snapshot()
	}
	return nothing
}

// Open returns an empty engine. A nil opts is legal. The error has a [*FieldError] for
// every option that is not allowed.
func Open(opts *Options) (*Engine, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{now: time.Now, maxAssets: index.MaxAssets}
	if opts == nil || opts.Policy == nil {
		e.policy.Store(DefaultPolicy())
	} else {
		e.policy.Store(opts.Policy)
	}
	if opts != nil && opts.Now != nil {
		e.now = opts.Now
	}
	if opts != nil && opts.MaxAssets > 0 {
		e.maxAssets = opts.MaxAssets
	}
	if opts != nil {
		e.pipeline.lag, e.expire = opts.DurableWithin, opts.Expire
		e.pipeline.history.most = opts.ChangesBytes
	}
	if e.pipeline.history.most == 0 {
		e.pipeline.history.most = DefaultChangesBytes
	}
	e.pipeline.history.gone = make(map[string]journal.Point)
	e.tenants.coming = make(map[string]*newcomer)
	e.tenants.shown.Store(btree.NewMap[string, *project](0))
	e.pipeline.tenants = &e.tenants
	return e, nil
}

// Now returns the time by the clock that the engine was opened with: ages in questions count from it.
func (e *Engine) Now() time.Time { return e.now() }

// SetPolicy has questions asked from now on answered by another policy; snapshots that there are
// keep theirs. The error is a [*FieldError] for a policy that NewPolicy has not made.
func (e *Engine) SetPolicy(p *Policy) error {
	if err := e.ended(); err != nil {
		return err
	}
	if p == nil || p.isZero() {
		return &FieldError{Field: "Policy", Value: "none, or the zero Policy", Allowed: "one that NewPolicy has made"}
	}
	e.policy.Store(p)
	return nil
}

// Close makes every later call return [ErrClosed], and returns when the writes that
// have begun are done: then a journal may be closed, too. Closing twice is an error, and so
// is that something is not durable which the options allowed to be shown before.
func (e *Engine) Close() error {
	if err := e.ended(); err != nil {
		return err
	}
	if e.closed.Swap(true) {
		return ErrClosed
	}
	e.pipeline.wake() // who waits for what will not come
	e.pasts.end()
	e.writers.Lock()
	defer e.writers.Unlock()
	err := e.pipeline.settle(context.Background())
	if e.pipeline.rest(); err != nil {
		return err
	}
	if k, ok := e.pipeline.journal.(journal.ImageKeeper); ok && e.pipeline.failure.Load() == nil {
		k.KeepImage(e.pipeline.seq, e.writeImage)
	}
	return nil
}

// Sync returns when everything that readers see is durable. That takes more than no time
// only with [Options].DurableWithin. The error is [ErrReadOnly] if it never will be.
// Without a journal nothing is, and that is no error.
func (e *Engine) Sync(ctx context.Context) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	return e.pipeline.settle(ctx)
}

// Await returns when readers see a batch, given a [Result].Sequence. It waits for one
// that is being written only: the error of one that has not begun is [ErrBehind], and of
// one that failed [ErrReadOnly].
func (e *Engine) Await(ctx context.Context, seq uint64) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	return e.pipeline.reach(ctx, &e.pipeline.shown, seq)
}

// Durability is how far what an engine with a journal has accepted is kept.
type Durability struct {
	Pending   uint64    // batches that are not durable yet
	Oldest    time.Time // when the oldest of them came, or one shortly before; zero for none
	Committed time.Time // when a batch became durable last, zero if none did since the start
}

// Durability says how far what was accepted is kept; the zero value without a journal.
func (e *Engine) Durability() Durability { return e.pipeline.durability() }

// Writable says why writes are refused at present, with [ErrRefused], or for good, with
// [ErrReadOnly].
func (e *Engine) Writable(ctx context.Context) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	return e.pipeline.check(false)
}

// beginWrite says why a write cannot be accepted; if it can, endWrite is called when it
// is done.
func (e *Engine) beginWrite(ctx context.Context, removal bool) error {
	e.writers.RLock()
	err := e.ready(ctx)
	if err == nil {
		err = e.pipeline.check(removal)
	}
	if err != nil {
		e.writers.RUnlock()
	}
	return err
}

func (e *Engine) endWrite() { e.writers.RUnlock() }

// ready says why a call cannot be served.
func (e *Engine) ready(ctx context.Context) error {
	if err := e.ended(); err != nil {
		return err
	}
	return ctx.Err()
}

// ended says why no call can be served any more.
func (e *Engine) ended() error {
	switch {
	case e.closed.Load():
		return ErrClosed
	case e.policy.Load() == nil:
		return fmt.Errorf("%w: it is the zero Engine, which nobody opened", ErrClosed)
	}
	return nil
}

// named returns a project that readers see.
func (e *Engine) named(name string) (*project, error) {
	if name == "" {
		return nil, &FieldError{Field: "project_id", Allowed: "1 to 256 characters"}
	}
	if p := e.tenants.find(name); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNoProject, name)
}

// Projects returns the names of the projects that hold or held assets, in order.
func (e *Engine) Projects() ([]string, error) {
	if err := e.ended(); err != nil {
		return nil, err
	}
	return e.tenants.shown.Load().Keys(), nil
}

// Remove forgets assets and their times, and returns how many were there when readers
// see that they are gone, all at once. The error is [ErrNoProject], or [ErrNoAsset], which
// names ids that are not there; the others are gone then.
func (e *Engine) Remove(ctx context.Context, project string, category Category, ids ...string) (Result, error) {
	return e.RemoveWithin(ctx, All(), project, category, ids...)
}

// RemoveWithin is [Engine.Remove] for a caller to whom assets that are not in the view are
// not there.
func (e *Engine) RemoveWithin(ctx context.Context, view View, project string, category Category, ids ...string) (Result, error) {
	return e.forget(ctx, project, category, ids, func(v *inventory, o index.Ordinal) bool {
		return view.IsAll() || view.Has(v.x.Group(o))
	})
}

// forget removes those of the assets that which says; to it the others are not there.
func (e *Engine) forget(ctx context.Context, project string, category Category, ids []string, which func(*inventory, index.Ordinal) bool) (Result, error) {
	if err := e.beginWrite(ctx, true); err != nil {
		return Result{}, err
	}
	defer e.endWrite()
	if err := checkCategory(category); err != nil {
		return Result{}, err
	}
	if _, err := e.named(project); err != nil {
		return Result{}, err
	}
	parts, err := e.lock([]part{{name: project, category: category}}, func(*part) error { return nil })
	if err != nil {
		return Result{}, err
	}
	var removed, missing []string
	for _, id := range ids {
		if parts[0].v.remove(id, which) {
			removed = append(removed, id)
		} else {
			missing = append(missing, id)
		}
	}
	if len(removed) == 0 {
		unlock(parts)
		return Result{}, errMissing(missing)
	}
	result := Result{Removed: len(removed)}
	if err := e.finish(ctx, parts, removed, e.now().UnixMicro(), &result); err != nil {
		return result, err
	}
	return result, errMissing(missing)
}

// maxNamed is how many ids an error names.
const maxNamed = 10

// errMissing says which assets are not there, nil for none.
func errMissing(ids []string) error {
	switch n := len(ids); {
	case n == 0:
		return nil
	case n > maxNamed:
		return fmt.Errorf("%w: %q and %d more", ErrNoAsset, ids[:maxNamed], n-maxNamed)
	default:
		return fmt.Errorf("%w: %q", ErrNoAsset, ids)
	}
}

// Stats returns the engine's totals.
func (e *Engine) Stats() (Stats, error) {
	var total Stats
	if err := e.ended(); err != nil {
		return total, err
	}
	total.Expired = int(e.expired.Load())
	e.tenants.shown.Load().Scan(func(_ string, p *project) bool {
		total.Projects++
		for c := range Category(numCategories) {
			s := p.snapshot(c)
			total.Assets += s.Assets()
			total.Observations += s.Observations()
			total.Keys += s.View(index.Groups{}).Keys()
		}
		return true
	})
	return total, nil
}

// Check recomputes every inventory from its postings and reports every broken
// invariant, joined. It may run beside readers; the writers to one inventory at a
// time wait for it, as it looks at what only they know, too.
func (e *Engine) Check(ctx context.Context) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	var errs []error
	e.tenants.shown.Load().Scan(func(name string, p *project) bool {
		for c := range Category(numCategories) {
			v := p.inventories[c].Load()
			if v == nil {
				continue
			}
			if err := v.check(ctx); err != nil {
				errs = append(errs, fmt.Errorf("project %q, %vs: %w", name, c, err))
			}
		}
		return true
	})
	return errors.Join(errs...)
}
