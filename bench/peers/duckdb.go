package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"

	"github.com/duckdb/duckdb-go/v2"
)

// duck has a row per open port, sorted.
type duck struct{ grouped }

func openDuckDB() (peer, error) {
	d, err := openDatabase("duckdb", "")
	if err != nil {
		return nil, err
	}
	return duck{grouped{d}}, nil
}

func (d duck) load(ctx context.Context, assets iter.Seq[asset]) error {
	if err := d.exec(ctx, "CREATE TABLE raw(port USMALLINT, typ UTINYINT, grp USMALLINT, host UINTEGER)"); err != nil {
		return err
	}
	err := d.conn.Raw(func(conn any) error {
		appender, err := duckdb.NewAppenderFromConn(conn.(driver.Conn), "", "raw")
		if err != nil {
			return err
		}
		for a := range assets {
			for _, k := range a.open {
				if err := appender.AppendRow(k.Port(), uint8(k.Type()), a.group, a.host); err != nil {
					return fmt.Errorf("host %d: %w", a.host, err)
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return appender.Close()
	})
	if err != nil {
		return err
	}
	return d.exec(ctx, "CREATE TABLE obs AS SELECT * FROM raw ORDER BY port, typ, grp, host", "DROP TABLE raw", "CHECKPOINT")
}

func (d duck) size(ctx context.Context) (int64, error) {
	n, err := d.number(ctx, "SELECT CAST(sum(memory_usage_bytes) AS BIGINT) FROM duckdb_memory()")
	return int64(n), err
}
