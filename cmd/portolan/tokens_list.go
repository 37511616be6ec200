package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portolan/server/auth"
)

func (c *cli) tokenListCommand() *cobra.Command {
	var file string
	output := newOutput(asTable, asJSON, asNDJSON, asCSV)
	cmd := &cobra.Command{
		Use:     "list --token-file FILE",
		Short:   "List the tokens of the file",
		Long:    "List the tokens of the file, in its order: names and grants, neither tokens nor hashes.",
		Example: "  portolan token list --token-file tokens.json -o json",
		Args:    arguments(0, 0, ""),
		RunE:    body(func(context.Context, []string) error { return c.tokenList(file, output.value) }),
	}
	addTokenFile(cmd, &file)
	output.addTo(cmd, "output", "o", "the format of the rows")
	return cmd
}

func (c *cli) tokenList(file, format string) error {
	records, err := auth.ReadTokens(file)
	if err != nil {
		return err
	}
	now := time.Now()
	rows := make([]tokenRow, len(records))
	for i, r := range records {
		rows[i] = newTokenRow(&r, now)
	}
	return writeRows(c.stdout, format, tokenColumns, rows, c.look(colorAuto))
}

// tokenRow is a row of token list, in the words of a token file.
type tokenRow struct {
	Name               string    `json:"name"`
	Projects           []string  `json:"projects"`
	EnterpriseProjects []string  `json:"enterprise_projects"`
	Write              bool      `json:"write"`
	Created            time.Time `json:"created,omitzero"`
	Expires            time.Time `json:"expires,omitzero"`
	Expired            bool      `json:"expired"`
}

var tokenColumns = []string{"name", "projects", "enterprise_projects", "write", "created", "expires", "expired"}

func newTokenRow(r *auth.TokenRecord, now time.Time) tokenRow {
	return tokenRow{
		Name: r.Name, Projects: append([]string{}, r.Projects...), EnterpriseProjects: append([]string{}, r.EnterpriseProjects...),
		Write: r.Write, Created: r.Created, Expires: r.Expires, Expired: r.Expired(now),
	}
}

func (r tokenRow) cells() []string {
	return []string{
		r.Name, strings.Join(r.Projects, ","), strings.Join(r.EnterpriseProjects, ","), strconv.FormatBool(r.Write),
		timeCell(r.Created, ""), timeCell(r.Expires, "never"), strconv.FormatBool(r.Expired),
	}
}

func timeCell(t time.Time, zero string) string {
	if t.IsZero() {
		return zero
	}
	return t.UTC().Format(time.RFC3339)
}
