package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"portolan/bench"
	"portolan/bench/picture"
)

// asBenchfmt is the format of Go benchmarks, which benchstat reads.
const asBenchfmt = "benchfmt"

// benchAll is the suite of the bench command that is none of the harness.
const benchAll = "all"

// benchFlags are the flags of the bench command.
type benchFlags struct {
	hosts, seed *number
	profile     *choice
	figure      time.Duration
	pictures    string
	dir         string
	output      *choice
	strict      bool
}

func (c *cli) benchCommand() *cobra.Command {
	f := &benchFlags{
		hosts:   &number{value: bench.DefaultHosts, min: 1, max: 1 << 31, what: "number"},
		seed:    &number{value: bench.DefaultSeed, min: 1, what: "number"},
		profile: &choice{value: bench.DefaultProfile, words: bench.Profiles()},
		output:  newOutput(asTable, asJSON, asBenchfmt),
	}
	suites := &choice{words: append(suiteNames(), benchAll)}
	cmd := &cobra.Command{
		Use:   "bench [" + suites.Type() + "]",
		Short: "Measure what the program costs on this machine",
		Long: `Measure what the program costs on this machine, with fleets that are made up.

  memory    the live heap by part, and the peak while loading
  library   questions put to the engine: at rest, beside a writer at full rate and
            beside 1000 reports a second
  facets    other orders, and sets of assets of many sizes, as if asked for the first time
            and again
  http      the endpoint beside handlers of net/http that write the same answer from
            memory, and nginx with the answer as a file: without end, in turns, and at
            fixed rates
  load      reports from memory in calls of 1, 1000 and 200000, reported again, and read
            from text
  store     what is kept in a directory: reports in calls of 1000 and of 1, each synced,
            beside a bare database, and a restart
  all       all of these, and the same with fleets of 10000 and every power of ten below
            --hosts; the default

Answers are verified against a reference engine before they are timed. Figures that
may mislead (few samples, a busy client, a noisy machine) are marked with an
exclamation mark and the reason; with --strict they make the exit code 1.`,
		Example: `  portolan bench library
  portolan bench --hosts 1000000 --profile internet
  portolan bench http -o benchfmt > new.txt && benchstat old.txt new.txt`,
		Args:      arguments(0, 1, ""),
		ValidArgs: suites.words,
		RunE: body(func(ctx context.Context, args []string) error {
			suites.value = benchAll
			if len(args) > 0 {
				if err := suites.Set(args[0]); err != nil {
					return misuse("suite %q: %w", args[0], err)
				}
			}
			return c.bench(ctx, suites.value, f)
		}),
	}
	flags := cmd.Flags()
	flags.Var(f.hosts, "hosts", "make up a fleet of this many hosts")
	f.profile.addTo(cmd, "profile", "", "make up a fleet of this kind")
	flags.Var(f.seed, "seed", "make up another fleet")
	flags.DurationVar(&f.figure, "for", 0, "measure each figure for this `TIME` at least; 0 is 50ms to 500ms, by the number of hosts")
	flags.StringVar(&f.pictures, "pictures", "", "draw pictures, as SVG and PNG, into this `FOLDER`")
	flags.StringVar(&f.dir, "dir", "", "let the store suite write into this `FOLDER`, on the disk to be measured; the system's for temporary files by default")
	f.output.addTo(cmd, "output", "o", "write the report in this format")
	flags.BoolVar(&f.strict, "strict", false, "exit with 1 if a figure is marked")
	return cmd
}

func suiteNames() []string {
	suites := bench.Suites()
	names := make([]string, len(suites), len(suites)+1)
	for i, s := range suites {
		names[i] = string(s)
	}
	return names
}

// bench measures and prints, what there is if it is interrupted.
func (c *cli) bench(ctx context.Context, suite string, f *benchFlags) error {
	if f.figure < 0 {
		return misuse("--for is %s: want 0 or more", f.figure)
	}
	config := &bench.Config{
		Hosts: int(f.hosts.value), Profile: f.profile.value, Seed: uint64(f.seed.value), For: f.figure, Growth: suite == benchAll, Dir: f.dir,
	}
	switch suite {
	case benchAll:
	default:
		config.Suites = []bench.Suite{bench.Suite(suite)}
	}
	if f.pictures != "" {
		if err := picture.Check(f.pictures); err != nil { // before an hour of work
			return fmt.Errorf("--pictures: %w", err)
		}
	}
	if self, err := os.Executable(); err == nil {
		config.Client = []string{self, benchClientName}
	}
	if isTerminal(c.stderr) {
		config.Progress = func(what string) { fmt.Fprintf(c.stderr, "\r\x1b[K%s", what) }
		defer func() { fmt.Fprint(c.stderr, "\r\x1b[K") }()
	}
	report, err := bench.Run(ctx, config)
	if err != nil && len(report.Results) == 0 {
		return err
	}
	if failed := writeReport(c.stdout, report, f.output.value); failed != nil {
		return failed
	}
	if f.pictures != "" {
		if _, failed := picture.Save(f.pictures, report); failed != nil {
			return errors.Join(err, fmt.Errorf("--pictures: %w", failed))
		}
	}
	if marked := len(report.Marked()); err == nil && f.strict && marked > 0 {
		return fmt.Errorf("%d of %d results are marked", marked, len(report.Results))
	}
	return err
}

func writeReport(w io.Writer, r *bench.Report, format string) error {
	switch format {
	case asJSON:
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(r)
	case asBenchfmt:
		return r.WriteBenchfmt(w)
	default:
		return r.WriteTable(w)
	}
}

// benchClientName is the command that the bench command runs as the client.
const benchClientName = "bench-client"

func (c *cli) benchClientCommand() *cobra.Command {
	return &cobra.Command{
		Use:    benchClientName,
		Short:  "Load a server as the bench command says on standard input",
		Hidden: true,
		Args:   arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error {
			return bench.Client(ctx, c.stdin, c.stdout)
		}),
	}
}
