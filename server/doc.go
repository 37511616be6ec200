// Package server answers HTTP requests from an engine: the published call
// GET /v5/{project_id}/asset/port/statistics, and calls of its own to load and
// to remove what that one counts. API.md beside this file shows every call.
//
// # Basics
//
// [New] makes a [Server], an [net/http.Handler], of an engine and [Options].
// [NewHTTPServer] makes a listener's [net/http.Server] of it, with limits that
// a public address needs. Who may ask what is decided by the Authenticator of
// package auth.
//
//	request ── route (404) ── caller (401) ── grants (403) ── parameters (400) ── engine
//	                                                                                │
//	answer  ── reply <──────────────── fail, the one error writer <── error ── handler
//
// # Caveats
//
// The package knows no TLS, no rate limits and no compressed bodies. Rules of
// the published call that no evidence decides are gathered in guesses.go.
package server
