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

// hostFlags are the flags of the host command.
type hostFlags struct {
	filterFlags
	read   readFlags
	server serverFlags
	ports  selector
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
  portolan host db-1 --server http://127.0.0.1:8080 --ports 1-1024`,
		Annotations: map[string]string{filesBehind: "1"},
		Args:        arguments(1, math.MaxInt, "the ID of the asset"),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args[1:]...)
			return c.host(ctx, f, args[0])
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	f.server.addAsOf(cmd)
	under(topicFilter, cmd, func() { cmd.Flags().Var(&f.ports, "ports", "only these ports") })
	f.addRows(cmd)
	return cmd
}

func (c *cli) host(ctx context.Context, f *hostFlags, id string) error {
	about := new(hostAbout)
	l := listing[openRow]{
		filter: &f.filterFlags, read: &f.read, server: &f.server, columns: openColumns,
		local: func(ctx context.Context, s engine.Snapshot) ([]openRow, int, error) {
			a, err := s.AssetPorts(ctx, f.view(), id)
			if err != nil {
				return nil, 0, err
			}
			*about = hostAbout{a.ID, a.Name, a.Address, a.EnterpriseProject, a.Labels, a.LastSeen.Format(time.RFC3339Nano)}
			var rows []openRow
			keys := f.ports.ports.Keys(s.Policy())
			for _, p := range a.Ports {
				if keys.Contains(p.Key()) {
					rows = append(rows, openRow{p.Port, p.Type.String(), p.Status.String(), p.Rule, p.Reason, p.Seen.Format(time.RFC3339Nano)})
				}
			}
			rows, total := cutTo(rows, &f.filterFlags)
			return rows, total, nil
		},
		remote: func() question {
			q := f.question("/hosts/"+escape(id), map[string]string{"ports": f.ports.String()})
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
	if h.LastSeen == "" { // of the past
		return text
	}
	return text + ", last seen " + h.LastSeen
}

// openRow is a row about an open port, in the words of the HTTP API.
type openRow struct {
	Port   uint16 `json:"port"`
	Type   string `json:"type"`
	Status string `json:"status"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	Seen   string `json:"seen"`
}

var openColumns = []string{"port", "type", "status", "rule", "reason", "seen"}

func (r openRow) cells() []string {
	return []string{strconv.Itoa(int(r.Port)), r.Type, r.Status, r.Rule, r.Reason, r.Seen}
}
