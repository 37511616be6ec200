package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"portolan/engine"
)

// database asks over database/sql, with statements that are prepared once.
type database struct {
	db       *sql.DB
	conn     *sql.Conn // the one that holds what is in memory
	prepared map[string]*sql.Stmt
}

func openDatabase(driver, source string) (*database, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &database{db: db, conn: conn, prepared: map[string]*sql.Stmt{}}, nil
}

// exec runs statements.
func (d *database) exec(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := d.conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (d *database) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if s := d.prepared[text]; s != nil {
		return s, nil
	}
	s, err := d.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	d.prepared[text] = s
	return s, nil
}

// number returns the one number that a query gives.
func (d *database) number(ctx context.Context, text string) (n int, err error) {
	s, err := d.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	err = s.QueryRowContext(ctx).Scan(&n)
	return n, err
}

// rows returns the rows of a query for ports, types and counts.
func (d *database) rows(ctx context.Context, text string, args ...any) (list []row, err error) {
	s, err := d.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var port, typ, n int
		if err := rows.Scan(&port, &typ, &n); err != nil {
			return nil, err
		}
		list = append(list, row{keyOf(port, typ), n})
	}
	return list, rows.Err()
}

func (d *database) close() error {
	var errs []error
	for _, s := range d.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, d.conn.Close(), d.db.Close())...)
}

// grouped asks a table with a row per open port: obs(port, typ, grp, host).
type grouped struct{ *database }

func (g grouped) ports(ctx context.Context, q *question) (page, error) {
	fits := q.fits("obs")
	total, err := g.number(ctx, "SELECT count(*) FROM (SELECT DISTINCT port, typ FROM obs"+fits+") AS keys")
	if err != nil {
		return page{}, err
	}
	rows, err := g.rows(ctx, "SELECT port, typ, count(*) AS n FROM obs"+fits+" GROUP BY port, typ"+q.order()+" LIMIT ? OFFSET ?", q.limit, q.offset)
	return page{total, rows}, err
}

func (g grouped) distinct(ctx context.Context, keys []engine.Key) (int, error) {
	return g.number(ctx, "SELECT count(DISTINCT host) FROM obs WHERE "+anyOf(keys))
}

// anyOf is SQL for a key that is one of a list.
func anyOf(keys []engine.Key) string {
	terms := make([]string, len(keys))
	for i, k := range keys {
		terms[i] = fmt.Sprintf("(port = %d AND typ = %d)", k.Port(), k.Type())
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}
