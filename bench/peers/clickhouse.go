package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"portolan/engine"
)

// clickhouse has a row per open port in a MergeTree.
type clickhouse struct {
	chdb *chdb
	dir  string
}

func openClickHouse(lib string) (peer, error) {
	dir, err := os.MkdirTemp("", "portolan-peers-")
	if err != nil {
		return nil, err
	}
	c, err := openChDB(lib, filepath.Join(dir, "data"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &clickhouse{c, dir}, nil
}

func (c *clickhouse) load(ctx context.Context, assets iter.Seq[asset]) error {
	file := filepath.Join(c.dir, "rows")
	if err := writeRowBinary(ctx, file, assets); err != nil {
		return err
	}
	const columns = "port UInt16, typ UInt8, grp UInt16, host UInt32"
	for _, s := range []string{
		"CREATE DATABASE IF NOT EXISTS peers ENGINE = Atomic",
		"CREATE TABLE peers.obs (" + columns + ") ENGINE = MergeTree ORDER BY (port, typ, grp, host)",
		"INSERT INTO peers.obs SELECT * FROM file('" + file + "', 'RowBinary', '" + columns + "')",
		"OPTIMIZE TABLE peers.obs FINAL",
	} {
		if _, err := c.chdb.query(s); err != nil {
			return err
		}
	}
	return os.Remove(file)
}

// writeRowBinary writes the rows as ClickHouse reads them fastest; see
// https://clickhouse.com/docs/interfaces/formats/RowBinary.
func writeRowBinary(ctx context.Context, file string, assets iter.Seq[asset]) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	var b []byte
	for a := range assets {
		b = b[:0]
		for _, k := range a.open {
			b = binary.LittleEndian.AppendUint16(b, k.Port())
			b = append(b, byte(k.Type()))
			b = binary.LittleEndian.AppendUint16(b, a.group)
			b = binary.LittleEndian.AppendUint32(b, a.host)
		}
		_, _ = w.Write(b) // A bufio.Writer keeps its error.
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return w.Flush()
}

// sql is the filter in ClickHouse's dialect.
func (c *clickhouse) sql(q *question) string {
	return strings.ReplaceAll(q.fits("peers.obs"), "CAST(port AS VARCHAR)", "toString(port)")
}

func (c *clickhouse) ports(_ context.Context, q *question) (page, error) {
	total, err := c.number("SELECT count() FROM (SELECT DISTINCT port, typ FROM peers.obs" + c.sql(q) + ")")
	if err != nil {
		return page{}, err
	}
	text, err := c.chdb.query(fmt.Sprintf("SELECT port, typ, count() AS n FROM peers.obs%s GROUP BY port, typ%s LIMIT %d OFFSET %d", c.sql(q), q.order(), q.limit, q.offset))
	if err != nil {
		return page{}, err
	}
	p := page{total: total}
	for line := range strings.Lines(text) {
		var port, typ, n int
		if _, err := fmt.Sscan(line, &port, &typ, &n); err != nil {
			return page{}, fmt.Errorf("%q: %w", line, err)
		}
		p.rows = append(p.rows, row{keyOf(port, typ), n})
	}
	return p, nil
}

func (c *clickhouse) number(text string) (int, error) {
	answer, err := c.chdb.query(text)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(answer))
}

func (c *clickhouse) distinct(_ context.Context, keys []engine.Key) (int, error) {
	return c.number("SELECT uniqExact(host) FROM peers.obs WHERE " + anyOf(keys))
}

func (c *clickhouse) size(context.Context) (int64, error) {
	n, err := c.number("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'obs'")
	return int64(n), err
}

func (c *clickhouse) close() error {
	c.chdb.close()
	return os.RemoveAll(c.dir)
}
