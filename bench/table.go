package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// WriteTable writes the report for people: a table for every suite and size.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seed %d, on %s. A timed query costs %s itself, which is subtracted.\n",
		r.Profile, r.Seed, r.Machine.describe(), writeDuration(float64(r.Timer)))
	for rest := r.Results; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].sameTable(&rest[0]) {
			n++
		}
		writeSection(&b, rest[:n])
		rest = rest[n:]
	}
	if r.Cut {
		b.WriteString("\nThe run was interrupted: this is what was measured until then.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// title is what stands above a table.
func title(r *Result) string {
	return join(fmt.Sprintf("%s, %s hosts", r.Suite, thousands(r.Hosts)), r.Beside)
}

// sameTable says whether both results belong into one table.
func (r *Result) sameTable(o *Result) bool {
	return r.Suite == o.Suite && r.Hosts == o.Hosts && r.Beside == o.Beside
}

// describe names the machine.
func (m *Machine) describe() string {
	cpu := m.CPU
	if cpu == "" {
		cpu = m.Arch
	}
	return fmt.Sprintf("%s, GOMAXPROCS %d, %s %s", cpu, m.Procs, m.OS, m.Go)
}

// writeSection writes one table and what is to be said about its rows.
func writeSection(b *strings.Builder, results []Result) {
	fmt.Fprintf(b, "\n%s\n\n", title(&results[0]))
	units := unitsOf(results)
	rows := make([][]string, 0, 1+len(results))
	rows = append(rows, headOf(units))
	for i := range results {
		rows = append(rows, results[i].row(units))
	}
	writeAligned(b, rows)
	for i := range results {
		for _, mark := range results[i].Marks {
			fmt.Fprintf(b, "! %s: %s\n", results[i].label(), mark)
		}
	}
}

// unitsOf returns the units of all values, as they come.
func unitsOf(results []Result) []string {
	var units []string
	for i := range results {
		for _, v := range results[i].Values {
			if !slices.Contains(units, v.Unit) {
				units = append(units, v.Unit)
			}
		}
	}
	return units
}

func headOf(units []string) []string {
	head := make([]string, 0, 2+len(units))
	head = append(head, "", "samples")
	for _, unit := range units {
		if unit == "ns/op" {
			unit = "mean"
		}
		head = append(head, strings.TrimSuffix(unit, "-ns"))
	}
	return head
}

// row returns the result's line of a table.
func (r *Result) row(units []string) []string {
	row := make([]string, 0, 2+len(units))
	row = append(row, r.label(), thousands(int(r.Samples)))
	for _, unit := range units {
		cell := ""
		if v, ok := r.Value(unit); ok {
			cell = writeValue(v, unit)
		}
		row = append(row, cell)
	}
	if len(r.Marks) > 0 {
		row[len(row)-1] += " !"
	}
	return row
}

// writeAligned writes rows of equally many cells, the first column to the left and
// the others to the right.
func writeAligned(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString(cell + fill)
				continue
			}
			line.WriteString("  " + fill + cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// writeValue writes a figure so that it is read at a glance.
func writeValue(v float64, unit string) string {
	switch {
	case unit == "ns/op" || strings.HasSuffix(unit, "-ns"):
		return writeDuration(v)
	case strings.HasPrefix(unit, "B"):
		return writeScaled(v)
	case strings.HasSuffix(unit, "/s") || strings.HasSuffix(unit, "cpu-s"):
		return writeScaled(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// writeDuration writes nanoseconds with three digits.
func writeDuration(ns float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"ns", 1}, {"µs", 1e3}, {"ms", 1e6}} {
		if ns < 999.5*u.size {
			return threeDigits(ns/u.size) + " " + u.name
		}
	}
	return threeDigits(ns/float64(time.Second)) + " s"
}

// writeScaled writes a number with three digits and, from ten thousand on, a decimal
// prefix.
func writeScaled(v float64) string {
	if v < 9999.5 {
		return threeDigits(v)
	}
	for _, p := range []struct {
		name string
		size float64
	}{{"k", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if v < 999.5*p.size {
			return threeDigits(v/p.size) + " " + p.name
		}
	}
	return threeDigits(v/1e12) + " T"
}

// threeDigits writes a number rounded to three digits, but whole ones in full.
func threeDigits(v float64) string {
	if v == 0 {
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', max(decimals, 0), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// thousands writes a whole number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
