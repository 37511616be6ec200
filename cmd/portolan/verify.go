package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"portolan/engine/store"
)

func (c *cli) verifyCommand() *cobra.Command {
	var data directory
	cmd := &cobra.Command{
		Use:   "verify --data DIRECTORY",
		Short: "Check a data directory",
		Long: `Read everything in a data directory, make all counts anew and hold them against the
assets. Nothing is changed. No server may have the directory. What is damaged is
named, and the exit code is then 1.`,
		Example: `  portolan verify --data /var/lib/portolan`,
		Args:    arguments(0, 0, ""),
		RunE:    body(func(ctx context.Context, _ []string) error { return c.verify(ctx, data.path) }),
	}
	cmd.Flags().Var(&data, "data", "the `DIRECTORY` to check")
	_ = cmd.MarkFlagRequired("data") // It fails for a flag that is not there.
	return cmd
}

func (c *cli) verify(ctx context.Context, path string) error {
	opts := &store.Options{Log: slog.New(slog.NewTextHandler(c.stderr, nil))}
	var loaded func()
	opts.Progress, loaded = c.loadProgress()
	v, err := store.Verify(ctx, path, opts)
	loaded()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s is sound: %d projects, %d assets, %d open ports, up to batch %d\n",
		path, v.Stats.Projects, v.Stats.Assets, v.Stats.Observations, v.Sequence)
	return err
}
