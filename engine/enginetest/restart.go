package enginetest

import (
	"context"
	"errors"
	"sync"

	"portolan/engine"
)

// Restarting opens engines that are closed after every write that told something, and
// opened again: nothing may depend on what an engine remembers besides what it keeps.
// newHome returns what opens an engine on what the one before it has left.
func Restarting(newHome func() Open) Open {
	return func(opts *engine.Options) Engine {
		start := newHome()
		return &restarting{Engine: start(opts), restart: func() Engine { return start(opts) }}
	}
}

// restarting is an engine that changes with every write. Readers wait for that, which an
// engine's readers need not.
type restarting struct {
	mu sync.RWMutex
	Engine
	restart func() Engine
	closed  bool
	expired int // assets, in the engines before
}

// again restarts the engine. The lock is held.
func (r *restarting) again() error {
	if r.closed {
		return nil
	}
	stats, err := r.Engine.Stats()
	if err := errors.Join(err, r.Engine.Close()); err != nil {
		return err
	}
	r.expired += stats.Expired
	r.Engine = r.restart()
	return nil
}

func (r *restarting) Apply(ctx context.Context, reports []engine.Report) (engine.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result, err := r.Engine.Apply(ctx, reports)
	if err != nil || len(reports) == 0 {
		return result, err
	}
	return result, r.again()
}

func (r *restarting) Remove(ctx context.Context, project string, category engine.Category, ids ...string) (engine.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result, err := r.Engine.Remove(ctx, project, category, ids...)
	if result.Removed == 0 {
		return result, err
	}
	return result, errors.Join(err, r.again())
}

func (r *restarting) RemoveProject(ctx context.Context, project string) (engine.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result, err := r.Engine.RemoveProject(ctx, project)
	if err != nil {
		return result, err
	}
	return result, r.again()
}

func (r *restarting) Expire(ctx context.Context) (engine.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result, err := r.Engine.Expire(ctx)
	if result.Removed == 0 {
		return result, err
	}
	return result, errors.Join(err, r.again())
}

func (r *restarting) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.Engine.Close()
}

func (r *restarting) Ports(ctx context.Context, q engine.PortQuery) (engine.PortPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.Engine.Ports(ctx, q)
}

func (r *restarting) Hosts(ctx context.Context, q engine.HostQuery) (engine.HostPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.Engine.Hosts(ctx, q)
}

func (r *restarting) AssetPorts(ctx context.Context, project string, category engine.Category, id string) (engine.AssetPorts, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.Engine.AssetPorts(ctx, project, category, id)
}

func (r *restarting) Asset(ctx context.Context, project string, category engine.Category, id string) (engine.Asset, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.Engine.Asset(ctx, project, category, id)
}

func (r *restarting) Assets(ctx context.Context, q engine.AssetQuery) (engine.AssetPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.Engine.Assets(ctx, q)
}

func (r *restarting) EnterpriseProjects(ctx context.Context, project string) ([]engine.EnterpriseProject, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.Engine.EnterpriseProjects(ctx, project)
}

func (r *restarting) Projects() ([]string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.Engine.Projects()
}

func (r *restarting) Stats() (engine.Stats, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	stats, err := r.Engine.Stats()
	if err == nil {
		stats.Expired += r.expired
	}
	return stats, err
}

func (r *restarting) Check(ctx context.Context) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.Engine.Check(ctx)
}
