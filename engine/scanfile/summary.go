package scanfile

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"portolan/engine"
)

// maxErrors is how many reasons for refusing records a summary has.
const maxErrors = 20

// Summary says what became of the inputs of a load. Its JSON form is the one
// that the command line and the HTTP API show.
type Summary struct {
	Complete     bool // every input was whole
	Files        []FileSummary
	Records      int            // reports read: one per host, or per port where a scanner writes them so
	Observations int            // open keys in them
	Duplicates   int            // open keys that a record gave again
	Result       engine.Result  // what the sink did with them
	LeftOut      map[string]int // what was read and deliberately not counted, by reason
	Rejected     int            // records refused
	Errors       []RecordError  // the first 20 reasons
	Bytes        int64
	Elapsed      time.Duration
}

// FileSummary says what was found in one input.
type FileSummary struct {
	Name     string `json:"name"`
	Format   string `json:"format"` // empty if the input was
	Complete bool   `json:"complete"`
	Problem  string `json:"problem"` // why it is not complete
	// Warnings are what else somebody should know of the input, such as that it closes nothing.
	Warnings []string `json:"warnings,omitempty"`
	// Compression is what compressed the input, empty if nothing did.
	Compression string `json:"compression,omitempty"`
	// PassedOver is how much behind damage was not read, up to the next place
	// where reading could go on.
	PassedOver Passed `json:"passed_over,omitzero"`
}

// Passed is a part of an input.
type Passed struct {
	Bytes int64 `json:"bytes"`
	Lines int   `json:"lines"` // that it touches, of each stretch at least one
}

// RecordError is one record that was refused, or several for the same reason.
type RecordError struct {
	File   string `json:"file"`
	Line   int    `json:"line"` // of the first, counted from 1
	Reason string `json:"reason"`
	// Count is how many there are of the file, where they are more than one.
	Count int `json:"count,omitempty"`
}

// Describe is Error, and how many more there are.
func (e *RecordError) Describe() string {
	if e.Count < 2 {
		return e.Error()
	}
	return fmt.Sprintf("%s (%d times)", e.Error(), e.Count)
}

// Error names the file, the line and the reason.
func (e *RecordError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// MarshalJSON writes the summary's public form; lists and maps are never null.
func (s *Summary) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Complete     bool           `json:"complete"`
		Applied      int            `json:"applied"`
		Unchanged    int            `json:"unchanged"`
		Stale        int            `json:"stale"`
		Clamped      int            `json:"clamped"`
		Rejected     int            `json:"rejected"`
		Records      int            `json:"records"`
		Observations int            `json:"observations"`
		Duplicates   int            `json:"duplicates"`
		LeftOut      map[string]int `json:"left_out"`
		Errors       []RecordError  `json:"errors"`
		Files        []FileSummary  `json:"files"`
		Bytes        int64          `json:"bytes"`
		Rate         int64          `json:"bytes_per_second"`
	}{
		s.Complete, s.Result.Applied, s.Result.Unchanged, s.Result.Stale, s.Result.Clamped, s.Rejected,
		s.Records, s.Observations, s.Duplicates, orEmpty(s.LeftOut),
		append([]RecordError{}, s.Errors...), append([]FileSummary{}, s.Files...), s.Bytes, s.rate(),
	})
}

// rate is the bytes read in a second.
func (s *Summary) rate() int64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return int64(float64(s.Bytes) / s.Elapsed.Seconds())
}

func orEmpty(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}

// WriteText writes the summary for people.
func (s *Summary) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d records, %d open ports read: %d applied, %d unchanged, %d stale, %d rejected\n",
		s.Records, s.Observations, s.Result.Applied, s.Result.Unchanged, s.Result.Stale, s.Rejected)
	if s.Result.Clamped > 0 {
		fmt.Fprintf(&b, "%d had a time ahead of the clock, taken as now\n", s.Result.Clamped)
	}
	if s.Duplicates > 0 {
		fmt.Fprintf(&b, "%d ports were given more than once\n", s.Duplicates)
	}
	for _, reason := range slices.Sorted(maps.Keys(s.LeftOut)) {
		fmt.Fprintf(&b, "left out: %d %s\n", s.LeftOut[reason], reason)
	}
	for _, f := range s.Files {
		if !f.Complete {
			fmt.Fprintf(&b, "warning: %s is incomplete: %s\n", f.Name, f.Describe())
		}
	}
	for _, f := range s.Files {
		for _, warning := range f.Warnings {
			fmt.Fprintf(&b, "warning: %s: %s\n", f.Name, warning)
		}
	}
	for i := range s.Errors {
		fmt.Fprintf(&b, "rejected: %s\n", s.Errors[i].Describe())
	}
	if more := s.Rejected - s.described(); more > 0 {
		fmt.Fprintf(&b, "rejected: %d more\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Describe says why the input is not complete.
func (f *FileSummary) Describe() string {
	if f.PassedOver.Bytes == 0 {
		return f.Problem
	}
	return fmt.Sprintf("%s; passed over: bytes %d, lines %d", f.Problem, f.PassedOver.Bytes, f.PassedOver.Lines)
}

// leaveOut adds what an input left out.
func (s *Summary) leaveOut(of map[string]int) {
	if s.LeftOut == nil && len(of) > 0 {
		s.LeftOut = map[string]int{}
	}
	for reason, n := range of {
		s.LeftOut[reason] += n
	}
}

// reject counts a record that was refused. Those of a file for the same reason are described
// together.
func (s *Summary) reject(e *RecordError) {
	s.Rejected++
	for i := range s.Errors {
		if same := &s.Errors[i]; same.Reason == e.Reason && same.File == e.File {
			same.Count = max(same.Count, 1) + 1
			return
		}
	}
	if len(s.Errors) < maxErrors {
		s.Errors = append(s.Errors, *e)
	}
}

// described is how many of the records that were refused are described.
func (s *Summary) described() (n int) {
	for i := range s.Errors {
		n += max(s.Errors[i].Count, 1)
	}
	return n
}
