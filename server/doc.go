// Package server answers HTTP requests from an engine: the published call
// GET /v5/{project_id}/asset/port/statistics, and calls of its own to load and
// to remove what that one counts. API.md beside this file shows every call.
//
// # Basics
//
// [New] makes a [Server], an [net/http.Handler], of an engine and [Options].
// [NewHTTPServer] makes a listener's [net/http.Server] of it, with limits that
// a public address needs, [NewFront] one that answers plain GETs itself, [OpenKeyPair] its certificate, and [NewAdmin] the
// handler of an address that only operators reach. Who may ask what is decided
// by the Authenticator of package auth.
//
//	request ── route (404) ── caller (401) ── rate (429) ── grants (403) ── parameters (400) ── tag (304) ── engine
//	                                                                                                           │
//	answer  ── reply <──────────────────────────── fail, the one error writer <── error ────────────────── handler
//
// What answers knows no transport: a request comes to it as an auth.Request, and the
// answer leaves as a status, header fields and bytes. ServeHTTP, in adapter.go, is the
// adapter of net/http; the front, in front.go, reads connections itself.
//
//	connection ── front ── plain (plain.go)? ── answered, in one write for all that came
//	                └── anything else: the connection and its bytes ── net/http ── ServeHTTP
//
// # Caveats
//
// Requests without credentials are not limited in rate, only their connections
// in number. Rules of the published call that no evidence decides are gathered
// in guesses.go. openapi.yaml says what every call takes and answers; the tests
// hold it against the router and against their answers.
package server
