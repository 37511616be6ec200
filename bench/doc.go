// Package bench measures what this program costs, on the machine that it runs
// on and beside something that does less.
//
// # Basics
//
// A measurement is a config and a function that runs it: [HTTPConfig] and
// [HTTP]. A result prints itself in the format of Go benchmarks, so that
// benchstat reads it, with the machine it was made on and the [Target]s that it
// is held against.
//
// # Caveats
//
// [HTTP] loads its server from the same process over loopback, so what it calls
// a request is paid by both ends: a share of every figure, the same on both
// sides, is the client and the kernel. It sends one request over and over, so
// what a server may remember of a question it has remembered.
package bench
