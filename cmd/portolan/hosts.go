package main

import (
	"context"
	"errors"
	"math"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// hostsFlags are the flags of the hosts command.
type hostsFlags struct {
	filterFlags
	read    readFlags
	server  serverFlags
	port    *number
	typ     *choice
	status  *choice
	name    string
	address string
}

func (c *cli) hostsCommand() *cobra.Command {
	f := &hostsFlags{filterFlags: newFilterFlags(), port: newPort(), typ: newType(), status: newStatus()}
	cmd := &cobra.Command{
		Use:   "hosts --port N {FILE… | --server URL}",
		Short: "List the assets that have a port open",
		Long: `List the assets that have a port open, from files of scanners or agents
or by asking a server. A FILE may be a folder, a pattern, or - for standard input.
One row is one asset and type; rows come by type.

A server does not say in which enterprise project an asset lies. Its rows have
that where one is asked for with --enterprise-project, and else leave it out.`,
		Example: `  portolan hosts --port 3389 scan.xml
  portolan hosts --port 53 --type udp scans/ -o csv --limit 0
  portolan hosts --port 22 --server http://127.0.0.1:8080 --name web- --address 192.0.2.`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.hosts(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	cmd.Flags().Var(f.port, "port", "the port, required")
	f.typ.addTo(cmd, "type", "", "only this type")
	f.status.addTo(cmd, "status", "", "only this status")
	cmd.Flags().StringVar(&f.name, "name", "", "only assets whose name contains this `TEXT`, letter case and all")
	cmd.Flags().StringVar(&f.address, "address", "", "only assets whose address contains this `TEXT`")
	f.addTo(cmd)
	_ = cmd.MarkFlagRequired("port") // It fails for a flag that is not there.
	return cmd
}

func (c *cli) hosts(ctx context.Context, f *hostsFlags) error {
	server, err := fromServer(&f.read, &f.server)
	if err != nil {
		return err
	}
	ask := c.localHosts
	if server {
		ask = c.serverHosts
	}
	rows, total, err := ask(ctx, f)
	if err != nil {
		return err
	}
	if err := writeRows(c.stdout, f.output.value, hostColumns, rows); err != nil {
		return err
	}
	c.noteMore(f.filterFlags, len(rows), total)
	return nil
}

// localHosts answers from files.
func (c *cli) localHosts(ctx context.Context, f *hostsFlags) ([]hostRow, int, error) {
	e, err := c.memory(ctx, &f.read)
	if err != nil {
		return nil, 0, err
	}
	page, err := e.Hosts(ctx, engine.HostQuery{
		Project:  localProject,
		View:     f.view(),
		Category: parsedCategory(f.category),
		Name:     f.name,
		Address:  f.address,
		Port:     int(f.port.value),
		Type:     parsedType(f.typ),
		Status:   parsedStatus(f.status),
		Offset:   int(f.offset.value),
		Limit:    int(f.limit.value),
	})
	if err != nil && !errors.Is(err, engine.ErrNoProject) { // the files hold no asset
		return nil, 0, err
	}
	rows := make([]hostRow, len(page.Rows))
	for i, r := range page.Rows {
		rows[i] = newHostRow(r)
	}
	return rows, page.Total, nil
}

// serverHosts answers by asking a server.
func (c *cli) serverHosts(ctx context.Context, f *hostsFlags) ([]hostRow, int, error) {
	q, err := f.question("/asset/ports/detail", map[string]string{
		"port": f.port.String(), "type": f.typ.value, "status": f.status.value, "host_name": f.name, "host_ip": f.address,
	})
	if err != nil {
		return nil, 0, err
	}
	answers, total, err := readPages[hostAnswer](ctx, c, &f.server, q, &f.filterFlags)
	if err != nil {
		return nil, 0, err
	}
	group := q.query.Get("enterprise_project_id")
	if group == allGranted {
		group = ""
	}
	rows := make([]hostRow, len(answers))
	for i, a := range answers {
		rows[i] = a.row()
		rows[i].EnterpriseProject = group
	}
	return rows, total, nil
}

// hostAnswer is a row about a host or a container in the words of the HTTP API.
type hostAnswer struct {
	HostID        string `json:"host_id"`
	HostName      string `json:"host_name"`
	HostIP        string `json:"host_ip"`
	ContainerID   string `json:"container_id"`
	ContainerName string `json:"container_name"`
	Port          uint16 `json:"port"`
	Type          string `json:"type"`
	Status        string `json:"status"`
}

// row returns the answer in the words of the command. A row that has a container
// is about that, whatever it may say of its host.
func (a *hostAnswer) row() hostRow {
	r := hostRow{Asset: a.HostID, Name: a.HostName, Address: a.HostIP, Port: a.Port, Type: a.Type, Status: a.Status}
	if a.ContainerID != "" {
		r.Asset, r.Name = a.ContainerID, a.ContainerName
	}
	return r
}
