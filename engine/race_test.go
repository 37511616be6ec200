//go:build race

package engine_test

// racing says that this is the race detector's run.
const racing = true
