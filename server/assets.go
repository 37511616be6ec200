package server

import (
	"context"
	"errors"
	"net/http"

	"portolan/engine"
)

// removeParams is the query of DELETE /v1/projects/{project_id}/assets/{id}.
type removeParams struct {
	category param
}

func (p *removeParams) read(query string) (err error) {
	for name, sent := range pairs(query) {
		if name == "category" {
			p.category.set(sent.text, sent.malformed)
			err = p.category.check(name)
		}
	}
	return err
}

// removeAsset forgets an asset. One that lies in an enterprise project that the
// caller is not granted is not there for the caller.
func (s *Server) removeAsset(ctx context.Context, c *call) error {
	var p removeParams
	if err := p.read(c.RawQuery); err != nil {
		return err
	}
	if err := checkProject(c.project); err != nil {
		return err
	}
	category, err := engine.ParseCategory(p.category.text)
	if err != nil {
		return err
	}
	result, err := s.engine.RemoveWithin(ctx, c.caller.EnterpriseProjects.View(), c.project, category, c.asset)
	if err != nil {
		return err
	}
	c.wrote(result)
	c.reply(http.StatusNoContent, nil)
	return nil
}

// removeProject forgets a project, for a caller who is granted all of it.
func (s *Server) removeProject(ctx context.Context, c *call) error {
	if err := checkProject(c.project); err != nil {
		return err
	}
	if !c.caller.EnterpriseProjects.IsAll() {
		return errForbidden
	}
	result, err := s.engine.RemoveProject(ctx, c.project)
	if errors.Is(err, engine.ErrNoProject) {
		return &failure{kind: noAsset, detail: "The project does not exist."}
	}
	if err != nil {
		return err
	}
	c.wrote(result)
	c.reply(http.StatusNoContent, nil)
	return nil
}
