package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"portolan/engine"
)

const (
	// pieceNotices is how many notices are in memory at a time, but for those of one batch.
	pieceNotices = 100
	// restTime is how long a route rests between rounds at least, so that many batches share the work.
	restTime = 20 * time.Millisecond
	// keepTime is how often it is kept how far a route has come, at most where it tells much, at least where it
	// tells nothing.
	keepTime, keepAnyway = 100 * time.Millisecond, time.Minute
	// maxRefusals is how often something is sent that is refused as wrong.
	maxRefusals = 5
	// maxPause is how long is waited at most before something is sent again, give or take a half.
	maxPause = time.Minute
)

// route is a rule on its way to one receiver. It belongs to one goroutine, but for its state.
type route struct {
	*Alerts
	rule     *Rule
	silences []*Silence
	to       *Receiver // nil: nobody; the changes are counted
	name     string    // under which is kept how far it has come
	progress progress
	open     map[engine.Inventory]*reading  // digests in the making
	stuck    map[engine.Inventory]time.Time // that could not be read, and when that was tried last
	begun    time.Time                      // when what is told was begun: nothing is older for giving up
	kept     time.Time                      // when that was kept last
	resumed  bool                           // what was begun before is gone on with
	unkept   time.Time                      // when that failed, since it was kept last
	changed  bool                           // it has come further since
	told     bool                           // and something was told
	wake     chan struct{}                  // ends a rest
	givenUp  givenUp

	mu    sync.Mutex // guards what follows
	state RouteState
	back  *uint64 // what came after that batch is to be told again
}

// reading is a digest in the making.
type reading struct {
	*digest
	at  engine.Position // how far it has read
	due time.Time       // when it is over at the latest: the clock may have been set back since the changes
}

// begins begins a digest with the changes after a position.
func begins(from engine.Position, since time.Time, lasts time.Duration) *reading {
	return &reading{digest: begin(from, since, lasts), due: time.Now().Add(lasts)}
}

// over says when the digest is.
func (d *reading) over() time.Time {
	if d.until.Before(d.due) {
		return d.until
	}
	return d.due
}

// run tells of changes until the context ends.
func (r *route) run(ctx context.Context) {
	defer r.keep(true)
	for {
		err := r.round(ctx)
		if err == nil {
			err = r.await(ctx)
		}
		switch {
		case ctx.Err() != nil || errors.Is(err, engine.ErrClosed):
			return
		case err != nil:
			r.log.Error("alerts: changes cannot be read", "rule", r.rule.Name, "receiver", r.receiver(), "problem", err)
			r.note(func(s *RouteState) { s.Problem = err.Error() })
			sleep(ctx, maxPause)
		}
	}
}

func (r *route) receiver() string {
	if r.to == nil {
		return ""
	}
	return r.to.Name
}

// round tells of what there is by now.
func (r *route) round(ctx context.Context) error {
	r.turnBack()
	list, through, err := r.engine.ChangedSince(r.progress.through)
	if err != nil {
		return err
	}
	for _, v := range r.due(list, time.Now()) {
		if err := r.follow(ctx, v); err != nil {
			if ctx.Err() != nil || errors.Is(err, engine.ErrClosed) {
				return err
			}
			r.stick(v, err)
		}
	}
	if through > r.progress.through {
		r.progress.pass(through, func(v engine.Inventory) bool { return r.open[v] != nil || !r.stuck[v].IsZero() })
		r.changed = true
		r.note(func(s *RouteState) { s.Through = through })
	}
	r.keep(false)
	return nil
}

// due returns the inventories that are to be followed now, of those that have changed, the newest first, and of
// others.
func (r *route) due(changed []engine.Inventory, now time.Time) []engine.Inventory {
	list := slices.DeleteFunc(changed, func(v engine.Inventory) bool { return !r.rule.means(v) || !r.stuck[v].IsZero() })
	slices.Reverse(list)
	if !r.resumed {
		r.resumed = true
		for v := range r.progress.at { // of which not everything was told, as digests were in the making
			if r.rule.means(v) && !slices.Contains(list, v) {
				list = append(list, v)
			}
		}
	}
	for v, d := range r.open {
		if !now.Before(d.over()) && r.stuck[v].IsZero() && !slices.Contains(list, v) { // nothing came since
			list = append(list, v)
		}
	}
	for v, at := range r.stuck {
		if now.Sub(at) >= maxPause {
			list = append(list, v)
		}
	}
	return list
}

// stick notes that an inventory cannot be read: it is tried again later, and holds up no other.
func (r *route) stick(v engine.Inventory, err error) {
	r.log.Error("alerts: changes cannot be read, which is tried again", "rule", r.rule.Name, "receiver", r.receiver(), "project", v.Project, "problem", err)
	r.note(func(s *RouteState) { s.Problem = err.Error() })
	r.progress.set(v, r.progress.of(v))
	r.stuck[v] = time.Now()
	delete(r.open, v) // what was read of a digest is read again
}

// turnBack begins anew after a batch, if that is asked for.
func (r *route) turnBack() {
	r.mu.Lock()
	back := r.back
	r.back = nil
	r.mu.Unlock()
	if back != nil {
		r.progress.back(*back)
		clear(r.open)
		r.begun, r.changed, r.resumed = time.Now(), true, false
	}
}

// await returns when there may be something to tell.
func (r *route) await(ctx context.Context) error {
	sleep(ctx, restTime)
	until := time.Now().Add(keepAnyway)
	if r.told && r.unkept.IsZero() {
		until = time.Now().Add(keepTime)
	}
	for _, d := range r.open {
		if d.over().Before(until) {
			until = d.over()
		}
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	go func() { // until the context ends
		select {
		case <-r.wake:
			if ctx.Err() != nil { // it is for the next rest
				r.rouse()
			}
			cancel()
		case <-ctx.Done():
		}
	}()
	err := r.engine.AwaitBatch(ctx, r.progress.through)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// rouse ends a rest, or the next one.
func (r *route) rouse() {
	select {
	case r.wake <- struct{}{}:
	default: // it wakes already
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// follow tells of what changed of an inventory by now.
func (r *route) follow(ctx context.Context, v engine.Inventory) error {
	for more := true; more; {
		p := piece{route: r, of: v, at: r.progress.of(v), digest: r.open[v]}
		if p.digest != nil {
			p.at = p.digest.at
		}
		var err error
		if more, err = p.read(ctx); err != nil {
			return err
		}
		if err := r.deliver(ctx, v, p.list, p.digest); err != nil {
			return err
		}
		switch {
		case p.digest == nil:
			delete(r.open, v)
			r.progress.set(v, p.at)
		case p.done:
			if err := r.deliver(ctx, v, []*notice{p.digestNotice()}, p.digest); err != nil {
				return err
			}
			delete(r.open, v)
			r.progress.set(v, p.at)
		default:
			p.digest.at = p.at
			r.open[v] = p.digest
			r.progress.set(v, p.digest.from)
		}
		r.changed = true
	}
	if !r.stuck[v].IsZero() {
		delete(r.stuck, v)
		r.note(func(s *RouteState) { s.Problem = "" })
	}
	return nil
}

// piece is some of what changed of an inventory, on its way to be told.
type piece struct {
	*route
	of     engine.Inventory
	at     engine.Position // how far it was read
	list   []*notice
	digest *reading // in the making; nil: none
	done   bool     // it is over

	batch   uint64          // that is being read
	started int             // where its notices begin in the list
	news    int             // how many of them do not only end what was told
	before  engine.Position // where it was begun to be read
}

// read reads on, to the end of what there is, of the digest or of the piece: then there is more.
func (p *piece) read(ctx context.Context) (more bool, err error) {
	s, err := p.engine.Snapshot(p.of.Project, p.of.Category)
	if err != nil && !errors.Is(err, engine.ErrNoProject) {
		return false, err
	}
	q := p.rule.query(p.of, s.Policy(), p.to.ends() && p.rule.Every == 0)
	q.After = p.at
	changes, err := p.engine.Changes(ctx, q)
	switch old := (*engine.TooOldError)(nil); {
	case errors.As(err, &old):
		p.lose(old)
		return true, nil
	case errors.Is(err, engine.ErrNoProject): // it was removed, and what there was of it
		p.done = p.digest != nil
		return false, nil
	case err != nil:
		return false, err
	}
	var r engine.Reading
	defer func() {
		if r.Gone > 0 {
			p.note(func(s *RouteState) { s.LeftOut += uint64(r.Gone) })
		}
	}()
	for c, err := range changes.All(ctx, &r) {
		switch old := (*engine.TooOldError)(nil); {
		case errors.As(err, &old): // given up while it was read
			p.lose(old)
			return true, nil
		case err != nil:
			return false, err
		}
		if !p.take(c) {
			return true, nil
		}
	}
	if p.at.Compare(engine.After(changes.Through())) < 0 {
		p.at = engine.After(changes.Through())
	}
	p.done = p.digest != nil && !time.Now().Before(p.digest.over())
	return false, nil
}

// take takes a change. It is false where the piece ends before it.
func (p *piece) take(c *engine.Change) bool {
	if p.digest != nil && !c.Time.Before(p.digest.until) {
		p.done = true
		return false
	}
	if c.At.Sequence != p.batch {
		if len(p.list) >= pieceNotices {
			return false
		}
		p.batch, p.started, p.news, p.before = c.At.Sequence, len(p.list), 0, p.at
	}
	if len(p.list) >= pieceNotices+p.rule.Burst { // most of them end what was told
		return false
	}
	before := p.at
	p.at = c.At
	if p.silent(c.Time) {
		p.note(func(s *RouteState) { s.Silenced++ })
		return true
	}
	ends := !p.rule.tells(c.Kind)
	if !ends {
		p.news++
		p.note(func(s *RouteState) { s.Changes++ })
		if p.digest == nil && p.rule.Every > 0 {
			p.digest = begins(before, c.Time, p.rule.Every)
		}
		if p.digest != nil {
			p.digest.add(c, p.rule.First)
			return true
		}
	}
	change := *c
	p.list = append(p.list, &notice{
		kind: noticeChange, id: p.id(p.of, c.At.String()), rule: p.rule, of: p.of, time: c.Time, at: c.At, change: &change, ends: ends,
	})
	if p.news > p.rule.Burst {
		p.gather()
	}
	return true
}

// gather makes a digest of the notices of the batch that is being read: they are too many.
func (p *piece) gather() {
	many := slices.Clone(p.list[p.started:])
	p.list = p.list[:p.started]
	p.digest = begins(p.before, many[0].time, burstTime)
	for _, n := range many {
		if n.ends {
			p.list = append(p.list, n)
		} else {
			p.digest.add(n.change, p.rule.First)
		}
	}
}

// silent says whether nothing is told of a time.
func (r *route) silent(t time.Time) bool {
	for _, s := range r.silences {
		if s.has(r.rule.Name, t) {
			return true
		}
	}
	return false
}

// lose tells that changes are not kept any more, and goes on after them.
func (p *piece) lose(old *engine.TooOldError) {
	if p.digest != nil { // of what was read before; this comes after it
		p.done = true
		return
	}
	p.note(func(s *RouteState) { s.Lost++ })
	p.log.Error("alerts: changes were not told while they were kept, and are lost", "rule", p.rule.Name, "receiver", p.receiver(),
		"project", p.of.Project, "after", p.at.String(), "through", old.Sequence)
	p.list = append(p.list, &notice{
		kind: noticeLost, id: p.id(p.of, "lost-"+p.at.String()), rule: p.rule, of: p.of, time: old.Time, at: p.at, lost: old,
	})
	if next := engine.After(old.Sequence); next.Compare(p.at) > 0 {
		p.at = next
	}
}

func (p *piece) digestNotice() *notice {
	d := p.digest.digest
	return &notice{kind: noticeDigest, id: p.id(p.of, "digest-"+d.from.String()), rule: p.rule, of: p.of, time: d.since, at: d.last, digest: d}
}

// id is the id of a notice: the same each time, and that of no other. A signature ends it at a dot.
func (r *route) id(v engine.Inventory, what string) string {
	return strings.ReplaceAll(fmt.Sprintf("msg_%s_%s_%s", r.instance, sum(r.rule.Name, v.Project, v.Category.String()), what), ".", "-")
}

// deliver tells of notices, in order, as many at a time as the receiver takes, but not of a digest in the making.
// The error is that of the context.
func (r *route) deliver(ctx context.Context, v engine.Inventory, list []*notice, open *reading) error {
	for len(list) > 0 {
		n := len(list)
		if r.to != nil {
			n = min(n, r.to.most())
			if err := r.send(ctx, list[:n]); err != nil {
				return err
			}
		}
		r.changed, r.told = true, true
		last := list[n-1]
		if last.kind == noticeChange && (open == nil || last.at.Compare(open.from) <= 0) {
			r.progress.set(v, last.at)
			r.keep(false)
		}
		list = list[n:]
	}
	return nil
}

// send sends notices until they are taken, or given up. The error is that of the context.
func (r *route) send(ctx context.Context, list []*notice) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = r.firstPause, maxPause
	refusals := 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := r.to.tell(ctx, list)
		refused, isRefused := errors.AsType[*refusal](err)
		if isRefused && refused.final() {
			refusals++
		}
		if err != nil && (refusals >= maxRefusals || r.age(list[0]) > r.to.GiveUp) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) { r.failed(list[0], err) }))
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	if err == nil {
		r.note(func(s *RouteState) {
			s.Sent += uint64(len(list))
			s.FailingSince, s.Problem = time.Time{}, ""
		})
		r.givenUp.log(r, true)
		return nil
	}
	r.note(func(s *RouteState) {
		s.GivenUp += uint64(len(list))
		s.Problem = err.Error()
	})
	r.givenUp.add(list, err)
	r.givenUp.log(r, false)
	return nil
}

// givenUp is notices that were given up and are to be logged: of many in a row, now and then.
type givenUp struct {
	count  int
	first  *notice
	err    error
	logged time.Time
}

func (g *givenUp) add(list []*notice, err error) {
	if g.count == 0 {
		g.first = list[0]
	}
	g.count += len(list)
	g.err = err
}

func (g *givenUp) log(r *route, must bool) {
	if g.count == 0 || !must && time.Since(g.logged) < time.Minute {
		return
	}
	r.log.Error("alerts: given up; portolan alerts resend sends them again", "rule", r.rule.Name, "receiver", r.receiver(),
		"notices", g.count, "first", g.first.id, "project", g.first.of.Project, "since", g.first.time, "problem", g.err)
	*g = givenUp{logged: time.Now()}
}

// age is for how long a notice could have been told.
func (r *route) age(n *notice) time.Duration {
	if n.time.After(r.begun) {
		return time.Since(n.time)
	}
	return time.Since(r.begun)
}

// failed notes that something could not be sent, and will be again.
func (r *route) failed(n *notice, err error) {
	first := false
	r.note(func(s *RouteState) {
		s.Failures++
		s.Problem = err.Error()
		if s.FailingSince.IsZero() {
			s.FailingSince, first = time.Now(), true
		}
	})
	if !first {
		return
	}
	r.log.Warn("alerts: a receiver does not take them; they are sent again", "rule", r.rule.Name, "receiver", r.receiver(), "first", n.id, "problem", err)
	r.keep(true)
}

// keep keeps how far the route has come, if it was not kept just now or must be, and says where it cannot.
func (r *route) keep(must bool) {
	if !r.changed || r.to == nil {
		return
	}
	least := keepAnyway
	if r.told {
		least = keepTime
	}
	if !must && (time.Since(r.kept) < least || time.Since(r.unkept) < keepAnyway) {
		return
	}
	data, err := r.progress.bytes()
	if err == nil {
		err = r.keeper.KeepFollower(r.name, data)
	}
	if err == nil {
		r.kept, r.changed, r.told, r.unkept = time.Now(), false, false, time.Time{}
		return
	}
	r.unkept = time.Now()
	r.note(func(s *RouteState) { s.Problem = err.Error() })
	r.log.Warn("alerts: how far they have come cannot be kept; after a crash some are told again", "rule", r.rule.Name, "receiver", r.receiver(), "problem", err)
}

// note changes what is shown of the route.
func (r *route) note(f func(*RouteState)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.state)
}

// order is how routes are listed.
func (r *route) order(o *route) int {
	return cmp.Or(cmp.Compare(r.rule.Name, o.rule.Name), cmp.Compare(r.receiver(), o.receiver()))
}

// newInstance is what tells the ids of one engine's notices from another's.
func newInstance() string { return fmt.Sprintf("%016x", rand.Uint64()) }
