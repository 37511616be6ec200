package server

import (
	"context"
	_ "embed"
	"errors"
	"net/http"

	"portolan/engine"
)

var healthy = []byte(`{"status":"ok"}`)

// state is what readiness tells.
type state struct {
	Status string `json:"status"`           // "ready", or "degraded" where nothing can be written for good
	Writes string `json:"writes,omitempty"` // "refused" at present, or "read-only" for good; absent where they are taken
	Reason string `json:"reason,omitempty"`
}

// noWrites is the reason that everybody may know.
const noWrites = "what is written cannot be kept any more; the operators' address says why"

// state returns it, with the reason why writes are not taken.
func (s *Server) state(ctx context.Context) state {
	now := state{Status: "ready"}
	if err := s.engine.Writable(ctx); err != nil {
		now.Writes, now.Reason = "refused", err.Error()
		if errors.Is(err, engine.ErrReadOnly) {
			now.Status, now.Writes = "degraded", "read-only"
		}
	}
	return now
}

// status is that of readiness. One that takes no write any more is not ready: it wants somebody to
// look after it, and a copy that does takes its place. It still answers questions as well as ever,
// so it is ready for those, which a rotation of readers asks for by a path of its own.
func (n *state) status(reads bool) int {
	if n.Writes == "read-only" && !reads {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// health says that the process answers.
func (s *Server) health(_ context.Context, c *call) error {
	c.reply(http.StatusOK, healthy)
	return nil
}

// readiness says whether requests should be sent here.
func (s *Server) readiness(ctx context.Context, c *call) error { return s.ready(ctx, c, false) }

// readinessForReads says whether questions should be.
func (s *Server) readinessForReads(ctx context.Context, c *call) error { return s.ready(ctx, c, true) }

func (s *Server) ready(ctx context.Context, c *call, reads bool) error {
	switch s.phase.Load() {
	case phaseLoading:
		return &failure{kind: loading, retry: retrySoon}
	case phaseStopping:
		return &failure{kind: stopping, retry: retrySoon}
	}
	now := s.state(ctx)
	if now.Reason != "" { // it tells of the machine
		now.Reason = ""
		if now.Writes == "read-only" {
			now.Reason = noWrites
		}
	}
	c.reply(now.status(reads), toJSON(now))
	return nil
}

// adminReadiness is readiness for operators: with the reason why writes are not taken.
func (s *Server) adminReadiness(w http.ResponseWriter, r *http.Request) {
	if s.phase.Load() != phaseReady {
		s.ServeHTTP(w, r)
		return
	}
	now := s.state(r.Context())
	w.Header().Set("Content-Type", jsonType[0])
	w.Header().Set("Cache-Control", noStore[0])
	w.WriteHeader(now.status(false))
	_, _ = w.Write(toJSON(now))
}

// openAPI describes every route; a test holds it against them.
//
//go:embed openapi.yaml
var openAPI []byte

var yamlType = []string{"application/yaml"} // RFC 9512

// description answers with the OpenAPI document.
func (s *Server) description(_ context.Context, c *call) error {
	c.media = yamlType
	c.reply(http.StatusOK, openAPI)
	return nil
}
