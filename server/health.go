package server

import (
	"context"
	_ "embed"
	"errors"
	"net/http"

	"portolan/engine"
)

var healthy = []byte(`{"status":"ok"}`)

// state is what readiness tells where requests should be sent here.
type state struct {
	Status string `json:"status"`
	Writes string `json:"writes,omitempty"` // "refused" at present, or "read-only" for good; absent where they are taken
	Reason string `json:"reason,omitempty"` // to operators only
}

// state returns it, with the reason why writes are not taken.
func (s *Server) state(ctx context.Context) state {
	now := state{Status: "ready"}
	if err := s.engine.Writable(ctx); err != nil {
		now.Writes, now.Reason = "refused", err.Error()
		if errors.Is(err, engine.ErrReadOnly) {
			now.Writes = "read-only"
		}
	}
	return now
}

// health says that the process answers.
func (s *Server) health(_ context.Context, c *call) error {
	c.reply(http.StatusOK, healthy)
	return nil
}

// readiness says whether requests should be sent here.
func (s *Server) readiness(ctx context.Context, c *call) error {
	switch s.phase.Load() {
	case phaseLoading:
		return &failure{kind: loading, retry: retrySoon}
	case phaseStopping:
		return &failure{kind: stopping, retry: retrySoon}
	}
	now := s.state(ctx)
	now.Reason = "" // it tells of the machine
	c.reply(http.StatusOK, toJSON(now))
	return nil
}

// adminReadiness is readiness for operators: with the reason why writes are not taken.
func (s *Server) adminReadiness(w http.ResponseWriter, r *http.Request) {
	if s.phase.Load() != phaseReady {
		s.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", jsonType[0])
	w.Header().Set("Cache-Control", noStore[0])
	_, _ = w.Write(toJSON(s.state(r.Context())))
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
