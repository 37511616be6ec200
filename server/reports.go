package server

import (
	"context"
	"errors"
	"net/http"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// reportsParams is the query of POST /v1/projects/{project_id}/reports; the
// names are the command line's flags.
type reportsParams struct {
	enterpriseProject, category, scope, format, asset, assetID, includeLoopback, strict, file param

	labels []param // each NAME=VALUE
}

func (p *reportsParams) named(name string) *param {
	switch name {
	case "enterprise_project_id":
		return &p.enterpriseProject
	case "category":
		return &p.category
	case "scope":
		return &p.scope
	case "format":
		return &p.format
	case "asset":
		return &p.asset
	case "asset_id":
		return &p.assetID
	case "include_loopback":
		return &p.includeLoopback
	case "strict":
		return &p.strict
	case "file":
		return &p.file
	}
	return nil
}

// read takes the parameters out of a query.
func (p *reportsParams) read(query string) (err error) {
	for name, sent := range pairs(query) {
		if name == "label" {
			label := param{text: sent.text, seen: true, malformed: sent.malformed}
			if err := label.check(name); err != nil {
				return err
			}
			p.labels = append(p.labels, label)
			continue
		}
		if to := p.named(name); to != nil {
			to.set(sent.text, sent.malformed)
			if err := to.check(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// options returns how the body is read. An enterprise project is a value only
// if it is given, and so is a scope.
func (p *reportsParams) options(s *Server, project string) (_ *scanfile.Options, err error) {
	opts := &scanfile.Options{
		Project: project, EnterpriseProject: p.enterpriseProject.text, Format: p.format.text, Asset: p.asset.text, AssetID: p.assetID.text,
		MaxBytes: s.opts.MaxBody, TempDir: s.opts.TempDir,
		MaxRecord: int(min(scanfile.DefaultMaxRecord, s.opts.UploadMemory/recordPart)),
	}
	if opts.Category, err = engine.ParseCategory(p.category.text); err != nil {
		return nil, err
	}
	for i := range p.labels {
		if opts.Labels, err = scanfile.AddLabel(opts.Labels, p.labels[i].text); err != nil {
			return nil, err
		}
	}
	if opts.Strict, err = p.strict.truth("strict"); err != nil {
		return nil, err
	}
	if opts.IncludeLoopback, err = p.includeLoopback.truth("include_loopback"); err != nil {
		return nil, err
	}
	if p.scope.text != "" {
		scope, err := engine.ParseScope(p.scope.text)
		if err != nil {
			return nil, err
		}
		opts.Scope = &scope
	}
	if err := checkLength("enterprise_project_id", opts.EnterpriseProject, maxGroupText); err != nil {
		return nil, err
	}
	if opts.EnterpriseProject == allGranted {
		return nil, &engine.FieldError{Field: "enterprise_project_id", Value: allGranted, Allowed: "the ID of one enterprise project"}
	}
	err = opts.Validate()
	return opts, err
}

// maxFileName is the longest name of a body, in characters.
const maxFileName = 1024

// name returns what the summary calls the body.
func (p *reportsParams) name() (string, error) {
	if p.file.text == "" {
		return "body", nil
	}
	return p.file.text, checkLength("file", p.file.text, maxFileName)
}

// reports loads a body in any supported format and says what became of it.
func (s *Server) reports(ctx context.Context, c *call) error {
	var p reportsParams
	if err := p.read(c.RawQuery); err != nil {
		return err
	}
	if ep := p.enterpriseProject.text; ep != "" && ep != allGranted && !c.caller.EnterpriseProjects.Has(ep) {
		return errForbidden
	}
	if err := checkProject(c.project); err != nil {
		return err
	}
	opts, err := p.options(s, c.project)
	if err != nil {
		return err
	}
	name, err := p.name()
	if err != nil {
		return err
	}
	if err := c.upload.as(s.uploads, idOf(c.caller)); err != nil {
		return err
	}
	opts.Memory, opts.Disk = c.upload.needMemory, c.upload.needDisk
	defer c.body.untimed()()
	in, err := c.inflate()
	if err != nil {
		return err
	}
	defer in.close()
	// A client that goes away leaves a cut body, of which what is whole counts:
	// the load must outlive its connection.
	ctx = context.WithoutCancel(ctx)
	var sum *scanfile.Summary
	err = s.engine.Import(c.caller.EnterpriseProjects.View(), func(to *engine.Import) (err error) {
		sum, err = scanfile.Load(ctx, to, []scanfile.Source{{Name: name, Reader: in}}, opts)
		return err
	})
	s.meters.loaded(sum)
	if f := c.damage(in); f != nil {
		f.summary = sum
		return f
	}
	if err != nil {
		return loadFailure(sum, err)
	}
	c.wrote(sum.Result)
	c.reply(http.StatusOK, toJSON(sum))
	return nil
}

// loadFailure says how a load failed; what it did all the same goes along.
func loadFailure(sum *scanfile.Summary, err error) error {
	f := &failure{kind: broken, summary: sum, cause: err}
	short, ok := errors.AsType[*failure](err)
	switch {
	case ok: // of what bodies share
		f.kind, f.detail, f.retry, f.cause = short.kind, short.detail, short.retry, nil
	case errors.Is(err, scanfile.ErrTooLarge):
		f.kind, f.detail = largeBody, err.Error()
	case errors.Is(err, scanfile.ErrUnknownFormat), errors.Is(err, scanfile.ErrStrict), errors.Is(err, scanfile.ErrNothing), errors.Is(err, engine.ErrInvalid):
		f.kind, f.detail = unknownInput, err.Error()
	case errors.Is(err, engine.ErrRefused):
		f.kind, f.retry = unwritable, retrySoon // the cause tells of the machine
	case errors.Is(err, engine.ErrReadOnly):
		f.kind = unwritable
	case errors.Is(err, engine.ErrClosed):
		f.kind, f.retry, f.cause = stopping, retrySoon, nil
	}
	return f
}
