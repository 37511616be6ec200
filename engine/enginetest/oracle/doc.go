// Package oracle says what an engine must answer: [Reference] as a slow and obvious engine,
// [Tally] as counts of a fleet whose assets are each reported once. It links no testing
// library, so that a benchmark may hold its answers against it.
//
// # Caveats
//
// A Reference copies every key of every report into a map: it is meant for up
// to some hundred thousand assets.
package oracle
