package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// coverageFlags are the flags of the coverage command.
type coverageFlags struct {
	filterFlags
	read   readFlags
	server serverFlags
	ports  selector
	where  condition
}

func (c *cli) coverageCommand() *cobra.Command {
	f := &coverageFlags{filterFlags: newFilterFlags()}
	cmd := &cobra.Command{
		Use:   "coverage {FILE… | --server URL}",
		Short: "Say how many assets were looked at for a port, and when",
		Long: `Say how many assets were looked at for one of some ports, or for any, how many have
one open, and when the newest looks at them were taken: that which is the longest ago,
and the last one. An asset that was not looked at for a port is not closed: nothing is
known of it, and hosts --where 'not looked(PORTS)' names it. SELECTOR and ASSETS are as
in portolan ports --help.`,
		Example: `  portolan coverage scan.xml --ports 22/tcp
  portolan coverage --server http://127.0.0.1:8080 --where 'label(env) = "prod"'`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.coverage(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	under(topicFilter, cmd, func() {
		cmd.Flags().Var(&f.ports, "ports", "only looks at these ports")
		cmd.Flags().Var(&f.where, "where", "only these assets")
	})
	f.addOne(cmd)
	return cmd
}

func (c *cli) coverage(ctx context.Context, f *coverageFlags) error {
	server, err := fromServer(&f.read, &f.server)
	if err != nil {
		return err
	}
	ask := c.localCoverage
	if server {
		ask = c.serverCoverage
	}
	row, err := ask(ctx, f)
	if err != nil {
		return err
	}
	return writeRows(c.stdout, f.output.value, coverageColumns, []coverageRow{*row}, c.look(f.color.value))
}

func (c *cli) localCoverage(ctx context.Context, f *coverageFlags) (*coverageRow, error) {
	e, err := c.memory(ctx, &f.read)
	if err != nil {
		return nil, err
	}
	s, err := snapshotOf(e, &f.filterFlags)
	if err != nil {
		return nil, err
	}
	q := engine.CoverageQuery{View: f.view(), Where: f.where.where.Assets(s.Policy(), time.Now())}
	if f.ports.given {
		q.Keys = f.ports.ports.Keys(s.Policy())
	}
	known, err := s.Coverage(ctx, q)
	if err != nil {
		return nil, err
	}
	return newCoverageRow(&known), nil
}

func (c *cli) serverCoverage(ctx context.Context, f *coverageFlags) (*coverageRow, error) {
	cl, err := c.client(&f.server)
	if err != nil {
		return nil, err
	}
	defer cl.close()
	q := f.question("/coverage", map[string]string{"ports": f.ports.String(), "where": f.where.String()})
	res, err := cl.do(ctx, http.MethodGet, "/v1/projects/"+escape(cl.project)+q.path, q.query, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	row := new(coverageRow)
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(row); err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return row, nil
}

// coverageRow is the answer, in the words of the HTTP API.
type coverageRow struct {
	Assets int    `json:"assets"`
	Looked int    `json:"looked"`
	Open   int    `json:"open"`
	Oldest string `json:"oldest,omitempty"`
	Newest string `json:"newest,omitempty"`
}

func newCoverageRow(known *engine.Coverage) *coverageRow {
	row := &coverageRow{Assets: known.Assets, Looked: known.Looked, Open: known.Open}
	if known.Looked > 0 {
		row.Oldest, row.Newest = known.Oldest.Format(time.RFC3339Nano), known.Newest.Format(time.RFC3339Nano)
	}
	return row
}

var coverageColumns = []string{"assets", "looked", "open", "oldest", "newest"}

func (r coverageRow) cells() []string {
	return []string{strconv.Itoa(r.Assets), strconv.Itoa(r.Looked), strconv.Itoa(r.Open), r.Oldest, r.Newest}
}
