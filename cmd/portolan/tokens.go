package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/server/auth"
)

// tokenCommand returns the command that holds those about token files.
func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens of a token file",
		Long: `Make, list and revoke the tokens of a token file, which serve --token-file reads.

The file is a JSON list of names, grants and SHA-256 hashes; it never holds a
token itself. It is replaced at once, so that a server which uses it sees the
change as it is made, within moments.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misuse("unknown command %q: want create, list or revoke", args[0])
			}
			return misuse("want create, list or revoke")
		},
		RunE: body(func(context.Context, []string) error { return nil }), // Args lets nobody through.
	}
	for _, sub := range []*cobra.Command{c.tokenCreateCommand(), c.tokenListCommand(), c.tokenRevokeCommand()} {
		describeEnv(sub)
		cmd.AddCommand(sub)
	}
	return cmd
}

// addTokenFile adds the flag that all commands about token files need.
func addTokenFile(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "token-file", "", "the token `FILE`, required")
	_ = cmd.MarkFlagRequired("token-file") // It fails for a flag that is not there.
}

// tokenFlags are the flags of token create.
type tokenFlags struct {
	file                 string
	name                 string
	projects, enterprise grantNames
	write                bool
	expires              expiry
}

func (c *cli) tokenCreateCommand() *cobra.Command {
	f := &tokenFlags{enterprise: grantNames{list: []string{engine.DefaultEnterpriseProject}}}
	cmd := &cobra.Command{
		Use:   "create --token-file FILE --name NAME --project ID[,ID]",
		Short: "Make a token and print it",
		Long: `Make a token, add it to the file and print it, alone on standard output. It is
not kept and cannot be shown again. A file that is not there is made.`,
		Example: `  portolan token create --token-file tokens.json --name dashboard --project p1,p2
  portolan token create --token-file tokens.json --name agents --project p1 --write --expires 90d`,
		Args: arguments(0, 0, ""),
		RunE: body(func(context.Context, []string) error { return c.tokenCreate(f) }),
	}
	addTokenFile(cmd, &f.file)
	cmd.Flags().StringVar(&f.name, "name", "", "the `NAME` of the bearer in logs, required")
	cmd.Flags().Var(&f.projects, "project", "the projects that the bearer may use, * for all, required")
	cmd.Flags().Var(&f.enterprise, "enterprise-project", "the enterprise projects in them that the bearer may see, * for all; 0, the default one, when left out")
	cmd.Flags().BoolVar(&f.write, "write", false, "let the bearer send reports and remove assets, too")
	cmd.Flags().Var(&f.expires, "expires", "when the token ends, after a while such as 720h or 90d or at an RFC 3339 time; never when left out")
	for _, name := range []string{"name", "project"} {
		_ = cmd.MarkFlagRequired(name) // It fails for a flag that is not there.
	}
	return cmd
}

func (c *cli) tokenCreate(f *tokenFlags) error {
	token := auth.NewToken()
	record := auth.TokenRecord{
		Name: f.name, SHA256: auth.HashToken(token),
		Projects: f.projects.list, EnterpriseProjects: f.enterprise.list, Write: f.write,
		Created: time.Now().UTC().Truncate(time.Second), Expires: f.expires.at,
	}
	if err := record.Validate(); err != nil {
		return usageError{err}
	}
	err := auth.EditTokens(f.file, func(records []auth.TokenRecord) ([]auth.TokenRecord, error) {
		if indexOfToken(records, f.name) >= 0 {
			return nil, fmt.Errorf("%s has a token called %q: revoke it first or take another name", f.file, f.name)
		}
		return append(records, record), nil
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c.stdout, token); err != nil {
		return fmt.Errorf("the token could not be shown, revoke %q: %w", f.name, err)
	}
	fmt.Fprintf(c.stderr, "Added %q to %s: it %s.\nThe token is not kept and cannot be shown again.\n", f.name, f.file, grantsOf(&record))
	return nil
}

// grantsOf says what a token lets its bearer do.
func grantsOf(r *auth.TokenRecord) string {
	may := "reads"
	if r.Write {
		may = "reads and writes"
	}
	projects, groups := "every project", "every enterprise project"
	if !slices.Contains(r.Projects, "*") {
		projects = "project " + strings.Join(r.Projects, ", ")
	}
	switch {
	case len(r.EnterpriseProjects) == 0:
		groups = "enterprise project " + engine.DefaultEnterpriseProject
	case !slices.Contains(r.EnterpriseProjects, "*"):
		groups = "enterprise project " + strings.Join(r.EnterpriseProjects, ", ")
	}
	until := ", without end"
	if !r.Expires.IsZero() {
		until = ", until " + r.Expires.Format(time.RFC3339)
	}
	return may + " " + projects + ", in it " + groups + until
}

func indexOfToken(records []auth.TokenRecord, name string) int {
	return slices.IndexFunc(records, func(r auth.TokenRecord) bool { return r.Name == name })
}

func (c *cli) tokenRevokeCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "revoke NAME --token-file FILE",
		Short:   "Take a token out of the file",
		Long:    "Take a token out of the file: its bearer is then unknown.",
		Example: "  portolan token revoke dashboard --token-file tokens.json",
		Args:    arguments(1, 1, "the name of the token"),
		RunE:    body(func(_ context.Context, args []string) error { return c.tokenRevoke(file, args[0]) }),
	}
	addTokenFile(cmd, &file)
	return cmd
}

func (c *cli) tokenRevoke(file, name string) error {
	err := auth.EditTokens(file, func(records []auth.TokenRecord) ([]auth.TokenRecord, error) {
		i := indexOfToken(records, name)
		if i < 0 {
			return nil, fmt.Errorf("%s has no token called %q", file, name)
		}
		return slices.Delete(records, i, i+1), nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "Revoked %q in %s.\n", name, file)
	return nil
}
