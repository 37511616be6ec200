package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/expr"
)

// togetherFlags are the flags of the together command.
type togetherFlags struct {
	filterFlags
	read   readFlags
	server serverFlags
	where  condition
	least  *number
	order  choice
	open   expr.Ports
}

func (c *cli) togetherCommand() *cobra.Command {
	f := &togetherFlags{filterFlags: newFilterFlags(), least: newCount(0), order: choice{value: "num", words: []string{"num", "lift"}}}
	cmd := &cobra.Command{
		Use:   "together SELECTOR {FILE… | --server URL}",
		Short: "Count what else is open where some port is",
		Long: `Count what else is open on the assets that have one of the ports of SELECTOR open: on
how many of them, on how many of all, and the lift, how many times as often it is open
there as on all. With --sort lift what goes together most comes first, with --min-num
without what is rare. SELECTOR and ASSETS are as in portolan ports --help.`,
		Example: `  portolan together 22/tcp scan.xml
  portolan together rdp --server http://127.0.0.1:8080 --sort lift --min-num 100`,
		Annotations: map[string]string{filesBehind: "1"},
		Args:        arguments(1, math.MaxInt, "the SELECTOR of ports"),
		RunE: body(func(ctx context.Context, args []string) error {
			var err error
			if f.open, err = expr.ParsePorts("open", args[0]); err != nil {
				return usageError{err}
			}
			f.read.files = append(f.read.files, args[1:]...)
			return c.together(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	under(topicFilter, cmd, func() {
		cmd.Flags().Var(&f.where, "where", "count these assets alone")
		cmd.Flags().Var(f.least, "min-num", "only ports that at least this many of them have open")
	})
	under(topicRows, cmd, func() { f.order.addTo(cmd, "sort", "", "have the rows with most of this first") })
	f.addTo(cmd)
	return cmd
}

func (c *cli) together(ctx context.Context, f *togetherFlags) error {
	server, err := fromServer(&f.read, &f.server)
	if err != nil {
		return err
	}
	about := new(togetherAbout)
	ask := func() ([]togetherRow, int, error) { return c.serverTogether(ctx, f, about) }
	if !server {
		e, err := c.memory(ctx, &f.read)
		if err != nil {
			return err
		}
		ask = func() ([]togetherRow, int, error) { return localTogether(ctx, e, f, about) }
	}
	rows, total, err := ask()
	if err != nil {
		return err
	}
	if err := writeRows(c.stdout, f.output.value, togetherColumns, rows, c.look(f.color.value)); err != nil {
		return err
	}
	if f.output.value == asTable {
		fmt.Fprintf(c.stderr, "%d of %d assets have %s open.\n", about.Holders, about.Assets, printable(f.open.String()))
	}
	c.noteMore(f.filterFlags, len(rows), total)
	return nil
}

func localTogether(ctx context.Context, e *engine.Engine, f *togetherFlags, about *togetherAbout) ([]togetherRow, int, error) {
	s, err := snapshotOf(e, &f.filterFlags)
	if err != nil {
		return nil, 0, err
	}
	page, err := s.Together(ctx, engine.TogetherQuery{
		View: f.view(), Where: f.where.where.Assets(s.Policy(), time.Now()), Open: f.open.Keys(s.Policy()), MinNum: int(f.least.value),
		ByLift: f.order.value == "lift", Offset: int(f.offset.value), Limit: int(f.limit.value),
	})
	if err != nil {
		return nil, 0, err
	}
	*about = togetherAbout{page.Assets, page.Holders}
	rows := make([]togetherRow, len(page.Rows))
	for i, row := range page.Rows {
		rows[i] = togetherRow{row.Num, row.Of, math.Round(row.Lift*1000) / 1000, row.Port, row.Type.String(), row.Status.String()}
	}
	return rows, page.Total, nil
}

func (c *cli) serverTogether(ctx context.Context, f *togetherFlags, about *togetherAbout) ([]togetherRow, int, error) {
	q := f.question("/together", map[string]string{"open": f.open.String(), "where": f.where.String(), "min_num": given(f.least), "sort": f.order.value})
	q.about = about
	return readPages[togetherRow](ctx, c, &f.server, q, &f.filterFlags)
}

// togetherAbout is what an answer has besides its rows, in the words of the HTTP API.
type togetherAbout struct {
	Assets  int `json:"assets"`
	Holders int `json:"holders"`
}

// togetherRow is a row of the together command, in the words of the HTTP API.
type togetherRow struct {
	Num    int     `json:"num"`
	Of     int     `json:"of"`
	Lift   float64 `json:"lift"`
	Port   uint16  `json:"port"`
	Type   string  `json:"type"`
	Status string  `json:"status"`
}

var togetherColumns = []string{"num", "of", "lift", "port", "type", "status"}

func (r togetherRow) cells() []string {
	return []string{strconv.Itoa(r.Num), strconv.Itoa(r.Of), strconv.FormatFloat(r.Lift, 'f', 3, 64), strconv.Itoa(int(r.Port)), r.Type, r.Status}
}
