// Package bench measures what this program costs, on the machine that it runs on and
// beside programs that do less.
//
// # Basics
//
// [Run] takes a [Config] and returns a [Report]: a list of results, each a few figures
// with units. It makes up a fleet (package fleet), holds the answers about it against
// the reference engine (package enginetest), and only then times them. The suites are
//
//   - memory: the live heap by part, and the peak while loading;
//   - library: questions put to an engine, at rest and beside writers;
//   - http: the endpoint beside handlers of net/http that write the same answer from
//     memory, and nginx with the answer as a file;
//   - load: reports applied from memory and from text.
//
// A report prints itself for people, as JSON (report.schema.json) and in the format of
// Go benchmarks, which benchstat reads.
//
// # How time is taken
//
// A query is timed from the end of the one before it: one look at the clock each, some
// 25 ns with what keeps the figure, measured first and subtracted. Latencies go into a
// histogram that is right to three digits.
//
// Servers run in this process, one at a time under load, and their client in a process
// of its own ([Client]), so that CPU time can be told apart. Two servers are compared in
// turns, and the ratio is the median of the turns' ratios: what slows the machine down
// does so for both. In an open loop latencies count from when a request was due, so
// that a server that stands still does not hide how many would have waited.
//
// # Caveats
//
// A result that may mislead has marks: too few samples for its percentiles, a client
// that is busier than the server, turns that differ by more than 20 %.
//
// Client and servers share a machine: the throughput of a closed loop is what both ends
// leave each other.
//
// nginx writes a header of its own, without our ids.
package bench
