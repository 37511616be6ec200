package main

import (
	"context"
	"math"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/index"
)

// hostsFlags are the flags of the hosts command.
type hostsFlags struct {
	filterFlags
	read    readFlags
	server  serverFlags
	ports   selector
	where   condition
	port    *number
	typ     *choice
	status  *choice
	name    string
	address string
	order   choice
	tell    tellFlags
}

func (c *cli) hostsCommand() *cobra.Command {
	f := &hostsFlags{filterFlags: newFilterFlags(), port: newPort(), typ: newType(), status: newStatus(), order: newIDOrder()}
	cmd := &cobra.Command{
		Use:   "hosts {--port N | --ports SELECTOR | --where ASSETS} {FILE… | --server URL}",
		Short: "List the assets that have ports open, or what else they have in common",
		Long: `List the assets that have a port open, from files of scanners or agents
or by asking a server. A FILE may be a folder, a pattern, or - for standard input.
Where a port, ports, a type or a status is asked for, one row is one asset and port;
rows come by port, then type. With --where alone one row is one asset, how many ports
it has open and when it was seen last.

SELECTOR and ASSETS are as in portolan ports --help.`,
		Example: `  portolan hosts --port 3389 scan.xml
  portolan hosts --ports 53/udp,8000-8999 scans/ -o csv --limit 0
  portolan hosts --where 'open(22/tcp) and not open(443/tcp)' scan.xml
  portolan hosts --port 22 --server http://127.0.0.1:8080 --name web- --address 192.0.2.`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.hosts(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	f.server.addAsOf(cmd)
	under(topicFilter, cmd, func() {
		cmd.Flags().Var(f.port, "port", "only this port")
		cmd.Flags().Var(&f.ports, "ports", "only these ports")
		cmd.Flags().Var(&f.where, "where", "only these assets")
		f.typ.addTo(cmd, "type", "", "only this type")
		f.status.addTo(cmd, "status", "", "only this status")
		cmd.Flags().StringVar(&f.name, "name", "", "only assets whose name contains this `TEXT`, letter case and all")
		cmd.Flags().StringVar(&f.address, "address", "", "only assets whose address contains this `TEXT`")
	})
	f.addTo(cmd)
	under(topicRows, cmd, func() {
		f.order.addTo(cmd, "sort", "", "have the assets of each port come by this; left out, in an order of the inventory's own")
	})
	f.tell.addTo(cmd)
	return cmd
}

// byPort says whether a row is an asset and a port, not an asset alone.
func (f *hostsFlags) byPort() bool {
	return f.port.value != 0 || f.ports.given || f.typ.value != "" || f.status.value != ""
}

func (c *cli) hosts(ctx context.Context, f *hostsFlags) error {
	switch {
	case !f.byPort() && !f.where.given:
		return misuse("which hosts? Give --port, --ports or --where")
	case !f.byPort() && f.tell.explain:
		return misuse("--explain goes with a port")
	case !f.byPort() && (f.name != "" || f.address != ""):
		return misuse(`--name and --address go with a port: without one, say it in --where, such as name ~ "*web*"`)
	}
	if !f.byPort() {
		return c.list(ctx, &assetList{&f.filterFlags, &f.read, &f.server, &f.where, "", &f.order, &f.tell})
	}
	l := listing[hostRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: f.tell.columns(hostColumns, "rule", "reason", "seen"), local: f.local,
		remote: func() question {
			q := f.question("/hosts", f.tell.filters(map[string]string{
				"ports": f.ports.String(), "where": f.where.String(), "port": given(f.port), "type": f.typ.value, "status": f.status.value,
				"name": f.name, "address": f.address, "sort": f.order.value,
			}))
			q.about = f.tell.about()
			return q
		},
		also:    func() { f.tell.tell(c.stderr) },
		choices: map[string]*choice{"type": f.typ, "status": f.status}, explain: true,
	}
	return l.write(ctx, c)
}

// local answers from files.
func (f *hostsFlags) local(ctx context.Context, s engine.Snapshot) ([]hostRow, int, error) {
	q := engine.HostQuery{
		View:    f.view(),
		Where:   f.where.where.Assets(s.Policy(), time.Now()),
		Keys:    index.AllKeys(),
		Name:    f.name,
		Address: f.address,
		Port:    int(f.port.value),
		Type:    parsedType(f.typ),
		Status:  parsedStatus(f.status),
		Offset:  int(f.offset.value),
		Limit:   int(f.limit.value),
		ByID:    f.order.value != "",
	}
	if f.ports.given {
		q.Keys = f.ports.ports.Keys(s.Policy())
	}
	page, err := s.Hosts(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	rows, total, _ := rowsOf(page.Rows, page.Total, nil, newHostRow)
	if f.tell.explain {
		reasons, err := s.HostReasons(ctx, page.Rows)
		if err != nil {
			return nil, 0, err
		}
		for i, reason := range reasons {
			rows[i].because, rows[i].Seen = becauseOf(reason.Rule), reason.Seen.Format(time.RFC3339Nano)
		}
	}
	return rows, total, f.tell.look(ctx, s, q.Looks(s.Policy()))
}
