package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portolan/engine"
	"portolan/index"
	"portolan/server"
	"portolan/server/auth"
)

// contractRow is a row of the contract with the cases that hold it.
type contractRow struct {
	row   string
	cases []contractCase
}

// contractCase is a request and its answer.
type contractCase struct {
	// ask is METHOD /target, or the query of the published call.
	ask string
	// want is the short form of a page, a whole body, or, of a failure, status,
	// code and a part of what it says.
	want string
	// as gives the request its credentials; nil is the operator's token.
	as func(*http.Request)
	// rig is what answers; nil is the known fleet.
	rig func(*testing.T, auth.Authenticator) *rig
	// also looks at the rest.
	also func(*testing.T, *rig, *httptest.ResponseRecorder)
}

var failureForm = regexp.MustCompile(`^\d{3} [A-Z]`)

// run asks in a bubble, whose clock stands still.
func (c *contractCase) run(t *testing.T, who auth.Authenticator) {
	build := c.rig
	if build == nil {
		build = func(t *testing.T, who auth.Authenticator) *rig { return newRig(t, who).known() }
	}
	r := build(t, who)
	method, target, ok := strings.Cut(c.ask, " ")
	if !ok {
		method, target = http.MethodGet, statistics+"?"+c.ask
	}
	req := httptest.NewRequest(method, target, http.NoBody)
	if c.as == nil {
		req.Header.Set(auth.TokenHeader, token)
	} else {
		c.as(req)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	conforms(t, req, w)
	sound(t, w.Code, w.Header(), w.Body.Bytes())
	plainly(t, r, req, w)
	switch {
	case failureForm.MatchString(c.want):
		var status int
		var code string
		fmt.Sscan(c.want, &status, &code)
		wantFailure(t, w, status, code, strings.TrimSpace(c.want[len("400 ")+len(code):]))
	case w.Code != http.StatusOK:
		t.Errorf("got %d %s, want %s", w.Code, w.Body, c.want)
	case strings.HasPrefix(c.want, "{"):
		if w.Body.String() != c.want {
			t.Errorf("got  %s\nwant %s", w.Body, c.want)
		}
	default:
		if got := short(t, w.Body.String()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if c.also != nil {
		c.also(t, r, w)
	}
}

// TestContract holds the server against every row of the contract's tables
// Request, Response 200 and Authentication, by its public handler.
func TestContract(t *testing.T) {
	who := sources(t)
	for table, rows := range map[string][]contractRow{"Request": requestRows, "Response 200": responseRows, "Authentication": authenticationRows} {
		t.Run(table, func(t *testing.T) {
			for _, row := range rows {
				t.Run(row.row, func(t *testing.T) {
					if len(row.cases) == 0 {
						t.Error("no case holds this row")
					}
					for _, c := range row.cases {
						t.Run(c.ask[:min(len(c.ask), 60)], func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { c.run(t, who) })
						})
					}
				})
			}
		})
	}
}

// Credentials that the sources know.
const (
	keyID       = "QTWAOYTTINDUT2QVKYUC"
	keySecret   = "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"
	shopToken   = "portolan_of-a-reader-of-the-shop-00000" // p1, enterprise projects shop and empty
	otherToken  = "portolan_of-a-reader-of-another-000000" // p2
	pastToken   = "portolan_of-somebody-who-was-here-0000"
	futureToken = "portolan_of-somebody-who-is-here-00000"
)

var longestToken = "portolan_" + strings.Repeat("x", auth.MaxTokenLen-9)

// epoch is when a bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// sources returns the sources of a server as it is run: signatures, a token
// file and the operator's token.
func sources(t *testing.T) auth.Authenticator {
	t.Helper()
	keys, tokens := filepath.Join(t.TempDir(), "keys.json"), filepath.Join(t.TempDir(), "tokens.json")
	entry := fmt.Sprintf(`[{"access_key":%q,"secret_key":%q,"projects":["p1"],"enterprise_projects":["*"]}]`, keyID, keySecret)
	if err := os.WriteFile(keys, []byte(entry), 0o600); err != nil {
		t.Fatal(err)
	}
	err := auth.EditTokens(tokens, func([]auth.TokenRecord) ([]auth.TokenRecord, error) {
		all := []string{"*"}
		return []auth.TokenRecord{
			{Name: "shop", SHA256: auth.HashToken(shopToken), Projects: []string{"p1"}, EnterpriseProjects: []string{"shop", "empty"}},
			{Name: "other", SHA256: auth.HashToken(otherToken), Projects: []string{"p2"}, EnterpriseProjects: all},
			{Name: "past", SHA256: auth.HashToken(pastToken), Projects: all, EnterpriseProjects: all, Expires: epoch},
			{Name: "future", SHA256: auth.HashToken(futureToken), Projects: all, EnterpriseProjects: all, Expires: epoch.Add(time.Second)},
			{Name: "longest", SHA256: auth.HashToken(longestToken), Projects: all, EnterpriseProjects: all},
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	signatures, err := auth.OpenAccessKeys(keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := auth.OpenTokens(tokens, nil)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := auth.OperatorToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return auth.FirstOf(signatures, file, operator)
}

// with gives a request headers, name and value in turn.
func with(headers ...string) func(*http.Request) {
	return func(r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
}

// signedBy signs a request whose query is in order and needs no escapes, so
// long after the bubble began; further headers are signed, too.
func signedBy(id, secret string, after time.Duration, headers ...string) func(*http.Request) {
	return func(r *http.Request) {
		date := epoch.Add(after).Format("20060102T150405Z")
		with(append([]string{"X-Sdk-Date", date}, headers...)...)(r)
		lines, names := "", ""
		for i := 0; i < len(headers); i += 2 { // in order, and before x-sdk-date
			lines += strings.ToLower(headers[i]) + ":" + headers[i+1] + "\n"
			names += strings.ToLower(headers[i]) + ";"
		}
		names += "x-sdk-date"
		none := sha256.Sum256(nil)
		canonical := strings.Join([]string{r.Method, r.URL.Path + "/", r.URL.RawQuery, lines + "x-sdk-date:" + date + "\n", names, hex.EncodeToString(none[:])}, "\n")
		sum := sha256.Sum256([]byte(canonical))
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "SDK-HMAC-SHA256\n%s\n%x", date, sum)
		r.Header.Set("Authorization", fmt.Sprintf("SDK-HMAC-SHA256 Access=%s, SignedHeaders=%s, Signature=%x", id, names, mac.Sum(nil)))
	}
}

// both gives a request several things.
func both(all ...func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		for _, one := range all {
			one(r)
		}
	}
}

// fleetOf is a rig with reports of its own.
func fleetOf(lines ...string) func(*testing.T, auth.Authenticator) *rig {
	return func(t *testing.T, who auth.Authenticator) *rig {
		r := newRig(t, who)
		r.apply(lines...)
		return r
	}
}

// judged is the known fleet under a policy that calls SSH normal.
func judged(t *testing.T, who auth.Authenticator) *rig {
	t.Helper()
	policy, err := engine.NewPolicy([]engine.Rule{
		{Keys: engine.KeysOf(index.Range{Type: index.TCP, Lo: 22, Hi: 22}), Status: engine.Normal},
		{Keys: engine.KeysOf(index.Range{Type: index.UDP, Lo: 123, Hi: 123}), Status: engine.Danger},
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(&engine.Options{Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(e, &server.Options{Auth: who})
	if err != nil {
		t.Fatal(err)
	}
	return (&rig{TB: t, engine: e, handler: s}).known()
}

// limited is the known fleet under a limit of so many requests in a second, 0 is
// none, after so many were answered.
func limited(perSecond, answered int) func(*testing.T, auth.Authenticator) *rig {
	return func(t *testing.T, who auth.Authenticator) *rig {
		r := newRig(t, who, func(o *server.Options) { o.RateLimit = perSecond }).known()
		for range answered {
			r.get("")
		}
		return r
	}
}

// identityDown is a server whose identity source fails, and which says so in its
// log and nowhere else.
func identityDown(t *testing.T, _ auth.Authenticator) *rig {
	var log strings.Builder
	r := newRig(t, fake{err: errors.New("no route to identity.internal")}, func(o *server.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	t.Cleanup(func() {
		if !strings.Contains(log.String(), "no route to identity.internal") {
			t.Errorf("the log says %q", &log)
		}
	})
	return r
}

// header returns a look at a header.
func header(name, want string) func(*testing.T, *rig, *httptest.ResponseRecorder) {
	return func(t *testing.T, _ *rig, w *httptest.ResponseRecorder) {
		t.Helper()
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// keeps returns a look at whether an id that was sent is that of the answer.
func keeps(sent string, want bool) func(*testing.T, *rig, *httptest.ResponseRecorder) {
	return func(t *testing.T, _ *rig, w *httptest.ResponseRecorder) {
		t.Helper()
		if got := w.Header().Get("X-Request-Id"); (got == sent) != want {
			t.Errorf("sent id %q, got %q", sent, got)
		}
	}
}

// paged pages as the Terraform data source does: the offset grows by 100, and
// only an empty page ends it.
func paged(rows int) func(*testing.T, *rig, *httptest.ResponseRecorder) {
	return func(t *testing.T, r *rig, _ *httptest.ResponseRecorder) {
		t.Helper()
		for offset := 0; ; offset += 100 {
			p := decode(t, r.get(fmt.Sprintf("limit=100&offset=%d", offset)))
			if want := min(100, max(0, rows-offset)); p.Total != rows || len(p.List) != want {
				t.Fatalf("offset %d: %d rows of %d, want %d of %d", offset, len(p.List), p.Total, want, rows)
			}
			for i, row := range p.List {
				if row.Port != offset+i+1 {
					t.Fatalf("row %d is port %d", offset+i, row.Port)
				}
			}
			if len(p.List) == 0 {
				return
			}
		}
	}
}

// portsTo is a report of one host that has the first so many TCP ports open.
func portsTo(last int) string {
	var line strings.Builder
	line.WriteString("h1")
	for p := range last {
		fmt.Fprintf(&line, " %d/tcp", p+1)
	}
	return line.String()
}
