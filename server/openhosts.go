package server

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/engine"
	"portolan/engine/expr"
)

// DefaultOpenHosts is the selector of the ports that metrics have counts of: those that the policy calls
// dangerous.
const DefaultOpenHosts = "status=danger"

// maxOpenHosts is how many series there are of counts at most.
const maxOpenHosts = 5000

// scrapeTime is how long counts may take: a scrape that takes longer is lost with all that it has.
const scrapeTime = 2 * time.Second

// openHosts is the collector of how many hosts have ports open: those of a selector, by project. Of each
// project those come that most have open, as many of each as fit in all.
type openHosts struct {
	s     *Server
	ports expr.Ports
}

var (
	openHostsDesc = prometheus.NewDesc("portolan_open_hosts", "Hosts that have the port open, of a bounded set of ports.", []string{"project", "port", "type", "status"}, nil)
	leftOutDesc   = prometheus.NewDesc("portolan_open_hosts_left_out", "Ports of portolan_open_hosts that have no series, as there are too many.", nil, nil)
)

// newOpenHosts returns the collector of a selector, nil for none.
func newOpenHosts(s *Server, selector string) (*openHosts, error) {
	if selector == "" {
		return nil, nil //nolint:nilnil // no counts are no error
	}
	ports, err := expr.ParsePorts("OpenHosts", selector)
	return &openHosts{s, ports}, err
}

// Describe is [prometheus.Collector.Describe].
func (h *openHosts) Describe(to chan<- *prometheus.Desc) { to <- openHostsDesc; to <- leftOutDesc }

// Collect is [prometheus.Collector.Collect].
func (h *openHosts) Collect(to chan<- prometheus.Metric) {
	projects, err := h.s.engine.Projects()
	if err != nil || h.s.phase.Load() == phaseLoading {
		return // it is closed, or what it has is not whole
	}
	slices.Sort(projects)
	ctx, cancel := context.WithTimeout(context.Background(), min(scrapeTime, h.s.searches.patience))
	defer cancel()
	pages := make([]engine.PortPage, len(projects))
	each := max(1, maxOpenHosts/max(1, len(projects)))
	for i, project := range projects {
		if pages[i], err = h.page(ctx, project, each); err != nil {
			return // a part would look as if the rest were closed
		}
	}
	left, room := 0, maxOpenHosts
	for i, page := range pages {
		rows := page.Rows[:min(room, len(page.Rows))]
		left, room = left+page.Total-len(rows), room-len(rows)
		for _, r := range rows {
			to <- prometheus.MustNewConstMetric(openHostsDesc, prometheus.GaugeValue, float64(r.Num),
				projects[i], strconv.Itoa(int(r.Port)), r.Type.String(), r.Status.String())
		}
	}
	to <- prometheus.MustNewConstMetric(leftOutDesc, prometheus.GaugeValue, float64(left))
}

// page returns the ports of a project that most hosts have open.
func (h *openHosts) page(ctx context.Context, project string, limit int) (page engine.PortPage, err error) {
	snapshot, err := h.s.snapshot(project, engine.Host)
	if err != nil {
		return page, err
	}
	q := engine.PortQuery{Keys: h.s.keysOf(h.ports, snapshot.Policy()), Order: engine.ByNum, Descending: true, Limit: limit}
	err = h.s.search(ctx, !snapshot.Settled(), func(ctx context.Context) (err error) {
		page, err = snapshot.Ports(ctx, q)
		return err
	})
	return page, err
}
