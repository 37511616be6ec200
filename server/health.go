package server

import (
	"context"
	_ "embed"
	"net/http"
)

var (
	healthy = []byte(`{"status":"ok"}`)
	ready   = []byte(`{"status":"ready"}`)
)

// health says that the process answers.
func (s *Server) health(_ context.Context, c *call) error {
	c.reply(http.StatusOK, healthy)
	return nil
}

// readiness says whether requests should be sent here.
func (s *Server) readiness(_ context.Context, c *call) error {
	switch s.phase.Load() {
	case phaseLoading:
		return &failure{kind: loading, retry: retrySoon}
	case phaseStopping:
		return &failure{kind: stopping, retry: retrySoon}
	}
	c.reply(http.StatusOK, ready)
	return nil
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
