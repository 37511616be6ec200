package main

import (
	"context"
	"math"
	"slices"
	"time"

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
	color      *choice
}

func newFilterFlags() filterFlags {
	return filterFlags{
		category: newCategory(engine.Host.String()),
		limit:    newCount(10),
		offset:   newCount(0),
		output:   newOutput(asTable, asJSON, asNDJSON, asCSV),
		color:    newColor(),
	}
}

func (f *filterFlags) addTo(cmd *cobra.Command) {
	f.addView(cmd)
	f.addRows(cmd)
}

func (f *filterFlags) addView(cmd *cobra.Command) {
	under(topicFilter, cmd, func() {
		cmd.Flags().Var(&f.enterprise, "enterprise-project", "count the assets of these enterprise projects; all when left out")
	})
}

// addOne adds the flags of a command whose answer is one row.
func (f *filterFlags) addOne(cmd *cobra.Command) {
	f.addView(cmd)
	f.addForm(cmd)
}

// addForm adds the flags of the category and of what rows look like.
func (f *filterFlags) addForm(cmd *cobra.Command) {
	under(topicFilter, cmd, func() { f.category.addTo(cmd, "category", "", "count assets of this category") })
	under(topicRows, cmd, func() {
		f.output.addTo(cmd, "output", "o", "write the rows in this format")
		f.color.addTo(cmd, "color", "", "colour the status in tables; auto does on a terminal, unless NO_COLOR is set")
	})
}

// addRows adds the flags of a command that asks of one asset.
func (f *filterFlags) addRows(cmd *cobra.Command) {
	under(topicRows, cmd, func() {
		cmd.Flags().Var(f.limit, "limit", "show at most this many rows; 0 shows all")
		cmd.Flags().Var(f.offset, "offset", "skip this many rows")
	})
	f.addForm(cmd)
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
	ports      selector
	where      condition
	order      *choice
	top        *number
	least      *number
	most       *number
	port       *number
	match      digits
	typ        *choice
	status     *choice
	descending bool
	tell       tellFlags
	unlimited  bool // without --limit all rows are written
}

func (c *cli) portsCommand() *cobra.Command {
	f := &portsFlags{
		filterFlags: newFilterFlags(), port: newPort(), typ: newType(), status: newStatus(),
		order: newOrder(), top: &number{min: 1, what: "number"}, least: newCount(0), most: newCount(0),
	}
	f.output.words = append(f.output.words, asList, asPrometheus)
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "ports {FILE… | --server URL}",
		Short: "Count the assets that have each port open",
		Long: `Count the assets that have each port open, from files of scanners or agents
or by asking a server.
A FILE may be a folder, a pattern, or - for standard input. One row is one port and
type; rows come by port, then type, unless --sort or --top says otherwise.

A SELECTOR lists ports, ranges, services and conditions: what is listed adds up, and
! takes out. 22,80,8000-8999,!8080  -1024  https,rdp/tcp  /udp  match=44  prefix=80
suffix=0  type=tcp*  status=danger. Of lists that "and" joins, a port is in each.

-o list and -o prometheus write all rows unless --limit says otherwise: the ports on one
line, parted by commas, or a gauge for the node exporter's textfile collector.

ASSETS is a set of them: open(22/tcp)  only(2000,5060)  looked(22)  ports > 10
seen < 7d  address in (10.0.0.0/8, fd00::/8)  name ~ "web-*"  id in (a, b)  ep = "shop"
label(env) = "prod"  status = danger. "and", "or", "not" and brackets join such
conditions.`,
		Example: `  portolan ports scan.xml
  portolan ports scan.xml --top 20
  portolan ports scans/ agents.ndjson --ports '1-1024,!80' --type tcp -o json --limit 0
  nmap -oX - 192.0.2.0/24 | portolan ports - --status danger
  portolan ports --server http://127.0.0.1:8080 --ports rdp,vnc,winrm --sort num --desc
  portolan ports scan.xml --where 'open(3389) and not name ~ "jump-*"'`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			if f.output.value == asList || f.output.value == asPrometheus {
				f.unlimited = !cmd.Flags().Changed("limit")
			}
			return c.ports(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	f.server.addAsOf(cmd)
	under(topicFilter, cmd, func() {
		cmd.Flags().Var(&f.ports, "ports", "only these ports")
		cmd.Flags().Var(&f.where, "where", "count these assets alone")
		cmd.Flags().Var(f.least, "min-num", "only ports that at least this many have open")
		cmd.Flags().Var(f.most, "max-num", "only ports that at most this many have open; 0 is any number")
		cmd.Flags().Var(f.port, "port", "only this port")
		cmd.Flags().Var(&f.match, "match", "only ports whose number contains these")
		f.typ.addTo(cmd, "type", "", "only this type")
		f.status.addTo(cmd, "status", "", "only this status")
	})
	under(topicRows, cmd, func() {
		f.order.addTo(cmd, "sort", "", "order the rows by this; those that are equal come by port, then type")
		cmd.Flags().BoolVar(&f.descending, "desc", false, "the greatest first")
		cmd.Flags().Var(f.top, "top", "show this many of the ports that most have open; short for --sort num --desc --limit")
	})
	f.addTo(cmd)
	f.tell.addTo(cmd)
	for _, other := range rivals["top"] {
		cmd.MarkFlagsMutuallyExclusive("top", other)
	}
	return cmd
}

func (c *cli) ports(ctx context.Context, f *portsFlags) error {
	if f.top.value > 0 {
		f.order.value, f.descending, f.limit.value = engine.ByNum.String(), true, f.top.value
	}
	if f.unlimited && f.top.value == 0 {
		f.limit.value = 0
	}
	if f.most.value > 0 && f.most.value < f.least.value {
		return misuse("--max-num is %d and --min-num %d: no number is both", f.most.value, f.least.value)
	}
	l := listing[portRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: f.tell.columns(portColumns, "rule", "reason"), local: f.local, remote: f.remote,
		choices: map[string]*choice{"type": f.typ, "status": f.status}, explain: true, forms: f.portForms(),
		also: func() { f.tell.tell(c.stderr) },
	}
	return l.write(ctx, c)
}

// local answers from files.
func (f *portsFlags) local(ctx context.Context, s engine.Snapshot) ([]portRow, int, error) {
	q := f.query(s.Policy(), time.Now())
	page, err := s.Ports(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	rows, total, _ := rowsOf(page.Rows, page.Total, nil, newPortRow)
	if f.tell.explain {
		rules, err := s.PortRules(ctx, q, page.Rows)
		if err != nil {
			return nil, 0, err
		}
		for i, rule := range rules {
			rows[i].because = becauseOf(rule)
		}
	}
	return rows, total, f.tell.look(ctx, s, q.Looks(s.Policy()))
}

// remote is what a server is asked.
func (f *portsFlags) remote() question {
	filters := map[string]string{
		"ports": f.ports.String(), "where": f.where.String(), "port": given(f.port), "match": f.match.text, "type": f.typ.value, "status": f.status.value,
		"min_num": given(f.least), "max_num": given(f.most), "sort": f.order.value,
	}
	if f.descending {
		filters["desc"] = "true"
	}
	q := f.question("/ports", f.tell.filters(filters))
	q.about = f.tell.about()
	return q
}

func (f *portsFlags) query(policy *engine.Policy, now time.Time) engine.PortQuery {
	order, _ := engine.ParseOrder(f.order.value) // the flag refused others
	q := engine.PortQuery{
		View:       f.view(),
		Where:      f.where.where.Assets(policy, now),
		MinNum:     int(f.least.value),
		MaxNum:     int(f.most.value),
		Order:      order,
		Port:       int(f.port.value),
		PortString: f.match.text,
		Type:       parsedType(f.typ),
		Status:     parsedStatus(f.status),
		Descending: f.descending,
		Offset:     int(f.offset.value),
		Limit:      int(f.limit.value),
	}
	if f.ports.given {
		q.Keys = f.ports.ports.Keys(policy)
	}
	return q
}

// given returns a number as text, nothing for 0.
func given(n *number) string {
	if n.value == 0 {
		return ""
	}
	return n.String()
}

// newOrder returns a choice of what rows are ordered by.
func newOrder() *choice {
	c := &choice{value: engine.ByPort.String()}
	for _, o := range []engine.Order{engine.ByPort, engine.ByNum, engine.ByType, engine.ByStatus} {
		c.words = append(c.words, o.String())
	}
	return c
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
