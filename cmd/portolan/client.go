package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine/expr"
	"portolan/server/auth"
)

// Headers of the HTTP API.
const (
	tokenHeader   = auth.TokenHeader
	versionHeader = "X-Data-Version"
)

// maxAnswer is the most bytes of an answer that are read; a full page of hosts
// with the longest names has less than 2 MiB.
const maxAnswer = 16 << 20

// serverFlags say which server a command talks to and as whom.
type serverFlags struct {
	url, project, tokenEnv string
	asOf                   moment
}

func (f *serverFlags) addTo(cmd *cobra.Command) {
	under(topicServer, cmd, func() {
		cmd.Flags().StringVar(&f.url, "server", "", "ask the server at this `URL`, such as http://127.0.0.1:8080")
		cmd.Flags().StringVar(&f.project, "project", "default", "the project on the server, its `ID`")
		cmd.Flags().StringVar(&f.tokenEnv, "token-env", "PORTOLAN_TOKEN", "the `NAME` of the variable that holds the server's token")
	})
}

// addAsOf adds the flag of questions that can be asked of the past.
func (f *serverFlags) addAsOf(cmd *cobra.Command) {
	under(topicServer, cmd, func() {
		cmd.Flags().Var(&f.asOf, "as-of", "answer as the server would have at this `TIME`, such as 2026-03-01T12:00:00Z, this long ago such as 24h or 7d, or after the batch of this number")
	})
}

// moment is a flag: a moment in the past, in the words of the HTTP API.
type moment struct{ text string }

// Set implements [pflag.Value]. An age is a time from then on, so that all pages of an answer are of one moment.
func (m *moment) Set(text string) error {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > 0 {
		m.text = text
		return nil
	}
	at, err := expr.ParseTime("as-of", text, time.Now())
	if err != nil {
		return errors.New("want a time such as 2026-03-01T12:00:00Z, an age such as 12h or 7d, or the number of a batch")
	}
	m.text = at.UTC().Format(time.RFC3339Nano)
	return nil
}

// String implements [pflag.Value].
func (m *moment) String() string { return m.text }

// Type implements [pflag.Value].
func (m *moment) Type() string { return "time" }

// fromServer says whether a server is asked, or else files are read.
func fromServer(read *readFlags, server *serverFlags) (bool, error) {
	switch asked := server.url != ""; {
	case !asked && len(read.files) == 0:
		return false, misuse("nothing to read: give a FILE or --server URL")
	case !asked && server.asOf.text != "":
		return false, misuse("--as-of is about what a server knew: give --server URL, or leave it out")
	case asked && (len(read.files) > 0 || read.format != "" || read.scope != "" || read.strict || read.policy.policy != nil):
		return false, misuse("--import, --format, --scope, --strict and --policy are about files: leave them out with --server")
	default:
		return asked, nil
	}
}

// client talks to one project of one server.
type client struct {
	base    string // without a slash at the end
	project string
	token   string
	// tokenEnv is the variable that the token came from.
	tokenEnv string
	http     *http.Client
}

// client returns the client that the flags describe.
func (c *cli) client(f *serverFlags) (*client, error) {
	cl, err := newClient("--server", f.url)
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(c.getenv(f.tokenEnv))
	if token == "" {
		return nil, misuse("%s is not set: it holds the server's token", f.tokenEnv)
	}
	if err := checkToken(token, f.tokenEnv); err != nil {
		return nil, err
	}
	cl.project, cl.token, cl.tokenEnv = f.project, token, f.tokenEnv
	return cl, nil
}

// newClient returns a client without a token for the address that a flag gives.
func newClient(flag, address string) (*client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, misuse("%s %q is not a base address: want one such as http://127.0.0.1:8080", flag, address)
	}
	return &client{
		base: strings.TrimSuffix(address, "/"),
		http: &http.Client{
			Transport: transport(),
			// A redirect would carry the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// transport gives every client its own connections, closed with close.
func transport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.ExpectContinueTimeout = 10 * time.Second // A server that refuses should not be sent gigabytes first.
	return t
}

func (cl *client) close() { cl.http.CloseIdleConnections() }

// escape escapes a text as one segment of a path. A segment of dots alone would
// otherwise be taken for a way up.
func escape(segment string) string {
	if strings.Trim(segment, ".") == "" {
		return strings.ReplaceAll(segment, ".", "%2E")
	}
	return url.PathEscape(segment)
}

// do sends a request and returns an answer with a 2xx status, whose body the
// caller closes, or an error that says what the server said.
func (cl *client) do(ctx context.Context, method, path string, query url.Values, body *upload) (*http.Response, error) {
	target := cl.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return nil, err
	}
	if cl.token != "" {
		req.Header.Set(tokenHeader, cl.token)
	}
	if body != nil {
		req.Body, req.ContentLength, req.Trailer = body, -1, body.trailer
		req.Header.Set("Content-Type", "application/octet-stream")
		req.Header.Set("Expect", "100-continue")
	}
	res, err := cl.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		return nil, readRefusal(res, cl.tokenEnv)
	}
	return res, nil
}

// refusal is an answer that is not a success.
type refusal struct {
	status   string
	code     int
	tokenEnv string // the variable that the token refused came from, if that is why
	body     []byte
	retry    time.Duration // after which the server wants to be asked again; 0 is never
	// What the body says of why, where it does.
	ErrorCode string `json:"error_code"`
	ErrorMsg  string `json:"error_msg"`
}

func (r *refusal) Error() string {
	text := "the server answers " + r.status
	if r.ErrorMsg != "" {
		text += fmt.Sprintf(": %s (%s)", r.ErrorMsg, r.ErrorCode)
	}
	if r.tokenEnv != "" {
		text += "; the token is that of " + r.tokenEnv
	}
	return text
}

// readRefusal reads the answer's body, which may be of any shape.
func readRefusal(res *http.Response, tokenEnv string) error {
	r := &refusal{status: res.Status, code: res.StatusCode, retry: retryAfter(res.Header)}
	if r.code == http.StatusUnauthorized || r.code == http.StatusForbidden {
		r.tokenEnv = tokenEnv
	}
	r.body, _ = io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // The status says enough.
	_ = json.Unmarshal(r.body, r)
	return r
}
