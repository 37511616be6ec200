package main

import (
	"net"
	"strings"
	"testing"

	"portolan/server/auth"
)

func TestServerToken(t *testing.T) {
	loopback, public := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4zero}
	for _, c := range []struct {
		name, token string
		addr        *net.TCPAddr
		fault       string // part of the error; empty for none
	}{
		{"none on loopback", "", loopback, ""},
		{"none on IPv6 loopback", "", &net.TCPAddr{IP: net.IPv6loopback}, ""},
		{"none in public", "", public, "is not set"},
		{"none on every address", "", &net.TCPAddr{}, "is not set"},
		{"shortest", strings.Repeat("x", auth.MinTokenLen), public, ""},
		{"too short", strings.Repeat("x", auth.MinTokenLen-1), loopback, "31 bytes"},
		{"longest", strings.Repeat("x", auth.MaxTokenLen), public, ""},
		{"too long", strings.Repeat("x", auth.MaxTokenLen+1), loopback, "4097 bytes"},
		{"newline at the end", testToken + "\n", public, ""},
		{"newline inside", testToken + "\n" + testToken, public, "visible ASCII"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cli := &cli{getenv: env{"PORTOLAN_TOKEN": c.token}.get}
			got, err := cli.serverToken("PORTOLAN_TOKEN", c.addr)
			if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Fatalf("got error %v, want %q", err, c.fault)
			}
			if err == nil && len(got.text) < auth.MinTokenLen {
				t.Errorf("token has %d bytes", len(got.text))
			}
		})
	}
}

func TestMadeUpTokensDiffer(t *testing.T) {
	if a, b := madeUpToken(), madeUpToken(); a == b {
		t.Errorf("twice %q", a.text)
	}
}

// A token that was set is named, never shown.
func TestGreetingHidesTheToken(t *testing.T) {
	s := serve(t, env{"SECRET": testToken}, "--token-env", "SECRET")
	if strings.Contains(s.curl, testToken) || !strings.Contains(s.curl, "$SECRET") {
		t.Errorf("printed %q", s.curl)
	}
	if s.token != testToken {
		t.Errorf("the line sends %q", s.token)
	}
}
