//go:build race

package scanfile_test

// racing says that this is the race detector's run.
const racing = true
