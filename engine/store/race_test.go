//go:build race

package store

// racing says that Pebble checks itself at every step, as it does under the race detector.
const racing = true
