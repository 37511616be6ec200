package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"portolan/engine"
)

// listing is a command that writes the rows of an answer, of files that it reads or of a server.
type listing[R row] struct {
	filter  *filterFlags
	read    *readFlags
	server  *serverFlags
	columns []string

	local  func(ctx context.Context, s engine.Snapshot) (rows []R, total int, err error)
	remote func() question                              // the same of a server
	forms  map[string]func(w io.Writer, rows []R) error // the output formats besides those of all commands
	also   func()                                       // tells what was asked for besides, whatever the format; nil is nothing
	note   func()                                       // tells a reader of a table what else there is to say; nil is nothing
	// choices are the filters by choice that may be why an answer is empty. With explain false nothing
	// is said about that.
	choices map[string]*choice
	explain bool
}

// write asks and writes the rows.
func (l *listing[R]) write(ctx context.Context, c *cli) error {
	server, err := fromServer(l.read, l.server)
	if err != nil {
		return err
	}
	ask := func() ([]R, int, error) { return readPages[R](ctx, c, l.server, l.remote(), l.filter) }
	if !server {
		e, err := c.memory(ctx, l.read)
		if err != nil {
			return err
		}
		ask = func() ([]R, int, error) {
			s, err := snapshotOf(e, l.filter)
			if err != nil {
				return nil, 0, err
			}
			return l.local(ctx, s)
		}
	}
	rows, total, err := ask()
	if err != nil {
		return err
	}
	if form := l.forms[l.filter.output.value]; form != nil {
		err = form(c.stdout, rows)
	} else {
		err = writeRows(c.stdout, l.filter.output.value, l.columns, rows, c.look(l.filter.color.value))
	}
	if err != nil {
		return err
	}
	if l.also != nil {
		l.also()
	}
	if l.note != nil && l.filter.output.value == asTable {
		l.note()
	}
	c.noteMore(l.filter, len(rows), total)
	if l.explain {
		c.whyEmpty(l.filter, total, l.choices, func() (int, error) {
			_, total, err := ask()
			return total, err
		})
	}
	return nil
}

// snapshotOf returns what an engine filled from files has of the category that is asked for.
func snapshotOf(e *engine.Engine, f *filterFlags) (engine.Snapshot, error) {
	s, err := e.Snapshot(localProject, parsedCategory(f.category))
	if errors.Is(err, engine.ErrNoProject) { // the files hold no asset
		err = nil
	}
	return s, err
}

// rowsOf makes rows of what an engine has answered, or returns its error.
func rowsOf[R, T any](from []T, total int, err error, row func(*T) R) ([]R, int, error) {
	if err != nil {
		return nil, 0, err
	}
	rows := make([]R, len(from))
	for i := range from {
		rows[i] = row(&from[i])
	}
	return rows, total, nil
}

// cutTo returns those of all rows that the flags ask for.
func cutTo[R any](rows []R, f *filterFlags) (some []R, total int) {
	total = len(rows)
	some = rows[min(int(f.offset.value), total):]
	if limit := int(f.limit.value); limit > 0 {
		some = some[:min(limit, len(some))]
	}
	return some, total
}

// whyEmpty tells why an answer has no rows where there would be some with another category, in
// every enterprise project, or without one of the filters by choice.
func (c *cli) whyEmpty(f *filterFlags, total int, filters map[string]*choice, ask func() (total int, err error)) {
	if total > 0 {
		return
	}
	try := func(instead string, change, restore func()) {
		change()
		defer restore()
		if n, err := ask(); err == nil && n > 0 { // the question itself was answered
			c.complain(fmt.Sprintf("no rows; %s there would be %d", instead, n))
		}
	}
	category := f.category.value
	other := engine.Container.String()
	if category == other {
		other = engine.Host.String()
	}
	try("with --category "+other, func() { f.category.value = other }, func() { f.category.value = category })
	if groups := f.enterprise.list; len(groups) > 0 {
		try("without --enterprise-project", func() { f.enterprise.list = nil }, func() { f.enterprise.list = groups })
	}
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		filter := filters[name]
		if value := filter.value; value != "" {
			try("without --"+name, func() { filter.value = "" }, func() { filter.value = value })
		}
	}
}

// noteMore tells of an offset past the end, and a reader of a table that there
// are more rows than it shows.
func (c *cli) noteMore(f *filterFlags, shown, total int) {
	switch offset := f.offset.value; {
	case shown == 0 && offset > 0 && offset >= int64(total):
		fmt.Fprintf(c.stderr, "--offset %d is past the end: there are %d rows.\n", offset, total)
	case f.output.value == asTable && shown < total:
		fmt.Fprintf(c.stderr, "%d of %d rows; --limit 0 shows all.\n", shown, total)
	}
}
