package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// changesFlags are the flags of the commands that ask a server what changed.
type changesFlags struct {
	filterFlags
	server       serverFlags
	of           changeFilters
	asset        string
	since, until string
	net, flapped bool
	unexpected   bool
}

// defaultServer is which server is asked by the commands that can ask nothing else.
const defaultServer = "http://127.0.0.1:8080"

func newChangesFlags(forms ...string) *changesFlags {
	f := &changesFlags{filterFlags: newFilterFlags(), of: newChangeFilters()}
	f.output = newOutput(forms...)
	f.limit = newCount(0)
	return f
}

// addTo adds the flags that both commands have.
func (f *changesFlags) addTo(cmd *cobra.Command) {
	f.server.addTo(cmd)
	server := cmd.Flags().Lookup("server")
	server.DefValue, f.server.url = defaultServer, defaultServer
	under(topicFilter, cmd, func() {
		cmd.Flags().StringVar(&f.since, "since", "", "from this `TIME` on, such as 2026-03-01T12:00:00Z, this long ago such as 24h or 7d, or after the batch of this number")
		f.of.addTo(cmd, "only these assets, as they are now")
		cmd.Flags().StringVar(&f.asset, "asset", "", "only the asset of this `ID`, whether it is there or gone")
		cmd.Flags().BoolVar(&f.unexpected, "unexpected", false, "only ports that the server's policy does not expect")
	})
	f.addView(cmd)
	f.addForm(cmd)
	under(topicRows, cmd, func() {
		cmd.Flags().Var(f.limit, "limit", "end after this many changes; 0 is never")
	})
}

// ask is the question that the flags ask.
func (f *changesFlags) ask() question {
	words := map[bool]string{true: "true"}
	path := "/changes"
	if f.asset != "" {
		path = "/hosts/" + escape(f.asset) + "/history"
	}
	return f.question(path, map[string]string{
		"since": f.since, "until": f.until, "kind": f.of.kinds.String(), "ports": f.of.ports.String(), "where": f.of.where.String(),
		"type": f.of.typ.value, "status": f.of.status.value, "net": words[f.net], "flapped": words[f.flapped], "unexpected": words[f.unexpected],
	})
}

func (c *cli) changesCommand() *cobra.Command {
	f := newChangesFlags(asTable, asJSON, asNDJSON, asCSV, asMarkdown)
	cmd := &cobra.Command{
		Use:   "changes",
		Short: "Say what changed on a server in the course of time",
		Long: `Say what changed on a server: the ports that were opened, found, closed or forgotten,
and the assets that appeared, moved to another enterprise project or were forgotten, in
the order in which answers changed. A port that was never looked at before is found, and
not called opened. --net leaves out what changed and changed back.

Without --since it is all that the server keeps. Asked for more than that, it says from
when on there is something: see --history of portolan serve. SELECTOR and ASSETS are as
in portolan ports --help.`,
		Example: `  portolan changes --since 24h
  portolan changes --since 7d --net --kind opened,found --status danger
  portolan changes --asset web-1
  portolan changes --since 2026-03-01T00:00:00Z --ports 3389 --where 'not label(env) = "lab"' -o ndjson`,
		Args: arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error { return c.changes(ctx, f) }),
	}
	f.addTo(cmd)
	under(topicFilter, cmd, func() {
		cmd.Flags().StringVar(&f.until, "until", "", "before this `TIME`, or this long ago")
		cmd.Flags().BoolVar(&f.net, "net", false, "what differs between the first and the last only")
		cmd.Flags().BoolVar(&f.flapped, "flapped", false, "with --net: also what changed and changed back")
	})
	return cmd
}

// changePage is a page of changes.
type changePage struct {
	Rows    []loggedRow `json:"data_list"`
	More    bool        `json:"more"`
	LeftOut int         `json:"left_out"`
	Next    string      `json:"next"`
}

// getChanges asks for a page.
func getChanges(ctx context.Context, cl *client, q question) (p changePage, err error) {
	res, err := cl.do(ctx, http.MethodGet, "/v1/projects/"+escape(cl.project)+q.path, q.query, nil)
	if err != nil {
		return p, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, fmt.Errorf("read the server's answer: %w", err)
	}
	return p, nil
}

// changes writes what changed. Lines are written page by page, everything else when all is there.
func (c *cli) changes(ctx context.Context, f *changesFlags) error {
	cl, err := c.client(&f.server)
	if err != nil {
		return err
	}
	defer cl.close()
	form, limit := f.output.value, int(f.limit.value)
	q := f.ask()
	var rows []loggedRow
	total, left := 0, 0
	for more := true; more; {
		size := maxPage
		if limit > 0 {
			size = min(limit-total, maxPage)
		}
		q.query.Set("limit", strconv.Itoa(size))
		page, err := getChanges(ctx, cl, q)
		if err != nil {
			return err
		}
		total += len(page.Rows)
		left += page.LeftOut
		rows = append(rows, page.Rows...)
		if form == asNDJSON {
			if err := writeRows(c.stdout, form, loggedColumns, rows, tableLook{}); err != nil {
				return err
			}
			rows = rows[:0]
		}
		more = page.More && (limit == 0 || total < limit)
		if f.net && more {
			left = 0 // each page looks at all of it
		}
		q.query.Del("since")
		q.query.Set("cursor", page.Next)
	}
	switch form {
	case asNDJSON:
	case asMarkdown:
		err = writeMarkdown(c.stdout, loggedColumns, rows)
	default:
		err = writeRows(c.stdout, form, loggedColumns, rows, c.look(f.color.value))
	}
	if err == nil && left > 0 {
		c.complain(leftOut(left))
	}
	return err
}

// leftOut says what is not among the changes.
func leftOut(n int) string {
	return fmt.Sprintf("left out: %d changes of assets that are gone, of which nobody knows whether --where would mean them", n)
}

// loggedRow is a row of changes, in the words of the HTTP API.
type loggedRow struct {
	Sequence uint64 `json:"sequence"`
	Time     string `json:"time"`
	changeRow
	Flapped bool `json:"flapped,omitempty"`
}

var loggedColumns = []string{"time", "change", "asset", "name", "address", "enterprise_project_id", "from_enterprise_project_id", "port", "type", "status", "seen", "sequence"}

func (r loggedRow) cells() []string {
	return append(append([]string{r.Time}, r.changeRow.cells()...), strconv.FormatUint(r.Sequence, 10))
}

// line is the row for somebody who watches.
func (r loggedRow) line() string {
	text := r.Time + "  " + r.Change + "  " + r.Asset
	if r.Name != "" && r.Name != r.Asset {
		text += " (" + r.Name + ")"
	}
	if r.Port > 0 {
		text += fmt.Sprintf("  %d/%s  %s", r.Port, strings.ToLower(r.Type), r.Status)
	}
	if r.From != "" || r.Change == "moved" {
		text += fmt.Sprintf("  %q -> %q", r.From, r.EnterpriseProject)
	}
	return printable(text)
}

func (c *cli) watchCommand() *cobra.Command {
	f := newChangesFlags("text", asNDJSON)
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Write what changes on a server, as it changes",
		Long: `Write what changes on a server from now on, or since --since, one change a line, as it
changes. Where the connection ends it is made again and goes on where it was, so that
nothing is missed and nothing comes twice.

Kinds of changes are as in portolan changes --help, SELECTOR and ASSETS as in portolan
ports --help.`,
		Example: `  portolan watch --status danger --kind opened,found
  portolan watch --since 1h -o ndjson | while read -r change; do …; done`,
		Args: arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error { return c.watch(ctx, f) }),
	}
	f.addTo(cmd)
	return cmd
}

const (
	// watchSilence is how long a feed may say nothing: it shows that it is alive several times a minute.
	watchSilence = time.Minute
	// watchPauses are how long is waited before a feed is asked for again, the first time and at most.
	watchPause, watchPauseMost = 200 * time.Millisecond, 10 * time.Second
	// maxEvent is how long a line of a feed may be.
	maxEvent = 1 << 20
)

// watching is a feed that is followed over any number of connections.
type watching struct {
	c     *cli
	cl    *client
	q     question
	form  string
	left  int // changes until the end; 0: there is none
	ended bool
}

// watch follows the feed until it is told to end.
func (c *cli) watch(ctx context.Context, f *changesFlags) error {
	cl, err := c.client(&f.server)
	if err != nil {
		return err
	}
	defer cl.close()
	w := &watching{c: c, cl: cl, q: f.ask(), form: f.output.value, left: int(f.limit.value)}
	if f.since == "" { // from now on, also where the first connection ends before anything has come
		now := f.ask()
		now.query.Set("since", "0s")
		page, err := getChanges(ctx, cl, now)
		if err != nil {
			return err
		}
		w.q.query.Set("cursor", page.Next)
	}
	w.q.query.Set("follow", "true")
	for pause := watchPause; ; {
		came, err := w.follow(ctx)
		switch {
		case w.ended:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case came:
			pause = watchPause
		}
		if r, ok := errors.AsType[*refusal](err); ok && r.retry == 0 || errors.As(err, new(sinkError)) {
			return err
		}
		if err != nil {
			c.complain(fmt.Sprintf("the feed broke off, and is asked for again: %v", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause = min(2*pause, watchPauseMost)
		}
	}
}

// sinkError is one of who takes the lines.
type sinkError struct{ error }

// follow reads one connection to its end, and says whether anything came.
func (w *watching) follow(ctx context.Context) (came bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(watchSilence, cancel)
	defer silence.Stop()
	res, err := w.cl.do(ctx, http.MethodGet, "/v1/projects/"+escape(w.cl.project)+w.q.path, w.q.query, nil)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEvent)
	var id, name, data string
	for lines.Scan() {
		silence.Reset(watchSilence)
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = value
		case "":
			if lines.Text() != "" || data == "" {
				continue // it is alive
			}
			if over, err := w.event(id, name, data); over || err != nil {
				return came, err
			}
			came, id, name, data = true, "", "", ""
		}
	}
	return came, lines.Err()
}

// event takes an event. After the last one it is over.
func (w *watching) event(id, name, data string) (over bool, err error) {
	if name == "end" {
		r := &refusal{status: "that the feed ends"}
		if json.Unmarshal([]byte(data), r) == nil && r.ErrorCode != "" {
			return true, r
		}
		return true, nil
	}
	var row loggedRow
	if name == "left_out" {
		var left struct{ Num int }
		if json.Unmarshal([]byte(data), &left) == nil {
			w.c.complain(leftOut(left.Num))
		}
		return false, nil
	}
	if err := json.Unmarshal([]byte(data), &row); err != nil {
		return true, fmt.Errorf("read the server's answer: %w", err)
	}
	if w.form == asNDJSON {
		err = writeRows(w.c.stdout, asNDJSON, loggedColumns, []loggedRow{row}, tableLook{})
	} else {
		_, err = fmt.Fprintln(w.c.stdout, row.line())
	}
	if err != nil {
		return true, sinkError{err}
	}
	w.q.query.Del("since")
	w.q.query.Set("cursor", id)
	if w.left > 0 {
		w.left--
		w.ended = w.left == 0
	}
	return w.ended, nil
}
