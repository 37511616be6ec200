package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

// pageRows is how many rows the page has that is asked for.
const pageRows = 10

// pair is the two servers that are compared, and what they are asked.
type pair struct {
	ours, bare *side
	request    []byte
	header     http.Header // of an answer, without what net/http adds itself
	body       []byte      // of every answer
}

// newPair starts both servers and connects to them. The bare one's answer is
// that of ours.
func newPair(ctx context.Context, c *HTTPConfig) (_ *pair, err error) {
	token := newToken()
	p := &pair{request: newRequest(c.Project, token)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	srv, err := ourServer(c.Engine, token)
	if err != nil {
		return nil, err
	}
	if p.ours, err = serve("ours", srv); err != nil {
		return nil, err
	}
	if p.header, p.body, err = fetch(ctx, p.ours.addr, p.request); err != nil {
		return nil, fmt.Errorf("ours: %w", err)
	}
	if err := checkPage(p.body); err != nil {
		return nil, fmt.Errorf("project %q: %w", c.Project, err)
	}
	if p.bare, err = serve("bare", bareServer(srv, p.header, p.body)); err != nil {
		return nil, err
	}
	if err := p.checkSame(ctx); err != nil {
		return nil, err
	}
	if err := p.ours.connect(ctx, c.Connections, p.request, p.body); err != nil {
		return nil, err
	}
	return p, p.bare.connect(ctx, c.Connections, p.request, p.body)
}

func (p *pair) close() error {
	var errs []error
	for _, s := range []*side{p.ours, p.bare} {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	return errors.Join(errs...)
}

// checkSame refuses to compare servers whose answers differ, but for their ids.
func (p *pair) checkSame(ctx context.Context) error {
	header, body, err := fetch(ctx, p.bare.addr, p.request)
	if err != nil {
		return fmt.Errorf("bare: %w", err)
	}
	if !maps.EqualFunc(header, p.header, slices.Equal) || !bytes.Equal(body, p.body) {
		return fmt.Errorf("the answers differ:\nours %v %s\nbare %v %s", p.header, p.body, header, body)
	}
	return nil
}

func newToken() string {
	var b [auth.MinTokenLen]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// newRequest returns the bytes of a question as clients put it: parameters to
// read, no two answers of which are alike.
func newRequest(project, token string) []byte {
	path := "/v5/" + url.PathEscape(project) + "/asset/port/statistics"
	query := "category=host&enterprise_project_id=" + engine.AllEnterpriseProjects + "&limit=10&offset=0"
	return []byte("GET " + path + "?" + query + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: portolan-bench\r\n" +
		"Accept: application/json\r\n" + auth.TokenHeader + ": " + token + "\r\n\r\n")
}

// ourServer returns the server that the serve command makes by default.
func ourServer(e *engine.Engine, token string) (*http.Server, error) {
	operator, err := auth.OperatorToken(token)
	if err != nil {
		return nil, err
	}
	s, err := server.New(e, &server.Options{Auth: operator})
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Metrics())
	return server.NewHTTPServer(s, &server.HTTPOptions{Metrics: registry}), nil
}

// bareServer returns a plain server with the limits of ours that net/http keeps
// by itself. It answers everything with the header and the body.
func bareServer(like *http.Server, header http.Header, body []byte) *http.Server {
	h := &constant{body: body}
	for name, values := range header {
		h.fields = append(h.fields, field{name, values})
	}
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            like.ReadHeaderTimeout,
		ReadTimeout:                  like.ReadTimeout,
		WriteTimeout:                 like.WriteTimeout,
		IdleTimeout:                  like.IdleTimeout,
		MaxHeaderBytes:               like.MaxHeaderBytes,
		ErrorLog:                     like.ErrorLog,
		DisableGeneralOptionsHandler: like.DisableGeneralOptionsHandler,
	}
}

// constant answers everything the same way, as fast as net/http lets it.
type constant struct {
	fields []field
	body   []byte
}

// field is a list because a map takes longer to read.
type field struct {
	name   string
	values []string
}

// ServeHTTP writes the answer.
func (c *constant) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	for _, f := range c.fields {
		h[f.name] = f.values
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(c.body) // whoever asked is gone
}

// fetch sends the request on a connection of its own and returns the answer,
// which must be a success, without the header that net/http writes itself.
func fetch(ctx context.Context, addr string, request []byte) (http.Header, []byte, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(patience)) // a closed connection fails below
	if _, err := conn.Write(request); err != nil {
		return nil, nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	res.Header.Del("Date")
	return res.Header, body, err
}

// checkPage refuses an answer that is not a full page.
func checkPage(body []byte) error {
	var page struct {
		List []json.RawMessage `json:"data_list"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return err
	}
	if len(page.List) != pageRows {
		return fmt.Errorf("it has %d rows: want at least %d", len(page.List), pageRows)
	}
	return nil
}
