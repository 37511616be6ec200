package main

import (
	"context"
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
	under(topicRows, cmd, func() {
		cmd.Flags().BoolVar(&f.coverage, "coverage", false, "say on standard error how many assets were looked at for one of the ports, and when")
		cmd.Flags().BoolVar(&f.explain, "explain", false, "say which rule of the policy gives each row its status, and why")
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

// about takes what an answer of a server has besides its rows.
func (f *tellFlags) about() any { return &struct{ Coverage *coverageRow }{&f.looked} }

// look finds out what was looked at, if that is asked.
func (f *tellFlags) look(ctx context.Context, s engine.Snapshot, q engine.CoverageQuery) error {
	if !f.coverage {
		return nil
	}
	known, err := s.Coverage(ctx, q)
	f.looked = *newCoverageRow(&known)
	return err
}

// columns returns the columns of rows that may be explained.
func (f *tellFlags) columns(columns []string) []string {
	if f.explain {
		return append(slices.Clip(columns), "rule", "reason")
	}
	return columns
}

// tell says how much was looked at.
func (f *tellFlags) tell(w io.Writer) {
	if !f.coverage {
		return
	}
	c := &f.looked
	fmt.Fprintf(w, "%d of %d assets were looked at for one of these ports", c.Looked, c.Assets)
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

// explained has each of rows say the rule of it, if there are rules.
func explained[R any](rows []R, rules []*engine.Rule, of func(*R) *because) {
	for i, rule := range rules {
		if rule != nil {
			*of(&rows[i]) = because{rule.Name, rule.Reason}
		}
	}
}
