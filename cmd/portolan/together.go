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
	tell   tellFlags
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
	f.server.addAsOf(cmd)
	under(topicFilter, cmd, func() {
		cmd.Flags().Var(&f.where, "where", "count these assets alone")
		cmd.Flags().Var(f.least, "min-num", "only ports that at least this many of them have open")
	})
	under(topicRows, cmd, func() { f.order.addTo(cmd, "sort", "", "have the rows with most of this first") })
	f.addTo(cmd)
	f.tell.addCoverage(cmd)
	return cmd
}

func (c *cli) together(ctx context.Context, f *togetherFlags) error {
	about := new(togetherAbout)
	l := listing[togetherRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: togetherColumns,
		local: func(ctx context.Context, s engine.Snapshot) ([]togetherRow, int, error) {
			looks := engine.CoverageQuery{View: f.view(), Where: f.where.where.Assets(s.Policy(), time.Now()), Keys: f.open.Keys(s.Policy())}
			page, err := s.Together(ctx, engine.TogetherQuery{
				View: looks.View, Where: looks.Where, Open: looks.Keys, MinNum: int(f.least.value),
				ByLift: f.order.value == "lift", Offset: int(f.offset.value), Limit: int(f.limit.value),
			})
			if err == nil {
				err = f.tell.look(ctx, s, looks)
			}
			*about = togetherAbout{page.Assets, page.Holders}
			return rowsOf(page.Rows, page.Total, err, newTogetherRow)
		},
		remote: func() question {
			q := f.question("/together", f.tell.filters(map[string]string{"open": f.open.String(), "where": f.where.String(), "min_num": given(f.least), "sort": f.order.value}))
			q.about = f.tell.about(about)
			return q
		},
		also: func() { f.tell.tell(c.stderr) },
		note: func() {
			fmt.Fprintf(c.stderr, "%d of %d assets have %s open.\n", about.Holders, about.Assets, printable(f.open.String()))
		},
	}
	return l.write(ctx, c)
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

func newTogetherRow(r *engine.TogetherCount) togetherRow {
	return togetherRow{r.Num, r.Of, math.Round(r.Lift*1000) / 1000, r.Port, r.Type.String(), r.Status.String()}
}

var togetherColumns = []string{"num", "of", "lift", "port", "type", "status"}

func (r togetherRow) cells() []string {
	return []string{strconv.Itoa(r.Num), strconv.Itoa(r.Of), strconv.FormatFloat(r.Lift, 'f', 3, 64), strconv.Itoa(int(r.Port)), r.Type, r.Status}
}
