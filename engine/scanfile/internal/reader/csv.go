package reader

import (
	"bytes"
	"encoding/csv"
)

// Table is a table of comma-separated values whose first row names the columns (RFC 4180,
// section 2), of which no value holds the end of a line.
type Table struct {
	columns map[string]int
	cells   [][]byte
}

// Header takes the names of the columns.
func (t *Table) Header(line []byte) error {
	if err := t.Row(line); err != nil {
		return err
	}
	t.columns = map[string]int{}
	for i, name := range t.cells {
		if _, known := t.columns[string(name)]; !known {
			t.columns[string(name)] = i
		}
	}
	return nil
}

// HeaderOf returns the names of the columns of the first row, none if there is no whole
// row of several columns.
func HeaderOf(head []byte, whole bool) Keys {
	line, _, ended := bytes.Cut(head, newline)
	var t Table
	if !ended && !whole || bytes.IndexByte(line, ',') < 0 || t.Row(bytes.TrimRight(line, "\r")) != nil {
		return nil
	}
	return t.cells
}

// Row takes the values of a row, which are valid as long as the line is.
func (t *Table) Row(line []byte) error {
	t.cells = t.cells[:0]
	if bytes.IndexByte(line, '"') < 0 {
		for more := true; more; {
			var cell []byte
			cell, line, more = bytes.Cut(line, []byte{','})
			t.cells = append(t.cells, cell)
		}
		return nil
	}
	texts, err := csv.NewReader(bytes.NewReader(line)).Read()
	for _, text := range texts {
		t.cells = append(t.cells, []byte(text))
	}
	return err
}

// Has says whether there is a column.
func (t *Table) Has(column string) bool {
	_, ok := t.columns[column]
	return ok
}

// Cell returns the value of the row in a column, nothing where it has none.
func (t *Table) Cell(column string) []byte {
	if i, ok := t.columns[column]; ok && i < len(t.cells) {
		return t.cells[i]
	}
	return nil
}
