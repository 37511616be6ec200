package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// historyFlags are the flags of the history command.
type historyFlags struct {
	filterFlags
	server             serverFlags
	ports              selector
	typ, status, by    *choice
	since, until, step string
}

func (c *cli) historyCommand() *cobra.Command {
	f := &historyFlags{
		filterFlags: newFilterFlags(), typ: newType(), status: newStatus(),
		by: &choice{value: "port", words: []string{"port", "status", "enterprise-project"}},
	}
	f.output = newOutput(asTable, asJSON, asNDJSON, asCSV)
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Count what was open on a server in the course of time",
		Long: `Count on how many assets ports were open in the course of time, as answers had it: for
each step the least, the most and the last count in it. Of a status or an enterprise
project (--by) it is pairs of an asset and an open port. It goes as far back as the
server keeps what changed, and further in steps of whole hours or days: see --history and
--trends of portolan serve. SELECTOR is as in portolan ports --help; the status is that
which the port's row has now.`,
		Example: `  portolan history --ports rdp --since 30d --step 1d
  portolan history --status danger --by enterprise-project --since 12h -o csv`,
		Args: arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error { return c.history(ctx, f) }),
	}
	f.server.addTo(cmd)
	server := cmd.Flags().Lookup("server")
	server.DefValue, f.server.url = defaultServer, defaultServer
	under(topicFilter, cmd, func() {
		cmd.Flags().StringVar(&f.since, "since", "24h", "from the step on that has this `TIME`, such as 2026-03-01T12:00:00Z, or this long ago such as 24h or 7d")
		cmd.Flags().StringVar(&f.until, "until", "", "before this `TIME`, or this long ago")
		cmd.Flags().StringVar(&f.step, "step", "", "count in steps of this `LENGTH`, such as 15m, 1h or 1d; without, there are no more than 200")
		cmd.Flags().Var(&f.ports, "ports", "only these ports")
		f.typ.addTo(cmd, "type", "", "only ports of this type")
		f.status.addTo(cmd, "status", "", "only ports of this status")
	})
	f.addView(cmd)
	f.addForm(cmd)
	under(topicRows, cmd, func() { f.by.addTo(cmd, "by", "", "count by this") })
	return cmd
}

// trendAnswer is the answer of a server.
type trendAnswer struct {
	Resolution float64 `json:"resolution_seconds"`
	Lines      []struct {
		historyRow
		Points []struct {
			Time              time.Time
			Least, Most, Last int
		} `json:"points"`
	} `json:"data_list"`
}

// historyRow is a row of the history command: a point of a line, in the words of the HTTP API.
type historyRow struct {
	Time              string `json:"time"`
	Port              uint16 `json:"port,omitempty"`
	Type              string `json:"type,omitempty"`
	Status            string `json:"status,omitempty"`
	EnterpriseProject string `json:"enterprise_project_id,omitempty"`
	Least             int    `json:"least"`
	Most              int    `json:"most"`
	Last              int    `json:"last"`
}

var historyColumns = []string{"time", "port", "type", "status", "enterprise_project_id", "least", "most", "last"}

func (r historyRow) cells() []string {
	port := ""
	if r.Port > 0 {
		port = strconv.Itoa(int(r.Port))
	}
	return []string{r.Time, port, r.Type, r.Status, r.EnterpriseProject, strconv.Itoa(r.Least), strconv.Itoa(r.Most), strconv.Itoa(r.Last)}
}

// history asks a server.
func (c *cli) history(ctx context.Context, f *historyFlags) error {
	cl, err := c.client(&f.server)
	if err != nil {
		return err
	}
	defer cl.close()
	by := f.by.value
	if by == "enterprise-project" {
		by = "enterprise_project_id"
	}
	q := f.question("/history", map[string]string{
		"since": f.since, "until": f.until, "step": f.step, "by": by, "ports": f.ports.String(), "type": f.typ.value, "status": f.status.value,
	})
	res, err := cl.do(ctx, http.MethodGet, "/v1/projects/"+escape(cl.project)+q.path, q.query, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer trendAnswer
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&answer); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	var rows []historyRow
	for i := range answer.Lines {
		l := &answer.Lines[i]
		for _, p := range l.Points {
			row := l.historyRow
			row.Time, row.Least, row.Most, row.Last = p.Time.Format(time.RFC3339), p.Least, p.Most, p.Last
			rows = append(rows, row)
		}
	}
	if answer.Resolution > 0 {
		fmt.Fprintf(c.stderr, "least and most are of counts %v apart: what changed in between is not kept any more\n", time.Duration(answer.Resolution)*time.Second)
	}
	return writeRows(c.stdout, f.output.value, historyColumns, rows, c.look(f.color.value))
}
