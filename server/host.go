package server

import (
	"context"
	"errors"
	"net/http"

	"portolan/engine"
)

// hostParams are the parameters of GET /v1/projects/{project_id}/hosts/{id}.
var hostParams = []string{"ports", "category", "limit", "offset", "cursor", "history", asOfParam}

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
	openings, err := s.openings(ctx, c, l)
	if err != nil {
		return err
	}
	if openings == nil && l.unchanged(c) {
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
	if openings != nil {
		c.buf = appendTime(c.buf, "history_since", openings.Kept)
	}
	total := len(ports)
	c.buf = appendRest(c.buf, total)
	ports = ports[min(offset, total):]
	ports = ports[:min(limit, len(ports))]
	for _, p := range ports {
		c.buf = appendOpenPort(c.buf, &p, openings)
	}
	c.buf = l.turn.end(c.buf, total, len(ports), nil)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// appendOpenPort appends a row about an open port.
// openings returns since when the ports of the asset are open, nil if that is not asked for.
func (s *Server) openings(ctx context.Context, c *call, l *asking) (*engine.Openings, error) {
	wanted, err := l.truth("history")
	switch {
	case err != nil || !wanted:
		return nil, err
	case !l.asOf.IsZero():
		return nil, &engine.FieldError{Field: "history", Value: l.values["history"], Allowed: "nothing beside as_of"}
	}
	var found engine.Openings
	err = s.search(ctx, true, func(ctx context.Context) (err error) {
		found, err = s.engine.Openings(ctx, c.project, l.snapshot.Category(), c.caller.EnterpriseProjects.View(), c.asset, l.snapshot.Sequence())
		if errors.Is(err, engine.ErrNoChanges) {
			return &failure{kind: noChanges}
		}
		return oldOr(err)
	})
	return &found, err
}

func appendOpenPort(b []byte, p *engine.OpenPort, openings *engine.Openings) []byte {
	b = append(appendKey(append(b, '{'), p.Key(), p.Status), ',')
	b = appendField(appendField(b, "rule", p.Rule), "reason", p.Reason)
	b = appendTime(b, "seen", p.Seen)
	if openings != nil {
		if o, kept := openings.Keys[p.Key()]; kept {
			b = appendTime(appendTime(b, "since", o.Since), "first_open", o.First)
			b = appendField(b, "change", o.Kind.String())
		}
	}
	return append(endObject(b), ',')
}
