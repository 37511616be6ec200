package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"portolan/engine"
)

// The output formats of rows.
const (
	asTable  = "table"
	asJSON   = "json"
	asNDJSON = "ndjson"
	asCSV    = "csv"
)

// row is one line of an answer. Its cells are in the order of its JSON keys; it may have more than there
// are columns.
type row interface{ cells() []string }

// portRow is a row of the ports command, in the words of the HTTP API.
type portRow struct {
	Num    int    `json:"num"`
	Port   uint16 `json:"port"`
	Type   string `json:"type"`
	Status string `json:"status"`
	because
}

var portColumns = []string{"num", "port", "type", "status"}

func (r portRow) cells() []string {
	return []string{strconv.Itoa(r.Num), strconv.Itoa(int(r.Port)), r.Type, r.Status, r.Rule, r.Reason}
}

func newPortRow(c *engine.PortCount) portRow {
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
	because
	Seen string `json:"seen,omitempty"` // with --explain
}

var hostColumns = []string{"asset", "name", "address", "enterprise_project_id", "port", "type", "status"}

func (r hostRow) cells() []string {
	return []string{r.Asset, r.Name, r.Address, r.EnterpriseProject, strconv.Itoa(int(r.Port)), r.Type, r.Status, r.Rule, r.Reason, r.Seen}
}

func newHostRow(h *engine.HostPort) hostRow {
	return hostRow{
		Asset: h.Asset, Name: h.Name, Address: h.Address, EnterpriseProject: h.EnterpriseProject,
		Port: h.Port, Type: h.Type.String(), Status: h.Status.String(),
	}
}

// writeRows writes the rows in a format; columns are the names of their cells.
func writeRows[R row](w io.Writer, format string, columns []string, rows []R, look tableLook) error {
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
		err = writeTable(out, columns, rows, look)
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
		_ = out.Write(r.cells()[:len(columns)])
	}
	out.Flush()
	return out.Error()
}

// writeTable writes the rows in columns. One that is empty in every row is left out.
func writeTable[R row](w *bufio.Writer, columns []string, rows []R, look tableLook) error {
	lines := make([][]string, 1, len(rows)+1)
	for _, c := range columns {
		lines[0] = append(lines[0], strings.ToUpper(strings.TrimSuffix(c, "_id")))
	}
	for _, r := range rows {
		line := r.cells()[:len(columns)]
		for i := range line {
			line[i] = printable(line[i])
		}
		lines = append(lines, line)
	}
	widths := widthsOf(lines)
	look.fit(widths)
	for n, line := range lines {
		begun := false
		for i, cell := range line {
			if widths[i] == 0 {
				continue
			}
			if begun {
				_, _ = w.WriteString("  ") // A bufio.Writer keeps its error.
			}
			begun = true
			cell = cut(cell, widths[i])
			pad := widths[i] - utf8.RuneCountInString(cell)
			if n > 0 && columns[i] == "status" {
				cell = look.paint(cell)
			}
			_, _ = w.WriteString(cell)
			if !isLast(widths, i) {
				_, _ = w.WriteString(strings.Repeat(" ", pad))
			}
		}
		_ = w.WriteByte('\n')
	}
	return nil
}

// widthsOf returns the widths of columns, in characters; 0 is one that only its heading fills.
func widthsOf(lines [][]string) []int {
	widths := make([]int, len(lines[0]))
	for i := range widths {
		filled := len(lines) == 1
		for n, line := range lines {
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
			filled = filled || n > 0 && line[i] != ""
		}
		if !filled {
			widths[i] = 0
		}
	}
	return widths
}

func isLast(widths []int, column int) bool {
	for _, w := range widths[column+1:] {
		if w > 0 {
			return false
		}
	}
	return true
}

// cut shortens a cell that is wider than its column.
func cut(cell string, width int) string {
	if utf8.RuneCountInString(cell) <= width {
		return cell
	}
	runes := []rune(cell)
	return string(runes[:width-1]) + "…"
}

// tableLook is how tables look.
type tableLook struct {
	width int // of the terminal, in characters; 0 is any
	color bool
}

// leastColumn is how narrow a column may be made.
const leastColumn = 12

// fit makes the widest columns narrower until the table fits, as far as that goes.
func (t tableLook) fit(widths []int) {
	if t.width <= 0 {
		return
	}
	for {
		total, widest := -2, 0
		for i, w := range widths {
			if w > 0 {
				total += w + 2
			}
			if w > widths[widest] {
				widest = i
			}
		}
		if total <= t.width || widths[widest] <= leastColumn {
			return
		}
		widths[widest]--
	}
}

// paint colours a status.
func (t tableLook) paint(status string) string {
	colors := map[string]string{"danger": "31", "normal": "32"} // red, green
	color := colors[status]
	if !t.color || color == "" {
		return status
	}
	return "\x1b[" + color + "m" + status + "\x1b[0m"
}

// Whether there is colour.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

// newColor returns a choice of whether there is colour.
func newColor() *choice {
	return &choice{value: colorAuto, words: []string{colorAuto, colorAlways, colorNever}}
}

// look returns how tables look on standard output: coloured on a terminal, unless NO_COLOR is set
// (https://no-color.org), or where the flag says so.
func (c *cli) look(color string) tableLook {
	terminal := isTerminal(c.stdout)
	look := tableLook{color: color == colorAlways || color == colorAuto && terminal && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"}
	if f, ok := c.stdout.(*os.File); ok && terminal {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			look.width = width
		}
	}
	return look
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
