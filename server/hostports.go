package server

import (
	"context"

	"portolan/engine"
)

// hostPorts answers which ports one asset has open, the published call that the
// SDK names ListPorts. With category container, host_id is the container's id:
// there is no other parameter for one.
func (s *Server) hostPorts(ctx context.Context, c *call) error {
	var p assetParams
	p.read(c.RawQuery)
	return s.assetRows(ctx, c, &p, assetList{"host_id", "1 to " + decimal(engine.MaxAssetLen) + " characters", appendHostPort})
}

// appendHostPort appends a row's fields in the published order, each with a comma.
func appendHostPort(b []byte, row *engine.HostPort, category engine.Category) []byte {
	if category == engine.Host {
		b = appendField(b, "host_id", row.Asset)
	}
	b = appendKey(b, row.Key(), row.Status)
	b = append(b, ',')
	if category == engine.Container {
		b = appendField(b, "container_id", row.Asset)
	}
	return b
}
