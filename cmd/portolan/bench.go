package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"portolan/bench"
	"portolan/engine"
)

// asText is a format for people that benchstat reads, too.
const asText = "text"

func (c *cli) benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what the program costs on this machine",
		Args:  arguments(0, 0, ""),
	}
	http := c.benchHTTPCommand()
	describeEnv(http)
	cmd.AddCommand(http)
	return cmd
}

// benchHTTPFlags are the flags of the bench http command.
type benchHTTPFlags struct {
	hosts, rounds, connections *number
	duration                   time.Duration
	output                     *choice
}

func (c *cli) benchHTTPCommand() *cobra.Command {
	f := &benchHTTPFlags{
		hosts:       &number{value: 100_000, min: 1, what: "number"},
		rounds:      &number{value: bench.DefaultRounds, min: 1, what: "number"},
		connections: newCount(0),
		output:      newOutput(asText, asJSON),
	}
	cmd := &cobra.Command{
		Use:   "http",
		Short: "Compare the server with a bare handler of net/http",
		Long: `Compare the server with a bare handler of net/http that writes the same answer from
memory: throughput, latency and allocations of both, in turns, on loopback.

The server is the one of serve, with all that is on by default, and answers a page
of ten rows of a made-up fleet. Lines are in the format of Go benchmarks, one per
round and side, which benchstat reads; a summary with the targets follows. A
target that is missed is no error.`,
		Example: `  portolan bench http
  portolan bench http --hosts 1000000 --rounds 9 --duration 5s
  portolan bench http > new.txt && benchstat -row .name -col .fullname new.txt`,
		Args: arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error { return c.benchHTTP(ctx, f) }),
	}
	flags := cmd.Flags()
	flags.Var(f.hosts, "hosts", "make up a fleet of this many hosts")
	flags.Var(f.rounds, "rounds", "measure both this many times; medians are shown")
	flags.DurationVar(&f.duration, "duration", bench.DefaultDuration, "measure each for this `TIME` in a round")
	flags.Var(f.connections, "connections", fmt.Sprintf("open this many to each; 0 is %d per processor", bench.DefaultConnections))
	f.output.addTo(cmd, "output", "o", "write the result in this format")
	return cmd
}

// benchHTTP makes up a fleet, measures and prints.
func (c *cli) benchHTTP(ctx context.Context, f *benchHTTPFlags) error {
	if f.duration <= 0 {
		return misuse("--duration is %s: want more than 0", f.duration)
	}
	e, err := engine.Open(nil)
	if err != nil {
		return err
	}
	if err := fillDemo(ctx, e, localProject, int(f.hosts.value)); err != nil {
		return err
	}
	result, err := bench.HTTP(ctx, &bench.HTTPConfig{
		Engine: e, Project: localProject, Rounds: int(f.rounds.value), Duration: f.duration, Connections: int(f.connections.value),
	})
	runtime.KeepAlive(e) // both sides are measured beside the same heap
	if err != nil {
		return err
	}
	if f.output.value == asJSON {
		out := json.NewEncoder(c.stdout)
		out.SetIndent("", "  ")
		return out.Encode(result)
	}
	return result.WriteText(c.stdout)
}
