package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"portolan/engine"
)

// tellFlags are what an answer about ports may tell besides its rows.
type tellFlags struct {
	coverage, explain bool
	looked            coverageRow // with coverage: what was looked at behind the answer
}

func (f *tellFlags) addTo(cmd *cobra.Command) {
	f.addCoverage(cmd)
	under(topicRows, cmd, func() {
		cmd.Flags().BoolVar(&f.explain, "explain", false, "say which rule of the policy gives each row its status, and why; of an asset and port also when it was last seen")
	})
}

// addCoverage adds the flag of an answer whose rows are not explained.
func (f *tellFlags) addCoverage(cmd *cobra.Command) {
	under(topicRows, cmd, func() {
		cmd.Flags().BoolVar(&f.coverage, "coverage", false, "say on standard error how many assets were looked at for what is asked, and when")
	})
}

// filters adds what a server is told of it.
func (f *tellFlags) filters(to map[string]string) map[string]string {
	for name, set := range map[string]bool{"coverage": f.coverage, "explain": f.explain} {
		if set {
			to[name] = "true"
		}
	}
	return to
}

// about takes what an answer of a server has besides its rows; more takes what else.
func (f *tellFlags) about(more ...any) any { return &answerAbout{&f.looked, more} }

// answerAbout is what an answer of a server has besides its rows.
type answerAbout struct {
	looked *coverageRow
	more   []any
}

// UnmarshalJSON is [json.Unmarshaler].
func (a *answerAbout) UnmarshalJSON(text []byte) error {
	err := json.Unmarshal(text, &struct{ Coverage *coverageRow }{a.looked})
	for _, to := range a.more {
		err = errors.Join(err, json.Unmarshal(text, to))
	}
	return err
}

// look finds out what was looked at, if that is asked.
func (f *tellFlags) look(ctx context.Context, s engine.Snapshot, q engine.CoverageQuery) error {
	if !f.coverage {
		return nil
	}
	known, err := s.Coverage(ctx, q)
	f.looked = *newCoverageRow(&known)
	return err
}

// columns returns the columns of rows that may be explained, by some more.
func (f *tellFlags) columns(columns []string, more ...string) []string {
	if f.explain {
		return append(slices.Clip(columns), more...)
	}
	return columns
}

// tell says how much was looked at.
func (f *tellFlags) tell(w io.Writer) {
	if !f.coverage {
		return
	}
	c := &f.looked
	fmt.Fprintf(w, "%d of %d assets were looked at for this", c.Looked, c.Assets)
	if c.Looked > 0 {
		fmt.Fprintf(w, ", the newest looks at them between %s and %s", c.Oldest, c.Newest)
	}
	fmt.Fprintln(w, ".")
}

// because is why a row has its status, in the words of the HTTP API; of rows that are not explained it is
// empty, and its columns are not there.
type because struct {
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// becauseOf says it of a rule, nil for none.
func becauseOf(rule *engine.Rule) because {
	if rule == nil {
		return because{}
	}
	return because{rule.Name, rule.Reason}
}
