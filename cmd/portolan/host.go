package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// hostFlags are the flags of the host command.
type hostFlags struct {
	filterFlags
	read   readFlags
	server serverFlags
	ports  selector
	past   bool // since when ports are open
}

func (c *cli) hostCommand() *cobra.Command {
	f := &hostFlags{filterFlags: newFilterFlags()}
	f.limit = newCount(0)
	cmd := &cobra.Command{
		Use:   "host ID {FILE… | --server URL}",
		Short: "Show what one asset has open, and when that was seen",
		Long: `Show the open ports of one asset, from files of scanners or agents or by asking a
server: the status of each, why it has that, and when the newest report that tells
anything about it was made. SELECTOR is as in portolan ports --help.`,
		Example: `  portolan host 192.0.2.10 scan.xml
  portolan host db-1 --server http://127.0.0.1:8080 --ports 1-1024 --history`,
		Annotations: map[string]string{filesBehind: "1"},
		Args:        arguments(1, math.MaxInt, "the ID of the asset"),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args[1:]...)
			if f.past && f.server.url == "" {
				return misuse("--history goes with --server: files do not say what was open before")
			}
			return c.host(ctx, f, args[0])
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	f.server.addAsOf(cmd)
	under(topicFilter, cmd, func() { cmd.Flags().Var(&f.ports, "ports", "only these ports") })
	f.addRows(cmd)
	under(topicRows, cmd, func() {
		cmd.Flags().BoolVar(&f.past, "history", false, "with --server: say since when each port is open, and since when it first was, as far as the server keeps that")
	})
	return cmd
}

func (c *cli) host(ctx context.Context, f *hostFlags, id string) error {
	about := new(hostAbout)
	columns := openColumns
	if f.past {
		columns = append(slices.Clone(columns), "since", "first_open", "change")
	}
	l := listing[openRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: columns,
		local: func(ctx context.Context, s engine.Snapshot) ([]openRow, int, error) {
			a, err := s.AssetPorts(ctx, f.view(), id)
			if err != nil {
				return nil, 0, err
			}
			*about = hostAbout{
				Asset: a.ID, Name: a.Name, Address: a.Address, EnterpriseProject: a.EnterpriseProject, Labels: a.Labels, LastSeen: a.LastSeen.Format(time.RFC3339Nano),
			}
			var rows []openRow
			keys := f.ports.ports.Keys(s.Policy())
			for _, p := range a.Ports {
				if keys.Contains(p.Key()) {
					rows = append(rows, openRow{Port: p.Port, Type: p.Type.String(), Status: p.Status.String(), Rule: p.Rule, Reason: p.Reason, Seen: p.Seen.Format(time.RFC3339Nano)})
				}
			}
			rows, total := cutTo(rows, &f.filterFlags)
			return rows, total, nil
		},
		remote: func() question {
			q := f.question("/hosts/"+escape(id), map[string]string{"ports": f.ports.String(), "history": map[bool]string{true: "true"}[f.past]})
			q.about = about
			return q
		},
		note: func() { fmt.Fprintln(c.stderr, printable(about.String())) },
	}
	return l.write(ctx, c)
}

// hostAbout is what is known of an asset besides its ports, in the words of the HTTP API.
type hostAbout struct {
	Asset             string     `json:"asset"`
	Name              string     `json:"name"`
	Address           string     `json:"address"`
	EnterpriseProject string     `json:"enterprise_project_id"`
	Labels            labelTexts `json:"labels"`
	LastSeen          string     `json:"last_seen"`
	HistorySince      string     `json:"history_since"` // of a server that is asked for it and does not keep all
}

func (h *hostAbout) String() string {
	parts := []string{h.Asset}
	for _, part := range []string{h.Name, h.Address} {
		if part != "" && part != h.Asset {
			parts = append(parts, part)
		}
	}
	text := strings.Join(parts, ", ") + ", in enterprise project " + h.EnterpriseProject
	if len(h.Labels) > 0 {
		text += ", labelled " + h.Labels.String()
	}
	if h.LastSeen != "" { // else of the past
		text += ", last seen " + h.LastSeen
	}
	if h.HistorySince != "" {
		text += "; what changed is kept since " + h.HistorySince
	}
	return text
}

// openRow is a row about an open port, in the words of the HTTP API.
type openRow struct {
	Port   uint16 `json:"port"`
	Type   string `json:"type"`
	Status string `json:"status"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	Seen   string `json:"seen"`

	// With --history.
	Since     string `json:"since,omitempty"`
	FirstOpen string `json:"first_open,omitempty"`
	Change    string `json:"change,omitempty"`
}

var openColumns = []string{"port", "type", "status", "rule", "reason", "seen"}

func (r openRow) cells() []string {
	return []string{strconv.Itoa(int(r.Port)), r.Type, r.Status, r.Rule, r.Reason, r.Seen, r.Since, r.FirstOpen, r.Change}
}
