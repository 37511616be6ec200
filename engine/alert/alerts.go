package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"portolan/engine"
)

// Keeper keeps how far alerts have come, by name.
type Keeper interface {
	// Followers returns everything that is kept.
	Followers() (map[string][]byte, error)
	// KeepFollower keeps something, when it returns and for good; nil forgets it.
	KeepFollower(name string, data []byte) error
}

// Options configures [Alerts]. Nil and the zero value are the defaults.
type Options struct {
	// Log hears of what is not taken and given up; nil is nobody.
	Log *slog.Logger
	// Keeper keeps how far alerts have come; with nil they begin anew with each [Start], with what is to come.
	Keeper Keeper

	firstPause time.Duration // before something is sent again
}

// Alerts tells receivers of what changes in an engine, until it is stopped.
type Alerts struct {
	engine     *engine.Engine
	log        *slog.Logger
	keeper     Keeper
	instance   string
	firstPause time.Duration

	mu     sync.Mutex // guards what follows
	routes []*route
	end    context.CancelFunc
	done   sync.WaitGroup
	over   bool
}

// The names under which something is kept.
const (
	instanceName = "alerts"
	routePrefix  = "alert "
)

func routeName(rule, receiver string) string {
	return routePrefix + strconv.Quote(rule) + " " + strconv.Quote(receiver)
}

// sum is a short text that stands for some others.
func sum(texts ...string) string {
	return fmt.Sprintf("%016x", xxhash.Sum64String(strings.Join(texts, "\x00")))
}

// Start begins to tell, as a file says that was resolved. A rule that is new to a receiver begins with what is to
// come; of one that was there before, what has happened since is told. The error is that of reading the
// keeper, or [engine.ErrNoChanges].
func Start(e *engine.Engine, f *File, opts *Options) (*Alerts, error) {
	a := &Alerts{engine: e, log: slog.New(slog.DiscardHandler), instance: newInstance(), firstPause: 500 * time.Millisecond}
	if opts != nil {
		if opts.Log != nil {
			a.log = opts.Log
		}
		if opts.firstPause > 0 {
			a.firstPause = opts.firstPause
		}
		a.keeper = opts.Keeper
	}
	if a.keeper == nil {
		a.keeper = &memory{}
	}
	kept, err := a.keeper.Followers()
	if err != nil {
		return nil, err
	}
	if instance := kept[instanceName]; instance != nil {
		a.instance = string(instance)
	} else if err := a.keeper.KeepFollower(instanceName, []byte(a.instance)); err != nil {
		a.log.Warn("alerts: what their ids begin with cannot be kept; after a restart it is another", "problem", err)
	}
	if _, err := e.Changes(context.Background(), engine.ChangeQuery{Project: "default"}); errors.Is(err, engine.ErrNoChanges) {
		return nil, err
	}
	_, now, err := e.ChangedSince(0)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(f, kept, now)
	return a, nil
}

// begin begins with a file, from what is kept, or else with what comes after a batch. The lock is held.
func (a *Alerts) begin(f *File, kept map[string][]byte, now uint64) {
	old := a.routes
	a.routes = nil
	for _, rule := range f.Rules {
		to := make([]*Receiver, 0, max(len(rule.Send), 1))
		for _, name := range rule.Send {
			to = append(to, f.receiver(name))
		}
		if len(to) == 0 {
			to = append(to, nil)
		}
		for _, receiver := range to {
			r := &route{
				Alerts: a, rule: rule, silences: f.Silences, to: receiver, open: map[engine.Inventory]*reading{},
				stuck: map[engine.Inventory]time.Time{}, wake: make(chan struct{}, 1), changed: true, begun: time.Now(),
			}
			r.name = routeName(rule.Name, r.receiver())
			r.resume(old, kept[r.name], now)
			a.routes = append(a.routes, r)
		}
	}
	slices.SortStableFunc(a.routes, (*route).order)
	a.forget(kept)
	a.warn(f)
	ctx, cancel := context.WithCancel(context.Background())
	a.end = cancel
	for _, r := range a.routes {
		r.keep(true)
		a.done.Go(func() { r.run(ctx) })
	}
}

// resume has a route go on where another of the same name ended, or was when that was kept, or after a batch.
func (r *route) resume(old []*route, kept []byte, now uint64) {
	if i := slices.IndexFunc(old, func(o *route) bool { return o.name == r.name }); i >= 0 {
		r.progress, r.state, r.back, r.begun = old[i].progress, old[i].state, old[i].back, old[i].begun
		return
	}
	r.progress.through = now
	if kept != nil && r.to != nil {
		if p, err := parseProgress(kept); err != nil {
			r.log.Error("alerts: a rule begins anew, with what is to come", "rule", r.rule.Name, "receiver", r.receiver(), "problem", err)
		} else {
			r.progress = p
			r.progress.known(r.engine)
		}
	}
	r.state = RouteState{Rule: r.rule.Name, Receiver: r.receiver(), Through: r.progress.through}
}

// forget lets go of what is kept of routes that there are no more. The lock is held.
func (a *Alerts) forget(kept map[string][]byte) {
	for name := range maps.Keys(kept) {
		if !strings.HasPrefix(name, routePrefix) || slices.ContainsFunc(a.routes, func(r *route) bool { return r.name == name }) {
			continue
		}
		if err := a.keeper.KeepFollower(name, nil); err != nil {
			a.log.Warn("alerts: what is kept of a rule that is gone cannot be removed", "rule", name, "problem", err)
		}
	}
}

// warn says what of a file means nothing by now.
func (a *Alerts) warn(f *File) {
	projects, err := a.engine.Projects()
	if err != nil {
		return
	}
	for _, rule := range f.Rules {
		for _, name := range rule.Projects {
			if !slices.Contains(projects, name) {
				a.log.Warn("alerts: a rule is about a project that has nothing yet", "rule", rule.Name, "project", name)
			}
		}
	}
	for _, r := range f.Receivers {
		if !slices.ContainsFunc(f.Rules, func(rule *Rule) bool { return slices.Contains(rule.Send, r.Name) }) {
			a.log.Warn("alerts: no rule sends anything to a receiver", "receiver", r.Name)
		}
	}
}

// Replace goes on with another file, which was resolved. Rules that both have go on where they are; who
// waits to send something sends it at once.
func (a *Alerts) Replace(f *File) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return errors.New("alerts are stopped")
	}
	kept, err := a.keeper.Followers()
	if err != nil {
		return err
	}
	_, now, err := a.engine.ChangedSince(0)
	if err != nil {
		return err
	}
	a.end()
	a.done.Wait()
	a.begin(f, kept, now)
	return nil
}

// Stop ends the telling, and keeps how far it has come. It may be called more than once.
func (a *Alerts) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	a.end()
	a.done.Wait()
}

// ErrNoRule is returned for a rule that there is none of.
var ErrNoRule = errors.New("no such rule")

// Resend has everything told again that changed since a time, of a rule to one of its receivers, or with "" to all.
// The error is [ErrNoRule].
func (a *Alerts) Resend(ctx context.Context, rule, receiver string, since time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := false
	for _, r := range a.routes {
		if r.rule.Name != rule || r.to == nil || receiver != "" && r.to.Name != receiver {
			continue
		}
		seq, err := a.before(ctx, r.rule, since)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.back = &seq
		r.mu.Unlock()
		r.rouse()
		found = true
	}
	if !found {
		return fmt.Errorf("%w: %q to %q", ErrNoRule, rule, receiver)
	}
	return nil
}

// before returns the last batch before a time, of the inventories that a rule means.
func (a *Alerts) before(ctx context.Context, rule *Rule, since time.Time) (uint64, error) {
	list, seq, err := a.engine.ChangedSince(0)
	if err != nil {
		return 0, err
	}
	for _, v := range list {
		if !rule.means(v) {
			continue
		}
		changes, err := a.engine.Changes(ctx, engine.ChangeQuery{Project: v.Project, Category: v.Category, Since: since})
		if errors.Is(err, engine.ErrNoProject) {
			continue
		}
		if err != nil {
			return 0, err
		}
		seq = min(seq, changes.Start().Sequence)
	}
	return seq, nil
}

// RouteState is what became of a rule with one of its receivers since the start.
type RouteState struct {
	Rule         string    `json:"rule"`
	Receiver     string    `json:"receiver,omitempty"` // none: the changes are only counted
	Through      uint64    `json:"through"`            // the last batch that was read to its end
	Changes      uint64    `json:"changes"`            // that the rule means
	Sent         uint64    `json:"sent"`               // notices that were taken
	Failures     uint64    `json:"failures"`           // requests that were not
	GivenUp      uint64    `json:"given_up"`           // notices
	Silenced     uint64    `json:"silenced"`           // changes
	LeftOut      uint64    `json:"left_out"`           // changes of assets that are gone, of which nobody knows whether the rule means them
	Lost         uint64    `json:"lost"`               // times that changes were not kept any more when they were to be told
	FailingSince time.Time `json:"failing_since,omitzero"`
	Problem      string    `json:"problem,omitempty"` // the last one, until something is taken
}

// State returns the state of every rule with each of its receivers, by rule and receiver.
func (a *Alerts) State() []RouteState {
	a.mu.Lock()
	routes := slices.Clone(a.routes)
	a.mu.Unlock()
	states := make([]RouteState, len(routes))
	for i, r := range routes {
		r.mu.Lock()
		states[i] = r.state
		r.mu.Unlock()
	}
	return states
}

// memory is a [Keeper] that keeps nothing beyond the process.
type memory struct {
	mu   sync.Mutex
	kept map[string][]byte
}

// Followers implements [Keeper].
func (m *memory) Followers() (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.kept), nil
}

// KeepFollower implements [Keeper].
func (m *memory) KeepFollower(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data == nil {
		delete(m.kept, name)
		return nil
	}
	if m.kept == nil {
		m.kept = map[string][]byte{}
	}
	m.kept[name] = data
	return nil
}
