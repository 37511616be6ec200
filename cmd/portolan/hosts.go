package main

import (
	"context"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// hostsFlags are the flags of the hosts command.
type hostsFlags struct {
	filterFlags
	read readFlags
	port *number
	typ  *choice
}

func (c *cli) hostsCommand() *cobra.Command {
	f := &hostsFlags{filterFlags: newFilterFlags(), port: newPort(), typ: newType()}
	cmd := &cobra.Command{
		Use:   "hosts --port N --import FILE…",
		Short: "List the assets that have a port open",
		Long: `List the assets that have a port open. One row is one asset and type; rows come
by type, then in the order in which the assets were first seen.`,
		Example: `  portolan hosts --port 3389 --import scan.xml
  portolan hosts --port 53 --type udp --import scan.xml -o csv --limit 0`,
		Args: arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error { return c.hosts(ctx, f) }),
	}
	f.read.addTo(cmd)
	cmd.Flags().Var(f.port, "port", "the port, required")
	f.typ.addTo(cmd, "type", "", "only this type")
	f.addTo(cmd)
	for _, name := range []string{"import", "port"} {
		_ = cmd.MarkFlagRequired(name) // It fails for a flag that is not there.
	}
	return cmd
}

func (c *cli) hosts(ctx context.Context, f *hostsFlags) error {
	e, err := c.memory(ctx, &f.read)
	if err != nil {
		return err
	}
	page, err := e.Hosts(ctx, engine.HostQuery{
		Project:  localProject,
		View:     f.view(),
		Category: parsedCategory(f.category),
		Port:     int(f.port.value),
		Type:     f.typ.value,
		Offset:   int(f.offset.value),
		Limit:    int(f.limit.value),
	})
	if err != nil {
		return err
	}
	rows := make([]hostRow, len(page.Rows))
	for i, r := range page.Rows {
		rows[i] = newHostRow(r)
	}
	if err := writeRows(c.stdout, f.output.value, hostColumns, rows); err != nil {
		return err
	}
	c.noteMore(f.filterFlags, len(rows), page.Total)
	return nil
}
