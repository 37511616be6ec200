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
	"time"
)

// Bounds of the HTTP API on a page.
const (
	minPage   = 10
	maxPage   = 200
	maxOffset = 2_000_000
)

// Reading page by page starts over when the data changed in between, at most
// this often and with a growing pause.
const (
	maxAttempts  = 6
	attemptPause = 100 * time.Millisecond
)

// errChanged is returned when two pages are not of the same data.
var errChanged = errors.New("the data changed while it was read")

// portPage is one answer of the HTTP API.
type portPage struct {
	Total   int       `json:"total_num"`
	Rows    []portRow `json:"data_list"`
	version string
}

// serverPorts answers by asking a server.
func (c *cli) serverPorts(ctx context.Context, f *portsFlags) ([]portRow, int, error) {
	query, err := f.values()
	if err != nil {
		return nil, 0, err
	}
	cl, err := c.client(&f.server)
	if err != nil {
		return nil, 0, err
	}
	defer cl.close()
	p := pager{pause: attemptPause, get: func(ctx context.Context, offset, limit int) (*portPage, error) {
		return cl.portPage(ctx, query, offset, limit)
	}}
	return p.read(ctx, int(f.offset.value), int(f.limit.value))
}

// values returns the filter as the HTTP API takes it.
func (f *portsFlags) values() (url.Values, error) {
	query := url.Values{"category": {f.category.value}, "enterprise_project_id": {allGranted}}
	switch v := f.view(); {
	case v.IsAll():
	case len(v.Names()) == 1:
		query.Set("enterprise_project_id", v.Names()[0])
	default:
		return nil, misuse("a server is asked for one enterprise project or for all: give one --enterprise-project or none")
	}
	if f.descending {
		query.Set("sort_dir", "desc")
	}
	if f.port.value != 0 {
		query.Set("port", f.port.String())
	}
	for name, value := range map[string]string{"port_string": f.match, "type": f.typ.value, "status": f.status.value} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query, nil
}

// portPage asks for one page. It sets the page's bounds in query.
func (cl *client) portPage(ctx context.Context, query url.Values, offset, limit int) (*portPage, error) {
	query.Set("offset", strconv.Itoa(offset))
	query.Set("limit", strconv.Itoa(limit))
	res, err := cl.do(ctx, http.MethodGet, "/v5/"+escape(cl.project)+"/asset/port/statistics", query, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	page := &portPage{version: res.Header.Get(versionHeader)}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(page); err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return page, nil
}

// pager reads any number of rows from pages of bounded size.
type pager struct {
	get   func(ctx context.Context, offset, limit int) (*portPage, error)
	pause time.Duration // before the second attempt
}

// read returns limit rows from offset on, all for a limit of 0, and how many
// rows there are. All rows are of the same data.
func (p *pager) read(ctx context.Context, offset, limit int) ([]portRow, int, error) {
	for attempt := range maxAttempts {
		rows, total, err := p.pages(ctx, min(offset, maxOffset), limit)
		if !errors.Is(err, errChanged) {
			return rows, total, err
		}
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-time.After(p.pause << attempt):
		}
	}
	return nil, 0, fmt.Errorf("%w, %d times: ask for fewer rows or try again", errChanged, maxAttempts)
}

// pages reads page after page until it has what was asked for.
func (p *pager) pages(ctx context.Context, offset, limit int) ([]portRow, int, error) {
	var rows []portRow
	var first *portPage
	for {
		size := maxPage
		if limit > 0 {
			size = min(max(limit-len(rows), minPage), maxPage)
		}
		page, err := p.get(ctx, offset+len(rows), size)
		if err != nil {
			return nil, 0, err
		}
		if first == nil {
			first = page
		}
		if page.version != first.version || page.Total != first.Total {
			return nil, 0, errChanged
		}
		rows = append(rows, page.Rows...)
		switch {
		case limit > 0 && len(rows) >= limit:
			return rows[:limit], first.Total, nil
		case offset+len(rows) >= first.Total:
			return rows, first.Total, nil
		case len(page.Rows) == 0:
			return nil, 0, fmt.Errorf("the server ends at row %d of %d", offset+len(rows), first.Total)
		}
	}
}
