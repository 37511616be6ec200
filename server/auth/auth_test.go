package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portolan/server/auth"
)

const token = "0123456789abcdef0123456789abcdef"

func request(values ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for _, v := range values {
		r.Header.Add(auth.TokenHeader, v)
	}
	return r
}

func operator(t testing.TB, token string) auth.Authenticator {
	t.Helper()
	a, err := auth.OperatorToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOperatorToken(t *testing.T) {
	longest := strings.Repeat("x", auth.MaxTokenLen)
	tests := []struct {
		name  string
		known string
		sent  []string
		want  error
	}{
		{"known", token, []string{token}, nil},
		{"the longest", longest, []string{longest}, nil},
		{"first of two counts", token, []string{token, "other"}, nil},
		{"none", token, nil, auth.ErrNoToken},
		{"empty", token, []string{""}, auth.ErrNoToken},
		{"too short", token, []string{token[1:]}, auth.ErrBadToken},
		{"too long", token, []string{longest + "x"}, auth.ErrBadToken},
		{"unknown", token, []string{token[1:] + "0"}, auth.ErrBadToken},
		{"other case", token, []string{strings.ToUpper(token)}, auth.ErrBadToken},
		{"known is second", token, []string{token[1:] + "0", token}, auth.ErrBadToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			caller, err := ask(operator(t, tt.known), request(tt.sent...))
			if !errors.Is(err, tt.want) || (err == nil) != (caller != nil) {
				t.Fatalf("got %v, %v; want error %v", caller, err, tt.want)
			}
			if caller != nil && (!caller.Write || !caller.Projects.IsAll() || !caller.EnterpriseProjects.IsAll()) {
				t.Errorf("the operator is not granted everything: %+v", caller)
			}
		})
	}
}

func TestOperatorTokenBounds(t *testing.T) {
	for _, bad := range []string{"", token[1:], strings.Repeat("x", auth.MaxTokenLen+1)} {
		_, err := auth.OperatorToken(bad)
		if err == nil {
			t.Errorf("a token of %d bytes is accepted", len(bad))
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error holds the token")
		}
	}
}

func TestOperatorTokenDoesNotAllocate(t *testing.T) {
	a, q := operator(t, token), auth.FromHTTP(request(token))
	if n := testing.AllocsPerRun(100, func() { a.Authenticate(t.Context(), &q) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func TestGrant(t *testing.T) {
	tests := []struct {
		name  string
		grant auth.Grant
		all   bool
		has   string // of the names a, b and c
	}{
		{"zero", auth.Grant{}, false, ""},
		{"all", auth.All(), true, "abc"},
		{"none", auth.Only(), false, ""},
		{"some", auth.Only("c", "a", "c"), false, "ac"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.grant.IsAll() != tt.all || tt.grant.View().IsAll() != tt.all {
				t.Errorf("IsAll is %v, its view's %v", tt.grant.IsAll(), tt.grant.View().IsAll())
			}
			for _, name := range []string{"a", "b", "c"} {
				if tt.grant.Has(name) != strings.Contains(tt.has, name) {
					t.Errorf("Has(%q) is %v", name, tt.grant.Has(name))
				}
			}
		})
	}
}

// says answers every request the same way.
type says struct {
	caller *auth.Caller
	err    error
}

func (s says) Authenticate(context.Context, *auth.Request) (*auth.Caller, error) {
	return s.caller, s.err
}

func TestFirstOf(t *testing.T) {
	down := errors.New("unreachable")
	final := &auth.RefusalError{Reason: "verify aksk signature fail", Final: true}
	expired := &auth.RefusalError{Reason: "token expires, expires_at: then"}
	known := says{caller: &auth.Caller{Name: "known"}}
	other := says{caller: &auth.Caller{Name: "other"}}
	none, bad, out, ended := says{err: auth.ErrNoToken}, says{err: auth.ErrBadToken}, says{err: down}, says{err: expired}
	tests := []struct {
		name    string
		sources []auth.Authenticator
		caller  *auth.Caller
		err     error
	}{
		{"no source", nil, nil, auth.ErrNoToken},
		{"nothing sent", []auth.Authenticator{none, none}, nil, auth.ErrNoToken},
		{"first match decides", []auth.Authenticator{known, other}, known.caller, nil},
		{"unknown to the first", []auth.Authenticator{bad, known}, known.caller, nil},
		{"unknown to both", []auth.Authenticator{bad, none}, nil, auth.ErrBadToken},
		{"nothing for the first to read", []auth.Authenticator{none, ended}, nil, expired},
		{"final refusal", []auth.Authenticator{says{err: final}, known}, nil, final},
		{"one is down, a later one knows", []auth.Authenticator{out, known}, known.caller, nil},
		{"one is down, none knows", []auth.Authenticator{out, bad}, nil, down},
		{"none knows, one is down", []auth.Authenticator{bad, out}, nil, down},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			caller, err := ask(auth.FirstOf(tt.sources...), request())
			if caller != tt.caller || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v; want %v, %v", caller, err, tt.caller, tt.err)
			}
		})
	}
}

func TestFirstOfRotatesTokens(t *testing.T) {
	next := strings.ToUpper(token)
	both := auth.FirstOf(operator(t, token), operator(t, next))
	for _, sent := range []string{token, next} {
		if _, err := ask(both, request(sent)); err != nil {
			t.Errorf("%s is refused: %v", sent, err)
		}
	}
	if _, err := ask(both, request(token[1:]+"0")); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("an unknown token: %v", err)
	}
}

// TestMark: grants of the same names share a mark, and no others do.
func TestMark(t *testing.T) {
	seen := map[string]string{}
	for name, g := range map[string]auth.Grant{
		"zero": {}, "all": auth.All(), "none": auth.Only(), "a": auth.Only("a"), "a b": auth.Only("a", "b"),
		"ab": auth.Only("ab"), "'a', ''": auth.Only("a", ""), "long": auth.Only(strings.Repeat("x", 300)), "called all": auth.Only("all"),
	} {
		if other, ok := seen[g.Mark()]; ok {
			t.Errorf("%s and %s share %s", name, other, g.Mark())
		}
		seen[g.Mark()] = name
	}
	if a, b := auth.Only("x", "y", "x").Mark(), auth.Only("y", "x").Mark(); a != b {
		t.Errorf("the same names have marks %s and %s", a, b)
	}
}
