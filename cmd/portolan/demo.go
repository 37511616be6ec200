package main

import (
	"context"
	"iter"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
)

// A demonstration always shows the same fleet, with a container for every so
// many hosts, which is applied in batches.
const (
	demoSeed      = 1
	demoContainer = 10
	demoBatch     = 4096
)

// fillDemo applies a made-up fleet of hosts and some containers to a project.
func fillDemo(ctx context.Context, e *engine.Engine, project string, hosts int) error {
	for _, reports := range []iter.Seq[engine.Report]{
		fleet.Agents(demoSeed, hosts),
		fleet.Containers(demoSeed, max(1, hosts/demoContainer)),
	} {
		if err := applyAll(ctx, e, project, reports); err != nil {
			return err
		}
	}
	return nil
}

// applyAll applies reports as the project's.
func applyAll(ctx context.Context, e *engine.Engine, project string, reports iter.Seq[engine.Report]) error {
	batch := make([]engine.Report, 0, demoBatch)
	for r := range reports {
		r.Project = project
		if batch = append(batch, r); len(batch) < demoBatch {
			continue
		}
		if _, err := e.Apply(ctx, batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	_, err := e.Apply(ctx, batch)
	return err
}
