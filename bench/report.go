package bench

import (
	"fmt"
	"slices"
	"time"
)

// Report is what [Run] measured.
type Report struct {
	Machine Machine `json:"machine"`
	Profile string  `json:"profile"`
	Seed    uint64  `json:"seed"`
	// Timer is what a timed query costs besides itself; it is subtracted.
	Timer time.Duration `json:"timer_ns"`
	// Cut says that the run was interrupted; Results has what was measured until then.
	Cut     bool     `json:"cut"`
	Results []Result `json:"results"`
}

// Result is the figures of one measurement.
type Result struct {
	Suite Suite  `json:"suite"`
	Name  string `json:"name"`
	// Subject is whose figures they are, where there are several; empty is ours.
	Subject string `json:"subject,omitempty"`
	// Beside is what else went on meanwhile; empty is nothing.
	Beside  string  `json:"beside,omitempty"`
	Hosts   int     `json:"hosts"` // assets of the fleet
	Samples int64   `json:"samples"`
	Values  []Value `json:"values"`
	// Marks are the reasons why the figures may mislead.
	Marks []string `json:"marks,omitempty"`
}

// Value is a figure and its unit, in the style of Go benchmarks: ns/op, p99-ns,
// obs/s.
type Value struct {
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

// Value returns the figure with the unit; ok is false where there is none.
func (r *Result) Value(unit string) (v float64, ok bool) {
	for _, x := range r.Values {
		if x.Unit == unit {
			return x.Value, true
		}
	}
	return 0, false
}

// label names the result within its suite.
func (r *Result) label() string {
	if r.Subject == "" {
		return r.Name
	}
	return r.Name + ", " + r.Subject
}

// Marked returns the results that have marks.
func (r *Report) Marked() []Result {
	return slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return len(x.Marks) == 0 })
}

// add appends a figure.
func (r *Result) add(unit string, value float64) { r.Values = append(r.Values, Value{unit, value}) }

// mark notes why the figures may mislead.
func (r *Result) mark(format string, args ...any) {
	r.Marks = append(r.Marks, fmt.Sprintf(format, args...))
}
