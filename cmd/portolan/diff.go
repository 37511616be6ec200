package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// exitDiffers is how diff --exit-code ends where there are changes.
const exitDiffers = 4

// differsError is no fault: it is why a command ends with exitDiffers.
type differsError struct{ error }

// diffFlags are the flags of the diff command.
type diffFlags struct {
	filterFlags
	read     readFlags
	server   serverFlags
	of       changeFilters
	by       choice
	exitCode bool
}

// changeFilters are the flags that say which changes are asked for.
type changeFilters struct {
	ports  selector
	where  condition
	typ    *choice
	status *choice
	kinds  kindsFlag
}

func newChangeFilters() changeFilters { return changeFilters{typ: newType(), status: newStatus()} }

// addTo adds the flags, of which one is about assets.
func (f *changeFilters) addTo(cmd *cobra.Command, assets string) {
	cmd.Flags().Var(&f.kinds, "kind", "only changes of these kinds: "+strings.Join(kindWords(), ", "))
	cmd.Flags().Var(&f.ports, "ports", "only these ports")
	cmd.Flags().Var(&f.where, "where", assets)
	f.typ.addTo(cmd, "type", "", "only ports of this type")
	f.status.addTo(cmd, "status", "", "only ports of this status")
}

func (c *cli) diffCommand() *cobra.Command {
	f := &diffFlags{filterFlags: newFilterFlags(), of: newChangeFilters(), by: choice{value: "host", words: []string{"host", "port"}}}
	f.output = newOutput(asTable, asJSON, asNDJSON, asCSV, asMarkdown)
	cmd := &cobra.Command{
		Use:   "diff OLD {NEW | --server URL}",
		Short: "Say what changed between two scans, or since one",
		Long: `Say what changed between two files or folders of any format, or between a file and what
a server knows at present. Assets are the same if they are called the same: see --asset.

A port that the older scan looked at and found closed is opened; one that it did not
look at is found, and may have been open all the time. What the newer scan did not look
at is not closed, and an asset that it does not have is not gone: how many there are is
said on standard error. SELECTOR and ASSETS are as in portolan ports --help; ASSETS are
asked for if they are meant in one of the states.`,
		Example: `  portolan diff monday.xml tuesday.xml
  portolan diff scans/2026-11 scans/2026-12 --kind opened,found --status danger --exit-code
  portolan diff baseline.ndjson --server http://127.0.0.1:8080 -o markdown`,
		Args: arguments(1, 2, "the OLD file"),
		RunE: body(func(ctx context.Context, args []string) error { return c.diff(ctx, f, args) }),
	}
	under(topicFiles, cmd, func() {
		f.read.addHow(cmd)
		f.read.policy.addTo(cmd)
	})
	f.server.addTo(cmd)
	under(topicFilter, cmd, func() {
		f.of.addTo(cmd, "only these assets")
	})
	f.addView(cmd)
	f.addForm(cmd)
	under(topicRows, cmd, func() {
		f.by.addTo(cmd, "by", "", "have the changes of one of these together")
		cmd.Flags().BoolVar(&f.exitCode, "exit-code", false, "end with 4 if there are changes")
	})
	return cmd
}

func (c *cli) diff(ctx context.Context, f *diffFlags, args []string) error {
	switch server := f.server.url != ""; {
	case !server && len(args) < 2:
		return misuse("the NEW file is missing; or give --server URL")
	case server && len(args) > 1:
		return misuse("%q is one too many: with --server, the server's state is the new one", args[1])
	}
	old, err := c.stateOf(ctx, f, args[0])
	if err != nil {
		return err
	}
	newer, err := c.newerState(ctx, f, args[1:])
	if err != nil {
		return err
	}
	now := time.Now()
	q := engine.DiffQuery{
		View: f.view(), Where: f.of.where.where.Assets(newer.Policy(), now), Type: parsedType(f.of.typ), Status: parsedStatus(f.of.status), Kinds: f.of.kinds.kinds, Apart: true,
	}
	if f.of.ports.given {
		q.Keys = f.of.ports.ports.Keys(newer.Policy())
	}
	d, err := newer.Diff(ctx, old, q)
	if err != nil {
		return err
	}
	var unseen engine.Unseen
	rows := []changeRow{}
	for change, err := range d.All(ctx, &unseen) {
		if err != nil {
			return err
		}
		rows = append(rows, newChangeRow(change))
	}
	slices.SortFunc(rows, changeOrders[f.by.value])
	if f.output.value == asMarkdown {
		err = writeMarkdown(c.stdout, changeColumns, rows)
	} else {
		err = writeRows(c.stdout, f.output.value, changeColumns, rows, c.look(f.color.value))
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(c.stderr, summaryOf(rows, unseen))
	if n := old.NumAssets(); n > 0 && unseen.Assets == n && newer.NumAssets() > 0 {
		c.complain("warning: no asset is in both: see --asset, which says what scanners' assets are called by")
	}
	if f.exitCode && len(rows) > 0 {
		return differsError{errors.New("there are changes")}
	}
	return nil
}

// stateOf returns what a file or a folder holds.
func (c *cli) stateOf(ctx context.Context, f *diffFlags, name string) (engine.Snapshot, error) {
	read := f.read
	read.files = []string{name}
	e, err := c.memory(ctx, &read)
	if err != nil {
		return engine.Snapshot{}, err
	}
	return snapshotOf(e, &f.filterFlags)
}

// newerState returns what the newer file holds, or a server.
func (c *cli) newerState(ctx context.Context, f *diffFlags, args []string) (engine.Snapshot, error) {
	if len(args) > 0 {
		return c.stateOf(ctx, f, args[0])
	}
	cl, err := c.client(&f.server)
	if err != nil {
		return engine.Snapshot{}, err
	}
	defer cl.close()
	q := f.question("/export", nil)
	res, err := cl.do(ctx, http.MethodGet, "/v1/projects/"+escape(cl.project)+q.path, q.query, nil)
	if err != nil {
		return engine.Snapshot{}, err
	}
	defer res.Body.Close()
	e, err := engine.Open(&engine.Options{Policy: f.read.policy.policy, ChangesBytes: -1})
	if err != nil {
		return engine.Snapshot{}, err
	}
	var sum *scanfile.Summary
	err = e.Import(engine.All(), func(to *engine.Import) (err error) {
		sum, err = scanfile.Load(ctx, to, []scanfile.Source{{Name: f.server.url, Reader: res.Body}}, &scanfile.Options{Project: localProject, Format: "ndjson"})
		return err
	})
	switch {
	case err != nil:
		return engine.Snapshot{}, fmt.Errorf("read the server's state: %w", brokenOff(err))
	case sum.Rejected > 0 || !sum.Complete && sum.Records > 0:
		return engine.Snapshot{}, fmt.Errorf("read the server's state: %w", errors.New("it is not whole"))
	}
	return snapshotOf(e, &f.filterFlags)
}

// changeRow is a row of the diff command, in the words of the HTTP API.
type changeRow struct {
	Seen              string `json:"seen,omitempty"`
	Asset             string `json:"asset"`
	Name              string `json:"name,omitempty"`
	Address           string `json:"address,omitempty"`
	EnterpriseProject string `json:"enterprise_project_id,omitempty"`
	From              string `json:"from_enterprise_project_id,omitempty"`
	Change            string `json:"change"`
	Port              uint16 `json:"port,omitempty"`
	Type              string `json:"type,omitempty"`
	Status            string `json:"status,omitempty"`

	key engine.Key // 0 of a change of the asset itself
}

var changeColumns = []string{"change", "asset", "name", "address", "enterprise_project_id", "from_enterprise_project_id", "port", "type", "status", "seen"}

func (r changeRow) cells() []string {
	port := ""
	if r.Port > 0 {
		port = strconv.Itoa(int(r.Port))
	}
	return []string{r.Change, r.Asset, r.Name, r.Address, r.EnterpriseProject, r.From, port, r.Type, r.Status, r.Seen}
}

func newChangeRow(c *engine.Change) changeRow {
	row := changeRow{Asset: c.Asset, Name: c.Name, Address: c.Address, EnterpriseProject: c.EnterpriseProject, From: c.From, Change: c.Kind.String()}
	if c.Port > 0 {
		row.Port, row.Type, row.Status, row.key = c.Port, c.Type.String(), c.Status.String(), c.Key()
	}
	if !c.Seen.IsZero() {
		row.Seen = c.Seen.Format(time.RFC3339Nano)
	}
	return row
}

// changeOrders are what brings together the changes of a host, and of a port.
var changeOrders = map[string]func(a, b changeRow) int{
	"host": func(a, b changeRow) int { return cmp.Or(cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.key, b.key)) },
	"port": func(a, b changeRow) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.Asset, b.Asset)) },
}

// summaryOf says how many changes there are, and what nobody looked at.
func summaryOf(rows []changeRow, unseen engine.Unseen) string {
	counts := map[string]int{}
	for i := range rows {
		counts[rows[i].Change]++
	}
	var parts []string
	for _, kind := range kindWords() {
		if n := counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	text := "no changes"
	if len(parts) > 0 {
		text = strings.Join(parts, ", ")
	}
	if unseen.Ports > 0 {
		text += fmt.Sprintf("; open ports that were not looked at again: %d", unseen.Ports)
	}
	if unseen.Assets > 0 {
		text += fmt.Sprintf("; assets that are not in the newer one: %d", unseen.Assets)
	}
	return text + "."
}

// kindWords returns the words for kinds of changes.
func kindWords() (words []string) {
	for k := engine.Opened; k <= engine.Appeared; k++ {
		words = append(words, k.String())
	}
	return words
}

// kindsFlag is the value of a flag that takes kinds of changes, parted by commas.
type kindsFlag struct{ kinds []engine.ChangeKind }

func (k *kindsFlag) String() string {
	words := make([]string, len(k.kinds))
	for i, kind := range k.kinds {
		words[i] = kind.String()
	}
	return strings.Join(words, ",")
}

func (k *kindsFlag) Type() string { return "KIND[,KIND]" }

func (k *kindsFlag) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		kind, err := engine.ParseChangeKind(strings.TrimSpace(one))
		if err != nil {
			return fmt.Errorf("want some of %s", strings.Join(kindWords(), ", "))
		}
		k.kinds = append(k.kinds, kind)
	}
	return nil
}

// asMarkdown is the output format of a table for a ticket or a chat.
const asMarkdown = "markdown"

// writeMarkdown writes a table as GitHub's Markdown has them (https://github.github.com/gfm/#tables-extension-).
func writeMarkdown[R row](w io.Writer, columns []string, rows []R) error {
	out := bufio.NewWriter(w)
	line := func(cells []string) {
		for _, cell := range cells {
			fmt.Fprintf(out, "| %s ", strings.NewReplacer("|", `\|`, `\`, `\\`, "<", "&lt;", "&", "&amp;").Replace(printable(cell)))
		}
		_, _ = out.WriteString("|\n") // a bufio.Writer keeps its error until Flush
	}
	line(columns)
	_, _ = out.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
	for _, r := range rows {
		line(r.cells()[:len(columns)])
	}
	return out.Flush()
}
