package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// doctorFlags are the flags of the doctor command.
type doctorFlags struct {
	filterFlags
	read   readFlags
	server serverFlags
	where  condition
}

func (c *cli) doctorCommand() *cobra.Command {
	f := &doctorFlags{filterFlags: newFilterFlags()}
	cmd := &cobra.Command{
		Use:   "doctor {FILE… | --server URL}",
		Short: "List addresses that several assets have",
		Long: `List IP addresses that several assets have, those that most have first. Mostly it is
one host that is reported under several ids, such as by an agent under its own and by a
scanner under the address, and it is counted as often.

Have them agree on what it is called: import what scanners found with --asset hostname
or --asset mac where agents use these as ids, or have agents use the address. Then
remove the assets that nothing reports any more. Addresses that every host has, such as
127.0.0.1, are nobody's; an asset without an address has its id, if that is one.`,
		Example: `  portolan doctor agents.ndjson scan.xml
  portolan doctor agents.ndjson scan.xml --asset hostname
  portolan doctor --server http://127.0.0.1:8080 --limit 0 -o csv`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.doctor(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	under(topicFilter, cmd, func() { cmd.Flags().Var(&f.where, "where", "only these assets") })
	f.addTo(cmd)
	return cmd
}

func (c *cli) doctor(ctx context.Context, f *doctorFlags) error {
	about := new(sharedAbout)
	f.read.listsShared = true
	l := listing[sharedRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: sharedColumns,
		local: func(ctx context.Context, s engine.Snapshot) ([]sharedRow, int, error) {
			page, err := s.Shared(ctx, engine.SharedQuery{
				View: f.view(), Where: f.where.where.Assets(s.Policy(), time.Now()), Offset: int(f.offset.value), Limit: int(f.limit.value),
			})
			about.Assets = page.Assets
			return rowsOf(page.Rows, page.Total, err, newSharedRow)
		},
		remote: func() question {
			q := f.question("/doctor", map[string]string{"where": f.where.String()})
			q.about = about
			return q
		},
		note: func() {
			if about.Assets == 0 {
				fmt.Fprintln(c.stderr, "No address is that of several assets.")
			}
		},
	}
	return l.write(ctx, c)
}

// sharedAbout is what an answer has besides its rows, in the words of the HTTP API.
type sharedAbout struct {
	Assets int `json:"assets"`
}

// sharedRow is a row of the doctor command, in the words of the HTTP API.
type sharedRow struct {
	Address string   `json:"address"`
	Num     int      `json:"num"`
	Assets  []string `json:"assets"`
}

var sharedColumns = []string{"address", "num", "assets"}

func (r sharedRow) cells() []string {
	return []string{r.Address, strconv.Itoa(r.Num), strings.Join(r.Assets, " ")}
}

func newSharedRow(a *engine.SharedAddress) sharedRow {
	return sharedRow{Address: a.Address, Num: a.Num, Assets: a.Assets}
}

// remarkShared says that several assets of a project have the same address: a host that was reported
// under several ids may be among them.
func remarkShared(rows []sharedRow, total int) string {
	if len(rows) == 0 {
		return ""
	}
	r := rows[0]
	names := strings.Join(r.Assets[:min(len(r.Assets), 3)], ", ")
	if r.Num > 3 {
		names += ", …"
	}
	more := ""
	if total > 1 {
		more = fmt.Sprintf("; so it is with %d more", total-1)
	}
	return fmt.Sprintf("warning: %s is the address of %d assets (%s)%s; a host that is reported under several ids is counted as often: see portolan doctor", r.Address, r.Num, names, more)
}

// sharedIn returns what remarkShared says of a project's hosts in an engine, and nothing if that cannot be
// found out, as what is asked comes first.
func sharedIn(ctx context.Context, e *engine.Engine, project string) string {
	s, err := e.Snapshot(project, engine.Host)
	if err != nil {
		return ""
	}
	page, err := s.Shared(ctx, engine.SharedQuery{Limit: 1})
	if err != nil || len(page.Rows) == 0 {
		return ""
	}
	return remarkShared([]sharedRow{newSharedRow(&page.Rows[0])}, page.Total)
}
