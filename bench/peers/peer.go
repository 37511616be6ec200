package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"portolan/engine"
	"portolan/index"
)

// peer is a program that answers our questions in its own way. It belongs to one
// goroutine.
type peer interface {
	// load takes all assets; it is called once.
	load(ctx context.Context, assets iter.Seq[asset]) error
	// ports returns how many rows there are in all, and a page of them.
	ports(ctx context.Context, q *question) (page, error)
	// distinct counts the assets that have any of the keys open.
	distinct(ctx context.Context, keys []engine.Key) (int, error)
	// size returns how many bytes the data takes, 0 where that is what the heap of
	// this process has grown by.
	size(ctx context.Context) (int64, error)
	close() error
}

// errCannot is returned by a peer for what it cannot express.
var errCannot = errors.New("cannot be expressed")

// unavailableError says why a peer cannot run here.
type unavailableError struct{ reason string }

func (e unavailableError) Error() string { return e.reason }

// asset is one host, numbered from 0, and the enterprise project it is in.
type asset struct {
	host  uint32
	group uint16
	open  []engine.Key
}

// question is an [engine.PortQuery] in numbers. A nil groups is all of them.
type question struct {
	port          uint16
	digits        string
	groups        []uint16
	has           engine.Key // of hosts that have it open, or do not; 0 is of all
	hasNot        bool
	byCount       bool // the highest count first, those that are equal by key
	offset, limit int
}

// page is the answer to a query.
type page struct {
	total int
	rows  []row
}

// row is how many assets have a key open.
type row struct {
	key engine.Key
	n   int
}

// contender is a peer by name, and how it is used.
type contender struct {
	name string
	how  string // with the page of its documentation that says so
	open func() (peer, error)
}

// contenders returns every peer, ours first.
func contenders(lib string) []contender {
	return []contender{
		{"portolan", "the engine in this process", openPortolan},
		{"roaring", "a roaring.Bitmap per key and per enterprise project, RunOptimize after loading, cardinalities of intersections " +
			"(https://pkg.go.dev/github.com/RoaringBitmap/roaring/v2)", openRoaring},
		{"maps", "a map of host numbers per key and per enterprise project", openMaps},
		{"sqlite, counts", "precomputed counts per enterprise project, WITHOUT ROWID clustered on the page's order " +
			"(https://www.sqlite.org/withoutrowid.html), prepared statements, in memory", openSQLiteCounts},
		{"sqlite, rows", "a row per open port, WITHOUT ROWID clustered on the page's order, one transaction " +
			"(https://www.sqlite.org/faq.html#q19), in memory", openSQLiteRows},
		{"duckdb", "a row per open port through the Appender, in memory, sorted so that zone maps prune " +
			"(https://duckdb.org/docs/stable/guides/performance/indexing)", openDuckDB},
		{
			"clickhouse", "MergeTree ordered by the page's order (https://clickhouse.com/docs/guides/best-practices/sparse-primary-indexes), in process",
			func() (peer, error) { return openClickHouse(lib) },
		},
		{"bleve", "a document per host in an index in memory, batches, a facet over its ports " +
			"(https://blevesearch.com/docs/Result-Faceting/)", openBleve},
	}
}

// matches says whether the key is asked for.
func (q *question) matches(k engine.Key) bool {
	return (q.port == 0 || k.Port() == q.port) && (q.digits == "" || strings.Contains(strconv.Itoa(int(k.Port())), q.digits))
}

// pageOf returns the page of rows, which are by key.
func (q *question) pageOf(rows []row) page {
	total := len(rows)
	if q.byCount {
		slices.SortStableFunc(rows, func(a, b row) int { return b.n - a.n })
	}
	rows = rows[min(q.offset, total):]
	return page{total, rows[:min(q.limit, len(rows))]}
}

// order is the order of rows as SQL, n being their count.
func (q *question) order() string {
	if q.byCount {
		return " ORDER BY n DESC, port, typ"
	}
	return " ORDER BY port, typ"
}

// fits is a filter as SQL over the columns port, grp and host of a table. Both come from us and are
// numbers, or digits.
func (q *question) fits(table string) string {
	var terms []string
	if q.port != 0 {
		terms = append(terms, fmt.Sprintf("port = %d", q.port))
	}
	if q.digits != "" {
		terms = append(terms, "CAST(port AS VARCHAR) LIKE '%"+q.digits+"%'")
	}
	if q.groups != nil {
		terms = append(terms, "grp IN ("+numbers(q.groups)+")")
	}
	if q.has != 0 {
		in := "IN"
		if q.hasNot {
			in = "NOT IN"
		}
		terms = append(terms, fmt.Sprintf("host %s (SELECT host FROM %s WHERE port = %d AND typ = %d)", in, table, q.has.Port(), q.has.Type()))
	}
	if len(terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(terms, " AND ")
}

func numbers[N uint16 | engine.Key](list []N) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.Itoa(int(n))
	}
	return strings.Join(texts, ",")
}

// keyOf puts a key together that was stored as its port and type.
func keyOf(port, typ int) engine.Key { return engine.MakeKey(uint16(port), engine.Type(typ)) }

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[index.Key]V) []index.Key {
	keys := make([]index.Key, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
