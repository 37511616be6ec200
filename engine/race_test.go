//go:build race

package engine_test

import "flag"

// The race detector makes everything an order of magnitude slower: models are checked with
// fewer histories there.
func init() {
	if err := flag.Set("rapid.checks", "15"); err != nil {
		panic(err)
	}
}
