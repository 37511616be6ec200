package main

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// assetList is a question for assets.
type assetList struct {
	*filterFlags
	read   *readFlags
	server *serverFlags
	where  *condition
	prefix string
	order  *choice
	tell   *tellFlags
}

// newIDOrder returns a choice of the order of assets: by id, or the inventory's own, which is nothing.
func newIDOrder() choice { return choice{words: []string{"id"}} }

func (c *cli) assetsCommand() *cobra.Command {
	filter := newFilterFlags()
	order := newIDOrder()
	f := &assetList{filterFlags: &filter, read: new(readFlags), server: new(serverFlags), where: new(condition), order: &order, tell: new(tellFlags)}
	cmd := &cobra.Command{
		Use:   "assets {FILE… | --server URL}",
		Short: "List the assets",
		Long: `List the assets, from files of scanners or agents or by asking a server: how many
ports each has open and when it was seen last. Assets with nothing open are among
them. ASSETS is as in portolan ports --help.`,
		Example: `  portolan assets scan.xml
  portolan assets --server http://127.0.0.1:8080 --where 'seen > 7d' --limit 0 -o csv`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.list(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	f.server.addAsOf(cmd)
	under(topicFilter, cmd, func() {
		cmd.Flags().Var(f.where, "where", "only these assets")
		cmd.Flags().StringVar(&f.prefix, "prefix", "", "only assets whose id begins with this `TEXT`")
	})
	f.addTo(cmd)
	f.tell.addCoverage(cmd)
	under(topicRows, cmd, func() {
		order.addTo(cmd, "sort", "", "order the rows by this; left out, they come in an order of the inventory's own")
	})
	return cmd
}

// list writes the assets that are asked for.
func (c *cli) list(ctx context.Context, f *assetList) error {
	l := listing[assetRow]{
		filter: f.filterFlags, read: f.read, server: f.server, columns: assetColumns, explain: true,
		local: func(ctx context.Context, s engine.Snapshot) ([]assetRow, int, error) {
			where := f.where.where.Assets(s.Policy(), time.Now())
			page, err := s.Assets(ctx, engine.AssetQuery{
				View: f.view(), Where: where, Prefix: f.prefix,
				Offset: int(f.offset.value), Limit: int(f.limit.value), ByID: f.order.value != "",
			})
			if err == nil {
				err = f.tell.look(ctx, s, engine.CoverageQuery{View: f.view(), Where: where})
			}
			return rowsOf(page.Rows, page.Total, err, newAssetRow)
		},
		remote: func() question {
			q := f.question("/assets", f.tell.filters(map[string]string{"where": f.where.String(), "prefix": f.prefix, "sort": f.order.value}))
			q.about = f.tell.about()
			return q
		},
		also: func() { f.tell.tell(c.stderr) },
	}
	return l.write(ctx, c)
}

func newAssetRow(a *engine.Asset) assetRow {
	return assetRow{a.ID, a.Name, a.Address, a.EnterpriseProject, len(a.Open), a.LastSeen.Format(time.RFC3339Nano), a.Labels}
}

// assetRow is a row about an asset, in the words of the HTTP API.
type assetRow struct {
	Asset             string     `json:"asset"`
	Name              string     `json:"name,omitempty"`
	Address           string     `json:"address,omitempty"`
	EnterpriseProject string     `json:"enterprise_project_id"`
	Num               int        `json:"num"`
	LastSeen          string     `json:"last_seen"`
	Labels            labelTexts `json:"labels,omitempty"`
}

var assetColumns = []string{"asset", "name", "address", "enterprise_project_id", "num", "last_seen", "labels"}

func (r assetRow) cells() []string {
	return []string{r.Asset, r.Name, r.Address, r.EnterpriseProject, strconv.Itoa(r.Num), r.LastSeen, r.Labels.String()}
}

// labelTexts are the labels of an asset, by name.
type labelTexts map[string]string

func (l labelTexts) String() string { return (&labelFlag{l}).String() }
