package engine

import (
	"context"

	"portolan/engine/journal"
)

// RemoveProject forgets a project, and returns how many assets it had when readers see that
// it is gone: it is not listed any more, and [ErrNoProject] until somebody reports on it
// again. Snapshots that are held stay as they are. Writes wait for it, to other projects, too,
// and it waits for those that have begun; its context ends it only before it begins.
func (e *Engine) RemoveProject(ctx context.Context, project string) (Result, error) {
	e.writers.Lock()
	defer e.writers.Unlock()
	err := e.ready(ctx)
	if err == nil {
		err = e.pipeline.check(true)
	}
	if err != nil {
		return Result{}, err
	}
	e.pipeline.rest()
	p, err := e.named(project)
	if err != nil {
		return Result{}, err
	}
	result := Result{}
	for c := range Category(numCategories) {
		s := p.snapshot(c)
		result.Removed += s.Assets()
		// Data versions of what may come by this name are others than any that was.
		e.tenants.least = max(e.tenants.least, s.Version())
	}
	b := &batch{Batch: journal.Batch{Gone: project, Time: e.now().UnixMicro()}}
	e.pipeline.submit(b)
	err = e.settled(context.WithoutCancel(ctx), b, &result)
	return result, err
}
