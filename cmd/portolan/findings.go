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
	ask := c.localFindings
	if server {
		ask = c.serverFindings
	}
	rows, total, err := ask(ctx, f)
	if err != nil {
		return err
	}
	if err := writeRows(c.stdout, f.output.value, findingColumns, rows, c.look(f.color.value)); err != nil {
		return err
	}
	c.noteMore(f.filterFlags, len(rows), total)
	return nil
}

func (c *cli) localFindings(ctx context.Context, f *findingsFlags) ([]findingRow, int, error) {
	e, err := c.memory(ctx, &f.read)
	if err != nil {
		return nil, 0, err
	}
	s, err := snapshotOf(e, &f.filterFlags)
	if err != nil {
		return nil, 0, err
	}
	page, err := s.Findings(ctx, engine.FindingQuery{
		View: f.view(), Where: f.where.where.Assets(s.Policy(), time.Now()), Offset: int(f.offset.value), Limit: int(f.limit.value),
	})
	if err != nil {
		return nil, 0, err
	}
	rows := make([]findingRow, len(page.Rows))
	for i, row := range page.Rows {
		rows[i] = findingRow{Finding: row.Finding.String(), Num: row.Num, Port: row.Port, Expectation: row.Expectation}
		if row.Type != engine.AnyType {
			rows[i].Type = row.Type.String()
		}
		if row.Finding == engine.ExpectedClosed {
			rows[i].Unseen = &page.Rows[i].Unseen
		}
	}
	return rows, page.Total, nil
}

func (c *cli) serverFindings(ctx context.Context, f *findingsFlags) ([]findingRow, int, error) {
	return readPages[findingRow](ctx, c, &f.server, f.question("/findings", map[string]string{"where": f.where.String()}), &f.filterFlags)
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

var findingColumns = []string{"finding", "num", "unseen", "port", "type", "expectation"}

func (r findingRow) cells() []string {
	unseen := ""
	if r.Unseen != nil {
		unseen = strconv.Itoa(*r.Unseen)
	}
	return []string{r.Finding, strconv.Itoa(r.Num), unseen, strconv.Itoa(int(r.Port)), r.Type, r.Expectation}
}
