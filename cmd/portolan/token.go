package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"

	"portolan/engine"
	"portolan/server/auth"
)

// serverToken is the token that callers of the server send.
type serverToken struct {
	text string
	env  string // the variable it came from; empty for one made up
}

// serverToken returns the token that is set, or one made up where only this
// machine can call. Without one the server must not start.
func (c *cli) serverToken(env string, addr *net.TCPAddr) (serverToken, error) {
	text := strings.TrimSpace(c.getenv(env))
	switch n := len(text); {
	case n == 0 && addr.IP.IsLoopback():
		return madeUpToken(), nil
	case n == 0:
		return serverToken{}, misuse("%s is not set: listening on %s, which others can reach, needs a token", env, addr)
	}
	return serverToken{text: text, env: env}, checkToken(text, env)
}

// checkToken says why a token, which came from the variable, cannot be one.
func checkToken(text, env string) error {
	switch n := len(text); {
	case n < auth.MinTokenLen || n > auth.MaxTokenLen:
		return misuse("%s has %d bytes: want %d to %d", env, n, auth.MinTokenLen, auth.MaxTokenLen)
	case strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' }):
		return misuse("%s holds characters that no header carries: want visible ASCII", env)
	}
	return nil
}

func madeUpToken() serverToken {
	var b [auth.MinTokenLen]byte
	_, _ = rand.Read(b[:]) // It never fails.
	return serverToken{text: hex.EncodeToString(b[:])}
}

// header returns the token as a shell word for curl. A token that was set is
// not shown, its variable is; where there is none, the caller fills in its own.
func (t serverToken) header() string {
	if t.text == "" {
		return `"` + auth.TokenHeader + `: $TOKEN"`
	}
	if t.env != "" {
		return `"` + auth.TokenHeader + `: $` + t.env + `"`
	}
	return "'" + auth.TokenHeader + ": " + t.text + "'"
}

// greet prints a first request, ready to paste.
func (c *cli) greet(f *serveFlags, at net.Addr, token serverToken, held engine.Stats) {
	query := "enterprise_project_id=" + allGranted
	if parsedCategory(f.category) != engine.Host {
		query += "&category=" + f.category.value
	}
	scheme := "http"
	if f.cert != "" {
		scheme = "https"
	}
	fmt.Fprintf(c.stdout, "%d assets, %d open ports. Ask:\n\n  curl -H %s '%s://%s/v5/%s/asset/port/statistics?%s'\n\n",
		held.Assets, held.Observations, token.header(), scheme, reachable(at), escape(f.project), query)
}

// reachable returns an address by which this machine reaches a listener.
func reachable(at net.Addr) string {
	addr, ok := at.(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return at.String()
	}
	return net.JoinHostPort("localhost", strconv.Itoa(addr.Port))
}
