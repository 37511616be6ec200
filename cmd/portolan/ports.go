package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// filterFlags say of which assets a command answers and how it shows the answer.
type filterFlags struct {
	enterprise names
	category   *choice
	limit      *number
	offset     *number
	output     *choice
}

func newFilterFlags() filterFlags {
	return filterFlags{
		category: newCategory(engine.Host.String()),
		limit:    newCount(10),
		offset:   newCount(0),
		output:   newOutput(asTable, asJSON, asNDJSON, asCSV),
	}
}

func (f *filterFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().Var(&f.enterprise, "enterprise-project", "count the assets of these enterprise projects; all when left out")
	f.category.addTo(cmd, "category", "", "count assets of this category")
	cmd.Flags().Var(f.limit, "limit", "show at most this many rows; 0 shows all")
	cmd.Flags().Var(f.offset, "offset", "skip this many rows")
	f.output.addTo(cmd, "output", "o", "write the rows in this format")
}

const allGranted = engine.AllEnterpriseProjects

// view returns the enterprise projects that were asked for.
func (f *filterFlags) view() engine.View {
	if len(f.enterprise.list) == 0 || slices.Contains(f.enterprise.list, allGranted) {
		return engine.All()
	}
	return engine.In(f.enterprise.list...)
}

// portsFlags are the flags of the ports command.
type portsFlags struct {
	filterFlags
	read       readFlags
	server     serverFlags
	port       *number
	match      digits
	typ        *choice
	status     *choice
	descending bool
}

func (c *cli) portsCommand() *cobra.Command {
	f := &portsFlags{filterFlags: newFilterFlags(), port: newPort(), typ: newType(), status: newStatus()}
	cmd := &cobra.Command{
		Use:   "ports {--import FILE… | --server URL}",
		Short: "Count the assets that have each port open",
		Long: `Count the assets that have each port open, from files of scanners or agents
or by asking a server.
One row is one port and type; rows come by port, then type.`,
		Example: `  portolan ports --import scan.xml
  portolan ports --import scan.xml --import agents.ndjson --match 80 --type tcp -o json --limit 0
  nmap -oX - 192.0.2.0/24 | portolan ports --import - --status danger
  portolan ports --server http://127.0.0.1:8080 --port 443`,
		Args: arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error { return c.ports(ctx, f) }),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	cmd.Flags().Var(f.port, "port", "only this port")
	cmd.Flags().Var(&f.match, "match", "only ports whose number contains these")
	f.typ.addTo(cmd, "type", "", "only this type")
	f.status.addTo(cmd, "status", "", "only this status")
	cmd.Flags().BoolVar(&f.descending, "desc", false, "highest port first")
	f.addTo(cmd)
	return cmd
}

func (c *cli) ports(ctx context.Context, f *portsFlags) error {
	server, err := fromServer(&f.read, &f.server)
	if err != nil {
		return err
	}
	ask := c.localPorts
	if server {
		ask = c.serverPorts
	}
	rows, total, err := ask(ctx, f)
	if err != nil {
		return err
	}
	if err := writeRows(c.stdout, f.output.value, portColumns, rows); err != nil {
		return err
	}
	c.noteMore(f.filterFlags, len(rows), total)
	return nil
}

// noteMore tells of an offset past the end, and a reader of a table that there
// are more rows than it shows.
func (c *cli) noteMore(f filterFlags, shown, total int) {
	switch offset := f.offset.value; {
	case shown == 0 && offset > 0 && offset >= int64(total):
		fmt.Fprintf(c.stderr, "--offset %d is past the end: there are %d rows.\n", offset, total)
	case f.output.value == asTable && shown < total:
		fmt.Fprintf(c.stderr, "%d of %d rows; --limit 0 shows all.\n", shown, total)
	}
}

// serverPorts answers by asking a server.
func (c *cli) serverPorts(ctx context.Context, f *portsFlags) ([]portRow, int, error) {
	filters := map[string]string{"port_string": f.match.text, "type": f.typ.value, "status": f.status.value}
	if f.descending {
		filters["sort_dir"] = "desc"
	}
	if f.port.value != 0 {
		filters["port"] = f.port.String()
	}
	q, err := f.question("/asset/port/statistics", filters)
	if err != nil {
		return nil, 0, err
	}
	return readPages[portRow](ctx, c, &f.server, q, &f.filterFlags)
}

// localPorts answers from files.
func (c *cli) localPorts(ctx context.Context, f *portsFlags) ([]portRow, int, error) {
	e, err := c.memory(ctx, &f.read)
	if err != nil {
		return nil, 0, err
	}
	page, err := e.Ports(ctx, f.query())
	if err != nil && !errors.Is(err, engine.ErrNoProject) { // the files hold no asset
		return nil, 0, err
	}
	rows := make([]portRow, len(page.Rows))
	for i, r := range page.Rows {
		rows[i] = newPortRow(r)
	}
	return rows, page.Total, nil
}

func (f *portsFlags) query() engine.PortQuery {
	return engine.PortQuery{
		Project:    localProject,
		View:       f.view(),
		Category:   parsedCategory(f.category),
		Port:       int(f.port.value),
		PortString: f.match.text,
		Type:       parsedType(f.typ),
		Status:     parsedStatus(f.status),
		Descending: f.descending,
		Offset:     int(f.offset.value),
		Limit:      int(f.limit.value),
	}
}

// parsedType returns the type that was chosen, if any.
func parsedType(c *choice) engine.Type {
	t, _ := engine.ParseType(c.value)
	return t
}

// parsedStatus returns the status that was chosen, if any.
func parsedStatus(c *choice) engine.Status {
	s, _ := engine.ParseStatus(c.value)
	return s
}

// parsedCategory returns the category that was chosen; the flag refused others.
func parsedCategory(c *choice) engine.Category {
	category, _ := engine.ParseCategory(c.value)
	return category
}
