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
	maxPage   = 10_000
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

// page is one answer of the HTTP API to a question whose rows are R.
type page[R any] struct {
	Total   int    `json:"total_num"`
	Rows    []R    `json:"data_list"`
	Next    string `json:"next"`
	version string
}

// question is a call of the HTTP API that answers in pages.
type question struct {
	path  string // below that of the project
	query url.Values
	about any // takes what an answer has besides its rows; nil is nothing
}

// question returns the question at the path with the parameters that every such call has, and
// with those given that are not empty.
func (f *filterFlags) question(path string, filters map[string]string) question {
	query := url.Values{"category": {f.category.value}}
	if view := f.view(); !view.IsAll() {
		query["enterprise_project_id"] = view.Names()
	}
	for name, value := range filters {
		if value != "" {
			query.Set(name, value)
		}
	}
	return question{path: path, query: query}
}

// readPages asks the server that the flags name for the rows from offset on, at
// most limit of them, and returns how many there are.
func readPages[R any](ctx context.Context, c *cli, server *serverFlags, q question, f *filterFlags) ([]R, int, error) {
	cl, err := c.client(server)
	if err != nil {
		return nil, 0, err
	}
	defer cl.close()
	if server.asOf.text != "" {
		q.query.Set("as_of", server.asOf.text)
	}
	if q.query.Get("sort") == "id" {
		return readByID[R](ctx, cl, q, int(f.offset.value), int(f.limit.value))
	}
	p := pager[R]{pause: attemptPause, get: func(ctx context.Context, offset, limit int) (*page[R], error) {
		return getPage[R](ctx, cl, q, offset, limit)
	}}
	return p.read(ctx, int(f.offset.value), int(f.limit.value))
}

// readByID reads rows that come by id: pages follow each other by cursors, which stay right while the
// data changes. The total is that of the first page.
func readByID[R any](ctx context.Context, cl *client, q question, offset, limit int) (rows []R, total int, err error) {
	for {
		size := maxPage
		if limit > 0 {
			size = min(limit-len(rows), maxPage)
		}
		next, err := getPage[R](ctx, cl, q, min(offset, maxOffset), size)
		if err != nil {
			return nil, 0, err
		}
		if !q.query.Has("cursor") {
			total = next.Total
		}
		rows = append(rows, next.Rows...)
		if next.Next == "" || limit > 0 && len(rows) >= limit {
			return rows, total, nil
		}
		q.query.Set("cursor", next.Next)
	}
}

// getPage asks for one page. It sets the page's bounds in the question; of one with a cursor the offset
// does not count.
func getPage[R any](ctx context.Context, cl *client, q question, offset, limit int) (*page[R], error) {
	if q.query.Del("offset"); !q.query.Has("cursor") {
		q.query.Set("offset", strconv.Itoa(offset))
	}
	q.query.Set("limit", strconv.Itoa(limit))
	res, err := cl.do(ctx, http.MethodGet, "/v1/projects/"+escape(cl.project)+q.path, q.query, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer := &page[R]{version: res.Header.Get(versionHeader)}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	if err == nil && q.about != nil {
		err = json.Unmarshal(text, q.about)
	}
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return answer, nil
}

// pager reads any number of rows from pages of bounded size.
type pager[R any] struct {
	get   func(ctx context.Context, offset, limit int) (*page[R], error)
	pause time.Duration // before the second attempt
}

// read returns limit rows from offset on, all for a limit of 0, and how many
// rows there are. All rows are of the same data.
func (p *pager[R]) read(ctx context.Context, offset, limit int) ([]R, int, error) {
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
func (p *pager[R]) pages(ctx context.Context, offset, limit int) ([]R, int, error) {
	var rows []R
	var first *page[R]
	for {
		size := maxPage
		if limit > 0 {
			size = min(limit-len(rows), maxPage)
		}
		next, err := p.get(ctx, offset+len(rows), size)
		if err != nil {
			return nil, 0, err
		}
		if first == nil {
			first = next
		}
		if next.version != first.version || next.Total != first.Total {
			return nil, 0, errChanged
		}
		rows = append(rows, next.Rows...)
		switch {
		case limit > 0 && len(rows) >= limit:
			return rows[:limit], first.Total, nil
		case offset+len(rows) >= first.Total:
			return rows, first.Total, nil
		case len(next.Rows) == 0:
			return nil, 0, fmt.Errorf("the server ends at row %d of %d", offset+len(rows), first.Total)
		}
	}
}
