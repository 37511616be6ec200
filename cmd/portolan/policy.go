package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/policyfile"
)

// policyFlag is the value of a flag that takes a policy: the name of one that is built in, or a file.
type policyFlag struct {
	name   string
	policy *engine.Policy // nil: not given
}

func (p *policyFlag) String() string { return p.name }

func (p *policyFlag) Type() string { return strings.Join(engine.BuiltinPolicies(), "|") + "|FILE" }

func (p *policyFlag) Set(text string) error {
	policy, err := policyfile.Open(text)
	if err == nil {
		p.name, p.policy = text, policy
	}
	return err
}

func (p *policyFlag) addTo(cmd *cobra.Command) {
	cmd.Flags().Var(p, "policy", "take the statuses of ports from this policy (default "+engine.Exposed+"); see portolan policy --help")
	_ = cmd.RegisterFlagCompletionFunc("policy", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return engine.BuiltinPolicies(), cobra.ShellCompDirectiveDefault
	})
}

// policySource reads a policy anew into an engine when its file changes.
type policySource struct {
	path   string
	engine *engine.Engine
}

// Paths implements [reload.File].
func (p *policySource) Paths() []string { return []string{p.path} }

// Reload implements [reload.File]: a file that is wrong changes nothing.
func (p *policySource) Reload() error {
	policy, err := policyfile.Open(p.path)
	if err != nil {
		return fmt.Errorf("policy: %w; the one in use stays", err)
	}
	return p.engine.SetPolicy(policy)
}

// source returns what is read again, nil if the policy is built in.
func (p *policyFlag) source(e *engine.Engine) *policySource {
	if p.policy == nil || slices.Contains(engine.BuiltinPolicies(), p.name) {
		return nil
	}
	return &policySource{p.name, e}
}

func (c *cli) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check and show policies, which give ports their status",
		Long: `Check and show policies, which give open ports their status: danger, normal or
unknown. exposed, the default, has danger for what nobody should reach from elsewhere:
remote control, databases, orchestration, file sharing, amplifiers, backdoors. cloud has
only what the cloud's own service calls dangerous. A file goes on from one of them:

  extends: exposed          # the default; or cloud, or none
  rules:                    # the last one about a port of an asset counts
    - name: jump hosts      # name and reason are for people
      ports: ssh,rdp        # as in --ports
      where: label(role) = "jump"   # as in --where, without ages; all when left out
      projects: [shop]      # all when left out
      status: normal
      reason: this is what they are for
  expected:                 # what else is open on such assets is unexpected
    - name: web servers
      where: name ~ "web-*"
      ports: http,https     # of each number one port is to be open
      allowed: ssh          # may be open, too

Where the assets that have a port open do not agree on its status, the row of the port
has danger before unknown before normal.`,
		Args: arguments(0, 0, ""),
	}
	cmd.AddCommand(c.policyCheckCommand(), c.policyShowCommand())
	return cmd
}

func (c *cli) policyCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE…",
		Short:   "Say what is wrong with policy files",
		Long:    `Say what is wrong with policy files, by line and rule, and end with 1 if anything is.`,
		Example: `  portolan policy check policy.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			return arguments(1, max(len(args), 1), "the FILE to check")(nil, args)
		},
		RunE: body(func(_ context.Context, args []string) error { return c.checkPolicies(args) }),
	}
}

func (c *cli) policyShowCommand() *cobra.Command {
	f := &struct{ output, color *choice }{newOutput(asTable, asJSON, asNDJSON, asCSV), newColor()}
	cmd := &cobra.Command{
		Use:     "show [POLICY]",
		Short:   "List the rules of a policy",
		Long:    `List the rules of a policy, built in by name or in a file, the last one first: it counts.`,
		Example: "  portolan policy show\n  portolan policy show policy.yaml -o csv",
		Args:    arguments(0, 1, ""),
		RunE: body(func(_ context.Context, args []string) error {
			name := engine.Exposed
			if len(args) > 0 {
				name = args[0]
			}
			policy, err := policyfile.Open(name)
			if err != nil {
				return err
			}
			return writeRows(c.stdout, f.output.value, ruleColumns, ruleRows(policy), c.look(f.color.value))
		}),
	}
	f.output.addTo(cmd, "output", "o", "write the rows in this format")
	f.color.addTo(cmd, "color", "", "colour the status in tables; auto does on a terminal, unless NO_COLOR is set")
	return cmd
}

func (c *cli) checkPolicies(files []string) error {
	var failed error
	for _, name := range files {
		if _, err := os.Stat(name); err != nil {
			return err
		}
		policy, err := policyfile.Open(name)
		if err != nil {
			c.complain(err.Error())
			failed = reportedError{err}
			continue
		}
		fmt.Fprintf(c.stdout, "%s: fine, %d rules with those that it goes on from\n", printable(name), len(policy.Rules()))
	}
	return failed
}

// ruleRow is a rule of a policy.
type ruleRow struct {
	Status   string   `json:"status"`
	Ports    string   `json:"ports"`
	Where    string   `json:"where,omitempty"`
	Projects []string `json:"projects,omitempty"`
	Name     string   `json:"name,omitempty"`
	Reason   string   `json:"reason,omitempty"`
}

var ruleColumns = []string{"status", "ports", "where", "projects", "name", "reason"}

func (r ruleRow) cells() []string {
	return []string{r.Status, r.Ports, r.Where, strings.Join(r.Projects, ","), r.Name, r.Reason}
}

func ruleRows(p *engine.Policy) []ruleRow {
	var rows []ruleRow
	for _, r := range slices.Backward(p.Rules()) {
		rows = append(rows, ruleRow{r.Status.String(), r.KeysText, r.WhereText, r.Projects, r.Name, r.Reason})
	}
	for _, x := range p.Expected() {
		for _, part := range [][2]string{{"expected", x.KeysText}, {"allowed", x.AllowedText}} {
			if part[1] != "" {
				rows = append(rows, ruleRow{part[0], part[1], x.WhereText, x.Projects, x.Name, ""})
			}
		}
	}
	return rows
}
