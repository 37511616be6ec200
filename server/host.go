package server

import (
	"context"
	"net/http"

	"portolan/engine"
)

// hostParams are the parameters of GET /v1/projects/{project_id}/hosts/{id}.
var hostParams = []string{"ports", "category", "limit", "offset", "cursor", asOfParam}

// host answers what one asset has open, and when each port was seen. One that lies in an enterprise
// project that the caller is not granted is not there for the caller.
func (s *Server) host(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, hostParams)
	if err != nil {
		return err
	}
	keys, err := s.keys(l.asked, l.snapshot.Policy())
	if err != nil {
		return err
	}
	offset, limit, err := l.pages(c, l.snapshot, l.timely)
	if err != nil {
		return err
	}
	var a engine.AssetPorts
	err = s.search(ctx, !l.snapshot.Settled(), func(ctx context.Context) (err error) {
		a, err = l.snapshot.AssetPorts(ctx, c.caller.EnterpriseProjects.View(), c.asset)
		return err
	})
	if err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	ports := a.Ports
	if keys != nil {
		ports = nil
		for _, p := range a.Ports {
			if keys.Contains(p.Key()) {
				ports = append(ports, p)
			}
		}
	}
	c.buf = appendOwner(c.buf[:0], a.ID, a.Name, a.Address, a.EnterpriseProject)
	c.buf = appendTime(appendLabels(c.buf, a.Labels), "last_seen", a.LastSeen)
	total := len(ports)
	c.buf = appendRest(c.buf, total)
	ports = ports[min(offset, total):]
	ports = ports[:min(limit, len(ports))]
	for _, p := range ports {
		c.buf = appendOpenPort(c.buf, &p)
	}
	c.buf = l.turn.end(c.buf, total, len(ports), nil)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// appendOpenPort appends a row about an open port.
func appendOpenPort(b []byte, p *engine.OpenPort) []byte {
	b = append(appendKey(append(b, '{'), p.Key(), p.Status), ',')
	b = appendField(appendField(b, "rule", p.Rule), "reason", p.Reason)
	return append(endObject(appendTime(b, "seen", p.Seen)), ',')
}
