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
	under(topicFilter, cmd, func() { cmd.Flags().Var(&f.where, "where", "count these assets alone") })
	under(topicRows, cmd, func() {
		cmd.Flags().StringVar(&f.by, "by", "", "count by the label of this `NAME`; by enterprise project when left out")
		f.order.addTo(cmd, "sort", "", "order the rows by this; those of one number come by value")
		cmd.Flags().BoolVar(&f.descending, "desc", false, "the greatest first")
	})
	f.addTo(cmd)
	return cmd
}

func (c *cli) groups(ctx context.Context, f *groupsFlags) error {
	if f.by != "" {
		if err := engine.CheckLabelName(f.by); err != nil {
			return misuse("--by: %w", err)
		}
	}
	server, err := fromServer(&f.read, &f.server)
	if err != nil {
		return err
	}
	about := new(groupsAbout)
	ask := func() ([]groupRow, int, error) { return c.serverGroups(ctx, f, about) }
	if !server {
		e, err := c.memory(ctx, &f.read)
		if err != nil {
			return err
		}
		ask = func() ([]groupRow, int, error) { return localGroups(ctx, e, f, about) }
	}
	rows, total, err := ask()
	if err != nil {
		return err
	}
	if err := writeRows(c.stdout, f.output.value, groupColumns, rows, c.look(f.color.value)); err != nil {
		return err
	}
	if f.output.value == asTable && about.Without > 0 {
		fmt.Fprintf(c.stderr, "%d of %d assets have no label %s.\n", about.Without, about.Assets, printable(strconv.Quote(f.by)))
	}
	c.noteMore(f.filterFlags, len(rows), total)
	c.whyEmpty(&f.filterFlags, total, nil, func() (int, error) {
		_, total, err := ask()
		return total, err
	})
	return nil
}

func localGroups(ctx context.Context, e *engine.Engine, f *groupsFlags, about *groupsAbout) ([]groupRow, int, error) {
	s, err := snapshotOf(e, &f.filterFlags)
	if err != nil {
		return nil, 0, err
	}
	page, err := s.Groups(ctx, engine.GroupQuery{
		View: f.view(), Where: f.where.where.Assets(s.Policy(), time.Now()), Label: f.by, ByNum: f.order.value == "num",
		Descending: f.descending, Offset: int(f.offset.value), Limit: int(f.limit.value),
	})
	if err != nil {
		return nil, 0, err
	}
	*about = groupsAbout{page.Assets, page.Without}
	rows := make([]groupRow, len(page.Rows))
	for i, row := range page.Rows {
		rows[i] = groupRow{row.Value, row.Num}
	}
	return rows, page.Total, nil
}

func (c *cli) serverGroups(ctx context.Context, f *groupsFlags, about *groupsAbout) ([]groupRow, int, error) {
	filters := map[string]string{"by": f.by, "where": f.where.String(), "sort": f.order.value}
	if f.descending {
		filters["desc"] = "true"
	}
	q := f.question("/groups", filters)
	q.about = about
	return readPages[groupRow](ctx, c, &f.server, q, &f.filterFlags)
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
	f.addTo(cmd)
	return cmd
}

func (c *cli) labels(ctx context.Context, f *labelsFlags) error {
	server, err := fromServer(&f.read, &f.server)
	if err != nil {
		return err
	}
	ask := func() ([]labelRow, int, error) {
		return readPages[labelRow](ctx, c, &f.server, f.question("/labels", nil), &f.filterFlags)
	}
	if !server {
		e, err := c.memory(ctx, &f.read)
		if err != nil {
			return err
		}
		ask = func() ([]labelRow, int, error) { return localLabels(ctx, e, &f.filterFlags) }
	}
	rows, total, err := ask()
	if err != nil {
		return err
	}
	if err := writeRows(c.stdout, f.output.value, labelColumns, rows, c.look(f.color.value)); err != nil {
		return err
	}
	c.noteMore(f.filterFlags, len(rows), total)
	c.whyEmpty(&f.filterFlags, total, nil, func() (int, error) {
		_, total, err := ask()
		return total, err
	})
	return nil
}

func localLabels(ctx context.Context, e *engine.Engine, f *filterFlags) ([]labelRow, int, error) {
	s, err := snapshotOf(e, f)
	if err != nil {
		return nil, 0, err
	}
	labels, err := s.Labels(ctx, f.view())
	if err != nil {
		return nil, 0, err
	}
	total := len(labels)
	labels = labels[min(int(f.offset.value), total):]
	if limit := int(f.limit.value); limit > 0 {
		labels = labels[:min(limit, len(labels))]
	}
	rows := make([]labelRow, len(labels))
	for i, l := range labels {
		rows[i] = labelRow{l.Name, l.Values, l.Num}
	}
	return rows, total, nil
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
