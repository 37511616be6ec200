package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// routes is every call there is; another path or method does not exist.
func (s *Server) routes() []route {
	return []route{
		{method: http.MethodGet, pattern: "/v5/{project_id}/asset/port/statistics", access: reads, serve: s.statistics},
		{method: http.MethodGet, pattern: "/v5/{project_id}/asset/ports/detail", access: reads, serve: s.portDetail},
		{method: http.MethodGet, pattern: "/v5/{project_id}/asset/ports", access: reads, serve: s.hostPorts},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/ports", access: reads, serve: s.ports},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/hosts", access: reads, serve: s.hosts},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/hosts/{id}", access: reads, serve: s.host},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/hosts/{id}/history", access: reads, serve: s.hostHistory},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/assets", access: reads, serve: s.assets},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/coverage", access: reads, serve: s.coverage},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/together", access: reads, serve: s.together},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/findings", access: reads, serve: s.findings},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/groups", access: reads, serve: s.groups},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/labels", access: reads, serve: s.labels},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/doctor", access: reads, serve: s.doctor},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/export", access: reads, serve: s.export},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/changes", access: reads, serve: s.changes},
		{method: http.MethodGet, pattern: "/v1/projects/{project_id}/history", access: reads, serve: s.history},
		{method: http.MethodPost, pattern: "/v1/projects/{project_id}/reports", access: writes, serve: s.reports},
		{method: http.MethodDelete, pattern: "/v1/projects/{project_id}", access: writes, serve: s.removeProject},
		{method: http.MethodDelete, pattern: "/v1/projects/{project_id}/assets/{id}", access: writes, serve: s.removeAsset},
		{method: http.MethodGet, pattern: "/healthz", access: public, serve: s.health},
		{method: http.MethodGet, pattern: "/readyz", access: public, serve: s.readiness},
		{method: http.MethodHead, pattern: "/healthz", access: public, serve: s.health},
		{method: http.MethodHead, pattern: "/readyz", access: public, serve: s.readiness},
		{method: http.MethodGet, pattern: "/readyz/reads", access: public, serve: s.readinessForReads},
		{method: http.MethodHead, pattern: "/readyz/reads", access: public, serve: s.readinessForReads},
		{method: http.MethodGet, pattern: "/openapi.yaml", access: public, serve: s.description},
	}
}

// access says who may use a route. The zero value is nobody, so that a route
// that forgets to say lets nobody in.
type access uint8

const (
	nobody access = iota
	public
	reads  // callers that are granted the project
	writes // of those, the ones that may write
)

// route is one call. Where its pattern has {project_id}, the caller must be
// granted the project before serve runs.
type route struct {
	method  string
	pattern string
	access  access
	serve   func(context.Context, *call) error

	segments []string // of the pattern
	meter    *meter
}

// name is how logs and metrics call the route; nil is the one of all requests
// that have none.
func (rt *route) name() string {
	if rt == nil {
		return "unknown"
	}
	return rt.method + " " + rt.pattern
}

// find returns the route of the request. It is a router of its own because
// [http.ServeMux] redirects paths that are not clean and answers a wrong
// method with 405, and the contract wants 404 for both.
func (s *Server) find(c *call) (*route, error) {
	path, escaped := c.Path, false
	if c.RawPath != "" { // only then can a segment hold an escaped slash
		path, escaped = c.RawPath, true
	}
	if !strings.HasPrefix(path, "/") { // such as the * of OPTIONS
		return nil, errUnknownPath
	}
	known := false
	for i := range s.table {
		rt := &s.table[i]
		if !rt.match(c, path, escaped) {
			continue
		}
		if rt.method == c.Method {
			return rt, nil
		}
		known = true
	}
	if known {
		return nil, errWrongMethod
	}
	return nil, errUnknownPath
}

// match says whether the path has the pattern's shape, and notes its variables. What it
// notes of a path that has not is overwritten by a route that matches.
func (rt *route) match(c *call, path string, escaped bool) bool {
	for _, want := range rt.segments {
		if path == "" {
			return false
		}
		rest := path[1:]
		if !variable(want) && !escaped {
			after, ok := strings.CutPrefix(rest, want)
			if !ok || after != "" && after[0] != '/' {
				return false
			}
			path = after
			continue
		}
		var got string
		got, path = segment(path)
		if escaped {
			plain, err := url.PathUnescape(got)
			if err != nil {
				return false
			}
			got = plain
		}
		if !c.bind(want, got) {
			return false
		}
	}
	return path == ""
}

// segment splits a path that begins with a slash after its first segment.
func segment(path string) (first, rest string) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// variable says whether a segment of a pattern stands for any text.
func variable(segment string) bool { return segment[0] == '{' }

// bind says whether a segment of a path is what the pattern wants there, and
// notes the value of a variable, which is never empty.
func (c *call) bind(want, got string) bool {
	switch want {
	case "{project_id}":
		c.project = got
	case "{id}":
		c.asset = got
	default:
		return want == got
	}
	return got != ""
}
