package server

import (
	"context"
	"errors"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/server/auth"
)

// sink returns where the reports of a call go: a stream, behind a guard where
// the caller is not granted every enterprise project.
func (s *Server) sink(c *call, _ engine.Category) scanfile.Sink {
	stream := s.engine.NewStream()
	if c.caller.EnterpriseProjects.IsAll() {
		return stream
	}
	return &guard{Stream: stream, engine: s.engine, granted: c.caller.EnterpriseProjects}
}

// guard keeps a caller from touching assets of enterprise projects that are not
// granted to it: a report may come from none of them and lead into none.
type guard struct {
	*engine.Stream
	engine  *engine.Engine
	granted auth.Grant
}

// Check is [engine.Stream.Check] and refuses what is not granted.
func (g *guard) Check(r *engine.Report) error {
	if err := g.Stream.Check(r); err != nil {
		return err
	}
	return g.allow(context.Background(), r)
}

// Apply is [engine.Stream.Apply]; it looks again, as an asset may have been
// moved since its report was checked.
func (g *guard) Apply(ctx context.Context, reports []engine.Report) (engine.Result, error) {
	for i := range reports {
		if err := g.allow(ctx, &reports[i]); err != nil {
			return engine.Result{}, err
		}
	}
	return g.Stream.Apply(ctx, reports)
}

func (g *guard) allow(ctx context.Context, r *engine.Report) error {
	if r.EnterpriseProject != "" && !g.granted.Has(r.EnterpriseProject) {
		return notGranted(r.EnterpriseProject)
	}
	asset, err := g.engine.Asset(ctx, r.Project, r.Category, r.Asset)
	switch {
	case err == nil && !g.granted.Has(asset.EnterpriseProject):
		// Where it is instead is not the caller's to know.
		return &engine.FieldError{Field: "asset", Value: r.Asset, Allowed: "one in an enterprise project that is granted to the caller"}
	case errors.Is(err, engine.ErrNotFound) && r.EnterpriseProject == "" && !g.granted.Has(engine.DefaultEnterpriseProject):
		return notGranted(engine.DefaultEnterpriseProject)
	case errors.Is(err, engine.ErrNotFound):
		return nil
	}
	return err
}

func notGranted(name string) error {
	return &engine.FieldError{Field: "enterprise_project_id", Value: name, Allowed: "one that is granted to the caller"}
}
