package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search/query"

	"portolan/engine"
)

// documents is a search engine's view: a document per host, its ports as terms.
type documents struct{ index bleve.Index }

// bleveBatch is how many documents are indexed at once.
const bleveBatch = 2000

// maxTerms is more keys than there can be.
const maxTerms = 1 << 19

func openBleve() (peer, error) {
	field := bleve.NewTextFieldMapping()
	field.Analyzer, field.Store, field.IncludeInAll, field.IncludeTermVectors = keyword.Name, false, false, false
	doc := bleve.NewDocumentStaticMapping()
	doc.AddFieldMappingsAt("open", field)
	doc.AddFieldMappingsAt("grp", field)
	m := bleve.NewIndexMapping()
	m.DefaultMapping = doc
	index, err := bleve.NewUsing("", m, scorch.Name, scorch.Name, nil) // no path: in memory
	if err != nil {
		return nil, err
	}
	return documents{index}, nil
}

func (d documents) load(ctx context.Context, assets iter.Seq[asset]) error {
	batch := d.index.NewBatch()
	for a := range assets {
		open := make([]string, len(a.open))
		for i, k := range a.open {
			open[i] = termOf(k)
		}
		doc := map[string]any{"open": open, "grp": strconv.Itoa(int(a.group))}
		if err := batch.Index(strconv.Itoa(int(a.host)), doc); err != nil {
			return err
		}
		if batch.Size() >= bleveBatch {
			if err := d.index.Batch(batch); err != nil {
				return err
			}
			batch.Reset()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return d.index.Batch(batch)
}

func termOf(k engine.Key) string { return strconv.Itoa(int(k)) }

// within is the query for the hosts of some enterprise projects.
func within(groups []uint16) query.Query {
	if groups == nil {
		return bleve.NewMatchAllQuery()
	}
	parts := make([]query.Query, len(groups))
	for i, g := range groups {
		t := bleve.NewTermQuery(strconv.Itoa(int(g)))
		t.SetField("grp")
		parts[i] = t
	}
	return bleve.NewDisjunctionQuery(parts...)
}

func (d documents) ports(ctx context.Context, q *question) (page, error) {
	if q.has != 0 { // a facet takes seconds, whatever the query
		return page{}, errCannot
	}
	if q.port != 0 {
		return d.exact(ctx, q)
	}
	request := bleve.NewSearchRequestOptions(within(q.groups), 0, 0, false)
	request.Score = "none"
	request.AddFacet("open", bleve.NewFacetRequest("open", maxTerms))
	result, err := d.index.SearchInContext(ctx, request)
	if err != nil {
		return page{}, err
	}
	var rows []row
	for _, term := range result.Facets["open"].Terms.Terms() {
		n, err := strconv.ParseUint(term.Term, 10, 32)
		if err != nil {
			return page{}, err
		}
		if k := engine.Key(n); q.matches(k) {
			rows = append(rows, row{k, term.Count})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return int(a.key) - int(b.key) })
	return q.pageOf(rows), nil
}

// exact counts the hosts with a port of each type.
func (d documents) exact(ctx context.Context, q *question) (page, error) {
	var rows []row
	for t := engine.SCTP; t <= engine.UDP6; t++ {
		k := engine.MakeKey(q.port, t)
		n, err := d.hits(ctx, bleve.NewConjunctionQuery(within(q.groups), openQuery(k)))
		if err != nil {
			return page{}, err
		}
		if n > 0 {
			rows = append(rows, row{k, n})
		}
	}
	return q.pageOf(rows), nil
}

func openQuery(k engine.Key) query.Query {
	t := bleve.NewTermQuery(termOf(k))
	t.SetField("open")
	return t
}

// hits counts the documents that a query finds.
func (d documents) hits(ctx context.Context, q query.Query) (int, error) {
	request := bleve.NewSearchRequestOptions(q, 0, 0, false)
	request.Score = "none"
	result, err := d.index.SearchInContext(ctx, request)
	if err != nil {
		return 0, err
	}
	return int(result.Total), nil
}

func (d documents) distinct(ctx context.Context, keys []engine.Key) (int, error) {
	parts := make([]query.Query, len(keys))
	for i, k := range keys {
		parts[i] = openQuery(k)
	}
	return d.hits(ctx, bleve.NewDisjunctionQuery(parts...))
}

func (d documents) size(context.Context) (int64, error) { return 0, nil }

func (d documents) close() error {
	if err := d.index.Close(); err != nil {
		return fmt.Errorf("bleve: %w", err)
	}
	return nil
}
