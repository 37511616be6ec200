package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// groupsFlags are the flags of the groups command.
type groupsFlags struct {
	filterFlags
	read       readFlags
	server     serverFlags
	where      condition
	by         string
	tell       tellFlags
	order      choice
	descending bool
}

func (c *cli) groupsCommand() *cobra.Command {
	f := &groupsFlags{filterFlags: newFilterFlags(), order: choice{value: "value", words: []string{"value", "num"}}}
	cmd := &cobra.Command{
		Use:   "groups {FILE… | --server URL}",
		Short: "Count assets by the values of a label, or by enterprise project",
		Long: `Count the assets of each value of a label, or of each enterprise project, from
files of scanners or agents or by asking a server. portolan labels says which labels
there are. ASSETS is as in portolan ports --help.`,
		Example: `  portolan groups agents.ndjson --by env
  portolan groups --server http://127.0.0.1:8080 --by owner --where 'open(rdp)' --sort num --desc`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.groups(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	f.server.addAsOf(cmd)
	under(topicFilter, cmd, func() { cmd.Flags().Var(&f.where, "where", "count these assets alone") })
	under(topicRows, cmd, func() {
		cmd.Flags().StringVar(&f.by, "by", "", "count by the label of this `NAME`; by enterprise project when left out")
		f.order.addTo(cmd, "sort", "", "order the rows by this; those of one number come by value")
		cmd.Flags().BoolVar(&f.descending, "desc", false, "the greatest first")
	})
	f.addTo(cmd)
	f.tell.addCoverage(cmd)
	return cmd
}

func (c *cli) groups(ctx context.Context, f *groupsFlags) error {
	if f.by != "" {
		if err := engine.CheckLabelName(f.by); err != nil {
			return misuse("--by: %w", err)
		}
	}
	about := new(groupsAbout)
	l := listing[groupRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: groupColumns, explain: true,
		local: func(ctx context.Context, s engine.Snapshot) ([]groupRow, int, error) {
			where := f.where.where.Assets(s.Policy(), time.Now())
			page, err := s.Groups(ctx, engine.GroupQuery{
				View: f.view(), Where: where, Label: f.by, ByNum: f.order.value == "num",
				Descending: f.descending, Offset: int(f.offset.value), Limit: int(f.limit.value),
			})
			if err == nil {
				err = f.tell.look(ctx, s, engine.CoverageQuery{View: f.view(), Where: where})
			}
			*about = groupsAbout{page.Assets, page.Without}
			return rowsOf(page.Rows, page.Total, err, func(g *engine.GroupCount) groupRow { return groupRow{g.Value, g.Num} })
		},
		remote: func() question {
			filters := map[string]string{"by": f.by, "where": f.where.String(), "sort": f.order.value}
			if f.descending {
				filters["desc"] = "true"
			}
			q := f.question("/groups", f.tell.filters(filters))
			q.about = f.tell.about(about)
			return q
		},
		also: func() { f.tell.tell(c.stderr) },
		note: func() {
			if about.Without > 0 {
				fmt.Fprintf(c.stderr, "%d of %d assets have no label %s.\n", about.Without, about.Assets, printable(strconv.Quote(f.by)))
			}
		},
	}
	return l.write(ctx, c)
}

// groupsAbout is what an answer has besides its rows, in the words of the HTTP API.
type groupsAbout struct {
	Assets  int `json:"assets"`
	Without int `json:"without"`
}

// groupRow is a row of the groups command, in the words of the HTTP API.
type groupRow struct {
	Value string `json:"value"`
	Num   int    `json:"num"`
}

var groupColumns = []string{"value", "num"}

func (r groupRow) cells() []string { return []string{r.Value, strconv.Itoa(r.Num)} }

// labelsFlags are the flags of the labels command.
type labelsFlags struct {
	filterFlags
	read   readFlags
	server serverFlags
}

func (c *cli) labelsCommand() *cobra.Command {
	f := &labelsFlags{filterFlags: newFilterFlags()}
	cmd := &cobra.Command{
		Use:   "labels {FILE… | --server URL}",
		Short: "List the labels that assets have",
		Long: `List the labels that assets have, from files of scanners or agents or by asking a
server: how many values of each there are, and how many assets have it.`,
		Example: `  portolan labels agents.ndjson
  portolan labels --server http://127.0.0.1:8080`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.labels(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	f.server.addAsOf(cmd)
	f.addTo(cmd)
	return cmd
}

func (c *cli) labels(ctx context.Context, f *labelsFlags) error {
	l := listing[labelRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: labelColumns, explain: true,
		local: func(ctx context.Context, s engine.Snapshot) ([]labelRow, int, error) {
			labels, err := s.Labels(ctx, f.view())
			labels, total := cutTo(labels, &f.filterFlags)
			return rowsOf(labels, total, err, func(l *engine.LabelCount) labelRow { return labelRow{l.Name, l.Values, l.Num} })
		},
		remote: func() question { return f.question("/labels", nil) },
	}
	return l.write(ctx, c)
}

// labelRow is a row of the labels command, in the words of the HTTP API.
type labelRow struct {
	Label  string `json:"label"`
	Values int    `json:"values"`
	Num    int    `json:"num"`
}

var labelColumns = []string{"label", "values", "num"}

func (r labelRow) cells() []string {
	return []string{r.Label, strconv.Itoa(r.Values), strconv.Itoa(r.Num)}
}
