package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"portolan/engine"
)

// The output formats of rows.
const (
	asTable  = "table"
	asJSON   = "json"
	asNDJSON = "ndjson"
	asCSV    = "csv"
)

// row is one line of an answer. Its cells are in the order of its JSON keys.
type row interface{ cells() []string }

// portRow is a row of the ports command, in the words of the HTTP API.
type portRow struct {
	Num    int    `json:"num"`
	Port   uint16 `json:"port"`
	Type   string `json:"type"`
	Status string `json:"status"`
}

var portColumns = []string{"num", "port", "type", "status"}

func (r portRow) cells() []string {
	return []string{strconv.Itoa(r.Num), strconv.Itoa(int(r.Port)), r.Type, r.Status}
}

func newPortRow(c engine.PortCount) portRow {
	return portRow{Num: c.Num, Port: c.Port, Type: c.Type.String(), Status: c.Status.String()}
}

// hostRow is a row of the hosts command, in the words of an NDJSON report. What
// is not known is empty: a name, an address.
type hostRow struct {
	Asset             string `json:"asset"`
	Name              string `json:"name,omitempty"`
	Address           string `json:"address,omitempty"`
	EnterpriseProject string `json:"enterprise_project_id"`
	Port              uint16 `json:"port"`
	Type              string `json:"type"`
	Status            string `json:"status"`
}

var hostColumns = []string{"asset", "name", "address", "enterprise_project_id", "port", "type", "status"}

func (r hostRow) cells() []string {
	return []string{r.Asset, r.Name, r.Address, r.EnterpriseProject, strconv.Itoa(int(r.Port)), r.Type, r.Status}
}

func newHostRow(h engine.HostPort) hostRow {
	return hostRow{
		Asset: h.Asset, Name: h.Name, Address: h.Address, EnterpriseProject: h.EnterpriseProject,
		Port: h.Port, Type: h.Type.String(), Status: h.Status.String(),
	}
}

// writeRows writes the rows in a format; columns are the names of their cells.
func writeRows[R row](w io.Writer, format string, columns []string, rows []R) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case asJSON:
		err = writeJSON(out, rows)
	case asNDJSON:
		err = writeNDJSON(out, rows)
	case asCSV:
		err = writeCSV(out, columns, rows)
	default:
		err = writeTable(out, columns, rows)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// writeJSON writes an array, one row a line.
func writeJSON[R row](w *bufio.Writer, rows []R) error {
	between := "[\n  "
	for _, r := range rows {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, _ = w.WriteString(between) // A bufio.Writer keeps its error until Flush.
		_, _ = w.Write(line)
		between = ",\n  "
	}
	end := "\n]\n"
	if len(rows) == 0 {
		end = "[]\n"
	}
	_, err := w.WriteString(end)
	return err
}

func writeNDJSON[R row](w *bufio.Writer, rows []R) error {
	enc := json.NewEncoder(w)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func writeCSV[R row](w *bufio.Writer, columns []string, rows []R) error {
	out := csv.NewWriter(w)
	_ = out.Write(columns) // A csv.Writer keeps its error until Flush.
	for _, r := range rows {
		_ = out.Write(r.cells())
	}
	out.Flush()
	return out.Error()
}

func writeTable[R row](w *bufio.Writer, columns []string, rows []R) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells []string) {
		for i, cell := range cells {
			cells[i] = printable(cell)
		}
		_, _ = io.WriteString(out, strings.Join(cells, "\t")+"\n") // A bufio.Writer keeps its error.
	}
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = strings.ToUpper(strings.TrimSuffix(c, "_id"))
	}
	line(head)
	for _, r := range rows {
		line(r.cells())
	}
	return out.Flush()
}

// printable returns the text with everything that could steer a terminal
// escaped: names come from scanned hosts, which choose them.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
