// Peers asks other programs what Portolan is asked, with the same fleet, and times the
// answers: only after each of them has given the right ones.
//
//	go run . --hosts 100000
//	go run . --http            # the endpoint, with fasthttp beside the others
//
// Every peer is used as its documentation says is best; --help lists how. ClickHouse
// wants libchdb.so, which is in npm's package @chdb/lib-linux-x64-gnu.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"portolan/bench"
	"portolan/bench/picture"
	"portolan/engine/enginetest/fleet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var code int
	if len(os.Args) == 2 && os.Args[1] == clientWord {
		code = client(ctx, os.Stdin, os.Stdout)
	} else {
		code = start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	stop()
	os.Exit(code)
}

// start runs the program and returns its exit code: 1 where it failed, 2 where it was
// called wrongly.
func start(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := &config{progress: func(what string) { fmt.Fprintln(stderr, what) }}
	flags.IntVar(&c.hosts, "hosts", 100_000, "make up a fleet of this many `hosts`")
	profile := flags.String("profile", bench.DefaultProfile, "make up a fleet of this `kind`: "+strings.Join(bench.Profiles(), ", "))
	flags.Uint64Var(&c.seed, "seed", bench.DefaultSeed, "make up another fleet")
	flags.DurationVar(&c.figure, "for", 200*time.Millisecond, "time each question for this long at least")
	flags.DurationVar(&c.loading, "loading", 3*time.Minute, "leave a peer out that loads longer")
	only := flags.String("only", "", "run these `peers`, parted by semicolons")
	lib := flags.String("libchdb", "", "the `file` of libchdb.so; else $"+libVariable)
	pictures := flags.String("pictures", "", "draw a picture into this `folder`")
	http := flags.Bool("http", false, "compare the endpoint instead, with fasthttp among others")
	format := flags.String("o", "table", "write this `format`: table, json, benchfmt")
	list := contenders(*lib)
	usage := flags.Usage
	flags.Usage = func() {
		usage()
		fmt.Fprintln(stderr, "The peers:")
		for _, who := range list {
			fmt.Fprintf(stderr, "  %s: %s\n", who.name, who.how)
		}
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	list = contenders(*lib)
	var err error
	if list, err = choose(list, *only); err == nil {
		err = c.settle(*profile, *format)
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return 2
	}
	if *http {
		if err := c.compareHTTP(ctx, *profile, *format, stdout); err != nil {
			fmt.Fprintln(stderr, "peers:", err)
			return 1
		}
		return 0
	}
	report := &bench.Report{Machine: bench.ThisMachine(), Profile: *profile, Seed: c.seed}
	if err := c.measure(ctx, list, report, *pictures, *format, stdout); err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return 1
	}
	return 0
}

// choose returns the contenders that are named, all for no name.
func choose(list []contender, names string) ([]contender, error) {
	if names == "" {
		return list, nil
	}
	var chosen []contender
	for name := range strings.SplitSeq(names, ";") {
		i := slices.IndexFunc(list, func(c contender) bool { return c.name == strings.TrimSpace(name) })
		if i < 0 {
			var all []string
			for _, who := range list {
				all = append(all, who.name)
			}
			return nil, fmt.Errorf("--only has %q: want some of %s", name, strings.Join(all, "; "))
		}
		chosen = append(chosen, list[i])
	}
	return chosen, nil
}

// settle checks the flags and looks the fleet up.
func (c *config) settle(profile, format string) error {
	i := slices.IndexFunc(fleet.Workloads(), func(w fleet.Workload) bool { return w.Name == profile })
	switch {
	case i < 0:
		return fmt.Errorf("--profile is %q: want one of %s", profile, strings.Join(bench.Profiles(), ", "))
	case c.hosts < 1:
		return fmt.Errorf("--hosts is %d: want 1 or more", c.hosts)
	case c.figure <= 0 || c.loading <= 0:
		return errors.New("--for and --loading: want more than 0")
	case !slices.Contains([]string{"table", "json", "benchfmt"}, format):
		return fmt.Errorf("-o is %q: want table, json or benchfmt", format)
	}
	c.workload = fleet.Workloads()[i]
	return nil
}

// measure runs the contenders and writes what there is, also where it was interrupted.
func (c *config) measure(ctx context.Context, list []contender, report *bench.Report, pictures, format string, out io.Writer) error {
	if pictures != "" {
		if err := picture.Check(pictures); err != nil {
			return fmt.Errorf("--pictures: %w", err)
		}
	}
	err := c.run(ctx, list, report)
	report.Cut = err != nil && ctx.Err() != nil
	if len(report.Results) == 0 {
		return err
	}
	if pictures != "" {
		title := fmt.Sprintf("%d hosts, %d open ports, %d processors: the median of one question", c.hosts, c.tally(c.hosts).Observations(), runtime.GOMAXPROCS(0))
		_, failed := picture.SaveComparison(pictures, "peers", comparison(report, title))
		err = errors.Join(err, failed)
	}
	return errors.Join(err, write(report, format, out))
}

// compareHTTP runs the http suite and writes what there is.
func (c *config) compareHTTP(ctx context.Context, profile, format string, out io.Writer) error {
	report, err := c.endpoint(ctx, profile)
	if report == nil || len(report.Results) == 0 {
		return err
	}
	return errors.Join(err, write(report, format, out))
}

// write writes the report in a format.
func write(report *bench.Report, format string, out io.Writer) error {
	switch format {
	case "json":
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	case "benchfmt":
		return report.WriteBenchfmt(out)
	default:
		return report.WriteTable(out)
	}
}
