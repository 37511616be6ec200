package main

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// findingsFlags are the flags of the findings command.
type findingsFlags struct {
	filterFlags
	read   readFlags
	server serverFlags
	where  condition
}

func (c *cli) findingsCommand() *cobra.Command {
	f := &findingsFlags{filterFlags: newFilterFlags()}
	cmd := &cobra.Command{
		Use:   "findings {FILE… --policy FILE | --server URL}",
		Short: "Count what is open unexpectedly, and what is expected and closed",
		Long: `Hold what is open against what the policy expects: count the assets that have a port
open unexpectedly, and those that were looked at for a port that is expected and do not
have it open. Those that nobody has looked at for it are counted apart. Which assets
they are is for hosts --where 'unexpected(PORTS)' and 'missing(PORTS)' to say. What is
expected is written in a file: see portolan policy --help.`,
		Example: `  portolan findings scan.xml --policy policy.yaml
  portolan findings --server http://127.0.0.1:8080 --where 'label(env) = "prod"'`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.findings(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	under(topicFilter, cmd, func() { cmd.Flags().Var(&f.where, "where", "only these assets") })
	f.addTo(cmd)
	return cmd
}

func (c *cli) findings(ctx context.Context, f *findingsFlags) error {
	server, err := fromServer(&f.read, &f.server)
	if err != nil {
		return err
	}
	if !server && (f.read.policy.policy == nil || len(f.read.policy.policy.Expected()) == 0) {
		return misuse("nothing is expected: give a --policy FILE that says what is")
	}
	l := listing[findingRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: findingColumns,
		local: func(ctx context.Context, s engine.Snapshot) ([]findingRow, int, error) {
			page, err := s.Findings(ctx, engine.FindingQuery{
				View: f.view(), Where: f.where.where.Assets(s.Policy(), time.Now()), Offset: int(f.offset.value), Limit: int(f.limit.value),
			})
			return rowsOf(page.Rows, page.Total, err, newFindingRow)
		},
		remote: func() question { return f.question("/findings", map[string]string{"where": f.where.String()}) },
	}
	return l.write(ctx, c)
}

// findingRow is a row of the findings command, in the words of the HTTP API.
type findingRow struct {
	Finding     string `json:"finding"`
	Num         int    `json:"num"`
	Unseen      *int   `json:"unseen,omitempty"` // of what is expected alone
	Port        uint16 `json:"port"`
	Type        string `json:"type,omitempty"`
	Expectation string `json:"expectation,omitempty"`
}

func newFindingRow(r *engine.FindingCount) findingRow {
	row := findingRow{Finding: r.Finding.String(), Num: r.Num, Port: r.Port, Expectation: r.Expectation}
	if r.Type != engine.AnyType {
		row.Type = r.Type.String()
	}
	if r.Finding == engine.ExpectedClosed {
		row.Unseen = &r.Unseen
	}
	return row
}

var findingColumns = []string{"finding", "num", "unseen", "port", "type", "expectation"}

func (r findingRow) cells() []string {
	unseen := ""
	if r.Unseen != nil {
		unseen = strconv.Itoa(*r.Unseen)
	}
	return []string{r.Finding, strconv.Itoa(r.Num), unseen, strconv.Itoa(int(r.Port)), r.Type, r.Expectation}
}
