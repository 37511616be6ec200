package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitPartly = 3
	// As shells have them for the signals.
	exitInterrupted = 130
	exitTerminated  = 143
)

// environment is the variables that the program was started with.
type environment struct {
	get func(name string) string
	all func() []string // each as NAME=VALUE
}

// cli is one run of the program: where its words come from and where they go.
type cli struct {
	getenv         func(string) string
	environ        func() []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run runs one command and returns the program's exit code.
func run(ctx context.Context, args []string, vars environment, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &cli{getenv: vars.get, environ: vars.all, stdin: stdin, stdout: stdout, stderr: stderr}
	root := c.root()
	if len(args) == 0 {
		root.SetOut(stderr)
		_ = root.Help() // It writes to stderr; there is nowhere else to complain.
		return exitUsage
	}
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return c.exit(cmd, err)
}

// root returns the command that holds all others.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "portolan",
		Short: "How many servers have each port open",
		Long: `Portolan counts how many servers have each port open: exactly, for any filter.

It reads what scanners and agents found (nmap, masscan, naabu, NDJSON, …) and
answers from files (ports, hosts, host, assets) or as an HTTP server (serve), which the other
commands can fill and ask.

Every flag can be given as an environment variable, named in brackets beside it.
The command line goes first. PORTOLAN_TOKEN holds the server's token itself.

Exit codes: 0 fine, 1 failed, 2 wrong use, 3 some records were rejected and the
rest was applied (import), 130 interrupted, 143 terminated.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			c.warnOfMisspelt(cmd.Root())
			return applyEnv(cmd, args, c.getenv)
		},
	}
	root.Version = version(debug.ReadBuildInfo())
	root.SetVersionTemplate("portolan {{.Version}}\n")
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"ask", "Ask files or a server:", []*cobra.Command{c.portsCommand(), c.hostsCommand(), c.hostCommand(), c.assetsCommand(), c.groupsCommand(), c.labelsCommand(), c.coverageCommand(), c.togetherCommand(), c.findingsCommand(), c.diffCommand(), c.changesCommand(), c.watchCommand(), c.historyCommand(), c.exportCommand(), c.doctorCommand(), c.policyCommand()}},
		{"serve", "Serve, and fill a server:", []*cobra.Command{c.serveCommand(), c.importCommand(), c.removeCommand(), c.tokenCommand(), c.alertsCommand()}},
		{"keep", "Look after what a server keeps:", []*cobra.Command{c.verifyCommand(), c.backupCommand(), c.restoreCommand()}},
		{"", "", []*cobra.Command{c.convertCommand(), c.benchCommand(), c.benchClientCommand(), c.manCommand(), c.versionCommand()}},
	} {
		if group.id != "" {
			root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		}
		for _, cmd := range group.commands {
			cmd.GroupID = group.id
			describeEnv(cmd)
			root.AddCommand(cmd)
		}
	}
	helpByTopic(root)
	return root
}

// usageError is an error in how a command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// misuse returns a [usageError] with that text.
func misuse(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// failure is an error that came up in a command that was called well.
type failure struct{ error }

func (e failure) Unwrap() error { return e.error }

// reportedError is an error that stderr has been told of.
type reportedError struct{ error }

func (e reportedError) Unwrap() error { return e.error }

// partlyError is the error of an import of which a part was rejected, as stderr was told.
type partlyError struct{ error }

// remarkOn shows what a load that failed had read, behind why it failed.
func (c *cli) remarkOn(err error) {
	if e, ok := errors.AsType[summedError](err); ok {
		c.remark(e.sum)
	}
}

// body is a command's work. Its errors are failures unless they say otherwise;
// the errors of cobra itself, which come before it, are all about wrong use.
func body(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd.Context(), args)
		var use usageError
		if err == nil || errors.As(err, &use) {
			return err
		}
		return failure{err}
	}
}

// exit says what went wrong, if anything, and returns the exit code for it.
func (c *cli) exit(cmd *cobra.Command, err error) int {
	var failed failure
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		code, what := exitInterrupted, "interrupted"
		if errors.Is(context.Cause(cmd.Context()), errTerminated) {
			code, what = exitTerminated, "terminated"
		}
		if !errors.As(err, new(reportedError)) {
			c.complain(what)
			c.remarkOn(err)
		}
		return code
	case errors.As(err, new(reportedError)):
		return exitFailed
	case errors.As(err, new(partlyError)):
		return exitPartly
	case errors.As(err, new(differsError)):
		return exitDiffers
	case errors.As(err, &failed):
		c.complain(err.Error())
		c.remarkOn(err)
		return exitFailed
	}
	c.complain(err.Error())
	fmt.Fprintf(c.stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	return exitUsage
}

// complain writes one message to stderr; further lines of it are indented.
func (c *cli) complain(text string) {
	start := "portolan: "
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintln(c.stderr, start+printable(line))
			start = "  "
		}
	}
}
