package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"portolan/engine"
)

func (c *cli) removeCommand() *cobra.Command {
	server, category, whole := new(serverFlags), newCategory(engine.Host.String()), false
	cmd := &cobra.Command{
		Use:   "remove ID --server URL",
		Short: "Forget a decommissioned asset, or a project",
		Long: `Forget an asset and everything reported about it. A later report makes it a new
asset. With --whole-project the whole project is forgotten.`,
		Example: `  portolan remove 192.0.2.10 --server http://127.0.0.1:8080
  portolan remove 4f5a9c1d --category container --server http://127.0.0.1:8080
  portolan remove --whole-project --project acme --server http://127.0.0.1:8080`,
		Args: arguments(0, 1, "the ID of the asset"),
		RunE: body(func(ctx context.Context, args []string) error {
			switch {
			case whole && len(args) > 0:
				return misuse("--whole-project goes without an ID")
			case whole:
				return c.removeProject(ctx, server)
			case len(args) == 0:
				return misuse("the ID of the asset is missing")
			}
			return c.remove(ctx, server, category, args[0])
		}),
	}
	cmd.Flags().BoolVar(&whole, "whole-project", false, "forget the project with all its hosts and containers")
	server.addTo(cmd)
	_ = cmd.MarkFlagRequired("server") // It fails for a flag that is not there.
	category.addTo(cmd, "category", "", "the asset's category")
	return cmd
}

func (c *cli) remove(ctx context.Context, server *serverFlags, category *choice, id string) error {
	if id == "" {
		return misuse("the ID is empty")
	}
	cl, err := c.client(server)
	if err != nil {
		return err
	}
	defer cl.close()
	path := "/v1/projects/" + escape(cl.project) + "/assets/" + escape(id)
	res, err := cl.do(ctx, http.MethodDelete, path, url.Values{"category": {category.value}}, nil)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.code == http.StatusNotFound {
		return fmt.Errorf("%s %s: %w", category.value, id, err)
	}
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (c *cli) removeProject(ctx context.Context, server *serverFlags) error {
	cl, err := c.client(server)
	if err != nil {
		return err
	}
	defer cl.close()
	res, err := cl.do(ctx, http.MethodDelete, "/v1/projects/"+escape(cl.project), nil, nil)
	if err != nil {
		return fmt.Errorf("project %s: %w", cl.project, err)
	}
	return res.Body.Close()
}
